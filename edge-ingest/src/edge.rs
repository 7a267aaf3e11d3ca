//! One edge: what it starts, in which order, and how it ends.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use domain::{EdgeId, Owner, edge};
use store::Store;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::front_door::FrontDoor;
use crate::lease::{FIRST_EPOCH, Fleet, keeper};
use crate::media_workers::MediaWorkers;
use crate::peers::{self, Peers};
use crate::settings::Settings;
use crate::shared::{Services, Shared, StopMode};
use crate::{
    admin, attempts, clock, control, descriptors, listener, memory, metrics, registry, sweeper, tls,
};

/// Publishers that are sent away in a second when the edge drains: what the edges that take them
/// bear, and what the store does.
const DRAINED_IN_A_SECOND: u32 = 50;
/// How long an edge waits for its tasks at its end: the writes of a thousand publishers, and the
/// repetitions of one whose store does not answer.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// How long the other edges' questions may take at its end.
const PEERS_WITHIN: Duration = Duration::from_secs(2);
/// Tries to fence itself.
const FENCE_TRIES: u32 = 3;

/// A running edge. Dropping it without [`Edge::stop`] or [`Edge::drain`] leaves its locks to the
/// reaper.
#[derive(Debug)]
pub struct Edge {
    shared: Arc<Shared>,
    registered: edge::Edge,
    rtmp_address: SocketAddr,
    rtmps_address: Option<SocketAddr>,
    admin_address: SocketAddr,
    peer_port: Option<JoinHandle<()>>,
    lease: std::thread::JoinHandle<()>,
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
    #[error("cannot start the threads for media and the lease: {0}")]
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
        let peers = match &settings.peers {
            Some(port) => Some((listen("other edges", port.listen).await?, port.clone())),
            None => None,
        };
        let rtmp_address = local(&rtmp, settings.rtmp_listen);
        let rtmps_address = rtmps.as_ref().map(|rtmps| rtmps.address);
        let admin_address = local(&health, settings.admin_listen);
        let registered = edge::Edge {
            peer_address: peers.as_ref().map(|(listener, port)| {
                let heard = || local(listener, port.listen).to_string();
                port.address.clone().unwrap_or_else(heard)
            }),
            ..registration(&settings, rtmp_address, rtmps_address)
        };
        let fleet = Fleet::new(registered.clone());
        register(&fleet, &services).await?;
        let secret = settings.peers.as_ref().map(|port| port.secret.clone());
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
            fleet,
            peers: Peers::new(secret),
            runtime: Handle::current(),
            started_at: Instant::now(),
            registry: Arc::new(registry::Registry::default()),
            attempts: attempts::Attempts::default(),
            metrics,
            tasks: TaskTracker::new(),
            draining: CancellationToken::new(),
            stopping: CancellationToken::new(),
            left: CancellationToken::new(),
            stop_mode: OnceLock::new(),
        });
        let lease = keeper::start(Arc::clone(&shared)).map_err(Error::Threads)?;
        let peer_port = peers.map(|(listener, port)| {
            tokio::spawn(peers::run(Arc::clone(&shared), listener, port.secret))
        });
        let tasks = &shared.tasks;
        tasks.spawn(sweeper::run(Arc::clone(&shared)));
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
        tracing::info!(edge_id = %registered.id, name = shared.settings.name, %rtmp_address,
            rtmps_address = rtmps_address.map(tracing::field::display), %admin_address,
            peer_address = registered.peer_address, "edge is up");
        Ok(Self {
            shared,
            registered,
            rtmp_address,
            rtmps_address,
            admin_address,
            peer_port,
            lease,
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

    /// Sends every publisher away, [`DRAINED_IN_A_SECOND`] at most: their sessions wait, and they
    /// come back on another edge.
    pub async fn drain(self) {
        let shared = &self.shared;
        shared.draining.cancel();
        let drain = edge::Write::Drain {
            owner: shared.fleet.epoch().owner.clone(),
        };
        shared.fleet.drain();
        if let Err(error) = shared.services.store.write_edge(&drain).await {
            tracing::warn!(%error, "cannot say that this edge drains");
        }
        let mut pace = tokio::time::interval(Duration::from_secs(1) / DRAINED_IN_A_SECOND);
        for channel_id in shared.registry.channels() {
            pace.tick().await;
            shared.registry.order_to_leave(&channel_id);
        }
        self.finish(StopMode::Drain).await;
    }

    async fn finish(self, mode: StopMode) {
        let shared = &self.shared;
        shared.draining.cancel();
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
        shared.left.cancel();
        end_peer_port(self.peer_port).await;
        // It ends at once: what it waits for is given up.
        let lease = tokio::task::spawn_blocking(|| self.lease.join()).await;
        if !matches!(lease, Ok(Ok(()))) {
            tracing::error!("the lease's thread failed");
        }
        fence_itself(shared).await;
    }
}

/// Whoever is still asking something has its answer by then, or does not get it.
async fn end_peer_port(task: Option<JoinHandle<()>>) {
    let Some(mut task) = task else { return };
    match tokio::time::timeout(PEERS_WITHIN, &mut task).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the peer port failed"),
        Err(_) => task.abort(),
    }
}

/// Says that this edge is no more: others need not wait for its silence.
async fn fence_itself(shared: &Shared) {
    let epoch = shared.fleet.epoch();
    epoch.end();
    for _ in 0..FENCE_TRIES {
        match try_to_fence(&shared.services.store, &epoch.owner).await {
            Ok(true) => {
                tracing::info!(edge_id = %epoch.owner.edge_id, "edge is down");
                return;
            }
            // A heartbeat that was under way landed between the reading and the fence.
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "cannot say that this edge is down"),
        }
    }
}

async fn try_to_fence(store: &Store, owner: &Owner) -> Result<bool, store::Error> {
    match store.edge(&owner.edge_id).await? {
        Some(edge) if edge.epoch == owner.epoch => store.write_edge(&edge.fence()).await,
        Some(_) | None => Ok(true),
    }
}

/// Registers the first epoch; the lease's thread keeps it from then on.
async fn register(fleet: &Fleet, services: &Services) -> Result<(), Error> {
    let Some(boot) = fleet.next_write(0) else {
        return Ok(());
    };
    let booted = services.store.write_edge(&boot).await;
    if !booted.map_err(Error::Register)? {
        return Err(Error::IdTaken);
    }
    fleet.acknowledged(&boot);
    Ok(())
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
