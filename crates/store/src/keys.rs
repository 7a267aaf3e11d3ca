//! Stream keys.

use std::fmt;

use domain::channel::{Channel, Gate, Key};
use domain::{ChannelId, StreamKeyHash, Timestamp};

use crate::{Error, Store};

/// A key that is to become a channel's current one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// What it is looked up by.
    pub hash: StreamKeyHash,
    /// Shown in the masked view; no part of the key.
    pub public_id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The key itself, for its owner.
    pub encrypted: EncryptedKey,
}

/// A stream key, encrypted with the deployment's data key.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptedKey {
    /// The key's version; part of what the encryption authenticates.
    pub version: u64,
    /// Nonce, ciphertext and tag, as the keyring lays them out.
    pub ciphertext: Vec<u8>,
}

impl fmt::Debug for EncryptedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptedKey(version {})", self.version)
    }
}

/// How a reset treats what there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// Until when the old key may start publishes. None: it is dead now.
    pub overlap_until: Option<Timestamp>,
    /// The moment of the reset.
    pub now: Timestamp,
    /// Whether a running session is to be cut.
    pub disconnect_live: bool,
}

impl Store {
    /// What a key opens; None where it was never one of ours. A retired key is found too. Strongly
    /// consistent.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn key(&self, hash: &StreamKeyHash) -> Result<Option<Key>, Error> {
        let _ = hash;
        crate::schema::unready_()
    }

    /// A channel's gate. Strongly consistent.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn gate(&self, channel_id: &ChannelId) -> Result<Gate, Error> {
        let _ = channel_id;
        crate::schema::unready_()
    }

    /// Gives a channel its first key; returns the gate's new `auth_version`.
    ///
    /// # Errors
    /// [`Error::Conflict`] where it has one. [`Error::Unavailable`].
    pub async fn add_first_key(&self, seen: &Channel, new: &NewKey) -> Result<u64, Error> {
        let _ = (seen, new);
        crate::schema::unready_()
    }

    /// Gives a channel a new key in place of its current one; returns the gate's new
    /// `auth_version`.
    ///
    /// # Errors
    /// [`Error::Conflict`] where the key changed since `seen`, or where there is none.
    /// [`Error::Unavailable`].
    pub async fn reset_key(
        &self,
        seen: &Channel,
        new: &NewKey,
        reset: &Reset,
    ) -> Result<u64, Error> {
        let _ = (seen, new, reset);
        crate::schema::unready_()
    }

    /// The current key, encrypted; None before the first.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn encrypted_key(
        &self,
        channel_id: &ChannelId,
    ) -> Result<Option<EncryptedKey>, Error> {
        let _ = channel_id;
        crate::schema::unready_()
    }
}
