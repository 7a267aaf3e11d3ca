//! AWS as others wrote it: a ministack of the story's own, with what `infra/` says deployed to it.
//!
//! It checks the rights of those who call it, so that the functions can do what their roles allow and
//! nothing else.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::edge::{self, UP, Up};
use crate::{HANG, Process, programs, repository, wait};

/// How long it may take to accept, on a busy machine: it is an interpreter that reads a lot.
const STARTS_WITHIN: Duration = Duration::from_secs(60);
/// How long a deployment may take: it is a hundred calls.
const DEPLOYS_WITHIN: Duration = Duration::from_secs(180);

/// A running ministack.
#[derive(Debug)]
pub struct Ministack {
    process: Process,
    /// Where it answers as every service.
    pub url: String,
    _directory: TempDir,
}

/// What was deployed to it.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// The HTTP API.
    pub http: String,
    /// Where dashboards connect.
    pub websocket: String,
    /// What the tables' names begin with.
    pub table_prefix: String,
    management: String,
    edge: AccessKey,
}

#[derive(Clone, Debug, Deserialize)]
struct AccessKey {
    id: String,
    secret: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Outputs {
    http_api_id: String,
    websocket_api_id: String,
    management_url: String,
}

#[derive(Deserialize)]
struct Printed {
    outputs: Outputs,
    edge: AccessKey,
}

/// An edge over what was deployed, in a process of its own.
#[derive(Debug)]
pub struct Edge {
    /// The process.
    pub process: Process,
    /// What goes into an encoder's server field.
    pub server: String,
}

impl Ministack {
    /// Starts one on a free loopback port.
    ///
    /// # Errors
    /// When it is not installed, or does not come up.
    pub async fn start() -> Result<Self> {
        let packages = repository::root()?.join("target/tools/ministack");
        if !packages.is_dir() {
            bail!("ministack is not installed: tests/run installs what the stories need");
        }
        let directory = tempfile::tempdir()?;
        // It cannot be told to take any free port.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = free.local_addr()?;
        drop(free);
        let url = format!("http://{address}");
        let mut command = programs::untold(programs::of_the_machine("python3")?);
        command
            .args(["-m", "ministack"])
            .current_dir(directory.path())
            .env("PYTHONPATH", packages)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("TMPDIR", directory.path())
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", address.port().to_string())
            .env("IOT_MTLS_ENABLED", "0")
            // What functions are told, and what they may do.
            .env("AWS_ENDPOINT_URL", &url)
            .env("AUTH", "true")
            .env("NO_PROXY", "127.0.0.1");
        let mut process = Process::spawn("ministack", command)?;
        wait::until("ministack to accept", STARTS_WITHIN, async || {
            ensure!(process.runs(), "ministack ended: {}", process.written());
            Ok(TcpStream::connect(address).await.ok())
        })
        .await?;
        Ok(Self {
            process,
            url,
            _directory: directory,
        })
    }

    /// Deploys the templates and the functions' zip files under this name, with these parameters.
    ///
    /// # Errors
    /// When a zip file is missing, or a resource is refused.
    pub async fn deploy(&self, name: &str, parameters: &[(&str, String)]) -> Result<Deployed> {
        let zips = repository::root()?.join("target/lambda");
        let mut command = self.owner("deploy", name)?;
        command.arg("--zips").arg(&zips);
        command.args(
            parameters
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
        let printed = output(command).await.with_context(|| {
            let zips = zips.display();
            format!("cannot deploy (`cargo lambda build --output-format zip` makes {zips})")
        })?;
        let Printed { outputs, edge } = serde_json::from_str(&printed).context(printed)?;
        let apis = format!("{}/_aws/execute-api", self.url);
        let websocket = format!("{apis}/{}/live", outputs.websocket_api_id);
        Ok(Deployed {
            http: format!("{apis}/{}", outputs.http_api_id),
            websocket: websocket.replacen("http", "ws", 1),
            table_prefix: format!("{name}-"),
            management: outputs.management_url,
            edge,
        })
    }

    /// Starts an edge over what was deployed, with the rights of one.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn edge(&self, deployed: &Deployed) -> Result<Edge> {
        let mut command = edge::command("edge-ingest", &self.url, &deployed.management)?;
        command
            .args(["--table-prefix", &deployed.table_prefix])
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_ACCESS_KEY_ID", &deployed.edge.id)
            .env("AWS_SECRET_ACCESS_KEY", &deployed.edge.secret);
        let process = Process::spawn("edge-ingest", command)?;
        let up = Up::read(&process.writes(UP, HANG).await?)?;
        Ok(Edge {
            server: up.server(),
            process,
        })
    }

    /// What the functions that were deployed under this name wrote so far.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn functions_log(&self, name: &str) -> Result<String> {
        output(self.owner("logs", name)?).await
    }

    /// What it has logged itself so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.written()
    }

    /// What the account's owner does.
    fn owner(&self, does: &str, name: &str) -> Result<Command> {
        let script = repository::root()?.join("tests/emulators/aws");
        let mut command = programs::untold(Command::new(script));
        command
            .args([does, "--endpoint", &self.url, "--name", name])
            .env("NO_PROXY", "127.0.0.1");
        Ok(command)
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it had ended already, or does not end.
    pub async fn stop(mut self) -> Result<()> {
        self.process.end(Signal::TERM, HANG).await?;
        Ok(())
    }
}

/// What a command prints that is to succeed.
async fn output(command: Command) -> Result<String> {
    let output = programs::run(command, DEPLOYS_WITHIN).await?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{complaint}");
    Ok(String::from_utf8(output.stdout)?)
}
