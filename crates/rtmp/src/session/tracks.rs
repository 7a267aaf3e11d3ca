//! The tracks of a publish: their clocks, and what their packets say of them.
//!
//! The main track of each kind is the first to appear, by custom track 0. The order of tracks here
//! is that of the facts: main first, then the extra ones.

use super::timeline::{Step, Timeline};
use crate::codec::{self, Picture};
use crate::facts::{AudioFacts, AudioTrack, StreamFacts, VideoFacts, VideoTrack};
use crate::tag::{Packet, Purpose, Tag};

/// What a packet did to its track.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noted {
    /// Whether it belongs to the main track of its kind.
    pub(super) main: bool,
    /// Continued across wraps, milliseconds.
    pub(super) timestamp: u64,
    /// How a coded packet moved the track's clock.
    pub(super) step: Option<Step>,
}

#[derive(Debug)]
pub(super) struct Tracks {
    video: Vec<Track>,
    audio: Vec<Track>,
    /// Most tracks of each kind that are followed.
    limit: usize,
}

impl Tracks {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            video: Vec::new(),
            audio: Vec::new(),
            limit,
        }
    }

    /// How far audio is ahead of video, milliseconds, once both have come.
    pub(super) fn audio_ahead(&self) -> Option<i64> {
        let last = |tracks: &[Track]| tracks.first().and_then(|track| track.timeline.last());
        let audio = last(&self.audio)?.cast_signed();
        Some(audio.wrapping_sub(last(&self.video)?.cast_signed()))
    }

    /// Follows a video packet; nothing when there are too many tracks.
    pub(super) fn video(
        &mut self,
        wire: u32,
        tag: &Tag<'_>,
        packet: &Packet<'_>,
        facts: &mut StreamFacts,
    ) -> Option<Noted> {
        let codec = packet.codec.video();
        let index = place(&mut self.video, packet.track, self.limit)?;
        let track = self.video.get_mut(index)?;
        let noted = track.note(wire, tag, index == 0);
        if tag.purpose == Purpose::Nothing {
            return Some(noted);
        }
        let facts = video_facts(facts, index, packet.track, VideoFacts::new(codec))?;
        if facts.codec != codec {
            *facts = VideoFacts::new(codec);
        }
        if let Some(picture) = codec::picture(codec, tag, packet) {
            show(facts, picture, tag.purpose);
        }
        if let Some(step) = &noted.step {
            track.picture(step, tag.keyframe, packet.composition_offset, facts);
        }
        Some(noted)
    }

    /// Follows an audio packet; nothing when there are too many tracks.
    pub(super) fn audio(
        &mut self,
        wire: u32,
        tag: &Tag<'_>,
        packet: &Packet<'_>,
        facts: &mut StreamFacts,
    ) -> Option<Noted> {
        let codec = packet.codec.audio();
        let index = place(&mut self.audio, packet.track, self.limit)?;
        let noted = self.audio.get_mut(index)?.note(wire, tag, index == 0);
        if tag.purpose == Purpose::Nothing {
            return Some(noted);
        }
        let facts = audio_facts(facts, index, packet.track, AudioFacts::new(codec))?;
        if facts.codec != codec {
            *facts = AudioFacts::new(codec);
        }
        let known = facts.sample_rate.is_some() && tag.purpose == Purpose::Coded;
        if !known && let Some(sound) = codec::sound(codec, tag, packet) {
            *facts = sound;
            // What the tag calls it is what it is compared with next time.
            facts.codec = codec;
        }
        Some(noted)
    }
}

/// What is remembered of a track besides its facts.
#[derive(Debug, Clone, Copy)]
struct Track {
    id: u8,
    timeline: Timeline,
    /// Timestamp of the last keyframe.
    keyframe: Option<u64>,
    /// The latest presentation time seen, milliseconds.
    latest_shown: Option<i64>,
}

impl Track {
    fn new(id: u8) -> Self {
        Self {
            id,
            timeline: Timeline::default(),
            keyframe: None,
            latest_shown: None,
        }
    }

    /// Moves the clock by a coded packet, and only by such.
    fn note(&mut self, wire: u32, tag: &Tag<'_>, main: bool) -> Noted {
        let coded = tag.purpose == Purpose::Coded;
        let timestamp = self.timeline.place(wire);
        Noted {
            main,
            timestamp,
            step: coded.then(|| self.timeline.advance(wire)),
        }
    }

    /// Learns from a coded picture how pictures are ordered and how far keyframes are apart.
    fn picture(&mut self, step: &Step, keyframe: bool, offset: i32, facts: &mut VideoFacts) {
        if step.jumped {
            self.keyframe = None;
            self.latest_shown = None;
        }
        let shown = step
            .timestamp
            .cast_signed()
            .saturating_add(i64::from(offset));
        if self.latest_shown.is_some_and(|latest| shown < latest) {
            facts.b_frames = true;
        }
        self.latest_shown = self.latest_shown.max(Some(shown));
        if keyframe && let Some(last) = self.keyframe.replace(step.timestamp) {
            let interval = step.timestamp.saturating_sub(last);
            facts.keyframe_interval_ms = u32::try_from(interval).ok();
        }
    }
}

/// Where a track is remembered; nothing when there are too many.
fn place(tracks: &mut Vec<Track>, id: u8, limit: usize) -> Option<usize> {
    if let Some(index) = tracks.iter().position(|track| track.id == id) {
        return Some(index);
    }
    if tracks.len() >= limit {
        return None;
    }
    tracks.push(Track::new(id));
    Some(tracks.len().saturating_sub(1))
}

/// The facts of the video track at `index`, begun with `new` when it has none.
fn video_facts(
    facts: &mut StreamFacts,
    index: usize,
    id: u8,
    new: VideoFacts,
) -> Option<&mut VideoFacts> {
    if index == 0 {
        return Some(facts.video.get_or_insert(new));
    }
    let tracks = &mut facts.extra_video;
    if !tracks.iter().any(|track| track.id == id) {
        tracks.push(VideoTrack { id, facts: new });
    }
    let track = tracks.iter_mut().find(|track| track.id == id)?;
    Some(&mut track.facts)
}

/// The facts of the audio track at `index`, begun with `new` when it has none.
fn audio_facts(
    facts: &mut StreamFacts,
    index: usize,
    id: u8,
    new: AudioFacts,
) -> Option<&mut AudioFacts> {
    if index == 0 {
        return Some(facts.audio.get_or_insert(new));
    }
    let tracks = &mut facts.extra_audio;
    if !tracks.iter().any(|track| track.id == id) {
        tracks.push(AudioTrack { id, facts: new });
    }
    let track = tracks.iter_mut().find(|track| track.id == id)?;
    Some(&mut track.facts)
}

/// A sequence header with a size replaces what was known. Others, and keyframes, may tell less
/// than was known; what they leave out stays.
fn show(facts: &mut VideoFacts, picture: Picture, purpose: Purpose) {
    if purpose == Purpose::SequenceStart && picture.width.is_some() {
        facts.frame_rate = None;
    }
    facts.profile = picture.profile.or(facts.profile);
    facts.level = picture.level.or(facts.level.take());
    facts.width = picture.width.or(facts.width);
    facts.height = picture.height.or(facts.height);
    facts.frame_rate = picture.frame_rate.or(facts.frame_rate);
}
