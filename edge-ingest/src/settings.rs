//! What an edge is told at its start.

use std::net::SocketAddr;
use std::time::Duration;

use domain::FingerprintSecret;

use crate::front_door::Budgets;
use crate::memory::DEFAULT_BUDGET_BYTES;
use crate::peers::FleetSecret;
use crate::proxy_protocol::Proxies;
use crate::tls::CertificateFiles;

/// Connections beyond the publishers it takes: room for those that are still saying who they are
/// and for those that are being turned away.
pub const SPARE_CONNECTIONS: u32 = 256;

/// The most that reads may be delayed: live video does not feel it.
pub const MAX_READ_TICK: Duration = Duration::from_millis(50);
/// Reads per second and publisher fall from one for each message (some 80) to 20.
pub const DEFAULT_READ_TICK: Duration = MAX_READ_TICK;
/// Everything an edge is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Stable name that people know it by.
    pub name: String,
    /// Where it stands.
    pub region: String,
    /// The host that encoders reach it by.
    pub public_host: String,
    /// Publishers it takes at most.
    pub capacity: u32,
    /// Where it listens for RTMP; port 0 means any free one.
    pub rtmp_listen: SocketAddr,
    /// Where it takes RTMP over TLS, and with which certificate.
    pub rtmps: Option<(SocketAddr, CertificateFiles)>,
    /// Where health and metrics are; port 0 means any free one.
    pub admin_listen: SocketAddr,
    /// How other edges reach it, and it them; None for an edge that is alone.
    pub peers: Option<PeerPort>,
    /// What becomes of running publishers while the store is away.
    pub on_store_outage: OnStoreOutage,
    /// The application name in the ingest URL.
    pub ingest_app: String,
    /// What key fingerprints in logs are made with.
    pub fingerprint_secret: FingerprintSecret,
    /// What one address may try before it is let in.
    pub budgets: Budgets,
    /// Load balancers, which say whose each connection is in a PROXY header.
    pub proxies: Vec<Proxies>,
    /// What all connections together may hold of what their peers sent, in bytes.
    pub memory_budget: usize,
    /// Bounds of what a connection may send.
    pub limits: rtmp::Limits,
    /// Readable sockets of steady media wait for a common tick of this length and are read once
    /// per tick; zero reads each at once. At most [`MAX_READ_TICK`].
    pub read_tick: Duration,
    /// Threads that read steady media.
    pub media_threads: usize,
    /// Bounds of how long a connection may take.
    pub timeouts: Timeouts,
}

/// An edge's private port for the other edges.
#[derive(Clone, Debug)]
pub struct PeerPort {
    /// Where it listens; port 0 means any free one.
    pub listen: SocketAddr,
    /// `host:port` that the others reach it by; where it listens, if it is not given.
    pub address: Option<String>,
    /// What every question is signed with.
    pub secret: FleetSecret,
}

/// What becomes of running publishers while the store is away.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum OnStoreOutage {
    /// They stay where every other edge says that the store is away for it, too.
    #[default]
    Hold,
    /// They are dropped when the lease is over.
    Stop,
}

/// How long a connection may take for each step (design of the front door; measured encoders stay
/// far below each).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From accept to the end of the handshake.
    pub handshake: Duration,
    /// From accept to the publish command.
    pub publish: Duration,
    /// Without any media, from `NetStream.Publish.Start` on.
    pub no_media: Duration,
    /// For one write to the socket.
    pub write: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            publish: Duration::from_secs(10),
            no_media: Duration::from_secs(15),
            write: Duration::from_secs(5),
        }
    }
}

impl Settings {
    /// An edge on loopback with the defaults of a single machine.
    #[must_use]
    pub fn local(name: &str, rtmp_listen: SocketAddr, admin_listen: SocketAddr) -> Self {
        Self {
            name: name.to_owned(),
            region: "local".to_owned(),
            public_host: "127.0.0.1".to_owned(),
            capacity: 1_000,
            rtmp_listen,
            rtmps: None,
            admin_listen,
            peers: None,
            on_store_outage: OnStoreOutage::default(),
            ingest_app: "live".to_owned(),
            fingerprint_secret: FingerprintSecret::new(crate::clock::random()),
            budgets: Budgets::default(),
            proxies: Vec::new(),
            memory_budget: DEFAULT_BUDGET_BYTES,
            limits: rtmp::Limits::default(),
            read_tick: DEFAULT_READ_TICK,
            media_threads: std::thread::available_parallelism().map_or(1, usize::from),
            timeouts: Timeouts::default(),
        }
    }

    /// Answers to a TLS hello that are computed at once, a millisecond of CPU each: half of the
    /// threads in a reconnect storm, so that running publishers keep the other half.
    pub(crate) fn tls_turns() -> usize {
        (std::thread::available_parallelism().map_or(1, usize::from) / 2).max(1)
    }

    /// Connections it keeps open at most, where the system has descriptors for so many.
    #[must_use]
    pub const fn max_connections(&self) -> u32 {
        self.capacity.saturating_add(SPARE_CONNECTIONS)
    }
}
