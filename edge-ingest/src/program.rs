//! The edge as a process of its own: flags, clients, one [`Edge`], a clean drain.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use domain::FingerprintSecret;
use notify::Notifier;
use store::Store;
use store::cache::Cache;
use store::client::DateObserver;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock;
use crate::options::Options;
use crate::{Edge, FleetSecret, MediaSink, PeerPort, Services, Settings};

/// Runs an edge until it is told to stop, and drains it. `media_sink` gets what publishers send.
///
/// # Errors
/// For a person to read: why it could not start.
pub async fn run(
    options: Options,
    media_sink: Option<Arc<dyn MediaSink>>,
) -> anyhow::Result<ExitCode> {
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(tracing_subscriber::EnvFilter::try_new(&options.log).context("--log")?)
        .with_writer(std::io::stderr)
        .init();
    let mut stop = StopSignals::listen()?;
    let settings = settings(&options)?;
    let services = Services {
        media_sink,
        ..services(&options).await?
    };
    let cache = services.cache.clone();
    let edge = Edge::start(settings, services).await?;
    stop.next().await;
    tracing::info!("draining");
    let drained = async {
        edge.drain().await;
        cache.close().await;
    };
    tokio::select! {
        () = drained => Ok(ExitCode::SUCCESS),
        () = stop.next() => {
            tracing::warn!("told twice: ending at once, without giving locks back");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn settings(options: &Options) -> anyhow::Result<Settings> {
    let name = options.edge_name.clone().unwrap_or_else(host_name);
    let mut settings = Settings::local(&name, options.rtmp_listen, options.admin_listen);
    settings.region.clone_from(&options.region);
    settings.public_host.clone_from(&options.public_host);
    settings.capacity = options.capacity;
    settings.rtmps = options.rtmps();
    settings.read_tick = Duration::from_millis(options.read_tick_millis);
    settings.memory_budget = options.memory_budget_mib as usize * 1024 * 1024;
    settings.limits = options.front_door.limits();
    settings.timeouts = options.front_door.timeouts();
    settings.budgets.failures_per_minute = options.failures_per_minute;
    settings.budgets.opening_connections = options.opening_connections;
    settings.proxies.clone_from(&options.proxy_protocol_from);
    settings.ingest_app.clone_from(&options.ingest_app);
    settings.on_store_outage = options.on_store_outage;
    if let Some(file) = &options.fleet_secret_file {
        let secret = FleetSecrets::read(file)?;
        settings.fingerprint_secret = secret.fingerprint;
        settings.peers = options.peer_listen.map(|listen| PeerPort {
            listen,
            address: options.peer_address.clone(),
            secret: secret.fleet,
        });
    }
    Ok(settings)
}

async fn services(options: &Options) -> anyhow::Result<Services> {
    let sdk = sdk().await;
    let (url, name) = (&options.redis_url, &options.elasticache_name);
    let cache = Cache::open(&sdk, url.as_deref(), name.as_deref()).await;
    let cache = cache.context("the shared cache")?;
    let cache = cache.unwrap_or_else(Cache::memory);
    let management = notify::client(&sdk, &options.websocket_management_url);
    let store = store(&sdk, options);
    Ok(Services {
        notifier: Notifier::new(management, store.clone()),
        store,
        // With a connection pool of its own.
        lease_store: self::store(&self::sdk().await, options),
        cache,
        media_sink: None,
    })
}

async fn sdk() -> aws_config::SdkConfig {
    aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await
}

fn store(sdk: &aws_config::SdkConfig, options: &Options) -> Store {
    let observer = DateObserver::new(clock::observe_store);
    let config = store::client::config_for(sdk).interceptor(observer);
    let client = aws_sdk_dynamodb::Client::from_conf(config.build());
    Store::new(client, &options.table_prefix)
}

/// What is made of the fleet's secret.
struct FleetSecrets {
    fingerprint: FingerprintSecret,
    fleet: FleetSecret,
}

impl FleetSecrets {
    fn read(file: &Path) -> anyhow::Result<Self> {
        let secret =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let secrets = FingerprintSecret::derive(&secret).zip(FleetSecret::derive(&secret));
        let (fingerprint, fleet) =
            secrets.with_context(|| format!("{} must hold at least 16 bytes", file.display()))?;
        Ok(Self { fingerprint, fleet })
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        "edge".to_owned()
    } else {
        name.to_owned()
    }
}

struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
