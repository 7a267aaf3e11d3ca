//! One edge: what it starts, in which order, and how it ends.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use domain::{EdgeId, edge};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::front_door::FrontDoor;
use crate::media_workers::MediaWorkers;
use crate::settings::Settings;
use crate::shared::{Services, Shared, StopMode};
use crate::{
    admin, attempts, clock, control, descriptors, heartbeat, listener, memory, metrics, registry,
    tls,
};

/// The first life of every process; a process that fenced itself counts on from here.
const FIRST_EPOCH: u64 = 1;
/// How long an edge waits for its tasks at its end: the writes of a thousand publishers, and the
/// repetitions of one whose store does not answer.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// A running edge. Dropping it without [`Edge::stop`] or [`Edge::drain`] leaves its locks to the
/// reaper.
#[derive(Debug)]
pub struct Edge {
    shared: Arc<Shared>,
    registered: edge::Edge,
    rtmp_address: SocketAddr,
    rtmps_address: Option<SocketAddr>,
    admin_address: SocketAddr,
}

/// Why an edge did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken or not ours.
    #[error("cannot listen on {address} for {what}: {source}")]
    Listen {
        /// `RTMP`, `RTMPS` or `health and metrics`.
        what: &'static str,
        /// What was asked for.
        address: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
    /// The system gave no threads.
    #[error("cannot start the threads that read media: {0}")]
    Threads(#[source] io::Error),
    /// The certificate cannot be used.
    #[error("cannot take RTMPS: {0}")]
    Certificate(#[from] tls::Error),
    /// The store did not take the registration.
    #[error("cannot register the edge: {0}")]
    Register(#[source] store::Error),
    /// Another process registered under this id, which is random: never seen.
    #[error("another process has this edge's id")]
    IdTaken,
}

impl Edge {
    /// Listens, registers, and takes publishers from then on. Raises the process's limit of open
    /// files to what it may have.
    ///
    /// # Errors
    /// [`Error`]: an address is taken, or the store is away.
    pub async fn start(settings: Settings, services: Services) -> Result<Self, Error> {
        let rtmp = listen("RTMP", settings.rtmp_listen).await?;
        let rtmps = match &settings.rtmps {
            Some((address, files)) => Some(Rtmps::open(*address, files.clone()).await?),
            None => None,
        };
        let health = listen("health and metrics", settings.admin_listen).await?;
        let rtmp_address = local(&rtmp, settings.rtmp_listen);
        let rtmps_address = rtmps.as_ref().map(|rtmps| rtmps.address);
        let admin_address = local(&health, settings.admin_listen);
        let registered = registration(&settings, rtmp_address, rtmps_address);
        match services
            .store
            .boot_edge(&registered)
            .await
            .map_err(Error::Register)?
        {
            store::Booted::Registered => {}
            store::Booted::Taken => return Err(Error::IdTaken),
        }
        let metrics = metrics::Metrics::default();
        let shared = Arc::new(Shared {
            front_door: FrontDoor::new(settings.budgets),
            memory: memory::Budget::new(settings.memory_budget, metrics.held_bytes.clone()),
            room: Arc::new(Semaphore::new(
                descriptors::room_for(settings.max_connections()) as usize,
            )),
            tls_turns: Semaphore::new(Settings::tls_turns()),
            media_workers: MediaWorkers::start(&settings).map_err(Error::Threads)?,
            settings,
            services,
            owner: registered.owner(),
            started_at: Instant::now(),
            registry: registry::Registry::default(),
            attempts: attempts::Attempts::default(),
            metrics,
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            fenced: CancellationToken::new(),
            stop_mode: OnceLock::new(),
        });
        let tasks = &shared.tasks;
        tasks.spawn(heartbeat::run(Arc::clone(&shared)));
        tasks.spawn(control::run(Arc::clone(&shared)));
        tasks.spawn(admin::run(Arc::clone(&shared), health));
        tasks.spawn(listener::run(Arc::clone(&shared), rtmp, None));
        if let Some(Rtmps {
            listener,
            certificate,
            acceptor,
            ..
        }) = rtmps
        {
            tasks.spawn(certificate.keep_current(shared.stopping.clone()));
            tasks.spawn(listener::run(Arc::clone(&shared), listener, Some(acceptor)));
        }
        tracing::info!(edge_id = %shared.owner.edge_id, name = shared.settings.name, %rtmp_address,
            rtmps_address = rtmps_address.map(tracing::field::display), %admin_address, "edge is up");
        Ok(Self {
            shared,
            registered,
            rtmp_address,
            rtmps_address,
            admin_address,
        })
    }

    /// Its id: random at each start.
    #[must_use]
    pub const fn id(&self) -> &EdgeId {
        &self.registered.id
    }

    /// Where it takes RTMP.
    #[must_use]
    pub const fn rtmp_address(&self) -> SocketAddr {
        self.rtmp_address
    }

    /// Where it takes RTMP over TLS, if it does.
    #[must_use]
    pub const fn rtmps_address(&self) -> Option<SocketAddr> {
        self.rtmps_address
    }

    /// The URL it registered for encoders that speak TLS.
    #[must_use]
    pub fn rtmps_url(&self) -> Option<&str> {
        self.registered.rtmps_url.as_deref()
    }

    /// Where its health and metrics are.
    #[must_use]
    pub const fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// The URL it registered for encoders.
    #[must_use]
    pub fn rtmp_url(&self) -> &str {
        &self.registered.rtmp_url
    }

    /// Ends every session at once: nobody takes over. For the last edge of a single machine.
    pub async fn stop(self) {
        self.finish(StopMode::End).await;
    }

    /// Leaves every session in grace: publishers come back on another edge.
    pub async fn drain(self) {
        self.finish(StopMode::Drain).await;
    }

    async fn finish(self, mode: StopMode) {
        let shared = &self.shared;
        // Set once, before the signal that makes it be read.
        let _ = shared.stop_mode.set(mode);
        shared.stopping.cancel();
        shared.tasks.close();
        if tokio::time::timeout(STOP_WITHIN, shared.tasks.wait())
            .await
            .is_err()
        {
            tracing::error!(left = shared.tasks.len(), "tasks did not end in time");
        }
        shared.media_workers.stop();
        match shared.services.store.fence_edge(&self.registered).await {
            Ok(_) => tracing::info!(edge_id = %self.id(), "edge is down"),
            Err(error) => tracing::warn!(%error, "cannot say that this edge is down"),
        }
    }
}

/// The TLS listener with what it needs.
struct Rtmps {
    listener: TcpListener,
    address: SocketAddr,
    certificate: Arc<tls::Certificate>,
    acceptor: TlsAcceptor,
}

impl Rtmps {
    async fn open(address: SocketAddr, files: tls::CertificateFiles) -> Result<Self, Error> {
        let certificate = tls::Certificate::load(files)?;
        let acceptor = certificate.acceptor()?;
        let listener = listen("RTMPS", address).await?;
        let address = local(&listener, address);
        Ok(Self {
            listener,
            address,
            certificate,
            acceptor,
        })
    }
}

fn registration(settings: &Settings, rtmp: SocketAddr, rtmps: Option<SocketAddr>) -> edge::Edge {
    let Settings {
        public_host,
        ingest_app,
        ..
    } = settings;
    let url = |scheme, address: SocketAddr| {
        format!("{scheme}://{public_host}:{}/{ingest_app}", address.port())
    };
    edge::Edge {
        id: EdgeId::from_random(clock::random()),
        name: settings.name.clone(),
        epoch: FIRST_EPOCH,
        boot_id: domain::id::hex(&clock::random::<16>()),
        heartbeat: 0,
        state: edge::State::Up,
        swept: false,
        region: settings.region.clone(),
        rtmp_url: url("rtmp", rtmp),
        rtmps_url: rtmps.map(|address| url("rtmps", address)),
        peer_address: None,
        publishers: 0,
        capacity: settings.capacity,
    }
}

async fn listen(what: &'static str, address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen {
            what,
            address,
            source,
        })
}

fn local(listener: &TcpListener, asked: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(asked)
}
