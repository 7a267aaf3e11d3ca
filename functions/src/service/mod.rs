//! What the functions do: load, decide in `domain`, write conditionally.
//!
//! Nothing here knows of HTTP or of Lambda events. `now` is an argument everywhere.

pub(crate) mod channel;
pub(crate) mod credential;
pub(crate) mod event;
pub(crate) mod fanout;
pub(crate) mod hold;
pub(crate) mod idempotency;
pub(crate) mod ingest;
mod limits;
pub(crate) mod reaper;
pub(crate) mod report;
pub(crate) mod session;
mod silence;
pub(crate) mod status;
pub(crate) mod ticket;
pub(crate) mod websocket;

use domain::channel::InvalidSetting;

use crate::keyring;

/// Why a call gives no answer, as far as the caller may read it. What only the operator may read
/// is inside, for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no such thing, or it is not the caller's.
    #[error("not found")]
    NotFound,
    /// A field is out of its bounds.
    #[error("{field} is out of its bounds")]
    InvalidValue { field: &'static str, detail: String },
    /// A query parameter cannot be read.
    #[error("{field} cannot be read")]
    MalformedRequest {
        field: &'static str,
        detail: &'static str,
    },
    /// There is a stream key already.
    #[error("the channel has a stream key")]
    StreamKeyExists,
    /// There is no stream key yet.
    #[error("the channel has no stream key")]
    NoStreamKey,
    /// Somebody changed the same thing.
    #[error("changed meanwhile")]
    Conflict,
    /// The user has as many channels as are allowed.
    #[error("too many channels")]
    TooManyChannels,
    /// It cannot be done while the channel is live.
    #[error("the channel is live")]
    ChannelIsLive,
    /// The stream key was reported as leaked and is dead.
    #[error("the stream key was retired")]
    StreamKeyRetired,
    /// A request with the same `Idempotency-Key` is being worked on.
    #[error("the request is being worked on")]
    RequestInFlight,
    /// The `Idempotency-Key` came with another request.
    #[error("the idempotency key was used before")]
    IdempotencyKeyReused,
    /// One address sent too many of these.
    #[error("too many requests")]
    TooManyRequests,
    /// The store is away.
    #[error("the store is away")]
    Unavailable(#[source] store::Error),
    /// What is kept cannot be read, or the store refuses us: a person should look.
    #[error("the store has a fault")]
    Store(#[source] store::Error),
    /// A sealed key does not open: a person should look.
    #[error("the keyring has a fault")]
    Keyring(#[from] keyring::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Conflict => Self::Conflict,
            store::Error::InvalidCursor => Self::MalformedRequest {
                field: "cursor",
                detail: "cursor must be one that this list gave",
            },
            store::Error::Unavailable(_) => Self::Unavailable(error),
            store::Error::Corrupt { .. } | store::Error::Refused(_) => Self::Store(error),
        }
    }
}

impl From<InvalidSetting> for Error {
    fn from(error: InvalidSetting) -> Self {
        let field = match error {
            InvalidSetting::Name => "name",
            InvalidSetting::Grace => "graceSeconds",
            InvalidSetting::KeyOverlap => "overlapSeconds",
            InvalidSetting::Hold => "holdSeconds",
            InvalidSetting::AllowedNetworks => "limits.allowedNetworks",
            InvalidSetting::MaximumBitrate => "limits.maximumBitrateKbps",
            InvalidSetting::MaximumResolution => "limits.maximumResolution",
        };
        Self::InvalidValue {
            field,
            detail: error.to_string(),
        }
    }
}
