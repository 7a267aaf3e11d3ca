//! The session log.

use domain::session::Session;
use domain::{ChannelId, SessionId};

use crate::{Error, Page, Store};

impl Store {
    /// Writes a whole record. False where a later generation wrote it already.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn put_session(&self, session: &Session) -> Result<bool, Error> {
        let _ = session;
        crate::schema::unready_()
    }

    /// One record. Strongly consistent.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn session(
        &self,
        channel_id: &ChannelId,
        session_id: &SessionId,
    ) -> Result<Option<Session>, Error> {
        let _ = (channel_id, session_id);
        crate::schema::unready_()
    }

    /// A channel's records, newest first.
    ///
    /// # Errors
    /// [`Error::InvalidCursor`], [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn sessions(
        &self,
        channel_id: &ChannelId,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Page<Session>, Error> {
        let _ = (channel_id, limit, cursor);
        crate::schema::unready_()
    }
}
