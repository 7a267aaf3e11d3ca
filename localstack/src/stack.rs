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
use functions::{Authenticator, Keyring};
use futures_util::FutureExt as _;
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

use crate::banner::Banner;
use crate::change_stream::{ChangeStream, Positions, Start};
use crate::database::{self, Database};
use crate::demo::{self, Demo};
use crate::edges;
use crate::endpoints::{self, Published};
use crate::gateway::{self, Function, Gateway, MANAGEMENT_PATH, WEBSOCKET_PATH};
use crate::listen::listen;
use crate::login::{AUDIENCE, Login};
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
    gateway: Gateway,
    background: Background,
    http: Listening,
    dynamodb: Option<Listening>,
    published: Option<Published>,
    page: Page,
    url: String,
    _state: State,
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

/// The addresses that were taken, and what is said about them.
struct Listeners {
    http: TcpListener,
    dynamodb: Option<TcpListener>,
    url: String,
    management: String,
    dynamodb_url: Option<String>,
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

/// The functions, as the gateway and the clockwork call them.
struct Functions {
    api: Function,
    websocket: Function,
    status_fanout: Function,
    reaper: Function,
}

impl Stack {
    /// Starts everything. What to tell the person comes with it.
    ///
    /// # Errors
    /// For a person to read: which part could not start, why, and what to change.
    pub(crate) async fn start(options: &Options) -> anyhow::Result<(Self, Banner)> {
        let state = State::open(options.state.as_deref())?;
        let listeners = Listeners::bind(options).await?;
        let shared = Shared::open(options, &state, &listeners.management).await?;
        let login = Login::open(&state, listeners.url.clone())?;
        let keyring = keyring(&state)?;
        let settings = settings(options, &listeners.url);
        let functions = Functions::new(&shared, settings, &login, keyring);
        if let (Database::Embedded(_), Some(_)) = (&shared.database, state.directory()) {
            finish_earlier_runs(&shared.store, &functions.reaper).await?;
        }
        // Before any edge is up, so that a failure leaves none behind.
        let demo = demo::prepare(&functions.api, &login)
            .await
            .context("cannot make the demo channel")?;
        let edges = edges::start(options, &shared.for_edges()).await?;

        let gateway = Gateway::new(functions.api.clone(), functions.websocket.clone());
        let page = Page::find(login.clone());
        let routes = gateway.routes().merge(login.routes()).merge(page.routes());
        let endpoints = endpoints(options, &listeners, &edges, &demo);
        let url = listeners.url.clone();
        let (http, dynamodb) = listeners.serve(routes, options, &shared.database);
        let background = Background::default();
        background.start(&shared, &functions, &state, &page).await;
        let banner = banner(options, &endpoints, demo, &page);
        let mut stack = Self {
            edges,
            cache: shared.cache,
            gateway,
            background,
            http,
            dynamodb,
            published: None,
            page,
            url,
            _state: state,
        };
        match publish(options, &endpoints) {
            Ok(published) => stack.published = published,
            Err(error) => {
                stack.stop().await;
                return Err(error);
            }
        }
        Ok((stack, banner))
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
    async fn bind(options: &Options) -> anyhow::Result<Self> {
        let http = listen("--http", &options.http).await?;
        let address = http.local_addr()?;
        let dynamodb = match &options.dynamodb_listen {
            Some(address) => Some(listen("--dynamodb-listen", address).await?),
            None => None,
        };
        let dynamodb_address = dynamodb.as_ref().map(TcpListener::local_addr).transpose()?;
        Ok(Self {
            http,
            dynamodb,
            url: format!("http://{}:{}", options.http.host, address.port()),
            management: format!("http://{address}{MANAGEMENT_PATH}"),
            dynamodb_url: dynamodb_address.map(|address| format!("http://{address}")),
        })
    }

    fn serve(
        self,
        routes: Router,
        options: &Options,
        database: &Database,
    ) -> (Listening, Option<Listening>) {
        let http = Listening::http(self.http, routes, options.http.host.clone());
        let dynamodb = self
            .dynamodb
            .zip(database.as_embedded())
            .map(|(listener, embedded)| Listening::dynamodb(listener, embedded));
        (http, dynamodb)
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
    async fn start(&self, shared: &Shared, functions: &Functions, state: &State, page: &Page) {
        let start = match shared.database {
            Database::Embedded(_) => Start::Oldest,
            Database::Remote(_) => Start::Latest,
        };
        let sdk = shared.database.sdk_config().await;
        let streams = aws_sdk_dynamodbstreams::Client::new(&sdk);
        for table in shared.store.streamed_tables() {
            let positions = Positions::open(state.directory(), &table);
            let (streams, function) = (streams.clone(), functions.status_fanout.clone());
            let changes = ChangeStream::new(streams, table, function, positions, start);
            self.tasks.spawn(changes.run(self.shutdown.clone()));
        }
        let reaper = functions.reaper.clone();
        let database = shared.database.clone();
        self.tasks
            .spawn(schedule::run(reaper, database, self.shutdown.clone()));
        self.tasks.spawn(page.clone().build(self.shutdown.clone()));
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
        let cache = match &options.redis {
            Some(url) => Cache::redis(url.as_str())
                .await
                .context("cannot use --redis")?,
            None => Cache::memory(),
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

impl Functions {
    fn new(
        shared: &Shared,
        settings: functions::Settings,
        login: &Login,
        keyring: Keyring,
    ) -> Self {
        let services = functions::Services {
            store: shared.store.clone(),
            cache: shared.cache.clone(),
            notifier: shared.notifier.clone(),
            keyring,
            authenticator: Authenticator::from_jwks(login.jwks(), login.issuer(), AUDIENCE),
            settings,
        };
        Self {
            api: in_process("api", functions::api(services.clone())),
            websocket: in_process("websocket", functions::websocket(services.clone())),
            status_fanout: in_process("status-fanout", functions::status_fanout(services.clone())),
            reaper: in_process("reaper", functions::reaper(services)),
        }
    }
}

/// A function that runs in this process.
fn in_process(name: &'static str, function: functions::Function) -> Function {
    Function::new(name, move |event| {
        let function = function.clone();
        async move {
            let answer = function.invoke(event).await;
            // With its causes, which only the operator may read.
            answer.map_err(|error| format!("{:#}", anyhow::Error::from(error)))
        }
        .boxed()
    })
}

fn settings(options: &Options, url: &str) -> functions::Settings {
    let port = url.rsplit(':').next().unwrap_or_default();
    let own_names = ["127.0.0.1", "localhost", "[::1]"];
    let own = own_names.map(|name| format!("http://{name}:{port}"));
    functions::Settings {
        region: options.region.clone(),
        default_ingest_url: edges::url(&options.rtmp),
        default_grace: Duration::from_secs(options.grace_seconds),
        allowed_origins: own.into_iter().chain([url.to_owned()]).collect(),
    }
}

fn keyring(state: &State) -> anyhow::Result<Keyring> {
    let secret = state.secret(
        KEY_ENCRYPTION_FILE,
        || Ok(rand::random::<[u8; 32]>().into()),
    )?;
    let secret: [u8; 32] = secret
        .try_into()
        .map_err(|_| anyhow::anyhow!("{KEY_ENCRYPTION_FILE} in --state is not 32 bytes"))?;
    Ok(Keyring::from_bytes(secret))
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

fn endpoints(options: &Options, listeners: &Listeners, edges: &[Edge], demo: &Demo) -> Endpoints {
    let another = options.dynamodb.as_ref().map(Url::to_string);
    Endpoints {
        schema: SCHEMA,
        http: listeners.url.clone(),
        websocket: format!(
            "{}{WEBSOCKET_PATH}",
            listeners.url.replacen("http", "ws", 1)
        ),
        management: listeners.management.clone(),
        dynamodb: another.or_else(|| listeners.dynamodb_url.clone()),
        redis: options.redis.as_ref().map(without_password),
        edges: edges.iter().map(edges::endpoint).collect(),
        demo: contract::endpoints::Demo {
            user_id: demo.user_id.clone(),
            channel_id: demo.channel_id.clone(),
        },
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

fn banner(options: &Options, endpoints: &Endpoints, demo: Demo, page: &Page) -> Banner {
    let mut servers = endpoints.edges.iter().map(|edge| edge.rtmp.clone());
    Banner {
        http: endpoints.http.clone(),
        page: page.status(),
        server: servers.next(),
        more_servers: servers.collect(),
        stream_key: demo.stream_key,
        state: options
            .state
            .as_ref()
            .map(|state| state.display().to_string()),
    }
}
