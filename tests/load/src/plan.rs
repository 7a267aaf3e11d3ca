//! A file's media as bytes that are ready to be written, and when each piece is due.
//!
//! All connections share one [`Plan`]. Messages carry timestamp *differences* (chunk header type 1),
//! so that the bytes are the same for every connection, on every lap round the file and wherever it
//! began; only the [`Preamble`] at a publish's start, with the headers of each track and absolute
//! timestamps, is written for one connection. That makes a send one `write` of a slice.
//!
//! Absent on purpose: extended timestamps. A run is bounded ([`crate::options::MAX_SECONDS`]) below
//! the 4.6 hours where they begin.

use crate::flv::{Kind, Tag};

/// Chunk streams, as ffmpeg uses them.
const DATA_CHUNK_STREAM: u8 = 5;
const AUDIO_CHUNK_STREAM: u8 = 4;
const VIDEO_CHUNK_STREAM: u8 = 6;
/// What an encoder puts in front of `onMetaData`, as an AMF0 string.
const SET_DATA_FRAME: &[u8] = b"\x02\0\x0d@setDataFrame";
/// Longest loop, milliseconds: differences have 24 bits, and an hour is far more than is needed.
const LONGEST_LOOP: u32 = 3_600_000;

/// One media message of the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// When it is due, milliseconds since the loop's begin.
    pub at: u32,
    /// Where its bytes end; they begin where those of the message before end.
    pub end: usize,
    /// Bytes of the message without chunk headers.
    pub payload_bytes: usize,
    track: Track,
    keyframe: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Track {
    Audio,
    Video,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Plan {
    bytes: Vec<u8>,
    messages: Vec<Message>,
    loop_milliseconds: u32,
    headers: Vec<Tag>,
    /// Indices of the messages at which a publish may begin.
    begins: Vec<usize>,
    chunk_size: usize,
}

/// What a publish begins with; the media follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preamble {
    /// Index of the first message after it.
    pub begin: usize,
    /// Metadata and sequence headers.
    pub bytes: Vec<u8>,
}

/// Why a file cannot be looped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A track without one cannot be joined in the middle.
    #[error("a track has no sequence header (H.264 and AAC have one)")]
    NoSequenceHeader,
    /// Nothing to send, or nothing to begin with.
    #[error("the file has no media, or no keyframe")]
    NoMedia,
    /// See [`LONGEST_LOOP`].
    #[error("the file is longer than an hour, or its timestamps go back")]
    Timestamps,
}

impl Plan {
    /// Lays out a file's tags in chunks of `chunk_size` bytes.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn new(tags: Vec<Tag>, chunk_size: usize) -> Result<Self, Error> {
        let (headers, media): (Vec<Tag>, Vec<Tag>) = tags
            .into_iter()
            .filter(|tag| !is_end_of_sequence(tag))
            .partition(is_header);
        let first = media.iter().map(|tag| tag.timestamp).min();
        let first = first.ok_or(Error::NoMedia)?;
        let loop_milliseconds = loop_length(&media, first)?;
        let mut plan = Self {
            bytes: Vec::new(),
            messages: Vec::with_capacity(media.len()),
            loop_milliseconds,
            headers,
            begins: Vec::new(),
            chunk_size,
        };
        plan.lay_out(&media, first)?;
        plan.begins = plan.beginnings();
        if plan.begins.is_empty() {
            return Err(Error::NoMedia);
        }
        Ok(plan)
    }

    fn lay_out(&mut self, media: &[Tag], first: u32) -> Result<(), Error> {
        let mut before = [None, None];
        for track in [Track::Audio, Track::Video] {
            let of_track = || media.iter().filter(|tag| track_of(tag) == Some(track));
            let has_header = |tag: &Tag| track_of(tag) == Some(track);
            if of_track().next().is_some() && !self.headers.iter().any(has_header) {
                return Err(Error::NoSequenceHeader);
            }
            before[slot(track)] = of_track().next_back().map(|tag| tag.timestamp - first);
        }
        let mut begun = [false, false];
        for tag in media {
            let Some(track) = track_of(tag) else { continue };
            let at = tag.timestamp - first;
            let last = before[slot(track)].unwrap_or(at);
            // The first message of a track follows the last one of the lap before.
            let lap = if begun[slot(track)] {
                0
            } else {
                self.loop_milliseconds
            };
            let delta = (at + lap).checked_sub(last).ok_or(Error::Timestamps)?;
            begun[slot(track)] = true;
            before[slot(track)] = Some(at);
            self.push(track, at, delta, tag);
        }
        Ok(())
    }

    fn push(&mut self, track: Track, at: u32, delta: u32, tag: &Tag) {
        let header = Header {
            chunk_stream: chunk_stream(track),
            message_type: message_type(tag.kind),
            time: Time::Delta(delta),
        };
        write_message(&mut self.bytes, header, &[&tag.payload], self.chunk_size);
        self.messages.push(Message {
            at,
            end: self.bytes.len(),
            payload_bytes: tag.payload.len(),
            track,
            keyframe: is_keyframe(tag),
        });
    }

    /// Keyframes where there is video, otherwise any message.
    fn beginnings(&self) -> Vec<usize> {
        let video = self.messages.iter().any(|m| m.track == Track::Video);
        let may_begin = |message: &Message| !video || message.keyframe;
        let numbered = self.messages.iter().enumerate();
        numbered
            .filter(|(_, m)| may_begin(m))
            .map(|(i, _)| i)
            .collect()
    }

    /// The loop's messages in the order they are sent.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The loop's bytes; message `i` is `messages()[i - 1].end..messages()[i].end`.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Length of the loop, milliseconds.
    #[must_use]
    pub fn loop_milliseconds(&self) -> u32 {
        self.loop_milliseconds
    }

    /// Mean bit rate of the media, messages only, bit/s.
    #[must_use]
    pub fn bits_per_second(&self) -> u64 {
        let payload: usize = self.messages.iter().map(|m| m.payload_bytes).sum();
        u64::try_from(payload).unwrap_or(0) * 8 * 1000 / u64::from(self.loop_milliseconds)
    }

    /// Mean number of messages a second.
    #[must_use]
    pub fn messages_per_second(&self) -> f64 {
        let count = u32::try_from(self.messages.len()).unwrap_or(u32::MAX);
        f64::from(count) * 1000.0 / f64::from(self.loop_milliseconds)
    }

    /// Where message `index` begins in [`bytes`](Self::bytes).
    #[must_use]
    pub fn start_of(&self, index: usize) -> usize {
        match index.checked_sub(1) {
            Some(before) => self.messages[before].end,
            None => 0,
        }
    }

    /// What publish number `nth` begins with on message stream `stream_id`: connections take turns
    /// among the file's keyframes, so that they do not all send the same picture at once.
    #[must_use]
    pub fn preamble(&self, nth: usize, stream_id: u32) -> Preamble {
        let begin = self.begins[nth % self.begins.len()];
        let (audio, video) = (
            self.before_first(begin, Track::Audio),
            self.before_first(begin, Track::Video),
        );
        let origin = audio.into_iter().chain(video).min().unwrap_or(0);
        let timestamp = |tag: &Tag| match track_of(tag) {
            Some(Track::Audio) => audio.map_or(0, |at| at - origin),
            Some(Track::Video) => video.map_or(0, |at| at - origin),
            None => 0,
        };
        let mut bytes = Vec::new();
        for tag in &self.headers {
            let time = Time::Absolute {
                timestamp: u32::try_from(timestamp(tag)).unwrap_or(0),
                stream_id,
            };
            let header = Header {
                chunk_stream: track_of(tag).map_or(DATA_CHUNK_STREAM, chunk_stream),
                message_type: message_type(tag.kind),
                time,
            };
            let prefix = if tag.kind == Kind::Script {
                SET_DATA_FRAME
            } else {
                &[]
            };
            write_message(&mut bytes, header, &[prefix, &tag.payload], self.chunk_size);
        }
        Preamble { begin, bytes }
    }

    /// The moment, on the loop's clock, to which the difference of the track's first message from
    /// `begin` on is added.
    fn before_first(&self, begin: usize, track: Track) -> Option<i64> {
        let of_track = |message: &&Message| message.track == track;
        let length = i64::from(self.loop_milliseconds);
        let last_before = self.messages[..begin].iter().rev().find(of_track);
        let last = self.messages.iter().rev().find(of_track);
        match (last_before, last) {
            (Some(message), _) => Some(i64::from(message.at)),
            (None, Some(message)) => Some(i64::from(message.at) - length),
            (None, None) => None,
        }
    }
}

/// The video's length, so that its pictures keep their pace where the loop begins again; the longest
/// track's where there is no video, or where audio goes on for longer than that.
fn loop_length(media: &[Tag], first: u32) -> Result<u32, Error> {
    let mut lengths = [1, 1];
    let mut last = 0;
    for track in [Track::Audio, Track::Video] {
        let times = media.iter().filter(|tag| track_of(tag) == Some(track));
        let times: Vec<u32> = times.map(|tag| tag.timestamp).collect();
        let (Some(&begin), Some(&end)) = (times.first(), times.last()) else {
            continue;
        };
        let span = end.checked_sub(begin).ok_or(Error::Timestamps)?;
        let intervals = u32::try_from(times.len() - 1).unwrap_or(u32::MAX).max(1);
        let rounded = (span + intervals / 2) / intervals;
        lengths[slot(track)] = end - first + rounded.max(1);
        last = last.max(end - first);
    }
    let video = lengths[slot(Track::Video)];
    let longest = lengths[0].max(lengths[1]);
    let length = if video > last { video } else { longest };
    if length > LONGEST_LOOP {
        return Err(Error::Timestamps);
    }
    Ok(length)
}

fn slot(track: Track) -> usize {
    match track {
        Track::Audio => 0,
        Track::Video => 1,
    }
}

fn track_of(tag: &Tag) -> Option<Track> {
    match tag.kind {
        Kind::Audio => Some(Track::Audio),
        Kind::Video => Some(Track::Video),
        Kind::Script => None,
    }
}

fn chunk_stream(track: Track) -> u8 {
    match track {
        Track::Audio => AUDIO_CHUNK_STREAM,
        Track::Video => VIDEO_CHUNK_STREAM,
    }
}

fn message_type(kind: Kind) -> u8 {
    match kind {
        Kind::Audio => 8,
        Kind::Video => 9,
        Kind::Script => 18,
    }
}

/// Enhanced RTMP: the packet type in the first byte, if the tag's header is of that kind.
fn enhanced_packet_type(tag: &Tag) -> Option<u8> {
    let first = *tag.payload.first()?;
    let enhanced = match tag.kind {
        Kind::Video => first & 0x80 != 0,
        Kind::Audio => first >> 4 == 9,
        Kind::Script => false,
    };
    enhanced.then_some(first & 0x0f)
}

fn is_header(tag: &Tag) -> bool {
    if let Some(packet_type) = enhanced_packet_type(tag) {
        return packet_type == 0;
    }
    match (tag.kind, tag.payload.as_slice()) {
        (Kind::Script, _) => true,
        (Kind::Video, [first, 0, ..]) => first & 0x0f == 7,
        (Kind::Audio, [first, 0, ..]) => first >> 4 == 10,
        _ => false,
    }
}

/// Sent in the middle of a loop it would end the stream.
fn is_end_of_sequence(tag: &Tag) -> bool {
    match enhanced_packet_type(tag) {
        Some(packet_type) => packet_type == 2,
        None => {
            tag.kind == Kind::Video
                && matches!(tag.payload.as_slice(), [first, 2, ..] if first & 0x0f == 7)
        }
    }
}

fn is_keyframe(tag: &Tag) -> bool {
    tag.kind == Kind::Video
        && tag
            .payload
            .first()
            .is_some_and(|first| (first >> 4) & 0x07 == 1)
}

/// When a message is, as its header says it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Time {
    /// Header type 0.
    Absolute { timestamp: u32, stream_id: u32 },
    /// Header type 1: since the message before on this chunk stream.
    Delta(u32),
}

/// A message's header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) chunk_stream: u8,
    pub(crate) message_type: u8,
    pub(crate) time: Time,
}

/// Appends a message, whose payload is the `parts` one after the other, in chunks.
pub(crate) fn write_message(out: &mut Vec<u8>, header: Header, parts: &[&[u8]], chunk_size: usize) {
    let total: usize = parts.iter().map(|part| part.len()).sum();
    let (format, time) = match header.time {
        Time::Absolute { timestamp, .. } => (0x00, timestamp),
        Time::Delta(delta) => (0x40, delta),
    };
    out.push(format | header.chunk_stream);
    out.extend_from_slice(&time.to_be_bytes()[1..]);
    out.extend_from_slice(&u32::try_from(total).unwrap_or(u32::MAX).to_be_bytes()[1..]);
    out.push(header.message_type);
    if let Time::Absolute { stream_id, .. } = header.time {
        out.extend_from_slice(&stream_id.to_le_bytes());
    }
    let mut room = chunk_size;
    for byte_run in parts {
        let mut rest = *byte_run;
        while !rest.is_empty() {
            if room == 0 {
                out.push(0xc0 | header.chunk_stream);
                room = chunk_size;
            }
            let (now, later) = rest.split_at(room.min(rest.len()));
            out.extend_from_slice(now);
            room -= now.len();
            rest = later;
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
