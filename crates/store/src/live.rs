//! The live item.

use domain::live::{Item, Write};
use domain::{ChannelId, Owner};

use crate::{Error, Store};

/// What became of a conditional write on a live item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Written {
    /// It was made, now or by an attempt whose answer was lost. The item as it is now.
    Done(Item),
    /// Its condition failed. The item that was found; None where there is none.
    Rejected(Option<Item>),
}

impl Store {
    /// The channel's live item; None where it was never live. Strongly consistent.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn live(&self, channel_id: &ChannelId) -> Result<Option<Item>, Error> {
        let _ = channel_id;
        crate::schema::unready_()
    }

    /// Makes a conditional write: one UpdateItem.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: whether it was made is not known; repeat it. [`Error::Corrupt`].
    pub async fn write_live(&self, write: &Write) -> Result<Written, Error> {
        let _ = write;
        crate::schema::unready_()
    }

    /// The channels whose item names this owner, through an index that lags behind.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn held_by(&self, owner: &Owner) -> Result<Vec<ChannelId>, Error> {
        let _ = owner;
        crate::schema::unready_()
    }

    /// Every item that is not OFFLINE.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn unfinished(&self) -> Result<Vec<Item>, Error> {
        crate::schema::unready_()
    }

    /// Reads a live item from an image of the table's change stream, as a Lambda event has it
    /// (`{"pk": {"S": "..."}, ...}`).
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn live_image(image: &serde_json::Value) -> Result<Item, Error> {
        let _ = image;
        crate::schema::unready_()
    }
}
