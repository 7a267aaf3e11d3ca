//! An `edge-ingest` in a process of its own: how it is started, and what it says when it is up. Beside a
//! stack for stories about what only its flags say; [`crate::fleet`] has many.

use anyhow::{Context as _, Result, ensure};
use contract::endpoints::{Edge as Endpoint, Endpoints};
use domain::EdgeId;
use rustix::process::Signal;
use serde::Deserialize;
use tokio::process::Command;

use crate::{HANG, Process, programs};

/// What an edge logs when it takes publishers.
pub(crate) const UP: &str = "edge is up";

/// `program`, an edge on free ports over the database at `store`, telling dashboards at `management`.
pub(crate) fn command(program: &str, store: &str, management: &str) -> Result<Command> {
    let mut command = programs::ours(program)?;
    for listener in ["--rtmp-listen", "--admin-listen"] {
        command.args([listener, "127.0.0.1:0"]);
    }
    command.args(["--websocket-management-url", management]);
    command.envs([
        ("AWS_ENDPOINT_URL_DYNAMODB", store),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("NO_PROXY", "127.0.0.1"),
    ]);
    Ok(command)
}

/// What an edge says of itself when it is up.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Up {
    pub(crate) edge_id: EdgeId,
    rtmp_address: String,
    rtmps_address: Option<String>,
    admin_address: String,
}

/// A line of an edge's log.
#[derive(Deserialize)]
struct Line {
    fields: Up,
}

impl Up {
    /// Reads the line that has [`UP`] in it.
    pub(crate) fn read(line: &str) -> Result<Self> {
        let line: Line = serde_json::from_str(line).context("the log has an unexpected shape")?;
        Ok(line.fields)
    }

    /// What goes into an encoder's server field.
    pub(crate) fn server(&self) -> String {
        format!("rtmp://{}/live", self.rtmp_address)
    }

    /// The admin port's URL.
    pub(crate) fn admin(&self) -> String {
        format!("http://{}", self.admin_address)
    }
}

/// A running edge beside a stack.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) process: Process,
}

impl Edge {
    /// Starts it on free ports over the database of the stack at `endpoints`, and gives where it
    /// listens. Without a Redis the stack shows no samples of its streams.
    pub(crate) async fn start(
        endpoints: &Endpoints,
        redis: Option<&str>,
        flags: &[String],
    ) -> Result<(Self, Endpoint)> {
        let database = endpoints.dynamodb.as_deref();
        let database = database.context("the database has no address")?;
        let mut command = command("edge-ingest", database, &endpoints.management)?;
        command
            .args(flags)
            .envs(redis.map(|url| ("STREAM_SYNC_REDIS_URL", url)));
        let process = Process::spawn("edge-ingest", command)?;
        let up = Up::read(&process.writes(UP, HANG).await?)?;
        let endpoint = Endpoint {
            rtmp: up.server(),
            admin: up.admin(),
            rtmps: up.rtmps_address.map(|at| format!("rtmps://{at}/live")),
            id: up.edge_id,
        };
        Ok((Self { process }, endpoint))
    }

    /// Ends it as container schedulers do.
    pub(crate) async fn end(&mut self) -> Result<()> {
        let ended = self.process.end(Signal::TERM, HANG).await?;
        ensure!(ended.success(), "the edge ended with {ended}");
        Ok(())
    }
}
