//! One edge of a fleet: a process that can be stopped, killed, drained and started again under the
//! same name, on whatever ports are free then.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use domain::EdgeId;
use rustix::process::Signal;
use tokio::process::Command;

use crate::edge::{self, UP, Up};
use crate::{Canary, Process, admin};

/// What every edge of a fleet is told beyond where things are.
const FLAGS: &[&str] = &["--peer-listen", "127.0.0.1:0"];
/// How long an edge may take to register and listen, on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_secs(30);
/// How long the end of a killed process may take: a hang guard.
const DIES_WITHIN: Duration = Duration::from_secs(10);
/// How long a drain may take: what container schedulers are told to wait.
const DRAINS_WITHIN: Duration = Duration::from_secs(120);

/// Where an edge finds everything, and what it is told.
#[derive(Debug)]
pub(super) struct Launch {
    /// Its stable name.
    pub(super) name: String,
    /// `edge-ingest`, or a program that takes the same flags.
    pub(super) program: String,
    /// Its own line to the store.
    pub(super) store: String,
    /// The shared cache.
    pub(super) redis: Option<String>,
    /// Where dashboards are reached.
    pub(super) management: String,
    /// The file with the fleet's secret.
    pub(super) secret: PathBuf,
    /// Flags of this story.
    pub(super) flags: Vec<String>,
    /// Variables of this story.
    pub(super) variables: Vec<(String, String)>,
}

/// One place in the fleet, with the process that has it.
#[derive(Debug)]
pub struct Edge {
    launch: Launch,
    running: Option<Running>,
    /// What the processes that had this place before have written.
    earlier: String,
}

#[derive(Debug)]
struct Running {
    process: Process,
    up: Up,
}

impl Edge {
    pub(super) async fn start(launch: Launch) -> Result<Self> {
        let mut edge = Self {
            launch,
            running: None,
            earlier: String::new(),
        };
        edge.start_again().await?;
        Ok(edge)
    }

    /// Starts a process in this place, which must be empty.
    pub(super) async fn start_again(&mut self) -> Result<()> {
        ensure!(self.running.is_none(), "{} runs already", self.launch.name);
        let process = Process::spawn(&self.launch.name, self.launch.command()?)?;
        let line = process.writes(UP, STARTS_WITHIN).await?;
        let up = Up::read(&line)?;
        self.running = Some(Running { process, up });
        Ok(())
    }

    /// The stable name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.launch.name
    }

    /// Whether a process has this place.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.running.is_some()
    }

    /// The id of the process that has this place.
    ///
    /// # Errors
    /// When none has.
    pub fn id(&self) -> Result<&EdgeId> {
        Ok(&self.running()?.up.edge_id)
    }

    /// What goes into an encoder's server field.
    ///
    /// # Errors
    /// When no process has this place.
    pub fn server(&self) -> Result<String> {
        Ok(self.running()?.up.server())
    }

    /// The admin port's URL.
    ///
    /// # Errors
    /// When no process has this place.
    pub fn admin(&self) -> Result<String> {
        Ok(self.running()?.up.admin())
    }

    /// A counter or gauge on its Prometheus page; 0 where it is not there.
    ///
    /// # Errors
    /// When the page does not answer, or the value is no whole number.
    pub async fn metric(&self, name: &str) -> Result<u64> {
        admin::metric(&self.admin()?, name).await
    }

    /// What every process that had this place has logged.
    #[must_use]
    pub fn log(&self) -> String {
        let running = self.running.as_ref();
        let now = running.map_or_else(String::new, |running| running.process.written());
        self.earlier.clone() + &now
    }

    /// Stops the process where it is (SIGSTOP): it neither works nor closes anything. Says when.
    ///
    /// # Errors
    /// When no process has this place.
    pub fn pause(&self) -> Result<Instant> {
        self.running()?.process.signal(Signal::STOP)?;
        Ok(Instant::now())
    }

    /// Lets it go on (SIGCONT). Says when.
    ///
    /// # Errors
    /// When no process has this place.
    pub fn resume(&self) -> Result<Instant> {
        let at = Instant::now();
        self.running()?.process.signal(Signal::CONT)?;
        Ok(at)
    }

    pub(super) async fn kill_9(&mut self) -> Result<Instant> {
        let at = Instant::now();
        self.end(Signal::KILL, DIES_WITHIN).await?;
        Ok(at)
    }

    pub(super) async fn terminate(&mut self) -> Result<()> {
        let status = self.end(Signal::TERM, DRAINS_WITHIN).await?;
        ensure!(status.success(), "{} ended with {status}", self.name());
        Ok(())
    }

    async fn end(&mut self, signal: Signal, within: Duration) -> Result<ExitStatus> {
        let running = self.running.take();
        let mut process = running
            .with_context(|| format!("{} is not up", self.launch.name))?
            .process;
        let ended = process.end(signal, within).await;
        self.earlier += &process.written();
        ended
    }

    /// What must hold of an edge at the end of every story: no key was written or shown, nothing
    /// panicked, and nothing asks for a person that the story does not expect.
    pub(super) async fn check(&self, canary: &Canary, expected_errors: &[String]) -> Result<()> {
        let name = self.name();
        if self.is_up() {
            let page = admin::metrics_page(&self.admin()?).await?;
            canary.check(&format!("{name}'s metrics page"), &page)?;
        }
        let log = self.log();
        canary.check(&format!("{name}'s log"), &log)?;
        ensure!(!log.contains("panicked at"), "{name} panicked: {log}");
        let expected = |line: &&str| expected_errors.iter().any(|text| line.contains(text));
        let errors = (log.lines()).filter(|line| line.contains(r#""level":"ERROR""#));
        let errors: Vec<_> = errors.filter(|line| !expected(line)).collect();
        ensure!(
            errors.is_empty(),
            "a person should look at {name}: {errors:#?}"
        );
        Ok(())
    }

    fn running(&self) -> Result<&Running> {
        let running = self.running.as_ref();
        running.with_context(|| format!("{} is not up", self.launch.name))
    }
}

impl Launch {
    fn command(&self) -> Result<Command> {
        let mut command = edge::command(&self.program, &self.store, &self.management)?;
        command.args(["--edge-name", &self.name]);
        command.arg("--fleet-secret-file").arg(&self.secret);
        if let Some(redis) = &self.redis {
            command.args(["--redis-url", redis]);
        }
        command.args(FLAGS).args(&self.flags);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}
