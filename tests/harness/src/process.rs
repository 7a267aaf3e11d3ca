//! A child process whose output goes into files, and which never outlives the story.

use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::wait;

/// How much of each output a failed story shows.
const SHOWN_LINES: usize = 60;

/// A running program. Killed when dropped; what it wrote is shown where the story did not reach
/// its end.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: TempDir,
    finished: bool,
}

impl Process {
    /// Starts `command` without a standard input, its output captured.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn(name: &str, mut command: Command) -> Result<Self> {
        let output = tempfile::tempdir()?;
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(output.path().join("stdout"))?)
            .stderr(File::create(output.path().join("stderr"))?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{name} does not start"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            output,
            finished: false,
        })
    }

    /// Everything on its standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.read("stdout")
    }

    /// Everything on its standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.read("stderr")
    }

    /// Both outputs, standard output first.
    #[must_use]
    pub fn written(&self) -> String {
        self.stdout() + &self.stderr()
    }

    fn read(&self, which: &str) -> String {
        let path: PathBuf = self.output.path().join(which);
        let bytes = std::fs::read(path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends a signal to this very child.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.child.id().context("the process has ended already")?;
        let id = Pid::from_raw(i32::try_from(id)?).context("a process id is never 0")?;
        kill_process(id, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// The children that it has now, with the names of their programs as far as the system keeps them
    /// (15 bytes).
    ///
    /// # Errors
    /// When it has ended already.
    pub fn children(&self) -> Result<Vec<(u32, String)>> {
        let id = self.child.id().context("the process has ended already")?;
        let all = processes()?.into_iter().filter(|found| found.parent == id);
        Ok(all.map(|found| (found.id, found.name)).collect())
    }

    /// Memory that it holds now, in bytes.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn resident_bytes(&self) -> Result<u64> {
        let id = self.child.id().context("the process has ended already")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next());
        let kibibytes: u64 = kibibytes.context("no VmRSS")?.parse()?;
        Ok(kibibytes * 1024)
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it ends by itself. Its output is then no longer shown when this is dropped.
    ///
    /// # Errors
    /// When it still runs after `deadline`; it is killed then.
    pub async fn exit(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let Ok(status) = timeout(deadline, self.child.wait()).await else {
            self.child.kill().await?;
            bail!("{} still runs after {deadline:?}", self.name);
        };
        self.finished = true;
        Ok(status?)
    }

    /// Ends it with `signal` and waits.
    ///
    /// # Errors
    /// When it has ended before, or still runs after `deadline`; it is killed then.
    pub async fn end(&mut self, signal: Signal, deadline: Duration) -> Result<ExitStatus> {
        self.signal(signal)?;
        self.exit(deadline).await
    }

    /// Waits until it has written a line with `text`, and gives that line.
    ///
    /// # Errors
    /// When `deadline` passes first.
    pub async fn writes(&self, text: &str, deadline: Duration) -> Result<String> {
        wait::until(
            &format!("{} to write {text:?}", self.name),
            deadline,
            async || {
                let written = self.written();
                Ok(written
                    .lines()
                    .find(|line| line.contains(text))
                    .map(str::to_owned))
            },
        )
        .await
    }

    #[allow(
        clippy::print_stderr,
        reason = "the test runner shows it with the failed story"
    )]
    fn show(&self) {
        for which in ["stdout", "stderr"] {
            let text = self.read(which);
            let lines: Vec<&str> = text.lines().collect();
            let last = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
            eprintln!(
                "--- {} {which}, last {} of {} lines",
                self.name,
                last.len(),
                lines.len()
            );
            for line in last {
                eprintln!("{line}");
            }
        }
    }
}

/// A process of this machine.
struct Found {
    id: u32,
    parent: u32,
    name: String,
    is_over: bool,
}

/// Every process of this machine.
fn processes() -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let id = entry?.file_name().to_string_lossy().parse();
        // One that ended while it was looked at is none.
        found.extend(id.ok().and_then(look_at));
    }
    Ok(found)
}

fn look_at(id: u32) -> Option<Found> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name stands in brackets and may hold any character.
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let mut rest = rest.split_whitespace();
    Some(Found {
        id,
        name: name.to_owned(),
        is_over: matches!(rest.next()?, "Z" | "X"),
        parent: rest.next()?.parse().ok()?,
    })
}

/// Whether a process of this id runs. One that ended and whose parent did not look yet does not.
#[must_use]
pub fn is_there(id: u32) -> bool {
    look_at(id).is_some_and(|found| !found.is_over)
}

/// Sends a signal to a process that a program of the story started.
///
/// # Errors
/// When it is not there.
pub fn signal(id: u32, signal: Signal) -> Result<()> {
    let id = Pid::from_raw(i32::try_from(id)?).context("a process id is never 0")?;
    kill_process(id, signal).context("cannot signal a child of a program")
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.finished || std::thread::panicking() {
            self.show();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::spawn("a shell", command).unwrap()
    }

    #[tokio::test]
    async fn both_outputs_and_the_exit_are_seen() {
        let mut process = shell("echo out; echo err >&2; exit 3");
        let status = process.exit(Duration::from_secs(10)).await.unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(
            (process.stdout().as_str(), process.stderr().as_str()),
            ("out\n", "err\n")
        );
    }

    #[tokio::test]
    async fn children_are_seen_until_they_end() {
        let mut process = shell("sleep 600 & echo ready; wait");
        process
            .writes("ready", Duration::from_secs(10))
            .await
            .unwrap();
        let sleeps = wait::until("the child", Duration::from_secs(10), async || {
            let children = process.children()?;
            let sleep = children.into_iter().find(|(_, name)| name == "sleep");
            Ok(sleep.map(|(id, _)| id))
        });
        let id = sleeps.await.unwrap();
        assert!(is_there(id));
        signal(id, Signal::KILL).unwrap();
        assert!(
            process
                .exit(Duration::from_secs(10))
                .await
                .unwrap()
                .success()
        );
        assert!(!is_there(id));
    }

    #[tokio::test]
    async fn a_process_that_does_not_end_is_an_error_and_does_not_stay() {
        let mut process =
            shell("trap '' TERM; echo ready; while :; do read line < /dev/zero; done");
        process
            .writes("ready", Duration::from_secs(10))
            .await
            .unwrap();
        let ended = process.end(Signal::TERM, Duration::from_millis(200)).await;
        assert!(ended.unwrap_err().to_string().contains("still runs after"));
        assert!(!process.runs());
    }
}
