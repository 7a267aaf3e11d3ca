//! Every bound a connection is held to, with its unit and its reason.
//!
//! The whole crate reads its bounds from one [`Limits`] value, so that an operator can move one
//! and a test can shrink one. A bound that is reached ends the connection with an error naming it;
//! nothing is silently cut short.

/// Chunk streams one peer may use. Encoders use two to six; each costs about 200 bytes of state.
pub const CHUNK_STREAMS: usize = 16;

/// Largest chunk size a peer may announce, in bytes. Encoders announce up to 65,535 or the
/// server's own size; a larger one buys nothing and only delays interleaved messages.
pub const CHUNK_SIZE: u32 = 1024 * 1024;

/// Largest protocol control message, in bytes. The longest defined one has ten.
pub const CONTROL_MESSAGE_BYTES: u32 = 64;

/// Largest command or data message before a publish is accepted, in bytes. `connect` of the
/// talkative encoders has about one kilobyte.
pub const COMMAND_BYTES_BEFORE_PUBLISH: u32 = 16 * 1024;

/// Largest command or data message of an accepted publisher, in bytes: room for timed metadata.
pub const COMMAND_BYTES: u32 = 64 * 1024;

/// How deep AMF0 objects and arrays may nest. Real metadata nests three deep.
pub const AMF_DEPTH: usize = 16;

/// How many AMF0 values one message may hold. Each costs up to about 60 bytes while it is read.
pub const AMF_VALUES: usize = 512;

/// Largest audio message, in bytes: 4 s of stereo PCM at 48 kHz, far above any coded frame.
pub const AUDIO_MESSAGE_BYTES: u32 = 1024 * 1024;

/// Largest video message (and aggregate), in bytes: a 4K keyframe at 100 Mbit/s fits twice.
pub const VIDEO_MESSAGE_BYTES: u32 = 4 * 1024 * 1024;

/// Memory of all messages that have begun and not ended, in bytes: one full video and one full
/// audio message and room for the rest.
pub const PARTIAL_BYTES: usize = 6 * 1024 * 1024;

/// The same before a publish is accepted, in bytes: one full command and room for the rest. With
/// input held, replies and names it keeps an unknown peer under 64 KiB.
pub const PARTIAL_BYTES_BEFORE_PUBLISH: usize = 20 * 1024;

/// Longest app, tcUrl and publish name, each, in bytes. Signed keys with their query have a few
/// hundred.
pub const NAME_BYTES: usize = 2 * 1024;

/// Everything a peer may send before its publish is accepted, in bytes. Honest dialogues take
/// about 4 KiB.
pub const INPUT_BYTES_BEFORE_PUBLISH: u64 = 256 * 1024;

/// Bytes kept for a peer that goes on sending while its publish is being decided, in bytes. Most
/// encoders wait; one that does not at 6 Mbit/s fills this in 20 ms.
pub const HELD_INPUT_BYTES: usize = 16 * 1024;

/// `createStream` requests of one connection. Encoders send one.
pub const CREATED_STREAMS: u32 = 4;

/// Bytes of replies that may wait to be written. The handshake has 3 KiB, a whole dialogue 2 KiB.
pub const OUTPUT_BYTES: usize = 8 * 1024;

/// Events that may wait to be polled. Only wanted media comes in numbers: a read of 64 KiB of the
/// smallest honest audio frames gives fewer.
pub const QUEUED_EVENTS: usize = 8192;

/// Tracks of each kind whose facts are kept. Multitrack encoders send two to six renditions.
pub const TRACKS: usize = 8;

/// Largest sequence header that is kept for those who ask for media later, in bytes. Parameter
/// sets have 30 to 500.
pub const SEQUENCE_HEADER_BYTES: usize = 4 * 1024;

/// The bounds of one connection; [`Limits::default`] takes the constants of this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// See [`CHUNK_STREAMS`].
    pub chunk_streams: usize,
    /// See [`CHUNK_SIZE`]; bytes.
    pub chunk_size: u32,
    /// See [`CONTROL_MESSAGE_BYTES`].
    pub control_message_bytes: u32,
    /// See [`COMMAND_BYTES_BEFORE_PUBLISH`].
    pub command_bytes_before_publish: u32,
    /// See [`COMMAND_BYTES`].
    pub command_bytes: u32,
    /// See [`AMF_DEPTH`].
    pub amf_depth: usize,
    /// See [`AMF_VALUES`].
    pub amf_values: usize,
    /// See [`AUDIO_MESSAGE_BYTES`].
    pub audio_message_bytes: u32,
    /// See [`VIDEO_MESSAGE_BYTES`].
    pub video_message_bytes: u32,
    /// See [`PARTIAL_BYTES`].
    pub partial_bytes: usize,
    /// See [`PARTIAL_BYTES_BEFORE_PUBLISH`].
    pub partial_bytes_before_publish: usize,
    /// See [`NAME_BYTES`].
    pub name_bytes: usize,
    /// See [`INPUT_BYTES_BEFORE_PUBLISH`].
    pub input_bytes_before_publish: u64,
    /// See [`HELD_INPUT_BYTES`].
    pub held_input_bytes: usize,
    /// See [`CREATED_STREAMS`].
    pub created_streams: u32,
    /// See [`OUTPUT_BYTES`].
    pub output_bytes: usize,
    /// See [`QUEUED_EVENTS`].
    pub queued_events: usize,
    /// See [`TRACKS`].
    pub tracks: usize,
    /// See [`SEQUENCE_HEADER_BYTES`].
    pub sequence_header_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            chunk_streams: CHUNK_STREAMS,
            chunk_size: CHUNK_SIZE,
            control_message_bytes: CONTROL_MESSAGE_BYTES,
            command_bytes_before_publish: COMMAND_BYTES_BEFORE_PUBLISH,
            command_bytes: COMMAND_BYTES,
            amf_depth: AMF_DEPTH,
            amf_values: AMF_VALUES,
            audio_message_bytes: AUDIO_MESSAGE_BYTES,
            video_message_bytes: VIDEO_MESSAGE_BYTES,
            partial_bytes: PARTIAL_BYTES,
            partial_bytes_before_publish: PARTIAL_BYTES_BEFORE_PUBLISH,
            name_bytes: NAME_BYTES,
            input_bytes_before_publish: INPUT_BYTES_BEFORE_PUBLISH,
            held_input_bytes: HELD_INPUT_BYTES,
            created_streams: CREATED_STREAMS,
            output_bytes: OUTPUT_BYTES,
            queued_events: QUEUED_EVENTS,
            tracks: TRACKS,
            sequence_header_bytes: SEQUENCE_HEADER_BYTES,
        }
    }
}
