//! Plain integers that move with the media, read by a sampler about once a second.

/// Sums of one publish; they begin at zero when it is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Bodies of all audio, video and data messages, bytes.
    pub bytes_received: u64,
    /// Bodies of audio messages, bytes.
    pub audio_bytes: u64,
    /// Bodies of video messages, bytes.
    pub video_bytes: u64,
    /// Audio messages, sequence headers and silence included.
    pub audio_messages: u64,
    /// Video messages, sequence headers included.
    pub video_messages: u64,
    /// Data messages.
    pub data_messages: u64,
    /// Coded pictures of the main video track; no sequence headers, no other tracks.
    pub video_frames: u64,
    /// Coded audio messages of the main audio track; no sequence headers, no silence.
    pub audio_frames: u64,
    /// Coded pictures of the main video track a decoder may start at.
    pub keyframes: u64,
    /// Media time from the first picture to the last one, plus
    /// [`first_video_timestamp_ms`](Self::first_video_timestamp_ms): never goes back, continues
    /// across the wrap of the wire's 32 bits, and stands still over a jump.
    pub last_video_timestamp_ms: u64,
    /// Timestamp of the first coded picture, milliseconds.
    pub first_video_timestamp_ms: u64,
    /// The same for audio as [`last_video_timestamp_ms`](Self::last_video_timestamp_ms).
    pub last_audio_timestamp_ms: u64,
    /// Timestamp of the first coded audio message, milliseconds.
    pub first_audio_timestamp_ms: u64,
    /// How often a track's timestamps went back more than a second or ahead more than ten.
    pub timestamp_jumps: u64,
    /// How far the last audio timestamp is ahead of the last video timestamp, milliseconds;
    /// zero until both have come.
    pub audio_ahead_ms: i64,
    /// Messages whose header or AMF0 could not be read; they are counted and passed over.
    pub unreadable_messages: u64,
}
