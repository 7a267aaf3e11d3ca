//! One second's look at a connection: what the parser counted and what the bitstream says.

use std::time::Instant;

use domain::Timestamp;
use domain::diagnosis::Look;
use domain::metrics::{Metrics, Rates, Reading};
use domain::session::Resolution;

/// Taken by the connection, read by its publisher.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) reading: Reading,
    pub(crate) facts: rtmp::StreamFacts,
    counters: rtmp::Counters,
}

impl Sample {
    /// Looks at `session` now; `since` is the start of the edge's monotonic count.
    pub(crate) fn of(session: &rtmp::Session, since: Instant) -> Self {
        let counters = session.counters();
        let reading = Reading {
            at_millis: u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX),
            media_bytes: counters.bytes_received,
            video_frames: counters.video_frames,
            last_video_timestamp: counters.last_video_timestamp_ms,
        };
        Self {
            reading,
            facts: session.facts().clone(),
            counters,
        }
    }

    /// The picture's size, from the bitstream, where there is a picture.
    pub(crate) fn resolution(&self) -> Option<Resolution> {
        let video = self.facts.video.as_ref()?;
        let (width, height) = video.width.zip(video.height)?;
        Some(Resolution { width, height })
    }

    /// What a diagnosis looks at.
    pub(crate) fn look(&self, rates: Rates) -> Look {
        let video = self.facts.video.as_ref();
        let claims = &self.facts.claims;
        Look {
            reading: self.reading,
            rates,
            audio_frames: self.counters.audio_frames,
            keyframes: self.counters.keyframes,
            keyframe_interval_ms: video.and_then(|video| video.keyframe_interval_ms),
            announced_fps: claims.frame_rate,
            is_video_announced: claims.width.or(claims.video_kbps).is_some(),
            is_audio_announced: claims.audio_kbps.is_some(),
            audio_ahead_ms: self.counters.audio_ahead_ms,
            timestamp_jumps: self.counters.timestamp_jumps,
        }
    }

    /// The sample as the product words it.
    pub(crate) fn metrics(&self, rates: Rates, at: Timestamp) -> Metrics {
        let video = self.facts.video.as_ref();
        let audio = self.facts.audio.as_ref();
        Metrics {
            bitrate_kbps: rates.bitrate_kbps,
            width: video.and_then(|video| video.width),
            height: video.and_then(|video| video.height),
            fps: rates
                .fps
                .or_else(|| video.and_then(|video| video.frame_rate)),
            keyframe_interval_ms: video.and_then(|video| video.keyframe_interval_ms),
            video_codec: video.map(|video| video.codec.name().to_owned()),
            audio_codec: audio.map(|audio| audio.codec.name().to_owned()),
            at,
        }
    }
}
