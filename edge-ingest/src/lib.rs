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
//! - Media is handed on while the lease is held and the lock is not given back, and not after:
//!   [`grant`] is asked before each batch.
//! - The lease is kept on a thread of its own ([`lease`]); when it is lost every publisher is dropped
//!   before the next epoch begins.
//!
//! Absent on purpose: what is done with media, which is whoever stands behind [`MediaSink`].

mod admin;
mod attempts;
mod clock;
mod connection;
mod control;
mod descriptors;
mod edge;
mod front_door;
mod grant;
mod lease;
mod link;
mod listener;
mod media_sink;
mod media_workers;
mod memory;
pub mod metrics;
pub mod options;
mod peers;
mod presence;
mod presented;
pub mod program;
mod proxy_protocol;
mod publisher;
mod registry;
mod sample;
mod seldom;
mod settings;
mod shared;
mod socket;
mod sweeper;
pub mod tls;
mod yielding;

pub use edge::{Edge, Error};
pub use front_door::Budgets;
pub use media_sink::MediaSink;
pub use memory::DEFAULT_BUDGET_BYTES;
pub use peers::FleetSecret;
pub use proxy_protocol::Proxies;
pub use settings::{
    DEFAULT_READ_TICK, MAX_READ_TICK, OnStoreOutage, PeerPort, SPARE_CONNECTIONS, Settings,
    Timeouts,
};
pub use shared::Services;
