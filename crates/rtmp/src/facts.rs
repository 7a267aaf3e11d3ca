//! What a stream is, as its bitstream says.
//!
//! Facts come from parameter sets, sequence headers and frame headers, never from `onMetaData`,
//! which the sender fills as it likes; what it claims is kept apart as [`Claims`].

use std::fmt;

/// A video coding format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VideoCodec {
    /// AVC, ITU-T H.264.
    H264,
    /// HEVC, ITU-T H.265.
    Hevc,
    /// AOMedia Video 1.
    Av1,
    /// VP9.
    Vp9,
    /// VP8.
    Vp8,
    /// VVC, ITU-T H.266.
    Vvc,
    /// Sorenson's variant of H.263 (FLV codec 2).
    Sorenson,
    /// On2 VP6, with or without alpha (FLV codecs 4 and 5).
    Vp6,
    /// Screen video, version 1 or 2 (FLV codecs 3 and 6).
    Screen,
    /// Anything else.
    Unknown,
}

impl VideoCodec {
    /// The lower-case name the field uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::Hevc => "hevc",
            Self::Av1 => "av1",
            Self::Vp9 => "vp9",
            Self::Vp8 => "vp8",
            Self::Vvc => "vvc",
            Self::Sorenson => "h263",
            Self::Vp6 => "vp6",
            Self::Screen => "screen",
            Self::Unknown => "unknown",
        }
    }

    pub(crate) fn from_four_cc(four_cc: [u8; 4]) -> Self {
        match &four_cc {
            b"avc1" => Self::H264,
            b"hvc1" => Self::Hevc,
            b"av01" => Self::Av1,
            b"vp09" => Self::Vp9,
            b"vp08" => Self::Vp8,
            b"vvc1" => Self::Vvc,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for VideoCodec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// An audio coding format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AudioCodec {
    /// Advanced Audio Coding.
    Aac,
    /// Opus.
    Opus,
    /// Free Lossless Audio Codec.
    Flac,
    /// Dolby Digital.
    Ac3,
    /// Dolby Digital Plus.
    Eac3,
    /// MPEG-1/2 layer III.
    Mp3,
    /// Speex.
    Speex,
    /// Uncompressed samples.
    Pcm,
    /// G.711 A-law.
    ALaw,
    /// G.711 mu-law.
    MuLaw,
    /// Flash's ADPCM.
    Adpcm,
    /// Nellymoser.
    Nellymoser,
    /// Anything else.
    Unknown,
}

impl AudioCodec {
    /// The lower-case name the field uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aac => "aac",
            Self::Opus => "opus",
            Self::Flac => "flac",
            Self::Ac3 => "ac3",
            Self::Eac3 => "eac3",
            Self::Mp3 => "mp3",
            Self::Speex => "speex",
            Self::Pcm => "pcm",
            Self::ALaw => "pcm_alaw",
            Self::MuLaw => "pcm_mulaw",
            Self::Adpcm => "adpcm",
            Self::Nellymoser => "nellymoser",
            Self::Unknown => "unknown",
        }
    }

    pub(crate) fn from_four_cc(four_cc: [u8; 4]) -> Self {
        match &four_cc {
            b"mp4a" => Self::Aac,
            b"Opus" => Self::Opus,
            b"fLaC" => Self::Flac,
            b"ac-3" => Self::Ac3,
            b"ec-3" => Self::Eac3,
            b".mp3" => Self::Mp3,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for AudioCodec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Everything known of a published stream. Cheap to read; one borrow, no lock.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StreamFacts {
    /// The main video track (track 0), once a video message came.
    pub video: Option<VideoFacts>,
    /// The main audio track (track 0), once an audio message came.
    pub audio: Option<AudioFacts>,
    /// The encoding software, as it names itself; at most 128 printable characters.
    pub encoder: Option<String>,
    /// The video tracks besides the main one, in the order they appeared (Enhanced RTMP v2).
    pub extra_video: Vec<VideoTrack>,
    /// The audio tracks besides the main one, in the order they appeared.
    pub extra_audio: Vec<AudioTrack>,
    /// What `onMetaData` claims; a hint that the sender controls.
    pub claims: Claims,
}

/// What is known of one video track.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoFacts {
    /// Coding format, from the tag header.
    pub codec: VideoCodec,
    /// Profile name, e.g. "High" or "Main 10".
    pub profile: Option<&'static str>,
    /// Level as written in its standard, e.g. "3.1".
    pub level: Option<String>,
    /// Width of the shown picture, pixels.
    pub width: Option<u32>,
    /// Height of the shown picture, pixels.
    pub height: Option<u32>,
    /// Pictures per second, where the bitstream tells; counting frames is the caller's way else.
    pub frame_rate: Option<f64>,
    /// Whether pictures came in another order than they are shown in.
    pub b_frames: bool,
    /// Time between the last two keyframes, milliseconds.
    pub keyframe_interval_ms: Option<u32>,
}

impl VideoFacts {
    pub(crate) fn new(codec: VideoCodec) -> Self {
        Self {
            codec,
            profile: None,
            level: None,
            width: None,
            height: None,
            frame_rate: None,
            b_frames: false,
            keyframe_interval_ms: None,
        }
    }
}

/// What is known of one audio track.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioFacts {
    /// Coding format, from the tag header.
    pub codec: AudioCodec,
    /// Profile name where the format has them, e.g. "LC".
    pub profile: Option<&'static str>,
    /// Samples per second after decoding.
    pub sample_rate: Option<u32>,
    /// Channels after decoding.
    pub channels: Option<u8>,
}

impl AudioFacts {
    pub(crate) fn new(codec: AudioCodec) -> Self {
        Self {
            codec,
            profile: None,
            sample_rate: None,
            channels: None,
        }
    }
}

/// A further video track.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoTrack {
    /// Track id, 1 to 255.
    pub id: u8,
    /// What is known of it.
    pub facts: VideoFacts,
}

/// A further audio track.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioTrack {
    /// Track id, 1 to 255.
    pub id: u8,
    /// What is known of it.
    pub facts: AudioFacts,
}

/// Numbers from the last `onMetaData`, as claimed. Only finite, non-negative ones are kept.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Claims {
    /// Pixels.
    pub width: Option<f64>,
    /// Pixels.
    pub height: Option<f64>,
    /// Pictures per second.
    pub frame_rate: Option<f64>,
    /// Kilobit per second.
    pub video_kbps: Option<f64>,
    /// Kilobit per second.
    pub audio_kbps: Option<f64>,
}
