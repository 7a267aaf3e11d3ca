//! A real redis-server of the story's own.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::{Process, programs, wait};

/// How long redis-server may take to start or stop: a hang guard, no promise.
const WITHIN: Duration = Duration::from_secs(10);
/// redis-server cannot choose a free port itself; one chosen for it may be taken meanwhile.
const TRIES: u32 = 5;

/// A running redis-server.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
    directory: TempDir,
}

impl Redis {
    /// Starts one on a free loopback port, in memory only.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start() -> Result<Self> {
        let mut outcome = Self::try_start().await;
        for _ in 1..TRIES {
            if outcome.is_ok() {
                break;
            }
            outcome = Self::try_start().await;
        }
        outcome
    }

    async fn try_start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let process = Self::launch(port, directory.path()).await?;
        Ok(Self {
            process,
            port,
            directory,
        })
    }

    async fn launch(port: u16, directory: &Path) -> Result<Process> {
        let mut command = programs::of_the_machine("redis-server")?;
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command
            .arg("--port")
            .arg(port.to_string())
            .arg("--dir")
            .arg(directory);
        let mut process = Process::spawn("redis-server", command)?;
        wait::until("redis-server to accept", WITHIN, async || {
            ensure!(process.runs(), "redis-server ended: {}", process.stdout());
            Ok(process
                .stdout()
                .contains("Ready to accept connections")
                .then_some(()))
        })
        .await?;
        Ok(process)
    }

    /// What `--redis` takes.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What redis-cli prints for a command.
    ///
    /// # Errors
    /// When it fails.
    pub async fn ask(&self, arguments: &[&str]) -> Result<String> {
        let mut command = programs::of_the_machine("redis-cli")?;
        command.args(["-p", &self.port.to_string()]).args(arguments);
        let output = command.output().await.context("redis-cli does not run")?;
        ensure!(output.status.success(), "redis-cli failed");
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Every key with what it holds, a line for each.
    ///
    /// # Errors
    /// When redis-cli fails.
    pub async fn dump(&self) -> Result<String> {
        let mut dump = String::new();
        for key in self.ask(&["KEYS", "*"]).await?.lines() {
            let command = match self.ask(&["TYPE", key]).await?.as_str() {
                "hash" => "HGETALL",
                "string" => "GET",
                other => anyhow::bail!("{key} is a {other}: say how to read it"),
            };
            let held = self.ask(&[command, key]).await?;
            dump.push_str(&format!("{key} {}\n", held.replace('\n', " ")));
        }
        Ok(dump)
    }

    /// Sets an entry to whatever these bytes are.
    ///
    /// # Errors
    /// When redis-cli fails.
    pub async fn set(&self, name: &str, value: &[u8]) -> Result<()> {
        let file = self.directory.path().join("value");
        std::fs::write(&file, value)?;
        let mut command = programs::of_the_machine("redis-cli")?;
        command.args(["-p", &self.port.to_string(), "-x", "SET", name]);
        let output = command.stdin(std::fs::File::open(file)?).output().await?;
        ensure!(output.stdout.starts_with(b"OK"), "redis-cli failed");
        Ok(())
    }

    /// Kills it (SIGKILL). [`Redis::start_again`] brings an empty one back at the same address.
    ///
    /// # Errors
    /// When it had ended already.
    pub async fn crash(&mut self) -> Result<()> {
        self.process.end(Signal::KILL, WITHIN).await?;
        Ok(())
    }

    /// Starts it after a [crash](Redis::crash), with nothing in it.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_again(&mut self) -> Result<()> {
        self.process = Self::launch(self.port, self.directory.path()).await?;
        Ok(())
    }

    /// Takes it away at once.
    ///
    /// # Errors
    /// When it had ended already.
    pub async fn kill_9(mut self) -> Result<()> {
        self.process.end(Signal::KILL, WITHIN).await?;
        Ok(())
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it had ended already, or does not end.
    pub async fn stop(mut self) -> Result<()> {
        self.process.end(Signal::TERM, WITHIN).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_redis_of_ones_own_answers_until_it_is_stopped() {
        let redis = Redis::start().await.unwrap();
        assert_eq!(redis.ask(&["PING"]).await.unwrap(), "PONG");
        assert_eq!(redis.ask(&["SET", "a", "1"]).await.unwrap(), "OK");
        redis.set("b", b"\"quoted\"").await.unwrap();
        assert_eq!(redis.ask(&["GET", "b"]).await.unwrap(), "\"quoted\"");
        redis.stop().await.unwrap();
    }
}
