//! The stack: composes everything, in an order in which nothing is reached before it is there, and
//! ends it in the reverse one.
//!
//! It owns every task and every listener; [`Stack::stop`] awaits them, each for a bounded time. Edges
//! end first, so that the last word of each session still reaches dashboards and log.

use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use contract::endpoints::{Endpoints, SCHEMA};
use domain::edge::State as EdgeState;
use edge_ingest::Edge;
use functions::{Keyring, Services, Settings};
use futures_util::future::join_all;
use notify::Notifier;
use store::Store;
use store::cache::Cache;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::address::Address;
use crate::banner::{Banner, Key};
use crate::change_stream::{ChangeStream, Positions, Start};
use crate::database::{self, Database};
use crate::demo::{self, Demo};
use crate::deployed::{Functions, Surroundings};
use crate::edges;
use crate::endpoints::{self, Published};
use crate::gateway::{self, Function, Gateway, MANAGEMENT_PATH, WEBSOCKET_PATH};
use crate::identity::Identity;
use crate::listen::listen;
use crate::login::JWKS_PATH;
use crate::options::Options;
use crate::page::Page;
use crate::schedule;
use crate::state::State;

/// The secret that reveals stream keys, inside `--state`.
const KEY_ENCRYPTION_FILE: &str = "stream-key-encryption.key";

/// How long each part of the end may take. Edges bound themselves; what is left after these is
/// dropped with the process.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// A running stack.
#[derive(Debug)]
pub(crate) struct Stack {
    edges: Vec<Edge>,
    cache: Cache,
    functions: Functions,
    gateway: Gateway,
    background: Background,
    http: Listening,
    management: Option<Listening>,
    dynamodb: Option<Listening>,
    published: Option<Published>,
    page: Page,
    url: String,
    state: State,
}

/// What runs beside the listeners.
#[derive(Debug, Default)]
struct Background {
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// One listener's task.
#[derive(Debug)]
struct Listening {
    task: JoinHandle<()>,
    shutdown: CancellationToken,
}

/// The addresses that were taken.
struct Listeners {
    http: TcpListener,
    /// For `@connections`, where the other one may be reached from elsewhere.
    management: Option<TcpListener>,
    dynamodb: Option<TcpListener>,
}

/// What is said about them.
struct Urls {
    http: String,
    management: String,
    /// Where the development login shows its keys.
    jwks: String,
    /// Where other processes reach the database, if they can.
    dynamodb: Option<String>,
}

/// What edges and functions share.
struct Shared {
    database: Database,
    store: Store,
    /// For the edges' leases: over a client of its own.
    lease_store: Store,
    cache: Cache,
    notifier: Notifier,
}

impl Stack {
    /// Starts everything. What to tell the person comes with it.
    ///
    /// # Errors
    /// For a person to read: which part could not start, why, and what to change.
    pub(crate) async fn start(options: &Options) -> anyhow::Result<(Self, Banner)> {
        let state = State::open(options.state.as_deref())?;
        let (listeners, urls) = Listeners::bind(options).await?;
        let shared = Shared::open(options, &state, &urls.management).await?;
        let identity = Identity::open(options, &state, &urls.http)?;
        let functions = deploy(options, &state, &urls, &shared, &identity).await?;
        let gateway = Gateway::new(functions.api.clone(), functions.websocket.clone());
        let page = Page::find(identity.clone());
        let others = identity.routes().merge(page.routes());
        let serving = listeners.serve(&gateway, others, options, &shared.database);
        let (http, management, dynamodb) = serving;
        let mut stack = Self {
            edges: Vec::new(),
            cache: shared.cache.clone(),
            functions,
            gateway,
            background: Background::default(),
            http,
            management,
            dynamodb,
            published: None,
            page,
            url: urls.http.clone(),
            state,
        };
        match stack.begin(options, &urls, &shared, &identity).await {
            Ok(banner) => Ok((stack, banner)),
            Err(error) => {
                stack.stop().await;
                Err(error)
            }
        }
    }

    /// Starts what needs the listeners: functions of other processes ask for the login's keys, and all
    /// that follows asks a function.
    async fn begin(
        &mut self,
        options: &Options,
        urls: &Urls,
        shared: &Shared,
        identity: &Identity,
    ) -> anyhow::Result<Banner> {
        self.functions.start().await?;
        if let (Database::Embedded(_), Some(_)) = (&shared.database, self.state.directory()) {
            finish_earlier_runs(&shared.store, &self.functions.reaper).await?;
        }
        // Before any edge is up, so that a failure leaves none behind.
        let demo = match identity {
            Identity::Development(login) => Some(
                demo::prepare(&self.functions.api, login)
                    .await
                    .context("cannot make the demo channel")?,
            ),
            Identity::Provider(_) => None,
        };
        self.edges = edges::start(options, &shared.for_edges()).await?;
        self.background.start(self, shared).await;
        let endpoints = endpoints(options, urls, &self.edges, demo.as_ref());
        self.published = publish(options, &endpoints)?;
        let key = match demo {
            Some(demo) => demo.stream_key.map_or(Key::Sealed, Key::Shown),
            None => Key::OfItsOwner(identity.issuer().to_owned()),
        };
        Ok(banner(options, &endpoints, key, &self.page))
    }

    /// The page.
    pub(crate) const fn page(&self) -> &Page {
        &self.page
    }

    /// Where the page is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Ends everything: publishers get a clean end, dashboards are told, listeners go last.
    pub(crate) async fn stop(self) {
        drop(self.published);
        join_all(self.edges.into_iter().map(Edge::stop)).await;
        self.background.stop().await;
        in_time("dashboards", self.gateway.close_sockets()).await;
        self.http.stop("gateway").await;
        if let Some(management) = self.management {
            management.stop("management").await;
        }
        in_time("functions", self.functions.stop()).await;
        if let Some(dynamodb) = self.dynamodb {
            dynamodb.stop("database").await;
        }
        in_time("cache", self.cache.close()).await;
    }
}

/// Waits for the end of a part, but not for ever.
async fn in_time(part: &'static str, end: impl Future<Output = ()>) {
    if timeout(STOP_TIMEOUT, end).await.is_err() {
        tracing::warn!(part, "did not end in time");
    }
}

impl Listeners {
    async fn bind(options: &Options) -> anyhow::Result<(Self, Urls)> {
        let http = listen("--http", &options.http).await?;
        let address = http.local_addr()?;
        let management = match options.provider() {
            Some(_) => Some(listen("@connections", &Address::any_port_of_this_machine()).await?),
            None => None,
        };
        let apart = management.as_ref().map(TcpListener::local_addr);
        let management_address = apart.transpose()?.unwrap_or(address);
        let dynamodb = match options.database_listen() {
            Some(address) => Some(listen("--dynamodb-listen", &address).await?),
            None => None,
        };
        let embedded = dynamodb.as_ref().map(TcpListener::local_addr).transpose()?;
        let embedded = embedded.map(|address| format!("http://{address}"));
        let urls = Urls {
            http: format!("http://{}:{}", options.http.host, address.port()),
            management: format!("http://{management_address}{MANAGEMENT_PATH}"),
            jwks: format!("http://{address}{JWKS_PATH}"),
            dynamodb: options.dynamodb.as_ref().map(Url::to_string).or(embedded),
        };
        let listeners = Self {
            http,
            management,
            dynamodb,
        };
        Ok((listeners, urls))
    }

    fn serve(
        self,
        gateway: &Gateway,
        others: Router,
        options: &Options,
        database: &Database,
    ) -> (Listening, Option<Listening>, Option<Listening>) {
        let mut routes = gateway.routes().merge(others);
        let management = gateway.management_routes();
        let management = match self.management {
            Some(apart) => Some(Listening::http(apart, management, "127.0.0.1".to_owned())),
            None => {
                routes = routes.merge(management);
                None
            }
        };
        let http = Listening::http(self.http, routes, options.http.host.clone());
        let dynamodb = self
            .dynamodb
            .zip(database.as_embedded())
            .map(|(listener, embedded)| Listening::dynamodb(listener, embedded));
        (http, management, dynamodb)
    }
}

impl Listening {
    fn http(listener: TcpListener, routes: Router, host: String) -> Self {
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        let task = tokio::spawn(async move { gateway::serve(listener, routes, &host, stop).await });
        Self { task, shutdown }
    }

    fn dynamodb(listener: TcpListener, embedded: dynoxide::Database) -> Self {
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(database::serve(listener, embedded, shutdown.clone()));
        Self { task, shutdown }
    }

    async fn stop(mut self, part: &'static str) {
        self.shutdown.cancel();
        if timeout(STOP_TIMEOUT, &mut self.task).await.is_err() {
            tracing::debug!(part, "connections were cut");
            self.task.abort();
        }
    }
}

impl Background {
    async fn start(&self, stack: &Stack, shared: &Shared) {
        let start = match shared.database {
            Database::Embedded(_) => Start::Oldest,
            Database::Remote(_) => Start::Latest,
        };
        let sdk = shared.database.sdk_config().await;
        let streams = aws_sdk_dynamodbstreams::Client::new(&sdk);
        for table in shared.store.streamed_tables() {
            let positions = Positions::open(stack.state.directory(), &table);
            let function = stack.functions.status_fanout.clone();
            let changes = ChangeStream::new(streams.clone(), table, function, positions, start);
            self.tasks.spawn(changes.run(self.shutdown.clone()));
        }
        let reaper = stack.functions.reaper.clone();
        let database = shared.database.clone();
        self.tasks
            .spawn(schedule::run(reaper, database, self.shutdown.clone()));
        self.tasks
            .spawn(stack.page.clone().build(self.shutdown.clone()));
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        in_time("background", self.tasks.wait()).await;
    }
}

impl Shared {
    /// What an edge needs of it.
    fn for_edges(&self) -> edge_ingest::Services {
        edge_ingest::Services {
            store: self.store.clone(),
            lease_store: self.lease_store.clone(),
            cache: self.cache.clone(),
            notifier: self.notifier.clone(),
            media_sink: None,
        }
    }

    async fn open(options: &Options, state: &State, management: &str) -> anyhow::Result<Self> {
        let database = match &options.dynamodb {
            Some(url) => Database::Remote(url.clone()),
            None => Database::embedded(state.directory())
                .await
                .context("cannot open the embedded database")?,
        };
        let store = open_store(&database, options).await;
        let place = || match &options.dynamodb {
            Some(url) => format!("cannot prepare the tables at {url} (--dynamodb)"),
            None => "cannot prepare the tables".to_owned(),
        };
        store.create_tables().await.with_context(place)?;
        let cache = match (&options.redis, &options.functions) {
            (Some(url), _) => Cache::redis(url.as_str())
                .await
                .context("cannot use --redis")?,
            (None, None) => Cache::memory(),
            // One that functions of other processes cannot reach would go on saying what they changed.
            (None, Some(_)) => {
                tracing::warn!(
                    "--functions without --redis: no cache is shared, so that the API shows no samples \
                     and a reset may take 20 s longer to cut a stream"
                );
                Cache::none()
            }
        };
        let management = notify::client(&database::local_config(), management);
        let notifier = Notifier::new(management, store.clone());
        Ok(Self {
            lease_store: open_store(&database, options).await,
            database,
            store,
            cache,
            notifier,
        })
    }
}

async fn open_store(database: &Database, options: &Options) -> Store {
    let config = store::client::config_for(&database.sdk_config().await).build();
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    Store::new(client, &options.table_prefix)
}

/// The functions, in this process or as binaries.
async fn deploy(
    options: &Options,
    state: &State,
    urls: &Urls,
    shared: &Shared,
    identity: &Identity,
) -> anyhow::Result<Functions> {
    let settings = settings(options, &urls.http);
    let secret = key_encryption(state)?;
    let Some(directory) = &options.functions else {
        return Ok(Functions::in_process(Services {
            store: shared.store.clone(),
            cache: shared.cache.clone(),
            notifier: shared.notifier.clone(),
            keyring: Keyring::from_bytes(secret),
            authenticator: identity.authenticator().await?,
            settings,
        }));
    };
    let surroundings = Surroundings {
        dynamodb: urls.dynamodb.as_deref().unwrap_or_default(),
        management: &urls.management,
        own_jwks: &urls.jwks,
        identity,
        settings: &settings,
        secret: &secret,
    };
    Functions::binaries(directory, options, &surroundings)
}

fn settings(options: &Options, url: &str) -> Settings {
    let port = url.rsplit(':').next().unwrap_or_default();
    let own_names = ["127.0.0.1", "localhost", "[::1]"];
    let own = own_names.map(|name| format!("http://{name}:{port}"));
    Settings {
        region: options.region.clone(),
        default_ingest_url: edges::url(&options.rtmp),
        default_grace: Duration::from_secs(options.grace_seconds),
        allowed_origins: own.into_iter().chain([url.to_owned()]).collect(),
    }
}

/// The secret that stream keys are kept under.
fn key_encryption(state: &State) -> anyhow::Result<[u8; 32]> {
    let secret = state.secret(
        KEY_ENCRYPTION_FILE,
        || Ok(rand::random::<[u8; 32]>().into()),
    )?;
    secret
        .try_into()
        .map_err(|_| anyhow::anyhow!("{KEY_ENCRYPTION_FILE} in --state is not 32 bytes"))
}

/// This process owns the database: whatever edge is registered in it belongs to a process that is no
/// more, however it ended. Its locks are given back at once, not after a silence.
async fn finish_earlier_runs(store: &Store, reaper: &Function) -> anyhow::Result<()> {
    for edge in store.edges().await? {
        if edge.state != EdgeState::Fenced {
            store.write_edge(&edge.fence()).await?;
            tracing::info!(edge_id = %edge.id, "edge of an earlier run fenced");
        }
    }
    schedule::invoke(reaper).await;
    Ok(())
}

fn endpoints(options: &Options, urls: &Urls, edges: &[Edge], demo: Option<&Demo>) -> Endpoints {
    Endpoints {
        schema: SCHEMA,
        http: urls.http.clone(),
        websocket: format!("{}{WEBSOCKET_PATH}", urls.http.replacen("http", "ws", 1)),
        management: urls.management.clone(),
        dynamodb: urls.dynamodb.clone(),
        redis: options.redis.as_ref().map(without_password),
        edges: edges.iter().map(edges::endpoint).collect(),
        demo: demo.map(|demo| contract::endpoints::Demo {
            user_id: demo.user_id.clone(),
            channel_id: demo.channel_id.clone(),
        }),
    }
}

fn without_password(url: &Url) -> String {
    let mut url = url.clone();
    // Fails only for a URL that can have none.
    let _ = url.set_password(None);
    url.to_string()
}

/// Puts `endpoints.json` where it is asked for, if it is.
fn publish(options: &Options, endpoints: &Endpoints) -> anyhow::Result<Option<Published>> {
    let kept = options.state.as_ref();
    let beside = kept.map(|state| state.join(endpoints::FILE_NAME));
    let file = options.endpoints.clone().or(beside);
    file.map(|file| Published::publish(&file, endpoints))
        .transpose()
}

fn banner(options: &Options, endpoints: &Endpoints, key: Key, page: &Page) -> Banner {
    let mut servers = endpoints.edges.iter().map(|edge| edge.rtmp.clone());
    Banner {
        http: endpoints.http.clone(),
        page: page.status(),
        server: servers.next(),
        more_servers: servers.collect(),
        key,
        state: options
            .state
            .as_ref()
            .map(|state| state.display().to_string()),
    }
}
