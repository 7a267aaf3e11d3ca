//! What was sent and how long things took: plain counters that all publishers of a run add to.

use std::time::Duration;

use serde::Serialize;

use crate::measure::Histogram;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) sent: Sent,
    /// From connect to Publish.Start.
    pub(crate) starts: Vec<Duration>,
    /// How much later than its time each message left.
    pub(crate) lateness: Histogram,
}

/// Sums of what went out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// Audio and video messages.
    pub messages: u64,
    /// Their bytes, without chunk headers.
    pub media_bytes: u64,
    /// Everything that was written to sockets: handshakes, commands and chunk headers as well.
    pub wire_bytes: u64,
}

impl Sent {
    /// What was added since an earlier look.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            messages: self.messages - before.messages,
            media_bytes: self.media_bytes - before.media_bytes,
            wire_bytes: self.wire_bytes - before.wire_bytes,
        }
    }
}

impl Tally {
    pub(crate) fn started(&mut self, wait: Duration) {
        self.starts.push(wait);
    }

    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.sent.wire_bytes += u64::try_from(bytes).unwrap_or(0);
    }

    pub(crate) fn sent(&mut self, payload_bytes: usize, late: Duration) {
        self.sent.messages += 1;
        self.sent.media_bytes += u64::try_from(payload_bytes).unwrap_or(0);
        self.lateness.record(late);
    }
}
