//! The functions of this stack: in this process, or as binaries that run as on Lambda.
//!
//! Either way they are handed the same events. In this process they share its database, cache and
//! connections. As binaries (`--functions`) they have what any other process of this machine has: the
//! database on a socket, a cache if it is a Redis, and their settings in their environment.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use functions::{Services, Settings};
use futures_util::FutureExt as _;
use futures_util::future::{join_all, try_join_all};
use serde_json::Value;
use stream_sync::database::REGION;
use stream_sync::lambda::{self, Limits, Program};
use tempfile::NamedTempFile;

use crate::gateway::Function;
use crate::identity::Identity;
use crate::options::Options;

/// The functions that there are.
pub(crate) const NAMES: [&str; 4] = ["api", "websocket", "status-fanout", "reaper"];

/// Credentials for an end that checks none.
const CREDENTIALS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "local"),
    ("AWS_SECRET_ACCESS_KEY", "local"),
];

/// The functions, as the gateway and the clockwork call them.
#[derive(Debug)]
pub(crate) struct Functions {
    pub(crate) api: Function,
    pub(crate) websocket: Function,
    pub(crate) status_fanout: Function,
    pub(crate) reaper: Function,
    binaries: Vec<lambda::Function>,
    /// Their secret, where it is kept in no `--state`: gone with the stack.
    _key_file: Option<NamedTempFile>,
}

/// What binaries are told, besides the options.
pub(crate) struct Surroundings<'a> {
    pub(crate) dynamodb: &'a str,
    pub(crate) management: &'a str,
    /// Where this stack shows its own keys, if it does.
    pub(crate) own_jwks: &'a str,
    pub(crate) identity: &'a Identity,
    pub(crate) settings: &'a Settings,
    /// The secret for stream keys.
    pub(crate) secret: &'a [u8; 32],
}

/// Where the functions' programs are, or what is missing and how it is built.
///
/// # Errors
/// For a person to read.
pub(crate) fn programs(directory: &Path) -> Result<[PathBuf; 4], String> {
    let find = |name| {
        lambda::find(directory, name).map_err(|missing| {
            format!(
                "--functions {}: {missing}. `cargo lambda build -p stream-sync-functions` makes \
                 target/lambda, `cargo build -p stream-sync-functions` target/debug",
                directory.display()
            )
        })
    };
    let [api, websocket, status_fanout, reaper] = NAMES.map(find);
    Ok([api?, websocket?, status_fanout?, reaper?])
}

impl Functions {
    /// In this process.
    pub(crate) fn in_process(services: Services) -> Self {
        let function = |name, function: functions::Function| {
            Function::new(name, move |event| {
                let function = function.clone();
                async move {
                    let answer = function.invoke(event).await;
                    // With its causes, which only the operator may read.
                    Ok(answer.map_err(|error| format!("{:#}", anyhow::Error::from(error)))?)
                }
                .boxed()
            })
        };
        Self {
            api: function("api", functions::api(services.clone())),
            websocket: function("websocket", functions::websocket(services.clone())),
            status_fanout: function("status-fanout", functions::status_fanout(services.clone())),
            reaper: function("reaper", functions::reaper(services)),
            binaries: Vec::new(),
            _key_file: None,
        }
    }

    /// As binaries of the programs in `directory`; [`Functions::start`] starts them.
    ///
    /// # Errors
    /// One is missing, or their secret cannot be handed to them.
    pub(crate) fn binaries(
        directory: &Path,
        options: &Options,
        surroundings: &Surroundings<'_>,
    ) -> anyhow::Result<Self> {
        let programs = programs(directory).map_err(anyhow::Error::msg)?;
        let key_file =
            key_file(surroundings.secret).context("cannot keep the functions' secret")?;
        let environment = environment(options, surroundings, key_file.path());
        let limits = Limits {
            timeout: Duration::from_secs(options.function_timeout),
            ..Limits::default()
        };
        let mut binaries = Vec::new();
        let mut function = |name: &'static str, path: &PathBuf| {
            let program = Program {
                name: name.to_owned(),
                path: path.clone(),
                environment: environment.clone(),
                leashed: true,
            };
            let binary = lambda::Function::new(program, limits);
            binaries.push(binary.clone());
            called(name, binary)
        };
        let [api, websocket, status_fanout, reaper] = &programs;
        Ok(Self {
            api: function(NAMES[0], api),
            websocket: function(NAMES[1], websocket),
            status_fanout: function(NAMES[2], status_fanout),
            reaper: function(NAMES[3], reaper),
            binaries,
            _key_file: Some(key_file),
        })
    }

    /// Starts an instance of each binary, so that what cannot run is known at once.
    ///
    /// # Errors
    /// For a person to read: which one does not start, and what it wrote.
    pub(crate) async fn start(&self) -> anyhow::Result<()> {
        let started = self.binaries.iter().zip(NAMES).map(async |(binary, name)| {
            let warm = binary.warm().await;
            warm.with_context(|| format!("cannot run the function `{name}` (--functions)"))
        });
        try_join_all(started).await.map(drop)
    }

    /// Ends every binary.
    pub(crate) async fn stop(&self) {
        join_all(self.binaries.iter().map(lambda::Function::stop)).await;
    }
}

/// A binary, as the gateway calls it.
fn called(name: &'static str, binary: lambda::Function) -> Function {
    Function::new(name, move |event: Value| {
        let binary = binary.clone();
        async move { Ok(binary.invoke(&event).await?) }.boxed()
    })
}

/// The secret as a file that only this user may read.
fn key_file(secret: &[u8; 32]) -> std::io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix("stream-sync-key-encryption-")
        .tempfile()?;
    writeln!(file, "{}", STANDARD.encode(secret))?;
    file.flush()?;
    Ok(file)
}

/// What every function is told. Each reads of it what it needs.
fn environment(
    options: &Options,
    surroundings: &Surroundings<'_>,
    key_file: &Path,
) -> Vec<(String, String)> {
    let (settings, identity) = (surroundings.settings, surroundings.identity);
    let ingest = settings.default_ingest_url.trim_start_matches("rtmp://");
    let (public_host, app) = ingest.split_once('/').unwrap_or((ingest, "live"));
    let ours = [
        (
            "AWS_ENDPOINT_URL_DYNAMODB",
            surroundings.dynamodb.to_owned(),
        ),
        ("RUST_LOG", options.log_filter().to_string()),
        (
            "STREAM_SYNC_ALLOWED_ORIGINS",
            settings.allowed_origins.join(","),
        ),
        (
            "STREAM_SYNC_GRACE_SECONDS",
            settings.default_grace.as_secs().to_string(),
        ),
        ("STREAM_SYNC_INGEST_APP", app.to_owned()),
        (
            "STREAM_SYNC_JWKS_URL",
            identity.jwks_url(surroundings.own_jwks).to_owned(),
        ),
        ("STREAM_SYNC_JWT_AUDIENCE", identity.audience().to_owned()),
        ("STREAM_SYNC_JWT_ISSUER", identity.issuer().to_owned()),
        (
            "STREAM_SYNC_KEY_ENCRYPTION",
            format!("file:{}", key_file.display()),
        ),
        ("STREAM_SYNC_PUBLIC_HOST", public_host.to_owned()),
        ("STREAM_SYNC_REGION", settings.region.clone()),
        ("STREAM_SYNC_TABLE_PREFIX", options.table_prefix.clone()),
        (
            "STREAM_SYNC_WEBSOCKET_MANAGEMENT_URL",
            surroundings.management.to_owned(),
        ),
    ];
    let mut told = aws(options.dynamodb.is_some());
    told.extend(ours.map(|(name, value)| (name.to_owned(), value)));
    let redis = options.redis.as_ref();
    told.extend(redis.map(|url| ("STREAM_SYNC_REDIS_URL".to_owned(), url.to_string())));
    told
}

/// What AWS's own clients are told: for a database elsewhere what this process was told.
fn aws(database_is_elsewhere: bool) -> Vec<(String, String)> {
    let own = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let own = own.filter(|(name, _)| name.starts_with("AWS_") || name == "HOME");
    let mut told: Vec<_> = own.filter(|_| database_is_elsewhere).collect();
    let has = |told: &[(String, String)], wanted| told.iter().any(|(name, _)| name == wanted);
    if !has(&told, "AWS_ACCESS_KEY_ID") && !has(&told, "AWS_PROFILE") {
        told.extend(CREDENTIALS.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    if !has(&told, "AWS_REGION") {
        told.push(("AWS_REGION".to_owned(), REGION.to_owned()));
    }
    told
}
