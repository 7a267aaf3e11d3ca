//! The decisions of live ingest, without anything that acts on them.
//!
//! What a stream key is, who may publish, what each conditional write on the live lock demands and
//! leaves, what the status of a channel is at a given moment, what a session record says, what is wrong
//! with a stream that flows.
//!
//! Invariants:
//! - Nothing here reads a clock, draws a random number or does I/O. `now` and random bytes are
//!   arguments, so that every decision can be replayed.
//! - A generation only grows; `(generation, sequence)` orders everything that is ever shown.
//! - A stream key has no `Display`, a silent `Debug`, and is not `Serialize`.
//!
//! Absent on purpose: serde shapes of messages (crate `contract`) and attribute names of items
//! (crate `store`).

pub mod attempt;
pub mod authorization;
pub mod channel;
pub mod diagnosis;
pub mod edge;
pub mod encoder;
pub mod event;
pub mod id;
pub mod lease;
pub mod limits;
pub mod live;
pub mod metrics;
mod moment;
pub mod refusal;
#[cfg(feature = "schema")]
mod schema;
pub mod session;
pub mod status;
pub mod stream_key;
pub mod timestamp;

pub use id::{AttemptId, ChannelId, ConnectionId, EdgeId, Owner, SessionId, UserId};
pub use limits::Limits;
pub use moment::Moment;
pub use refusal::Refusal;
pub use stream_key::{Fingerprint, FingerprintSecret, StreamKey, StreamKeyHash};
pub use timestamp::Timestamp;
