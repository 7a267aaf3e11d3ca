//! The edge: takes RTMP from encoders, proves the stream key, holds the channel's lock and tells
//! the owner's dashboards what happens.
//!
//! How a publish goes: [`listener`] accepts; one task a connection ([`connection`]) feeds bytes to
//! the sans-IO `rtmp::Session`; when it asks to publish, one task a publish ([`publisher`])
//! authorizes, takes the lock, confirms, and from then on is the only writer of that lock. The
//! two speak over a small [`link`], so that no store call ever delays the reading of media and no
//! encoder ever delays the writing of status.
//!
//! Invariants:
//! - Nobody is told `NetStream.Publish.Start` before the lock is held and the key was confirmed by
//!   a strongly consistent read.
//! - A publisher's task outlives its connection: it is owned by the edge and awaited at the end.
//! - A presented key is never logged; [`presented::Presented`] shows a fingerprint.
//!
//! Absent on purpose: self-fencing, takeover of silent edges and the peers' questions, which
//! come with the two-level lease; media goes nowhere yet.

mod admin;
mod attempts;
mod clock;
mod connection;
mod control;
mod descriptors;
mod edge;
mod front_door;
mod heartbeat;
mod link;
mod listener;
mod media_workers;
mod memory;
pub mod metrics;
pub mod options;
mod presence;
mod presented;
mod proxy_protocol;
mod publisher;
mod registry;
mod sample;
mod seldom;
mod settings;
mod shared;
mod socket;
pub mod tls;

pub use edge::{Edge, Error};
pub use front_door::Budgets;
pub use memory::DEFAULT_BUDGET_BYTES;
pub use proxy_protocol::Proxies;
pub use settings::{DEFAULT_READ_TICK, MAX_READ_TICK, SPARE_CONNECTIONS, Settings, Timeouts};
pub use shared::Services;
