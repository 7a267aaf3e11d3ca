//! Why a connection has to end.
//!
//! Every variant names the rule that was broken and at most a number from the wire. None carries
//! text the peer sent: app, tcUrl and publish name may all contain a stream key.

use crate::{amf0, reply};

/// The peer broke a rule or reached a bound; close the connection after writing what is pending.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first byte was not 3: another protocol, or an encrypted RTMP variant.
    #[error("not an RTMP handshake: version byte {0:#04x}")]
    Version(u8),
    /// More chunk streams than one connection may use.
    #[error("more than {limit} chunk streams")]
    ChunkStreams {
        /// Chunk streams allowed.
        limit: usize,
    },
    /// A compressed chunk header on a chunk stream that had no full one before.
    #[error("chunk header of type {0} without a preceding one")]
    HeaderWithoutPredecessor(u8),
    /// SetChunkSize outside the accepted range.
    #[error("chunk size {size} is outside 1..={limit}")]
    ChunkSize {
        /// Size announced by the peer, bytes.
        size: u32,
        /// Largest size accepted, bytes.
        limit: u32,
    },
    /// A declared message length above the bound for its type.
    #[error("message type {kind} of {length} bytes is longer than {limit}")]
    MessageLength {
        /// RTMP message type id.
        kind: u8,
        /// Declared length, bytes.
        length: u32,
        /// Largest length accepted, bytes.
        limit: u32,
    },
    /// Too much memory in messages that have begun and not ended.
    #[error("unfinished messages hold more than {limit} bytes")]
    PartialBytes {
        /// Bytes allowed together.
        limit: usize,
    },
    /// A protocol control message too short for its fields.
    #[error("control message type {0} is too short")]
    ControlMessage(u8),
    /// A command whose AMF0 cannot be read.
    #[error("command is not valid AMF0: {0}")]
    Amf0(#[from] amf0::Error),
    /// A command that does not begin with a name.
    #[error("command without a name")]
    CommandShape,
    /// An app, tcUrl or publish name longer than allowed.
    #[error("app, tcUrl or publish name longer than {limit} bytes")]
    NameLength {
        /// Bytes allowed for each.
        limit: usize,
    },
    /// A command that needs `connect` first.
    #[error("command before connect")]
    NotConnected,
    /// `connect` a second time.
    #[error("second connect")]
    SecondConnect,
    /// `publish` a second time while the first one is pending or live.
    #[error("second publish")]
    SecondPublish,
    /// A request to play: this side only takes streams in.
    #[error("play is not offered")]
    Play,
    /// More `createStream` or `publish` requests than allowed.
    #[error("more than {limit} streams created")]
    CreatedStreams {
        /// Streams allowed.
        limit: u32,
    },
    /// Audio or video before a publish was accepted.
    #[error("media before publish")]
    MediaBeforePublish,
    /// Too many bytes before a publish was accepted.
    #[error("more than {limit} bytes before publish")]
    InputBeforePublish {
        /// Bytes allowed.
        limit: u64,
    },
    /// The peer went on sending while its publish was being decided.
    #[error("more than {limit} bytes while the publish was pending")]
    HeldInput {
        /// Bytes held at most.
        limit: usize,
    },
    /// Replies are provoked faster than they are written.
    #[error("more than {limit} bytes of replies waiting")]
    Output {
        /// Bytes that may wait.
        limit: usize,
    },
    /// Events are produced faster than they are polled.
    #[error("more than {limit} events waiting")]
    QueuedEvents {
        /// Events that may wait.
        limit: usize,
    },
    /// A reply could not be encoded.
    #[error("reply: {0}")]
    Reply(#[from] reply::Error),
}
