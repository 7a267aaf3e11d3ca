//! What every task of one edge shares.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use domain::Owner;
use notify::Notifier;
use store::Store;
use store::cache::Cache;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::attempts::Attempts;
use crate::front_door::FrontDoor;
use crate::media_workers::MediaWorkers;
use crate::memory;
use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::settings::Settings;

/// What an edge needs of the rest of the system.
#[derive(Clone, Debug)]
pub struct Services {
    /// Keys, locks and logs.
    pub store: Store,
    /// What makes refusals cheap and carries control messages.
    pub cache: Cache,
    /// The way to dashboards.
    pub notifier: Notifier,
}

/// One edge, as its tasks see it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) services: Services,
    pub(crate) owner: Owner,
    /// Where the monotonic count of samples begins.
    pub(crate) started_at: Instant,
    pub(crate) registry: Registry,
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
    /// Fired once when the edge is to end, after `stop_mode` is set.
    pub(crate) stopping: CancellationToken,
    /// Fired when another process says that this epoch is over: nobody is admitted any more.
    pub(crate) fenced: CancellationToken,
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
        !self.stopping.is_cancelled() && !self.fenced.is_cancelled()
    }
}
