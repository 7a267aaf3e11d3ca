//! What every task of one edge shares.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use notify::Notifier;
use store::Store;
use store::cache::Cache;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::attempts::Attempts;
use crate::front_door::FrontDoor;
use crate::lease::Fleet;
use crate::media_sink::MediaSink;
use crate::media_workers::MediaWorkers;
use crate::memory;
use crate::metrics::Metrics;
use crate::peers::Peers;
use crate::registry::Registry;
use crate::settings::Settings;

/// What an edge needs of the rest of the system.
#[derive(Clone, Debug)]
pub struct Services {
    /// Keys, locks and logs.
    pub store: Store,
    /// The same store over a client of its own, for the lease alone: what it sends waits for nothing
    /// that publishers send.
    pub lease_store: Store,
    /// What makes refusals cheap and carries control messages.
    pub cache: Cache,
    /// The way to dashboards.
    pub notifier: Notifier,
    /// Where accepted media goes; without one it is only looked at, and not copied.
    pub media_sink: Option<Arc<dyn MediaSink>>,
}

/// One edge, as its tasks see it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) services: Services,
    /// This edge's lease, and the other edges.
    pub(crate) fleet: Fleet,
    /// The way to the other edges.
    pub(crate) peers: Peers,
    /// The runtime that everything but leases and steady media runs on.
    pub(crate) runtime: Handle,
    /// Where the monotonic count of samples begins.
    pub(crate) started_at: Instant,
    pub(crate) registry: Arc<Registry>,
    pub(crate) attempts: Attempts,
    pub(crate) metrics: Metrics,
    /// What each address has tried.
    pub(crate) front_door: Arc<FrontDoor>,
    /// What all connections hold.
    pub(crate) memory: Arc<memory::Budget>,
    /// Room for connections of every kind.
    pub(crate) room: Arc<Semaphore>,
    /// Turns at answering a TLS hello.
    pub(crate) tls_turns: Semaphore,
    /// Where steady media is read.
    pub(crate) media_workers: MediaWorkers,
    /// Every task of the edge; awaited at its end.
    pub(crate) tasks: TaskTracker,
    /// Fired once when nobody is to be let in any more.
    pub(crate) draining: CancellationToken,
    /// Fired once when the edge is to end, after `stop_mode` is set.
    pub(crate) stopping: CancellationToken,
    /// Fired once when nothing is held any more: the lease needs no keeping.
    pub(crate) left: CancellationToken,
    /// How running sessions are left when it stops.
    pub(crate) stop_mode: OnceLock<StopMode>,
}

/// How running sessions are left when an edge stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopMode {
    /// Nobody takes over: every session ends now.
    End,
    /// Publishers come back on another edge within the grace.
    Drain,
}

impl Shared {
    pub(crate) fn stop_mode(&self) -> StopMode {
        self.stop_mode.get().copied().unwrap_or(StopMode::Drain)
    }

    /// Whether a publish may be admitted at all.
    pub(crate) fn admits(&self) -> bool {
        !self.draining.is_cancelled() && self.fleet.is_held()
    }
}
