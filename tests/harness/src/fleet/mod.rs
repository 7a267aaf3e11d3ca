//! Several edges in processes of their own, over one store and one cache, with one control plane:
//! what runs on AWS, on one machine, so that each part can be stopped, killed and cut off alone.
//!
//! ```text
//!   encoders --> edge-1 --line edge-1--+
//!   encoders --> edge-2 --line edge-2--+-- fault proxy --> dynamodb
//!   encoders --> edge-3 --line edge-3--+
//!   dashboards --> stream-sync --control-+      redis-server <-- all of them
//! ```
//!
//! A fleet runs alone: what it is asked to show depends on time.

mod crowd;
mod edge;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use domain::{ChannelId, UserId};
use futures_util::future::{join_all, try_join_all};
use rustix::process::Signal;
use tempfile::TempDir;

use self::edge::Launch;
use crate::journal::{self, Accepted};
use crate::{
    Alone, Api, DashboardWatch, FaultProxy, Faults, Policy, Process, Redis, Servers, Stack,
    programs, stack, wait,
};

pub use crowd::{Crowd, Member};
pub use edge::Edge;

/// The control plane's line to the store.
const CONTROL: &str = "control";
/// What chance is drawn from where a story does not say: one course that can be had again.
const SEED: u64 = 1;
/// Channels that one owner may have, as the API has it.
const CHANNELS_PER_OWNER: usize = 20;
/// How long the database may take to be there, on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_secs(30);
/// How long it may take to go.
const ENDS_WITHIN: Duration = Duration::from_secs(10);
/// Tells a recording edge where its journal is.
pub const JOURNAL_VARIABLE: &str = "STREAM_SYNC_JOURNAL";
/// The program that takes an edge's flags and writes a journal of what it hands on.
pub const RECORDING_EDGE: &str = "recording-edge";
/// The fleet's secret: long enough to tell keys apart in logs by.
const FLEET_SECRET: &str = "the secret of a fleet in a story";

/// How a fleet differs from the default.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many edges.
    pub edges: usize,
    /// The channels' grace in seconds.
    pub grace_seconds: u64,
    /// Whether there is a Redis.
    pub redis: bool,
    /// The edges' program: [`RECORDING_EDGE`], or `edge-ingest` where time or memory is measured.
    pub program: String,
    /// Further flags of every edge.
    pub edge_flags: Vec<String>,
    /// What errors in a log are part of the story; any other fails it.
    pub expected_errors: Vec<String>,
    /// What the proxy draws chance from.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            edges: 3,
            grace_seconds: stack::REAL_GRACE_SECONDS,
            redis: true,
            program: RECORDING_EDGE.to_owned(),
            edge_flags: Vec::new(),
            expected_errors: Vec::new(),
            seed: SEED,
        }
    }
}

/// A running fleet.
#[derive(Debug)]
pub struct Fleet {
    edges: Vec<Edge>,
    servers: Servers,
    /// The control plane.
    pub stack: Stack,
    /// What stands between all of them and the store.
    pub proxy: FaultProxy,
    redis: Option<Redis>,
    database: Process,
    owners: AtomicUsize,
    options: Options,
    directory: TempDir,
    _alone: Alone,
}

/// A channel with its key.
pub struct Channel {
    /// Its id.
    pub id: ChannelId,
    /// Its stream key.
    pub key: String,
    /// The API as its owner.
    pub owner: Api,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Fleet {
    /// Waits until no other fleet runs, starts everything, and waits until every edge takes
    /// publishers.
    ///
    /// # Errors
    /// When a program is not built, or does not come up.
    pub async fn start(options: Options) -> Result<Self> {
        let alone = Alone::begin().await?;
        let directory = tempfile::tempdir()?;
        let (database, upstream) = start_database(directory.path()).await?;
        let redis = match options.redis {
            true => Some(Redis::start().await?),
            false => None,
        };
        let names = (0..options.edges).map(edge_name);
        let names: Vec<String> = names.chain([CONTROL.to_owned()]).collect();
        let proxy = FaultProxy::start(&upstream, &names, options.seed).await?;
        let stack = start_control_plane(&options, &proxy, redis.as_ref()).await?;
        let mut fleet = Self {
            edges: Vec::new(),
            servers: Servers::default(),
            stack,
            proxy,
            redis,
            database,
            owners: AtomicUsize::new(0),
            options,
            directory,
            _alone: alone,
        };
        fleet.start_edges().await?;
        Ok(fleet)
    }

    async fn start_edges(&mut self) -> Result<()> {
        let secret = self.directory.path().join("fleet-secret");
        std::fs::write(&secret, FLEET_SECRET)?;
        let launches = (0..self.options.edges).map(|edge| self.launch(edge, secret.clone()));
        let launches = launches.collect::<Result<Vec<_>>>()?;
        self.edges = try_join_all(launches.into_iter().map(Edge::start)).await?;
        self.tell_servers()
    }

    fn launch(&self, edge: usize, secret: PathBuf) -> Result<Launch> {
        let name = edge_name(edge);
        let journal = self.journal_file(edge).display().to_string();
        Ok(Launch {
            store: self.proxy.url(&name)?,
            name,
            program: self.options.program.clone(),
            redis: self.redis.as_ref().map(Redis::url),
            management: self.stack.endpoints.management.clone(),
            secret,
            flags: self.options.edge_flags.clone(),
            variables: vec![(JOURNAL_VARIABLE.to_owned(), journal)],
        })
    }

    /// The edge of this number from 0.
    ///
    /// # Panics
    /// When there are fewer edges: a mistake in the story.
    #[must_use]
    pub fn edge(&self, edge: usize) -> &Edge {
        &self.edges[edge]
    }

    /// The number of the edge that has this server.
    ///
    /// # Errors
    /// When none has.
    pub fn edge_at(&self, server: &str) -> Result<usize> {
        let has_it = |edge: &Edge| edge.server().is_ok_and(|url| url == server);
        let edge = self.edges.iter().position(has_it);
        edge.with_context(|| format!("no edge is at {server}"))
    }

    /// Every place for an edge, in order, whether a process has it or not.
    #[must_use]
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// The servers of all edges that are up, as encoders are sent to them. It follows what becomes
    /// of the edges; one that is paused stays in it.
    #[must_use]
    pub const fn servers(&self) -> &Servers {
        &self.servers
    }

    fn tell_servers(&self) -> Result<()> {
        let up = self.edges.iter().filter(|edge| edge.is_up());
        self.servers
            .set(up.map(Edge::server).collect::<Result<Vec<_>>>()?);
        Ok(())
    }

    /// Kills an edge (SIGKILL) and says when. Encoders are no longer sent to it.
    ///
    /// # Errors
    /// When it is not up.
    pub async fn kill_9(&mut self, edge: usize) -> Result<Instant> {
        let at = self.edges[edge].kill_9().await?;
        self.tell_servers()?;
        Ok(at)
    }

    /// Ends an edge as container schedulers do (SIGTERM), and waits for the end of its drain.
    /// Encoders are no longer sent to it from the beginning on. Says when that was.
    ///
    /// # Errors
    /// When it is not up, or does not end well.
    pub async fn drain(&mut self, edge: usize) -> Result<Instant> {
        let others = self.edges.iter().enumerate();
        let others = others.filter(|(number, other)| *number != edge && other.is_up());
        let others = others.map(|(_, other)| other.server());
        self.servers.set(others.collect::<Result<Vec<_>>>()?);
        let at = Instant::now();
        self.edges[edge].terminate().await?;
        Ok(at)
    }

    /// Starts an edge again in a place that is empty. Encoders are sent to it from then on.
    ///
    /// # Errors
    /// When it is up already, or does not come up.
    pub async fn restart(&mut self, edge: usize) -> Result<()> {
        self.edges[edge].start_again().await?;
        self.tell_servers()
    }

    /// From now on this is wrong between an edge and the store.
    ///
    /// # Errors
    /// When there is no such edge.
    pub fn set_faults(&self, edge: usize, faults: Faults) -> Result<()> {
        self.proxy.set(&edge_name(edge), faults)
    }

    /// The shared cache.
    ///
    /// # Errors
    /// When there is none (any more).
    pub fn redis(&self) -> Result<&Redis> {
        self.redis.as_ref().context("this fleet has no Redis")
    }

    /// The same, to do something to it.
    ///
    /// # Errors
    /// When there is none (any more).
    pub fn redis_mut(&mut self) -> Result<&mut Redis> {
        self.redis.as_mut().context("this fleet has no Redis")
    }

    /// Takes the shared cache away at once.
    ///
    /// # Errors
    /// When there is none (any more).
    pub async fn kill_redis(&mut self) -> Result<()> {
        let redis = self.redis.take();
        redis.context("this fleet has no Redis")?.kill_9().await
    }

    /// Makes channels with keys, of owners whom no other channels are made for: the dashboards of
    /// these are shown nothing else.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn channels(&self, count: usize) -> Result<Vec<Channel>> {
        let mut channels = Vec::new();
        let mut owner = self.stack.owner.clone();
        for number in 0..count {
            if number % CHANNELS_PER_OWNER == 0 {
                owner = self.new_owner().await?;
            }
            channels.push(self.channel(&owner, number).await?);
        }
        Ok(channels)
    }

    async fn new_owner(&self) -> Result<Api> {
        let user = format!("owner-{}", self.owners.fetch_add(1, Ordering::Relaxed));
        let user = UserId::parse(&user).map_err(|_| anyhow::anyhow!("{user} is no user id"))?;
        self.stack.nobody.as_user(&user).await
    }

    async fn channel(&self, owner: &Api, number: usize) -> Result<Channel> {
        let made = owner.create_channel(&format!("channel {number}")).await?;
        let grace = self.options.grace_seconds;
        owner.set_grace(&made.id, grace).await?;
        Ok(Channel {
            key: owner.generate_key(&made.id).await?.stream_key,
            id: made.id,
            owner: owner.clone(),
        })
    }

    /// Dashboards for the owners of these channels, which were made together: two for each, for what
    /// one is shown, the other is.
    ///
    /// # Errors
    /// When one is refused.
    pub async fn watch(&self, channels: &[Channel]) -> Result<DashboardWatch> {
        let owners = channels.iter().step_by(CHANNELS_PER_OWNER);
        let twice = owners.flat_map(|channel| [&channel.owner, &channel.owner]);
        DashboardWatch::open(&self.stack, twice).await
    }

    /// What a recording edge handed on so far.
    ///
    /// # Errors
    /// When the edge does not record.
    pub fn journal(&self, edge: usize) -> Result<Vec<Accepted>> {
        journal::read(&self.journal_file(edge))
    }

    fn journal_file(&self, edge: usize) -> PathBuf {
        let name = format!("{}.journal", edge_name(edge));
        self.directory.path().join(name)
    }

    /// Ends everything, and checks of every program what every story promises: it ends well, no
    /// key was written or shown, nothing panicked, nobody was called for without need, and, where
    /// edges record, nothing stale was handed on.
    ///
    /// # Errors
    /// When one of these does not hold.
    pub async fn stop(mut self) -> Result<()> {
        self.proxy.set_all(&Faults::default());
        self.check_edges().await?;
        let up = self.edges.iter_mut().filter(|edge| edge.is_up());
        for ended in join_all(up.map(Edge::terminate)).await {
            ended?;
        }
        self.check_edges().await?;
        self.check_rights()?;
        self.check_journals()?;
        let canary = self.stack.canary.clone();
        self.stack.stop().await?;
        if let Some(redis) = self.redis {
            redis.stop().await?;
        }
        canary.check("the database's log", &self.database.written())?;
        let ended = self.database.end(Signal::TERM, ENDS_WITHIN).await?;
        ensure!(ended.success(), "the database ended with {ended}");
        Ok(())
    }

    async fn check_edges(&self) -> Result<()> {
        for edge in &self.edges {
            let expected = &self.options.expected_errors;
            edge.check(&self.stack.canary, expected).await?;
        }
        Ok(())
    }

    /// The edges asked the store for nothing that their IAM policy does not give them.
    fn check_rights(&self) -> Result<()> {
        let policy = Policy::of("edge").map_err(|wrong| anyhow::anyhow!(wrong))?;
        let counts = self.proxy.counts();
        let edges = self.proxy.names().filter(|line| *line != CONTROL);
        let needed: BTreeSet<_> = edges.flat_map(|line| counts.rights(line)).collect();
        let lacking = policy.lacks(needed);
        ensure!(lacking.is_empty(), "{lacking:#?}");
        Ok(())
    }

    /// Nothing of a generation was handed on after something of a later one. Nothing to check where
    /// edges do not record.
    ///
    /// # Errors
    /// When something was.
    pub fn check_journals(&self) -> Result<()> {
        if self.options.program != RECORDING_EDGE {
            return Ok(());
        }
        let journals = (0..self.edges.len()).map(|edge| self.journal(edge));
        let overlaps = journal::overlaps(journals.collect::<Result<Vec<_>>>()?);
        ensure!(
            overlaps.is_empty(),
            "stale media was handed on: {overlaps:#?}"
        );
        Ok(())
    }
}

/// An edge's stable name, and that of its line.
fn edge_name(edge: usize) -> String {
    format!("edge-{}", edge + 1)
}

/// Starts the database and gives its URL.
async fn start_database(directory: &Path) -> Result<(Process, String)> {
    let file = directory.join("dynamodb-url");
    let mut command = programs::ours("dynamodb")?;
    command.arg("--ready-file").arg(&file);
    let mut process = Process::spawn("dynamodb", command)?;
    let url = wait::until("the database", STARTS_WITHIN, async || {
        ensure!(process.runs(), "dynamodb ended: {}", process.written());
        Ok(std::fs::read_to_string(&file).ok())
    });
    let url = url.await?.trim().to_owned();
    Ok((process, url))
}

async fn start_control_plane(
    options: &Options,
    proxy: &FaultProxy,
    redis: Option<&Redis>,
) -> Result<Stack> {
    let stack = stack::Options {
        edges: 0,
        grace_seconds: options.grace_seconds,
        redis: redis.map(Redis::url),
        more: vec!["--dynamodb".to_owned(), proxy.url(CONTROL)?],
        expected_errors: options.expected_errors.clone(),
        ..stack::Options::default()
    };
    Stack::start(stack).await
}
