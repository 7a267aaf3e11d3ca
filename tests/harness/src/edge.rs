//! The real `edge-ingest` program beside a stack: for stories about what only its flags say.

use anyhow::{Context as _, Result, ensure};
use contract::endpoints::{Edge as Endpoint, Endpoints};
use domain::EdgeId;
use rustix::process::Signal;

use crate::{HANG, Process, programs};

/// A running edge in a process of its own.
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
        let mut command = programs::ours("edge-ingest")?;
        let any = "127.0.0.1:0";
        command
            .args(["--rtmp-listen", any, "--admin-listen", any])
            .args(flags)
            .envs(redis.map(|url| ("STREAM_SYNC_REDIS_URL", url)))
            .envs([
                (
                    "STREAM_SYNC_WEBSOCKET_MANAGEMENT_URL",
                    &*endpoints.management,
                ),
                ("AWS_ENDPOINT_URL_DYNAMODB", database),
                ("AWS_REGION", "us-east-1"),
                ("AWS_ACCESS_KEY_ID", "local"),
                ("AWS_SECRET_ACCESS_KEY", "local"),
            ]);
        let process = Process::spawn("edge-ingest", command)?;
        let line = process.writes("edge is up", HANG).await?;
        Ok((Self { process }, endpoint(&line)?))
    }

    /// Ends it as container schedulers do.
    pub(crate) async fn end(&mut self) -> Result<()> {
        let ended = self.process.end(Signal::TERM, HANG).await?;
        ensure!(ended.success(), "the edge ended with {ended}");
        Ok(())
    }
}

/// What the log says when the edge is up.
fn endpoint(line: &str) -> Result<Endpoint> {
    let line: serde_json::Value = serde_json::from_str(line)?;
    let logged = |field: &str| line["fields"][field].as_str().map(str::to_owned);
    let address = |field| logged(field).with_context(|| format!("the log has no {field}"));
    let rtmps = logged("rtmps_address");
    Ok(Endpoint {
        id: EdgeId::parse(address("edge_id")?)?,
        rtmp: format!("rtmp://{}/live", address("rtmp_address")?),
        rtmps: rtmps.map(|address| format!("rtmps://{address}/live")),
        admin: format!("http://{}", address("admin_address")?),
    })
}
