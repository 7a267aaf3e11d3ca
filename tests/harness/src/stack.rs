//! The real `stream-sync` program on free ports, with everything a story asks of it.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use contract::endpoints::Endpoints;
use domain::ChannelId;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::edge::Edge;
use crate::{Api, Canary, Dashboard, Process, admin, programs, wait};

/// How long the stack may take until its listeners accept, on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_secs(60);
/// How long a told stack may take to end its publishers and be gone: a hang guard.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// How a stack differs from the default.
#[derive(Clone, Debug)]
pub struct Options {
    /// `--edges`.
    pub edges: u32,
    /// Flags of an edge in a process of its own, which takes the place of those in the stack's.
    pub own_edge: Option<Vec<String>>,
    /// `--rtmp`.
    pub rtmp: String,
    /// The demo channel's grace in seconds: short, but for stories about the real one.
    pub grace_seconds: u64,
    /// `--redis`.
    pub redis: Option<String>,
    /// `--state`.
    pub state: Option<PathBuf>,
    /// Further arguments.
    pub more: Vec<String>,
    /// What errors in the log are part of the story; any other fails it.
    pub expected_errors: Vec<String>,
    /// Whether the story makes the log so fine that it shows the names of items, in which a key's
    /// hash stands.
    pub hashes_are_logged: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            edges: 1,
            own_edge: None,
            rtmp: "127.0.0.1:0".to_owned(),
            grace_seconds: 2,
            redis: None,
            state: None,
            more: Vec::new(),
            expected_errors: Vec::new(),
            hashes_are_logged: false,
        }
    }
}

/// The grace that a channel has unless its owner says otherwise.
pub const REAL_GRACE_SECONDS: u64 = 10;

/// A running stack.
#[derive(Debug)]
pub struct Stack {
    process: Process,
    edge: Option<Edge>,
    /// Where it listens.
    pub endpoints: Endpoints,
    /// The API as the demo channel's owner.
    pub owner: Api,
    /// The API as nobody.
    pub nobody: Api,
    channel: ChannelId,
    /// The keys of this story.
    pub canary: Canary,
    directory: TempDir,
    expected_errors: Vec<String>,
    hashes_are_logged: bool,
}

impl Stack {
    /// Starts the program and waits until every listener accepts.
    ///
    /// # Errors
    /// When it is not built, ends early, or does not come up in a minute.
    pub async fn start(options: Options) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("endpoints.json");
        let mut command = programs::ours("stream-sync")?;
        command.args(["--http", "127.0.0.1:0", "--rtmp", &options.rtmp, "--edges"]);
        match &options.own_edge {
            None => command.arg(options.edges.to_string()),
            Some(_) => command.args(["0", "--dynamodb-listen", "127.0.0.1:0"]),
        };
        command.arg("--endpoints").arg(&file);
        for (flag, value) in [
            ("--redis", options.redis.clone().map(PathBuf::from)),
            ("--state", options.state),
        ] {
            if let Some(value) = value {
                command.arg(flag).arg(value);
            }
        }
        command.args(&options.more);
        let mut process = Process::spawn("stream-sync", command)?;
        let endpoints = wait::until("endpoints.json", STARTS_WITHIN, async || {
            ensure!(
                process.runs(),
                "stream-sync ended while starting: {}",
                process.written()
            );
            Ok(std::fs::read_to_string(&file).ok())
        })
        .await?;
        let mut endpoints: Endpoints =
            serde_json::from_str(&endpoints).context("endpoints.json has an unexpected shape")?;
        let mut edge = None;
        if let Some(flags) = options.own_edge {
            let (started, endpoint) =
                Edge::start(&endpoints, options.redis.as_deref(), &flags).await?;
            edge = Some(started);
            endpoints.edges.push(endpoint);
        }
        let canary = Canary::default();
        let nobody = Api::anonymous(&endpoints.http, canary.clone());
        let demo = endpoints.demo.clone().context("there is no demo channel")?;
        let owner = nobody.as_user(&demo.user_id).await?;
        owner
            .set_grace(&demo.channel_id, options.grace_seconds)
            .await?;
        Ok(Self {
            process,
            edge,
            endpoints,
            owner,
            nobody,
            channel: demo.channel_id,
            canary,
            directory,
            expected_errors: options.expected_errors,
            hashes_are_logged: options.hashes_are_logged,
        })
    }

    /// The demo channel.
    #[must_use]
    pub fn channel(&self) -> &ChannelId {
        &self.channel
    }

    /// What goes into the encoder's server field, for the edge of this number from 0.
    ///
    /// # Panics
    /// When there are fewer edges: a mistake in the story.
    #[must_use]
    pub fn server(&self, edge: usize) -> &str {
        &self.endpoints.edges[edge].rtmp
    }

    /// The demo channel's key, revealed.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn key(&self) -> Result<String> {
        Ok(self.owner.reveal_key(self.channel()).await?.stream_key)
    }

    /// A dashboard of the demo channel's owner.
    ///
    /// # Errors
    /// When it cannot connect.
    pub async fn dashboard(&self) -> Result<Dashboard> {
        self.dashboard_of(&self.owner).await
    }

    /// A dashboard of another user.
    ///
    /// # Errors
    /// When it cannot connect.
    pub async fn dashboard_of(&self, owner: &Api) -> Result<Dashboard> {
        let Endpoints {
            http, websocket, ..
        } = &self.endpoints;
        Dashboard::connect(owner, websocket, http, &self.canary).await
    }

    /// What the programs have logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.processes().map(Process::written).collect()
    }

    /// Waits until the edges' program has logged a line with `text`, and gives that line.
    ///
    /// # Errors
    /// When `deadline` passes first.
    pub async fn logs(&self, text: &str, deadline: Duration) -> Result<String> {
        self.edges_process().writes(text, deadline).await
    }

    /// The processes that run the function `name` for the stack now.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn function_processes(&self, name: &str) -> Result<Vec<u32>> {
        let children = self.process.children()?.into_iter();
        Ok(children
            .filter(|(_, of)| of == name)
            .map(|(id, _)| id)
            .collect())
    }

    /// Kills the stack's own program (SIGKILL): nothing in it can end anything.
    ///
    /// # Errors
    /// When it had ended already.
    pub async fn kill_9(mut self) -> Result<()> {
        self.process.end(Signal::KILL, ENDS_WITHIN).await?;
        Ok(())
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        let edge = self.edge.iter().map(|edge| &edge.process);
        std::iter::once(&self.process).chain(edge)
    }

    fn edges_process(&self) -> &Process {
        (self.edge.as_ref()).map_or(&self.process, |edge| &edge.process)
    }

    /// The log alone: without what the banner shows to who started the program.
    fn log_without_banner(&self) -> String {
        self.processes().map(Process::stderr).collect()
    }

    /// The Prometheus page of the edge of this number from 0.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metrics_page(&self, edge: usize) -> Result<String> {
        admin::metrics_page(&self.endpoints.edges[edge].admin).await
    }

    /// A counter or gauge on the Prometheus page of the edge of this number from 0; 0 where it is
    /// not there.
    ///
    /// # Errors
    /// When the page does not answer, or the value is no whole number.
    pub async fn metric(&self, edge: usize, name: &str) -> Result<u64> {
        admin::metric(&self.endpoints.edges[edge].admin, name).await
    }

    /// Memory that the edges' program holds, in bytes.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resident_bytes(&self) -> Result<u64> {
        self.edges_process().resident_bytes()
    }

    /// Status and body of a page on the admin port of the edge of this number from 0.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn admin(&self, edge: usize, path: &str) -> Result<(u16, String)> {
        admin::page(&self.endpoints.edges[edge].admin, path).await
    }

    /// Ends the stack as Ctrl-C and container schedulers do, and checks what every story promises:
    /// it ends well and in time, `endpoints.json` is gone, nothing panicked, no key leaked.
    ///
    /// # Errors
    /// When one of these does not hold.
    pub async fn stop(mut self) -> Result<()> {
        for edge in 0..self.endpoints.edges.len() {
            self.canary
                .check("a metrics page", &self.metrics_page(edge).await?)?;
        }
        if let Some(edge) = &mut self.edge {
            edge.end().await?;
        }
        let status: ExitStatus = self.process.end(Signal::TERM, ENDS_WITHIN).await?;
        ensure!(
            status.success(),
            "stream-sync ended with {status}: {}",
            self.process.stderr()
        );
        let file = self.directory.path().join("endpoints.json");
        ensure!(!file.exists(), "endpoints.json outlives the stack");
        ensure!(
            !self.log().contains("panicked at"),
            "something panicked: {}",
            self.log()
        );
        let errors: Vec<String> = self.errors();
        ensure!(
            errors.is_empty(),
            "a person should look at this: {errors:#?}"
        );
        self.check_for_keys()
    }

    /// ERROR means that a person should look; where a story expects none, nobody should have to.
    fn errors(&self) -> Vec<String> {
        let log = self.log_without_banner();
        let is_error = |line: &str| ERROR_MARKS.iter().any(|mark| line.contains(mark));
        let expected = |line: &str| self.expected_errors.iter().any(|text| line.contains(text));
        let errors = (log.lines()).filter(|line| is_error(line) && !expected(line));
        errors.map(str::to_owned).collect()
    }

    /// The banner shows the demo channel's key to who started the program; nothing else does.
    fn check_for_keys(&self) -> Result<()> {
        let log = self.log_without_banner();
        if self.hashes_are_logged {
            self.canary.check_without_hashes("the log", &log)?;
        } else {
            self.canary.check("the log", &log)?;
        }
        let shown = self.process.stdout();
        let lines: Vec<&str> = shown.lines().collect();
        let leaks = self.canary.lines_with_a_key(&shown);
        let banner = leaks
            .iter()
            .take_while(|line| !looks_logged(lines[**line]))
            .count();
        ensure!(
            banner == leaks.len(),
            "a stream key stands in the log on standard output"
        );
        ensure!(
            banner <= BANNER_LINES_WITH_THE_KEY,
            "{banner} lines show a key"
        );
        Ok(())
    }
}

/// An error in the log of a stack, and in that of an edge.
const ERROR_MARKS: [&str; 2] = [" ERROR ", "\"level\":\"ERROR\""];

/// The key for OBS, and the command for ffmpeg.
const BANNER_LINES_WITH_THE_KEY: usize = 2;

/// Whether a line is of the log, and not of the banner.
fn looks_logged(line: &str) -> bool {
    let levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"];
    line.starts_with('{') || levels.iter().any(|level| line.contains(level))
}
