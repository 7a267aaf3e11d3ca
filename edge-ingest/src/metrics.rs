//! What an edge counts, in Prometheus' text format. No label ever holds a key, a channel or an
//! address: their number has no bound.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Which refusal.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RefusalLabel {
    /// The stable code.
    pub reason: &'static str,
}

/// Upper bounds in seconds: from a local store's answer to the promise of two seconds.
const SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 2.0];

/// One edge's counters.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub(crate) connections: Gauge,
    pub(crate) connections_accepted: Counter,
    pub(crate) connections_refused: Counter,
    pub(crate) tls_failures: Counter,
    pub(crate) proxy_header_failures: Counter,
    pub(crate) publishers: Gauge,
    pub(crate) publishes_started: Counter,
    pub(crate) publishes_refused: Family<RefusalLabel, Counter>,
    pub(crate) media_bytes: Counter<u64, AtomicU64>,
    pub(crate) protocol_errors: Counter,
    pub(crate) held_bytes: Gauge,
    pub(crate) out_of_memory: Counter,
    pub(crate) store_errors: Counter,
    pub(crate) epochs_lost: Counter,
    pub(crate) edges_fenced: Counter,
    pub(crate) takeovers: Counter,
    pub(crate) locks_given_back: Counter,
    pub(crate) outage_questions: Counter,
    pub(crate) admission_seconds: Histogram,
    pub(crate) live_seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("stream_sync_edge"),
            connections: Gauge::default(),
            connections_accepted: Counter::default(),
            connections_refused: Counter::default(),
            tls_failures: Counter::default(),
            proxy_header_failures: Counter::default(),
            publishers: Gauge::default(),
            publishes_started: Counter::default(),
            publishes_refused: Family::default(),
            media_bytes: Counter::default(),
            protocol_errors: Counter::default(),
            held_bytes: Gauge::default(),
            out_of_memory: Counter::default(),
            store_errors: Counter::default(),
            epochs_lost: Counter::default(),
            edges_fenced: Counter::default(),
            takeovers: Counter::default(),
            locks_given_back: Counter::default(),
            outage_questions: Counter::default(),
            admission_seconds: Histogram::new(SECONDS),
            live_seconds: Histogram::new(SECONDS),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let r = &mut self.registry;
        r.register(
            "connections",
            "Open RTMP connections",
            self.connections.clone(),
        );
        r.register(
            "connections_accepted",
            "RTMP connections accepted",
            self.connections_accepted.clone(),
        );
        r.register(
            "connections_refused",
            "RTMP connections closed at once because too many were open",
            self.connections_refused.clone(),
        );
        r.register(
            "tls_failures",
            "TLS handshakes that came to nothing",
            self.tls_failures.clone(),
        );
        r.register(
            "proxy_header_failures",
            "Connections of load balancers without a PROXY header that can be taken",
            self.proxy_header_failures.clone(),
        );
        r.register(
            "publishers",
            "Publishers that are live",
            self.publishers.clone(),
        );
        r.register(
            "publishes_started",
            "Publishes let in",
            self.publishes_started.clone(),
        );
        r.register(
            "publishes_refused",
            "Publishes turned away",
            self.publishes_refused.clone(),
        );
        r.register(
            "media_bytes",
            "Media payload received",
            self.media_bytes.clone(),
        );
        r.register(
            "protocol_errors",
            "Connections closed because of what they sent",
            self.protocol_errors.clone(),
        );
        r.register(
            "held_bytes",
            "What all connections hold of messages that have not ended",
            self.held_bytes.clone(),
        );
        r.register(
            "out_of_memory",
            "Connections closed because all together held as much as they may",
            self.out_of_memory.clone(),
        );
        r.register(
            "store_errors",
            "Calls to the store that failed",
            self.store_errors.clone(),
        );
        r.register(
            "epochs_lost",
            "Times that this edge lost its lease and dropped every publisher",
            self.epochs_lost.clone(),
        );
        r.register(
            "edges_fenced",
            "Silent edges that this edge fenced",
            self.edges_fenced.clone(),
        );
        r.register(
            "takeovers",
            "Sessions taken over from dead edges",
            self.takeovers.clone(),
        );
        r.register(
            "locks_given_back",
            "Locks given back for a holder that was lost",
            self.locks_given_back.clone(),
        );
        r.register(
            "outage_questions",
            "Times that the other edges were asked whether the store is away",
            self.outage_questions.clone(),
        );
        r.register(
            "admission_seconds",
            "From the publish command to the answer",
            self.admission_seconds.clone(),
        );
        r.register(
            "live_seconds",
            "From accepting the connection to LIVE being written",
            self.live_seconds.clone(),
        );
    }

    /// The counters as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}
