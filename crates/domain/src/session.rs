//! The session record: one broadcast for the audit log (requirement 3.2).

use crate::live::EndReason;
use crate::{ChannelId, EdgeId, SessionId, Timestamp};

/// One broadcast, as logged. Written when it goes live, and again at each change.
#[derive(Clone, PartialEq, Debug)]
pub struct Session {
    /// Its id; sorts by the time it began.
    pub id: SessionId,
    /// The channel it was on.
    pub channel_id: ChannelId,
    /// The generation of its last writer: a lower one never overwrites a higher.
    pub generation: u64,
    /// Where the publisher came from.
    pub ip_address: String,
    /// What the encoder calls itself, at most 128 printable characters.
    pub encoder: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; None while it runs.
    pub ended_at: Option<Timestamp>,
    /// Mean bitrate over all its connections.
    pub mean: MeanBitrate,
    /// Last resolution seen.
    pub resolution: Option<Resolution>,
    /// Last frame rate seen.
    pub fps: Option<f64>,
    /// The edges it was on, in order.
    pub edge_ids: Vec<EdgeId>,
    /// Why it ended.
    pub reason: Option<EndReason>,
}

/// Bytes over time: adds up across the connections of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MeanBitrate {
    /// Media payload bytes received.
    pub media_bytes: u64,
    /// Milliseconds in which they were.
    pub millis: u64,
}

impl MeanBitrate {
    /// Mean in kbit/s.
    #[must_use]
    pub fn kbps(self) -> u32 {
        let kbps = self
            .media_bytes
            .saturating_mul(8)
            .checked_div(self.millis)
            .unwrap_or(0);
        u32::try_from(kbps).unwrap_or(u32::MAX)
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            media_bytes: self.media_bytes.saturating_add(other.media_bytes),
            millis: self.millis.saturating_add(other.millis),
        }
    }
}

/// Width by height, in pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resolution {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

impl std::fmt::Display for Resolution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl Resolution {
    /// Reads `640x360`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (width, height) = text.split_once('x')?;
        Some(Self {
            width: width.parse().ok()?,
            height: height.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_covers_all_connections_of_a_session_and_not_the_gap_between_them() {
        let first = MeanBitrate {
            media_bytes: 1_250_000,
            millis: 4_000,
        };
        let second = MeanBitrate {
            media_bytes: 250_000,
            millis: 2_000,
        };
        assert_eq!(first.plus(second).kbps(), 2_000);
        assert_eq!(MeanBitrate::default().kbps(), 0);
    }

    #[test]
    fn a_resolution_survives_being_written_and_read() {
        let resolution = Resolution {
            width: 640,
            height: 360,
        };
        assert_eq!(Resolution::parse(&resolution.to_string()), Some(resolution));
        assert_eq!(Resolution::parse("640"), None);
    }
}
