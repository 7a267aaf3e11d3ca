//! The edge as a process of its own: flags, clients, one [`Edge`], a clean drain.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use domain::FingerprintSecret;
use edge_ingest::options::Options;
use edge_ingest::{Edge, Services, Settings};
use notify::Notifier;
use store::Store;
use store::cache::Cache;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(tracing_subscriber::EnvFilter::try_new(&options.log).context("--log")?)
        .with_writer(std::io::stderr)
        .init();
    let settings = settings(&options)?;
    let services = services(&options).await?;
    let cache = services.cache.clone();
    let edge = Edge::start(settings, services).await?;
    stop_signal().await?;
    tracing::info!("draining");
    edge.drain().await;
    cache.close().await;
    Ok(())
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
    if let Some(file) = &options.fleet_secret_file {
        settings.fingerprint_secret = fingerprint_secret(file)?;
    }
    Ok(settings)
}

async fn services(options: &Options) -> anyhow::Result<Services> {
    let sdk = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let client = aws_sdk_dynamodb::Client::from_conf(store::client::config_for(&sdk).build());
    let store = Store::new(client, &options.table_prefix);
    let cache = match &options.redis_url {
        Some(url) => Cache::redis(url).await.context("--redis-url")?,
        None => Cache::memory(),
    };
    let management = notify::client(&sdk, &options.websocket_management_url);
    let notifier = Notifier::new(management, store.clone());
    Ok(Services {
        store,
        cache,
        notifier,
    })
}

fn fingerprint_secret(file: &Path) -> anyhow::Result<FingerprintSecret> {
    let secret = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    FingerprintSecret::derive(&secret)
        .with_context(|| format!("{} must hold at least 16 bytes", file.display()))
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

async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
