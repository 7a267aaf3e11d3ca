//! The ingest side of RTMP as a state machine without I/O.
//!
//! [`Session`] is one TCP connection of an encoder: bytes read from the socket go in, [`Event`]s
//! and bytes to be written come out. It knows no socket, no clock, no randomness and nothing of
//! who may publish where; its caller decides that.
//!
//! The way of a byte: `handshake`, then `chunk` (chunks to messages), then `session`, which answers
//! commands read by `amf0` through `reply`, and follows media whose headers `tag` reads and whose
//! parameter sets `codec` reads. What is known of a stream is [`StreamFacts`] and [`Counters`].
//!
//! `rml_rtmp` serializes what goes out, and plays the encoder in the tests; what comes in is read
//! here, since its readers can be made to panic or to take memory without bound by anybody who can
//! open a connection.
//!
//! ```
//! use rtmp::{Event, Limits, SERVER_RANDOM_BYTES, Session};
//!
//! let mut session = Session::new(Limits::default(), [7; SERVER_RANDOM_BYTES]);
//! let read_from_the_socket = [3; 1537];
//! session.receive(&read_from_the_socket)?;
//! while let Some(event) = session.poll_event() {
//!     if let Event::PublishRequested(_) = event {
//!         session.accept_publish();
//!     }
//! }
//! let to_be_written = session.take_output();
//! assert_eq!(to_be_written.len(), 1 + 1536 + 1536);
//! # Ok::<(), rtmp::Error>(())
//! ```
//!
//! What holds for any input: no panic, no recursion, memory and replies within [`Limits`], and the
//! same events however the bytes are split.
//!
//! Absent on purpose: playing, digest handshakes, encrypted RTMP variants (TLS is the caller's),
//! AMF3 values, shared objects, timeouts (the caller has the clock).

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::expect_used,
        clippy::panic,
        reason = "a test that meets the unexpected should stop there"
    )
)]

pub mod amf0;
mod bits;
mod chunk;
mod codec;
mod counters;
mod error;
mod event;
mod facts;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod handshake;
pub mod limits;
mod message;
pub mod reply;
mod session;
mod tag;

pub use counters::Counters;
pub use error::Error;
pub use event::{
    Capabilities, ConnectInfo, Event, Media, MediaCodec, MediaKind, PublishRequest, Secret,
};
pub use facts::{
    AudioCodec, AudioFacts, AudioTrack, Claims, StreamFacts, VideoCodec, VideoFacts, VideoTrack,
};
pub use handshake::SERVER_RANDOM_BYTES;
pub use limits::Limits;
pub use session::{Phase, Session};
