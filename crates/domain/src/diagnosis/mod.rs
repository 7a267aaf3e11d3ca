//! What is wrong with a stream that flows, in plain words, with what to click.
//!
//! Fed by the same look once a second as metrics and limits. A [`Finding`] is raised after what it
//! tells of has held for some seconds, and cleared after as many good ones as its code demands, so that
//! a stream at the edge of a bound does not flap; [`Course`] is the whole machine.
//!
//! Absent on purpose: what ends a stream (`limits`), and any guess that the looks do not bear out: the
//! picture and the sound themselves are not decoded.

mod words;

use std::time::Duration;

use crate::Timestamp;
use crate::metrics::{Rates, Reading};

/// Longest time between keyframes that players cut into segments without trouble: two seconds is what
/// is asked for, up to four is harmless.
pub const LONGEST_KEYFRAME_INTERVAL: Duration = Duration::from_secs(4);
/// A frame rate below so much of what the encoder announced is one that does not keep up, in percent.
pub const LOW_FRAME_RATE_PERCENT: u32 = 80;
/// What an encoder may announce to be believed, in pictures a second.
const ANNOUNCED_FRAME_RATES: std::ops::RangeInclusive<f64> = 1.0..=300.0;
/// A bitrate below so much of its own recent level has dropped, in percent.
pub const LOW_BITRATE_PERCENT: u32 = 50;
/// Looks until a stream has a level of its own: encoders begin low or high.
const LOOKS_OF_A_LEVEL: u32 = 10;
/// Over about how many looks the level is taken.
const LEVEL_OVER: f64 = 30.0;
/// The same while the bitrate is low: what stays low becomes the level in some minutes, and is then no
/// drop any more.
const LEVEL_OVER_WHILE_LOW: f64 = 120.0;
/// Sound and picture further apart than this are seen to be so, however they are interleaved.
pub const LARGEST_DRIFT: Duration = Duration::from_secs(1);
/// Open findings are told again after so long: a page that was opened meanwhile has them then, and one
/// that is not told them again knows that they are over.
pub const TELL_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// What may be found. The names are stable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    /// Keyframes are too far apart.
    KeyframeIntervalLong,
    /// Pictures come, and no keyframe ever.
    KeyframesMissing,
    /// Far fewer pictures than the encoder announced.
    FrameRateLow,
    /// Far below its own recent level.
    BitrateDropped,
    /// Sound comes, and no pictures, which were announced or came before.
    VideoMissing,
    /// Pictures come, and no sound, which was announced or came before.
    AudioMissing,
    /// Sound and picture are apart.
    AudioVideoDrift,
    /// Timestamps went back, or far ahead.
    TimestampsJump,
}

impl Code {
    /// Every code, in the order in which findings are told: what hides the others first.
    pub const ALL: [Self; 8] = [
        Self::VideoMissing,
        Self::AudioMissing,
        Self::KeyframesMissing,
        Self::KeyframeIntervalLong,
        Self::FrameRateLow,
        Self::BitrateDropped,
        Self::AudioVideoDrift,
        Self::TimestampsJump,
    ];

    /// As it is told, for ever.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyframeIntervalLong => "keyframe-interval-long",
            Self::KeyframesMissing => "keyframes-missing",
            Self::FrameRateLow => "frame-rate-low",
            Self::BitrateDropped => "bitrate-dropped",
            Self::VideoMissing => "video-missing",
            Self::AudioMissing => "audio-missing",
            Self::AudioVideoDrift => "audio-video-drift",
            Self::TimestampsJump => "timestamps-jump",
        }
    }

    /// For how long it must hold to be raised.
    #[must_use]
    pub const fn raised_after(self) -> Duration {
        Duration::from_secs(match self {
            // What is measured has already lasted for longer than the bound by itself.
            Self::KeyframeIntervalLong | Self::KeyframesMissing => 2,
            Self::VideoMissing | Self::AudioMissing | Self::AudioVideoDrift => 5,
            // A busy moment of a computer or a network is over by then.
            Self::FrameRateLow | Self::BitrateDropped => 8,
            // It is over when it is seen; players have stumbled already.
            Self::TimestampsJump => 0,
        })
    }

    /// For how long it must be good to be cleared.
    #[must_use]
    pub const fn cleared_after(self) -> Duration {
        Duration::from_secs(match self {
            Self::KeyframeIntervalLong
            | Self::KeyframesMissing
            | Self::VideoMissing
            | Self::AudioMissing
            | Self::AudioVideoDrift => 5,
            Self::FrameRateLow | Self::BitrateDropped => 10,
            // Long enough to be read; an encoder that jumps each few seconds is told of once.
            Self::TimestampsJump => 30,
        })
    }
}

/// One look at a stream: what was counted and measured up to a moment.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Look {
    /// What was counted of it all.
    pub reading: Reading,
    /// What was measured over the last seconds.
    pub rates: Rates,
    /// Coded pieces of sound so far.
    pub audio_frames: u64,
    /// Keyframes so far.
    pub keyframes: u64,
    /// Time between the last two keyframes, in milliseconds.
    pub keyframe_interval_ms: Option<u32>,
    /// Pictures a second, as the encoder announced them.
    pub announced_fps: Option<f64>,
    /// Whether it announced pictures: a stream of sound alone is none that lacks them.
    pub is_video_announced: bool,
    /// Whether it announced sound.
    pub is_audio_announced: bool,
    /// How far the last sound is ahead of the last picture, in milliseconds.
    pub audio_ahead_ms: i64,
    /// How often timestamps jumped so far.
    pub timestamp_jumps: u64,
}

/// What is measured of a code, where that is bad.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Measured {
    KeyframeInterval { millis: u64, ended: bool },
    FrameRate { fps: f64, announced: f64 },
    Bitrate { kbps: u32, level: u32 },
    Drift { audio_ahead_ms: i64 },
    Bare,
}

/// Something that is wrong now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What.
    pub code: Code,
    /// The same in plain words, with what to do.
    pub detail: String,
    /// Since when it is told.
    pub since: Timestamp,
}

/// What there is to tell after a look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tell {
    /// Nothing new.
    Nothing,
    /// A finding was raised or cleared.
    Changed,
    /// The same ones again, for whoever came meanwhile.
    Again,
}

/// The course of one finding. Moments are of the looks' clock, in milliseconds.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Course {
    Good,
    /// Bad since then, which may be over at once.
    Suspected {
        from: u64,
    },
    Raised {
        since: Timestamp,
        measured: Measured,
    },
    /// Raised, and good since `from`.
    Recovering {
        since: Timestamp,
        measured: Measured,
        from: u64,
    },
}

impl Course {
    fn after(self, code: Code, bad: Option<Measured>, at_millis: u64, now: Timestamp) -> Self {
        let lasted = |from: u64, wanted: Duration| {
            Duration::from_millis(at_millis.saturating_sub(from)) >= wanted
        };
        let suspect = |from, measured| {
            if lasted(from, code.raised_after()) {
                let since = now;
                Self::Raised { since, measured }
            } else {
                Self::Suspected { from }
            }
        };
        match (self, bad) {
            (Self::Good | Self::Suspected { .. }, None) => Self::Good,
            (Self::Good, Some(measured)) => suspect(at_millis, measured),
            (Self::Suspected { from }, Some(measured)) => suspect(from, measured),
            (Self::Raised { since, .. } | Self::Recovering { since, .. }, Some(measured)) => {
                Self::Raised { since, measured }
            }
            (Self::Raised { since, measured }, None) => Self::Recovering {
                since,
                measured,
                from: at_millis,
            },
            (Self::Recovering { from, .. }, None) if lasted(from, code.cleared_after()) => {
                Self::Good
            }
            (recovering @ Self::Recovering { .. }, None) => recovering,
        }
    }

    fn open(self) -> Option<(Timestamp, Measured)> {
        match self {
            Self::Good | Self::Suspected { .. } => None,
            Self::Raised { since, measured }
            | Self::Recovering {
                since, measured, ..
            } => Some((since, measured)),
        }
    }
}

/// What is known to be wrong with one publish.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    courses: [Course; Code::ALL.len()],
    previous: Option<Look>,
    level: Level,
    /// Media time at the first look that had seen the last keyframe, in milliseconds.
    keyframe_seen_at: u64,
    told_at: u64,
}

impl Default for Diagnosis {
    fn default() -> Self {
        Self {
            courses: [Course::Good; Code::ALL.len()],
            previous: None,
            level: Level::default(),
            keyframe_seen_at: 0,
            told_at: 0,
        }
    }
}

impl Diagnosis {
    /// Takes a look. The first one is what the next is compared with.
    pub fn take(&mut self, look: Look, now: Timestamp) -> Tell {
        let Some(previous) = self.previous.replace(look) else {
            self.keyframe_seen_at = look.reading.last_video_timestamp;
            return Tell::Nothing;
        };
        if look.keyframes != previous.keyframes || previous.reading.video_frames == 0 {
            self.keyframe_seen_at = look.reading.last_video_timestamp;
        }
        let low = self.level.take(look.rates.bitrate_kbps);
        let at_millis = look.reading.at_millis;
        let mut changed = false;
        for (code, course) in Code::ALL.into_iter().zip(&mut self.courses) {
            let bad = match code {
                Code::BitrateDropped => low,
                _ => judge(code, &previous, &look, self.keyframe_seen_at),
            };
            let after = course.after(code, bad, at_millis, now);
            changed |= after.open().is_some() != course.open().is_some();
            *course = after;
        }
        self.tell(changed, at_millis)
    }

    fn tell(&mut self, changed: bool, at_millis: u64) -> Tell {
        let waited = Duration::from_millis(at_millis.saturating_sub(self.told_at));
        let open = self.courses.iter().any(|course| course.open().is_some());
        let tell = match (changed, open) {
            (true, _) => Tell::Changed,
            (false, true) if waited >= TELL_AGAIN_AFTER => Tell::Again,
            (false, true | false) => Tell::Nothing,
        };
        if tell != Tell::Nothing {
            self.told_at = at_millis;
        }
        tell
    }

    /// Everything that is wrong now.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let each = Code::ALL.into_iter().zip(&self.courses);
        each.filter_map(|(code, course)| {
            let (since, measured) = course.open()?;
            let detail = words::of(code, measured);
            Some(Finding {
                code,
                detail,
                since,
            })
        })
        .collect()
    }
}

/// What is bad of all that two looks show. Pictures that stand still together with the sound are a
/// network's doing, which the bitrate tells of.
fn judge(code: Code, previous: &Look, look: &Look, keyframe_seen_at: u64) -> Option<Measured> {
    let pictures = look.reading.video_frames > previous.reading.video_frames;
    let sound = look.audio_frames > previous.audio_frames;
    let since_keyframe = (look.reading.last_video_timestamp).saturating_sub(keyframe_seen_at);
    match code {
        Code::VideoMissing => {
            let is_expected = look.is_video_announced || look.reading.video_frames > 0;
            (sound && !pictures && is_expected).then_some(Measured::Bare)
        }
        Code::AudioMissing => {
            let is_expected = look.is_audio_announced || look.audio_frames > 0;
            (pictures && !sound && is_expected).then_some(Measured::Bare)
        }
        Code::KeyframesMissing => {
            let none = look.keyframes == 0 && is_long(since_keyframe);
            (pictures && none).then_some(Measured::Bare)
        }
        Code::KeyframeIntervalLong if look.keyframes == 0 || !pictures => None,
        Code::KeyframeIntervalLong => long_interval(look.keyframe_interval_ms, since_keyframe),
        Code::FrameRateLow => low_frame_rate(look),
        Code::AudioVideoDrift => {
            let audio_ahead_ms = look.audio_ahead_ms;
            let apart = Duration::from_millis(audio_ahead_ms.unsigned_abs()) > LARGEST_DRIFT;
            (pictures && sound && apart).then_some(Measured::Drift { audio_ahead_ms })
        }
        Code::TimestampsJump => {
            (look.timestamp_jumps > previous.timestamp_jumps).then_some(Measured::Bare)
        }
        // Judged over all looks: see `Level`.
        Code::BitrateDropped => None,
    }
}

fn is_long(millis: u64) -> bool {
    Duration::from_millis(millis) > LONGEST_KEYFRAME_INTERVAL
}

/// The interval that ended last, or the one under way where that is longer already.
fn long_interval(ended: Option<u32>, under_way: u64) -> Option<Measured> {
    let ended = ended.map_or(0, u64::from);
    let millis = ended.max(under_way);
    is_long(millis).then_some(Measured::KeyframeInterval {
        millis,
        ended: ended >= under_way,
    })
}

fn low_frame_rate(look: &Look) -> Option<Measured> {
    let announced = look.announced_fps?;
    let fps = look.rates.fps?;
    let low = fps * 100.0 < announced * f64::from(LOW_FRAME_RATE_PERCENT);
    let bad = ANNOUNCED_FRAME_RATES.contains(&announced) && low;
    bad.then_some(Measured::FrameRate { fps, announced })
}

/// What the bitrate has been lately.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Level {
    kbps: f64,
    looks: u32,
}

impl Level {
    /// Takes a bitrate, and gives what is bad of it.
    fn take(&mut self, kbps: u32) -> Option<Measured> {
        // Whole numbers of looks and kbit/s are far below where a float loses any.
        let level = self.kbps;
        let is_known = self.looks >= LOOKS_OF_A_LEVEL;
        let low = is_known && f64::from(kbps) * 100.0 < level * f64::from(LOW_BITRATE_PERCENT);
        self.looks = self.looks.saturating_add(1);
        let over = match (is_known, low) {
            // The plain mean of the first ones.
            (false, _) => f64::from(self.looks),
            (true, false) => LEVEL_OVER,
            (true, true) => LEVEL_OVER_WHILE_LOW,
        };
        self.kbps += (f64::from(kbps) - level) / over;
        // A float beyond the bounds becomes the nearest whole number.
        let level = level.round() as u32;
        low.then_some(Measured::Bitrate { kbps, level })
    }
}

#[cfg(test)]
mod tests;
