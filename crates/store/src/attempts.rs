//! Refused attempts.

use domain::attempt::Attempt;
use domain::{ChannelId, Timestamp};

use crate::{Error, Page, Store};

/// Refusals of one kind from one address within a minute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedAttempt {
    /// Names the record.
    pub id: String,
    /// The refusal's stable code.
    pub reason: String,
    /// The refusal in plain words, as of the last one.
    pub detail: String,
    /// Who tried.
    pub ip_address: String,
    /// With what, the last time.
    pub encoder: Option<String>,
    /// When it was first tried.
    pub first_at: Timestamp,
    /// When it was last tried.
    pub last_at: Timestamp,
    /// How often; one more at times, where an answer of the store was lost.
    pub count: u64,
}

impl Store {
    /// Notes a refusal.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn record_attempt(&self, attempt: &Attempt) -> Result<(), Error> {
        let _ = attempt;
        crate::schema::unready_()
    }

    /// A channel's refused attempts, newest first.
    ///
    /// # Errors
    /// [`Error::InvalidCursor`], [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn attempts(
        &self,
        channel_id: &ChannelId,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Page<RefusedAttempt>, Error> {
        let _ = (channel_id, limit, cursor);
        crate::schema::unready_()
    }
}
