//! Channels.

use domain::channel::Channel;
use domain::{ChannelId, UserId};

use crate::{Error, Page, Store};

impl Store {
    /// Makes a channel, with its gate and its place in the owner's list.
    ///
    /// # Errors
    /// [`Error::Conflict`] where there is one of this id. [`Error::Unavailable`].
    pub async fn create_channel(&self, channel: &Channel) -> Result<(), Error> {
        let _ = channel;
        crate::schema::unready_()
    }

    /// A channel. Strongly consistent.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn channel(&self, channel_id: &ChannelId) -> Result<Option<Channel>, Error> {
        let _ = channel_id;
        crate::schema::unready_()
    }

    /// A user's channels.
    ///
    /// # Errors
    /// [`Error::InvalidCursor`], [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn channels_of(
        &self,
        user_id: &UserId,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Page<Channel>, Error> {
        let _ = (user_id, limit, cursor);
        crate::schema::unready_()
    }

    /// Changes the owner's settings.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::Unavailable`].
    pub async fn update_channel(&self, seen: &Channel, new: &Channel) -> Result<(), Error> {
        let _ = (seen, new);
        crate::schema::unready_()
    }

    /// Removes a channel with its keys.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::Unavailable`].
    pub async fn delete_channel(&self, channel: &Channel) -> Result<(), Error> {
        let _ = channel;
        crate::schema::unready_()
    }
}
