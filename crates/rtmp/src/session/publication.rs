//! Follows the media of an accepted publish: counts it, reads facts from it, hands it out.
//!
//! Nothing here can fail: a message that cannot be read is counted as such and passed over, since
//! an encoder's oddity is no reason to take a stream off the air.
//!
//! When media is not wanted, a message is looked at by its first bytes only, and the reader keeps
//! no more; only sequence headers and messages of several tracks are assembled.

use super::connect::printable;
use super::dialogue::without_amf3_frame;
use super::timeline::{Step, Timeline};
use super::tracks::{Noted, Tracks};
use crate::amf0::{self, Value};
use crate::chunk::Body;
use crate::event::{Event, Media, MediaCodec, MediaKind};
use crate::facts::{Claims, StreamFacts};
use crate::tag::{CutOff, Packet, Purpose, Tag};
use crate::{Counters, Limits, message};
use bytes::Bytes;
use std::collections::VecDeque;

/// Tracks looked at in one message; ids have eight bits.
const TRACKS_PER_MESSAGE: usize = 256;

/// Whether a message must be assembled although nobody wants media.
pub(super) fn needs_whole(kind: u8, prefix: &[u8]) -> bool {
    match read_tag(kind, prefix) {
        Ok(tag) => tag.purpose == Purpose::SequenceStart || tag.has_several_tracks(),
        Err(CutOff) => true,
    }
}

fn read_tag(kind: u8, bytes: &[u8]) -> Result<Tag<'_>, CutOff> {
    if kind == message::VIDEO {
        Tag::video(bytes)
    } else {
        Tag::audio(bytes)
    }
}

#[derive(Debug)]
pub(super) struct Publication {
    pub(super) facts: StreamFacts,
    pub(super) counters: Counters,
    /// Whether media is handed out.
    pub(super) wanted: bool,
    /// The encoder as it named itself in `connect`.
    pub(super) encoder: Option<String>,
    limits: Limits,
    started: bool,
    tracks: Tracks,
    data: Timeline,
    /// The last sequence header of every track and the last metadata.
    headers: Vec<Media>,
}

impl Publication {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            facts: StreamFacts::default(),
            counters: Counters::default(),
            wanted: false,
            encoder: None,
            limits: *limits,
            started: false,
            tracks: Tracks::new(limits.tracks),
            data: Timeline::default(),
            headers: Vec::new(),
        }
    }

    /// Forgets an earlier publish of this connection.
    pub(super) fn begin(&mut self) {
        *self = Self {
            wanted: self.wanted,
            encoder: self.encoder.take(),
            ..Self::new(&self.limits)
        };
        self.facts.encoder.clone_from(&self.encoder);
    }

    /// Hands out what a late listener needs before the next keyframe.
    pub(super) fn replay(&self, events: &mut VecDeque<Event>) {
        events.extend(self.headers.iter().cloned().map(Event::Media));
    }

    pub(super) fn message(
        &mut self,
        header: &message::Header,
        body: Body<'_>,
        events: &mut VecDeque<Event>,
    ) {
        if header.kind == message::AGGREGATE {
            return self.aggregate(header, body.bytes(), events);
        }
        self.count(header);
        match header.kind {
            message::AUDIO | message::VIDEO => self.coded(header, body, events),
            _ => self.script(header, body, events),
        }
    }

    fn count(&mut self, header: &message::Header) {
        let counters = &mut self.counters;
        let bytes = u64::from(header.length);
        counters.bytes_received = counters.bytes_received.saturating_add(bytes);
        match header.kind {
            message::AUDIO => {
                counters.audio_bytes = counters.audio_bytes.saturating_add(bytes);
                counters.audio_messages = counters.audio_messages.saturating_add(1);
            }
            message::VIDEO => {
                counters.video_bytes = counters.video_bytes.saturating_add(bytes);
                counters.video_messages = counters.video_messages.saturating_add(1);
            }
            _ => counters.data_messages = counters.data_messages.saturating_add(1),
        }
    }

    fn coded(&mut self, header: &message::Header, body: Body<'_>, events: &mut VecDeque<Event>) {
        let Ok(tag) = read_tag(header.kind, body.bytes()) else {
            return self.unreadable();
        };
        let keep = self.wanted || tag.purpose == Purpose::SequenceStart;
        let payload = match (keep, body) {
            // Begun when nobody wanted it: its end is lost.
            (_, Body::Prefix(bytes)) => return self.packets(header, bytes, None, events),
            (false, body) => return self.packets(header, body.bytes(), None, events),
            (true, Body::Borrowed(bytes)) => Bytes::copy_from_slice(bytes),
            (true, Body::Assembled(bytes)) => Bytes::from(bytes),
        };
        self.packets(header, &payload, Some(&payload), events);
    }

    /// Goes through a message's tracks. `payload` is the same bytes, where they are kept.
    fn packets(
        &mut self,
        header: &message::Header,
        bytes: &[u8],
        payload: Option<&Bytes>,
        events: &mut VecDeque<Event>,
    ) {
        let Ok(tag) = read_tag(header.kind, bytes) else {
            return self.unreadable();
        };
        for packet in tag.packets().take(TRACKS_PER_MESSAGE) {
            let (noted, codec) = self.follow(header, &tag, &packet);
            if tag.purpose == Purpose::Coded && !packet.body.is_empty() && !self.started {
                self.started = true;
                events.push_back(Event::MediaStarted);
            }
            let timestamp = match noted {
                Some(noted) => noted.timestamp,
                None => u64::from(header.timestamp),
            };
            if let Some(payload) = payload {
                self.hand_out(media(&tag, &packet, codec, timestamp, payload), events);
            }
        }
    }

    /// Learns from one track's packet.
    fn follow(
        &mut self,
        header: &message::Header,
        tag: &Tag<'_>,
        packet: &Packet<'_>,
    ) -> (Option<Noted>, MediaCodec) {
        let is_video = header.kind == message::VIDEO;
        let facts = &mut self.facts;
        let (noted, codec) = if is_video {
            let noted = self.tracks.video(header.timestamp, tag, packet, facts);
            (noted, MediaCodec::Video(packet.codec.video()))
        } else {
            let noted = self.tracks.audio(header.timestamp, tag, packet, facts);
            (noted, MediaCodec::Audio(packet.codec.audio()))
        };
        if let Some(Noted {
            main,
            step: Some(step),
            ..
        }) = noted
        {
            let jumps = u64::from(step.jumped);
            self.counters.timestamp_jumps = self.counters.timestamp_jumps.saturating_add(jumps);
            if main {
                self.count_coded(&step, is_video, tag.keyframe);
            }
        }
        (noted, codec)
    }

    /// Counts a picture or a piece of sound of a main track.
    fn count_coded(&mut self, step: &Step, is_video: bool, keyframe: bool) {
        let counters = &mut self.counters;
        if is_video {
            if counters.video_frames == 0 {
                counters.first_video_timestamp_ms = step.elapsed;
            }
            counters.last_video_timestamp_ms = step.elapsed;
            counters.video_frames = counters.video_frames.saturating_add(1);
            counters.keyframes = counters.keyframes.saturating_add(u64::from(keyframe));
        } else {
            if counters.audio_frames == 0 {
                counters.first_audio_timestamp_ms = step.elapsed;
            }
            counters.last_audio_timestamp_ms = step.elapsed;
            counters.audio_frames = counters.audio_frames.saturating_add(1);
        }
        counters.audio_ahead_ms = self.tracks.audio_ahead().unwrap_or(0);
    }

    fn hand_out(&mut self, media: Media, events: &mut VecDeque<Event>) {
        if media.sequence_header || media.kind == MediaKind::Data {
            self.remember(&media);
        }
        if self.wanted {
            events.push_back(Event::Media(media));
        }
    }

    fn remember(&mut self, media: &Media) {
        if media.payload.len() > self.limits.sequence_header_bytes {
            return;
        }
        let same = |header: &&mut Media| header.kind == media.kind && header.track == media.track;
        if let Some(header) = self.headers.iter_mut().find(same) {
            *header = media.clone();
        } else if self.headers.len() < self.limits.tracks.saturating_mul(2) {
            self.headers.push(media.clone());
        }
    }

    fn unreadable(&mut self) {
        self.counters.unreadable_messages = self.counters.unreadable_messages.saturating_add(1);
    }

    /// Reads script data: only `onMetaData` says anything about the stream.
    fn script(&mut self, header: &message::Header, body: Body<'_>, events: &mut VecDeque<Event>) {
        let bytes = without_amf3_frame(header.kind, body.bytes());
        match amf0::read_all(bytes, &self.limits) {
            Ok(values) => self.metadata(&values),
            Err(_) => self.unreadable(),
        }
        let payload = match body {
            Body::Prefix(_) => return,
            Body::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
            Body::Assembled(bytes) => Bytes::from(bytes),
        };
        let media = Media {
            kind: MediaKind::Data,
            codec: MediaCodec::Data,
            track: 0,
            timestamp: self.data.advance(header.timestamp).timestamp,
            composition_offset_ms: 0,
            nanoseconds: 0,
            keyframe: false,
            sequence_header: false,
            body: payload.clone(),
            payload,
        };
        self.hand_out(media, events);
    }

    fn metadata(&mut self, values: &[Value<'_>]) {
        let values = match values.split_first() {
            Some((Value::Text(b"@setDataFrame"), rest)) => rest,
            _ => values,
        };
        let Some((Value::Text(b"onMetaData"), [object, ..])) = values.split_first() else {
            return;
        };
        if let Some(encoder) = object.property("encoder").and_then(Value::text) {
            self.facts.encoder = Some(printable(&encoder));
        }
        let believable = |number: &f64| number.is_finite() && *number >= 0.0;
        let number = |name| {
            let value = object.property(name).and_then(Value::number);
            value.filter(believable)
        };
        self.facts.claims = Claims {
            width: number("width"),
            height: number("height"),
            frame_rate: number("framerate"),
            video_kbps: number("videodatarate"),
            audio_kbps: number("audiodatarate"),
        };
    }

    /// Takes an aggregate message apart (RTMP 1.0 §7.1.6): FLV tags, each followed by its size,
    /// with timestamps that keep their distance but begin at the aggregate's own.
    fn aggregate(&mut self, header: &message::Header, bytes: &[u8], events: &mut VecDeque<Event>) {
        const BACK_POINTER_BYTES: usize = 4;
        let mut rest = bytes;
        let mut first_timestamp = None;
        while let Some((head, after)) = rest.split_first_chunk::<11>() {
            let [kind, l2, l1, l0, t2, t1, t0, t3, ..] = *head;
            let length = u32::from_be_bytes([0, l2, l1, l0]);
            let timestamp = u32::from_be_bytes([t3, t2, t1, t0]);
            let size = usize::try_from(length).unwrap_or(usize::MAX);
            let Some((body, after)) = after.split_at_checked(size) else {
                return self.unreadable();
            };
            let offset = timestamp.wrapping_sub(*first_timestamp.get_or_insert(timestamp));
            let part = message::Header {
                kind,
                length,
                timestamp: header.timestamp.wrapping_add(offset),
                stream_id: header.stream_id,
            };
            if matches!(kind, message::AUDIO | message::VIDEO | message::DATA_AMF0) {
                self.message(&part, Body::Borrowed(body), events);
            }
            rest = after.get(BACK_POINTER_BYTES..).unwrap_or_default();
        }
    }
}

fn media(
    tag: &Tag<'_>,
    packet: &Packet<'_>,
    codec: MediaCodec,
    timestamp: u64,
    payload: &Bytes,
) -> Media {
    let kind = match codec {
        MediaCodec::Audio(_) => MediaKind::Audio,
        MediaCodec::Video(_) => MediaKind::Video,
        MediaCodec::Data => MediaKind::Data,
    };
    Media {
        kind,
        codec,
        track: packet.track,
        timestamp,
        composition_offset_ms: packet.composition_offset,
        nanoseconds: tag.nanoseconds,
        keyframe: tag.keyframe && tag.purpose == Purpose::Coded,
        sequence_header: tag.purpose == Purpose::SequenceStart,
        payload: payload.clone(),
        body: payload.slice_ref(packet.body),
    }
}
