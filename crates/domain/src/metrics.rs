//! What a stream is and how it flows, sampled once a second (requirement 2.4).

use crate::Timestamp;

/// One sample of a live stream. None where it is not known (yet): a stream without video has no
/// resolution.
#[derive(Clone, PartialEq, Debug)]
pub struct Metrics {
    /// Media payload received, in kbit/s (1,000 bits), over the sampler's window.
    pub bitrate_kbps: u32,
    /// Width in pixels, from the bitstream.
    pub width: Option<u32>,
    /// Height in pixels, from the bitstream.
    pub height: Option<u32>,
    /// Pictures a second by their timestamps, or the bitstream's own word before two were seen.
    pub fps: Option<f64>,
    /// Time between the last two keyframes, in milliseconds.
    pub keyframe_interval_ms: Option<u32>,
    /// `h264`, `hevc`, `av1`, ...
    pub video_codec: Option<String>,
    /// `aac`, `opus`, ...
    pub audio_codec: Option<String>,
    /// When the sample was taken.
    pub at: Timestamp,
}

/// What the parser counted up to a moment of the edge's monotonic clock.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Reading {
    /// The moment, in milliseconds of a clock that only moves forward.
    pub at_millis: u64,
    /// Media payload bytes so far.
    pub media_bytes: u64,
    /// Coded pictures so far.
    pub video_frames: u64,
    /// Timestamp of the last picture, in milliseconds, extended across wrap-around.
    pub last_video_timestamp: u64,
}

impl Reading {
    /// The bitrate since an earlier reading, in kbit/s; zero where no time has passed.
    #[must_use]
    pub fn kbps_since(self, earlier: Self) -> u32 {
        let elapsed = self.at_millis.saturating_sub(earlier.at_millis);
        let bytes = self.media_bytes.saturating_sub(earlier.media_bytes);
        // Bits per millisecond are kbit per second.
        let kbps = bytes.saturating_mul(8).checked_div(elapsed).unwrap_or(0);
        u32::try_from(kbps).unwrap_or(u32::MAX)
    }
}

/// How many one-second readings a rate is taken over: long enough to even out one keyframe a
/// second, short enough to show a change at once.
pub const WINDOW_READINGS: usize = 3;

/// Turns readings into rates. Holds the last [`WINDOW_READINGS`] and the present one.
#[derive(Clone, Debug, Default)]
pub struct Sampler {
    readings: std::collections::VecDeque<Reading>,
}

/// The rates between the oldest and the newest reading held.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Rates {
    /// Media payload in kbit/s.
    pub bitrate_kbps: u32,
    /// Pictures a second by their own timestamps, so that a late burst does not look like speed.
    pub fps: Option<f64>,
}

impl Sampler {
    /// Takes a reading and gives the rates over the window; zero at the first reading.
    pub fn take(&mut self, reading: Reading) -> Rates {
        if self.readings.len() > WINDOW_READINGS {
            self.readings.pop_front();
        }
        self.readings.push_back(reading);
        let oldest = self.readings.front().copied().unwrap_or(reading);
        // A stream's first readings may be of a moment before its first picture.
        let with_pictures = self.readings.iter().find(|held| held.video_frames > 0);
        Rates {
            bitrate_kbps: reading.kbps_since(oldest),
            fps: with_pictures.and_then(|first| frame_rate(*first, reading)),
        }
    }
}

fn frame_rate(from: Reading, to: Reading) -> Option<f64> {
    let frames = to.video_frames.saturating_sub(from.video_frames);
    let millis = to
        .last_video_timestamp
        .saturating_sub(from.last_video_timestamp);
    if frames == 0 || millis == 0 {
        return None;
    }
    let rate = frames as f64 * 1_000.0 / millis as f64;
    Some((rate * 100.0).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(number: u64, bytes: u64) -> Reading {
        Reading {
            at_millis: number * 1_000,
            media_bytes: bytes,
            video_frames: number * 30,
            last_video_timestamp: number * 1_000,
        }
    }

    #[test]
    fn a_steady_stream_is_reported_as_it_is_sent() {
        let mut sampler = Sampler::default();
        let mut rates = Rates::default();
        for number in 1..=10 {
            rates = sampler.take(second(number, number * 312_500));
        }
        assert_eq!(
            rates,
            Rates {
                bitrate_kbps: 2_500,
                fps: Some(30.0)
            }
        );
    }

    #[test]
    fn the_first_reading_claims_nothing() {
        assert_eq!(Sampler::default().take(second(1, 1_000)), Rates::default());
    }

    #[test]
    fn a_frame_rate_is_known_two_readings_after_the_first_picture() {
        let mut sampler = Sampler::default();
        // The bytes of the sequence header came before any picture.
        sampler.take(Reading {
            at_millis: 0,
            media_bytes: 40,
            ..Reading::default()
        });
        sampler.take(second(1, 10_000));
        assert_eq!(sampler.take(second(2, 20_000)).fps, Some(30.0));
    }

    #[test]
    fn a_stalled_stream_falls_to_zero_within_the_window() {
        let mut sampler = Sampler::default();
        for number in 1..=5 {
            sampler.take(second(number, number * 312_500));
        }
        let mut rates = Rates::default();
        for number in 6..=9 {
            let stalled = Reading {
                at_millis: number * 1_000,
                ..second(5, 5 * 312_500)
            };
            rates = sampler.take(stalled);
        }
        assert_eq!(rates, Rates::default());
    }

    #[test]
    fn pictures_that_arrive_in_a_burst_do_not_look_like_a_faster_camera() {
        let mut sampler = Sampler::default();
        sampler.take(second(1, 0));
        // Four seconds of pictures arrive within one.
        let rates = sampler.take(Reading {
            at_millis: 2_000,
            media_bytes: 0,
            video_frames: 150,
            last_video_timestamp: 5_000,
        });
        assert_eq!(rates.fps, Some(30.0));
    }
}
