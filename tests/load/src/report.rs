//! What a run says at its end, as JSON. No key and no name that was published is in it.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::measure::{Summary, seconds};
use crate::tally::Sent;

/// Grows when a field changes its meaning.
const SCHEMA: u32 = 1;

/// The one object on stdout.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    schema: u32,
    /// Host and port.
    target: String,
    /// CPU time that this generator used itself, seconds.
    generator_cpu_seconds: f64,
    #[serde(flatten)]
    outcome: Outcome,
}

impl Report {
    /// A report that is made now, at the run's end.
    #[must_use]
    pub fn new(target: String, outcome: Outcome) -> Self {
        Self {
            schema: SCHEMA,
            target,
            generator_cpu_seconds: seconds(cpu_time()),
            outcome,
        }
    }

    /// What happened.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}

/// What happened, by mode.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
pub enum Outcome {
    /// Publishers, with or without a storm.
    Publish(Box<Publishing>),
    /// Sockets that hardly say anything.
    Slowloris(Slowloris),
    /// Handshakes and no more.
    Handshakes(Handshakes),
}

/// Of a run of publishers.
#[derive(Clone, Debug, Serialize)]
pub struct Publishing {
    /// How many were wanted.
    pub connections: usize,
    /// How many got `NetStream.Publish.Start`.
    pub started: usize,
    /// No connection, no dialogue, or no decision in 30 s.
    pub failed: usize,
    /// Turned away by the server.
    pub refused: usize,
    /// With which codes.
    pub refused_codes: BTreeMap<String, usize>,
    /// Closed by the server while they were live.
    pub dropped: usize,
    /// From the begin until everybody was live or over, milliseconds.
    pub all_started_ms: Option<f64>,
    /// Length of the run.
    pub seconds: f64,
    /// The file's mean bit rate, kbit/s.
    pub nominal_kbps: u64,
    /// The file's mean number of messages a second.
    pub nominal_messages_per_second: f64,
    /// From connect() to `NetStream.Publish.Start`.
    pub start_ms: Summary,
    /// How much later than its time each message left; from the window's begin on, where there is
    /// one.
    pub lateness_ms: Summary,
    /// Over the whole run.
    pub sent: Sent,
    /// Only with `--storm`.
    pub storm: Option<Storm>,
    /// Only with `--window`, and when it was reached.
    pub window: Option<Window>,
}

/// What happened when everybody was cut at once.
#[derive(Clone, Debug, Serialize)]
pub struct Storm {
    /// How many were cut.
    pub publishers: usize,
    /// How many were live again.
    pub back: usize,
    /// From the cut until everybody was back.
    pub all_back_ms: Option<f64>,
    /// Tries that did not succeed and were made again.
    pub tries_refused: usize,
    /// From connect() to `NetStream.Publish.Start`, of the tries that succeeded.
    pub start_ms: Summary,
}

/// What was sent while the server was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Window {
    /// Its length.
    pub seconds: f64,
    /// Who was live at its end.
    pub publishers: usize,
    /// Who was closed by the server in it.
    pub dropped: usize,
    /// How much later than its time each message left.
    pub lateness_ms: Summary,
    /// What was sent in it.
    pub sent: Sent,
}

/// Of sockets that send a byte now and then.
#[derive(Clone, Debug, Serialize)]
pub struct Slowloris {
    /// How many were wanted.
    pub sockets: usize,
    /// How many were connected.
    pub connected: usize,
    /// Could not connect.
    pub failed: usize,
    /// Closed by the server.
    pub reaped: usize,
    /// Still open at the end.
    pub left: usize,
    /// From connect() to the server's closing.
    pub reaped_ms: Summary,
}

/// Of handshakes that are followed by nothing.
#[derive(Clone, Debug, Serialize)]
pub struct Handshakes {
    /// How many were wanted.
    pub handshakes: usize,
    /// The server's half came, whole.
    pub completed: usize,
    /// Refused, reset, closed early.
    pub failed: usize,
    /// Not complete in time.
    pub timed_out: usize,
    /// Length of the run.
    pub seconds: f64,
    /// From connect() to the last byte of S2.
    pub handshake_ms: Summary,
}
