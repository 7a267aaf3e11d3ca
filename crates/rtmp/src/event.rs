//! What a session tells its caller.

use crate::{AudioCodec, VideoCodec};
use bytes::Bytes;
use std::fmt;

/// Text that may contain a stream key: silent in `Debug`, no `Display`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself; never log it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// Something the caller has to know or decide.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// `connect` was understood. Answered by itself, unless refused before the next output is taken.
    Connected(ConnectInfo),
    /// `publish` came and waits for [`Session::accept_publish`](crate::Session::accept_publish)
    /// or [`Session::refuse_publish`](crate::Session::refuse_publish). What the peer sends
    /// meanwhile is held unread.
    PublishRequested(PublishRequest),
    /// The first coded audio or video after the publish was accepted: no metadata, no sequence
    /// header, no empty message. Facts from sequence headers are known by now.
    MediaStarted,
    /// A media message, if wanted.
    Media(Media),
    /// The encoder ended its stream by FCUnpublish, deleteStream or closeStream. Comes once.
    Unpublished,
}

/// What a peer tells of itself in `connect`.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectInfo {
    /// The application: everything after the host in the encoder's server field.
    pub app: Secret,
    /// The URL the encoder connects to; empty when it sent none.
    pub tc_url: Secret,
    /// `flashVer`: the encoder as it names itself, at most 128 printable characters.
    pub encoder: String,
    /// What it understands of Enhanced RTMP.
    pub capabilities: Capabilities,
}

/// Enhanced RTMP abilities announced in `connect`; all empty for older encoders, and for some
/// that use Enhanced RTMP all the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// `fourCcList`: FourCC codes, or "*"; at most 32, others dropped.
    pub four_cc_list: Vec<String>,
    /// `videoFourCcInfoMap`: FourCC to flags (1 decode, 2 encode, 4 forward).
    pub video_four_cc_info: Vec<(String, u32)>,
    /// `audioFourCcInfoMap`, likewise.
    pub audio_four_cc_info: Vec<(String, u32)>,
    /// `capsEx`: 1 reconnect, 2 multitrack, 4 ModEx, 8 nanosecond offsets.
    pub caps_ex: u32,
}

impl Capabilities {
    /// Whether the peer obeys a reconnect request.
    pub fn reconnect(&self) -> bool {
        self.caps_ex & 1 != 0
    }
}

/// A request to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishRequest {
    /// The name as sent, with `?query` and blanks; empty when the encoder sent none.
    pub publish_name: Secret,
    /// The message stream it is to be published on.
    pub stream_id: u32,
}

/// Kind of a media message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// Audio.
    Audio,
    /// Video.
    Video,
    /// Script data, such as `onMetaData`.
    Data,
}

/// Coding format of a media message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaCodec {
    /// Of an audio track.
    Audio(AudioCodec),
    /// Of a video track.
    Video(VideoCodec),
    /// AMF0 script data.
    Data,
}

/// One track's part of a media message; a message of several tracks gives several of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// Audio, video or data.
    pub kind: MediaKind,
    /// Coding format.
    pub codec: MediaCodec,
    /// Track id; 0 where the encoder knows no tracks.
    pub track: u8,
    /// Decoding time, milliseconds, continued across the wrap of the wire's 32 bits.
    pub timestamp: u64,
    /// Presentation minus decoding time, milliseconds.
    pub composition_offset_ms: i32,
    /// Nanoseconds to add to the presentation time (Enhanced RTMP v2), below 1,000,000.
    pub nanoseconds: u32,
    /// Whether a decoder may start here.
    pub keyframe: bool,
    /// Whether this is decoder configuration rather than a frame.
    pub sequence_header: bool,
    /// The whole message body as received: the body of an FLV tag.
    pub payload: Bytes,
    /// The codec's own bytes of this track: a slice of `payload` without tag and track headers.
    pub body: Bytes,
}
