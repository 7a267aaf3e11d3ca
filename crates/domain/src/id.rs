//! Names of things: each kind has a type of its own, so that one cannot be taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Longest id accepted from outside, in bytes. Long enough for any identity provider's subject,
/// short enough to be part of an item's key.
pub const MAX_ID_BYTES: usize = 128;

/// The text is empty, too long, or has characters that no id of ours has.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a valid id")]
pub struct Invalid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Parses what came from outside.
            ///
            /// # Errors
            /// [`Invalid`] unless it is 1 to [`MAX_ID_BYTES`] visible ASCII characters without
            /// `/` and `#`, which separate the parts of an item's key.
            pub fn parse(text: impl Into<String>) -> Result<Self, Invalid> {
                let text = text.into();
                let fits = (1..=MAX_ID_BYTES).contains(&text.len());
                let plain = text.bytes().all(|b| b.is_ascii_graphic() && b != b'/' && b != b'#');
                if fits && plain { Ok(Self(text)) } else { Err(Invalid) }
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;

            fn try_from(text: String) -> Result<Self, Invalid> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// Who owns channels: the subject of the identity provider's token.
    UserId
}
id! {
    /// The durable thing an owner goes live on.
    ChannelId
}
id! {
    /// One life of an edge process. Random at each start and never reused.
    EdgeId
}
id! {
    /// One broadcast, from LIVE until OFFLINE. Sorts by the time it began.
    SessionId
}
id! {
    /// One TCP connection of an encoder.
    ConnectionId
}
id! {
    /// One try to take the lock. Random, so that a repeated write can be told from another's.
    AttemptId
}

impl ChannelId {
    /// What every channel's id begins with, and no stream key: a key in the place of an id is told
    /// from one before anything is looked up by it.
    pub const PREFIX: &str = "ch_";

    /// A new channel's id.
    #[must_use]
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(format!("{}{}", Self::PREFIX, hex(&random)))
    }
}

impl EdgeId {
    /// The id of an edge process that starts now.
    #[must_use]
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(format!("edge_{}", hex(&random)))
    }
}

impl ConnectionId {
    /// The id of a connection that was accepted now.
    #[must_use]
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(format!("conn_{}", hex(&random)))
    }
}

impl AttemptId {
    /// The id of an attempt that begins now.
    #[must_use]
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(hex(&random))
    }
}

impl SessionId {
    /// The id of a session that begins `now`.
    #[must_use]
    pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
        Self(time_ordered(now, random))
    }
}

/// An id that sorts by `now`: 12 hexadecimal digits of milliseconds, then 80 random bits.
#[must_use]
pub fn time_ordered(now: Timestamp, random: [u8; 10]) -> String {
    format!("{:012x}{}", now.millis(), hex(&random))
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Who holds a lock: one epoch of one edge process. The lock is good as long as that epoch is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Owner {
    /// The edge process.
    pub edge_id: EdgeId,
    /// Counts the lives of that process between self-fences, from 1.
    pub epoch: u64,
}

impl Owner {
    /// Parses `edgeId#epoch`.
    ///
    /// # Errors
    /// [`Invalid`] where it is not of that form.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (edge_id, epoch) = text.split_once('#').ok_or(Invalid)?;
        Ok(Self {
            edge_id: EdgeId::parse(edge_id)?,
            epoch: epoch.parse().map_err(|_| Invalid)?,
        })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.edge_id, self.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_sort_by_the_time_they_began() {
        let earlier = SessionId::new(Timestamp::from_millis(999), [255; 10]);
        let later = SessionId::new(Timestamp::from_millis(1_000), [0; 10]);
        assert!(earlier < later);
    }

    #[test]
    fn an_owner_survives_being_written_and_read() {
        let owner = Owner {
            edge_id: EdgeId::from_random([7; 16]),
            epoch: 3,
        };
        assert_eq!(Owner::parse(&owner.to_string()), Ok(owner));
        assert_eq!(Owner::parse("edge"), Err(Invalid));
        assert_eq!(Owner::parse("edge#x"), Err(Invalid));
    }

    #[test]
    fn an_id_from_outside_cannot_reach_into_another_items_key() {
        for text in ["", "a/b", "a#b", "a b", "ä", "a\n", &"x".repeat(129)] {
            assert_eq!(UserId::parse(text), Err(Invalid), "{text:?}");
        }
        assert!(UserId::parse("auth0|5f7c8ec7c33c6c004bbafe82").is_ok());
    }
}
