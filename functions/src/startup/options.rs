//! Flags and variables of each binary. Every flag has a variable of the same name.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use aws_config::{BehaviorVersion, SdkConfig};
use clap::{Args, Parser};
use notify::Notifier;
use store::Store;
use store::cache::Cache;

use super::{Options, open};
use crate::function::now;
use crate::{Api, Authenticator, Function, Keyring, Settings, StatusFanout, Websocket};

/// Where the tables are.
#[derive(Args, Debug)]
struct StoreOptions {
    /// What the tables' names begin with.
    #[arg(long, env = "STREAM_SYNC_TABLE_PREFIX", default_value = "")]
    table_prefix: String,
}

impl StoreOptions {
    async fn open(&self, sdk: &SdkConfig) -> Store {
        let config = store::client::config_for(sdk).build();
        let client = aws_sdk_dynamodb::Client::from_conf(config);
        let store = Store::new(client, &self.table_prefix);
        open(&store).await;
        store
    }
}

/// Where the shared cache is.
#[derive(Args, Debug)]
struct CacheOptions {
    /// The shared cache, redis://host:port or rediss://host:port; without it everything works.
    #[arg(long, env = "STREAM_SYNC_REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,
    /// The same, looked up by its name in ElastiCache; only in builds with the feature `elasticache`.
    #[arg(
        long,
        env = "STREAM_SYNC_ELASTICACHE_NAME",
        conflicts_with = "redis_url"
    )]
    elasticache_name: Option<String>,
}

impl CacheOptions {
    async fn open(&self, sdk: &SdkConfig) -> anyhow::Result<Cache> {
        let (url, name) = (&self.redis_url, &self.elasticache_name);
        let cache = Cache::open(sdk, url.as_deref(), name.as_deref()).await;
        Ok(cache
            .context("the shared cache")?
            .unwrap_or_else(Cache::none))
    }
}

/// Where connections are posted to.
#[derive(Args, Debug)]
struct NotifyOptions {
    /// The @connections API of the WebSocket API, https://host/stage.
    #[arg(long, env = "STREAM_SYNC_WEBSOCKET_MANAGEMENT_URL")]
    websocket_management_url: url::Url,
}

impl NotifyOptions {
    fn notifier(&self, sdk: &SdkConfig, store: &Store) -> Notifier {
        let client = notify::client(sdk, self.websocket_management_url.as_str());
        Notifier::new(client, store.clone())
    }
}

/// Where the secret for stream keys is.
#[derive(Clone, Debug)]
enum KeyEncryption {
    File(PathBuf),
    #[cfg(feature = "kms")]
    Kms(String),
}

fn key_encryption(text: &str) -> Result<KeyEncryption, &'static str> {
    match text.split_once(':') {
        Some(("file", path)) if !path.is_empty() => Ok(KeyEncryption::File(path.into())),
        #[cfg(feature = "kms")]
        Some(("kms", key)) if !key.is_empty() => Ok(KeyEncryption::Kms(key.to_owned())),
        #[cfg(not(feature = "kms"))]
        Some(("kms", _)) => {
            Err("this build has no KMS: build it with --features kms, or use file:PATH")
        }
        _ => Err("must be file:PATH or kms:ARN"),
    }
}

impl KeyEncryption {
    #[cfg_attr(
        not(feature = "kms"),
        allow(unused_variables, reason = "only KMS is reached by it")
    )]
    fn keyring(&self, sdk: &SdkConfig) -> anyhow::Result<Keyring> {
        match self {
            Self::File(path) => Keyring::from_file(path).context("STREAM_SYNC_KEY_ENCRYPTION"),
            #[cfg(feature = "kms")]
            Self::Kms(key) => Ok(Keyring::from_kms(sdk, key)),
        }
    }
}

async fn sdk() -> SdkConfig {
    aws_config::load_defaults(BehaviorVersion::latest()).await
}

/// Options of `api`.
#[derive(Parser, Debug)]
#[command(
    name = "api",
    version,
    about = "The HTTP API of stream-sync, on AWS Lambda"
)]
pub struct ApiOptions {
    #[command(flatten)]
    store: StoreOptions,
    #[command(flatten)]
    cache: CacheOptions,
    /// Seals the stream keys that owners may reveal: file:PATH of a 32-byte secret, raw or base64, or
    /// kms:ARN of a KMS key; that only in builds with the feature `kms`.
    #[arg(long, env = "STREAM_SYNC_KEY_ENCRYPTION", value_parser = key_encryption)]
    key_encryption: KeyEncryption,
    /// The identity provider's public keys.
    #[arg(long, env = "STREAM_SYNC_JWKS_URL")]
    jwks_url: String,
    /// The `iss` of tokens that are taken.
    #[arg(long, env = "STREAM_SYNC_JWT_ISSUER")]
    jwt_issuer: String,
    /// The `aud` (or, without one, the `client_id`) of tokens that are taken.
    #[arg(long, env = "STREAM_SYNC_JWT_AUDIENCE")]
    jwt_audience: String,
    /// For how long a dropped stream of a new channel may come back, where its owner does not say.
    #[arg(long, env = "STREAM_SYNC_GRACE_SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=60))]
    grace_seconds: u64,
    /// The region new channels belong to; the function's own by default.
    #[arg(long, env = "STREAM_SYNC_REGION")]
    region: Option<String>,
    /// The host that is shown to encoders while no edge takes publishers.
    #[arg(long, env = "STREAM_SYNC_PUBLIC_HOST", default_value = "127.0.0.1")]
    public_host: String,
    /// The RTMP application that is shown with it.
    #[arg(long, env = "STREAM_SYNC_INGEST_APP", default_value = "live")]
    ingest_app: String,
}

impl Options for ApiOptions {
    async fn start(self) -> anyhow::Result<Function> {
        let authenticator =
            Authenticator::from_url(&self.jwks_url, &self.jwt_issuer, &self.jwt_audience)
                .context("STREAM_SYNC_JWKS_URL")?;
        let sdk = sdk().await;
        let keyring = self.key_encryption.keyring(&sdk)?;
        let cache = self.cache.open(&sdk).await?;
        let (store, ()) = tokio::join!(self.store.open(&sdk), authenticator.prepare(now()));
        Ok(Function::api(Api {
            store,
            cache,
            keyring,
            authenticator,
            settings: self.settings(&sdk),
        }))
    }
}

impl ApiOptions {
    fn settings(&self, sdk: &SdkConfig) -> Settings {
        let own = sdk.region().map(|region| region.as_ref().to_owned());
        Settings {
            region: self
                .region
                .clone()
                .or(own)
                .unwrap_or_else(|| "local".into()),
            default_ingest_url: format!("rtmp://{}/{}", self.public_host, self.ingest_app),
            default_grace: Duration::from_secs(self.grace_seconds),
            allowed_origins: Vec::new(),
        }
    }
}

/// Options of `websocket`.
#[derive(Parser, Debug)]
#[command(
    name = "websocket",
    version,
    about = "The dashboards' WebSockets of stream-sync, on AWS Lambda"
)]
pub struct WebsocketOptions {
    #[command(flatten)]
    store: StoreOptions,
    #[command(flatten)]
    cache: CacheOptions,
    #[command(flatten)]
    notify: NotifyOptions,
    /// Origins of pages that may connect, https://host[:port], separated by commas.
    #[arg(long, env = "STREAM_SYNC_ALLOWED_ORIGINS", value_delimiter = ',')]
    allowed_origins: Vec<String>,
}

impl Options for WebsocketOptions {
    async fn start(self) -> anyhow::Result<Function> {
        let sdk = sdk().await;
        let cache = self.cache.open(&sdk).await?;
        let store = self.store.open(&sdk).await;
        Ok(Function::websocket(Websocket {
            notifier: self.notify.notifier(&sdk, &store),
            store,
            cache,
            allowed_origins: self.allowed_origins,
        }))
    }
}

/// Options of `status-fanout`.
#[derive(Parser, Debug)]
#[command(
    name = "status-fanout",
    version,
    about = "Follows the change streams of stream-sync, on AWS Lambda"
)]
pub struct StatusFanoutOptions {
    #[command(flatten)]
    store: StoreOptions,
    #[command(flatten)]
    notify: NotifyOptions,
}

impl Options for StatusFanoutOptions {
    async fn start(self) -> anyhow::Result<Function> {
        let sdk = sdk().await;
        let store = self.store.open(&sdk).await;
        let notifier = self.notify.notifier(&sdk, &store);
        Ok(Function::status_fanout(StatusFanout { store, notifier }))
    }
}

/// Options of `reaper`.
#[derive(Parser, Debug)]
#[command(
    name = "reaper",
    version,
    about = "Finishes what no edge of stream-sync is left to finish, on AWS Lambda"
)]
pub struct ReaperOptions {
    #[command(flatten)]
    store: StoreOptions,
}

impl Options for ReaperOptions {
    async fn start(self) -> anyhow::Result<Function> {
        let store = self.store.open(&sdk().await).await;
        Ok(Function::reaper(store))
    }
}
