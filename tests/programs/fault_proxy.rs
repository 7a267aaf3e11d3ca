//! The fault proxy as a program, for systems that were started by hand. See `--help`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use clap::Parser;
use harness::fault_proxy::{Call, FaultProxy, Faults, Tally};
use harness::serving::{loopback, say_ready, stop_signal};
use serde::Serialize;
use tokio::net::TcpListener;

const EXAMPLES: &str = "\
Example: two edges, each on a line of its own, before the database of a local stack that was started
with --dynamodb-listen 127.0.0.1:8000
  fault-proxy --upstream http://127.0.0.1:8000 --control 127.0.0.1:8100 \\
    --line edge-1=127.0.0.1:8101 --line edge-2=127.0.0.1:8102
  curl -X PUT 127.0.0.1:8100/faults/edge-1 -H content-type:application/json -d '{\"cut\":true}'
  curl -X PUT 127.0.0.1:8100/faults/edge-2 -H content-type:application/json \\
    -d '{\"answersLost\":0.5,\"operations\":[\"UpdateItem\"]}'
  curl -X PUT 127.0.0.1:8100/faults/edge-1 -H content-type:application/json -d '{}'
  curl 127.0.0.1:8100/counts

What can be wrong with a line: cut (true), and the shares from 0 to 1 requestsLost, throttled and
answersLost, delayMillis, all for the operations and tables that are named or for every one.";

/// Stands between programs and their DynamoDB: cuts, throttles, delays, loses requests, and answers
/// after the commit; counts what passes and what it costs.
#[derive(Debug, Parser)]
#[command(name = "fault-proxy", version, after_help = EXAMPLES)]
struct Options {
    /// The database
    #[arg(long, env = "STREAM_SYNC_UPSTREAM", value_name = "URL")]
    upstream: String,

    /// A listener's name and its loopback address; port 0 means any free one. Once for each line
    #[arg(long = "line", env = "STREAM_SYNC_LINE", value_name = "NAME=HOST:PORT", required = true,
          value_delimiter = ',', value_parser = line)]
    lines: Vec<(String, SocketAddr)>,

    /// Where faults are set and counts are read
    #[arg(long, env = "STREAM_SYNC_CONTROL", value_name = "HOST:PORT",
          default_value = "127.0.0.1:0", value_parser = loopback)]
    control: SocketAddr,

    /// What chance is drawn from
    #[arg(
        long,
        env = "STREAM_SYNC_SEED",
        value_name = "NUMBER",
        default_value_t = 1
    )]
    seed: u64,

    /// Write the lines' URLs into this file once they accept; they are also on stdout
    #[arg(long, env = "STREAM_SYNC_READY_FILE", value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

/// One row of `/counts`.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    call: Call,
    #[serde(flatten)]
    tally: Tally,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let proxy = FaultProxy::start_at(&options.upstream, &options.lines, options.seed).await?;
    let listener = TcpListener::bind(options.control).await?;
    let ready = ready(&proxy, listener.local_addr()?)?;
    let proxy = Arc::new(proxy);
    let control = tokio::spawn(async move { axum::serve(listener, routes(proxy)).await });
    say_ready(&ready, options.ready_file.as_deref())?;
    stop_signal().await?;
    control.abort();
    Ok(())
}

fn line(text: &str) -> Result<(String, SocketAddr), String> {
    let (name, address) = text.split_once('=').ok_or("must be NAME=HOST:PORT")?;
    Ok((name.to_owned(), loopback(address)?))
}

/// `NAME URL` in each line, and the control's last.
fn ready(proxy: &FaultProxy, control: SocketAddr) -> Result<String> {
    let mut words = String::new();
    for name in proxy.names() {
        words += &format!("{name} {}\n", proxy.url(name)?);
    }
    Ok(words + &format!("control http://{control}"))
}

fn routes(proxy: Arc<FaultProxy>) -> Router {
    Router::new()
        .route("/faults/{line}", get(faults).put(set_faults))
        .route("/counts", get(counts))
        .with_state(proxy)
}

async fn faults(
    State(proxy): State<Arc<FaultProxy>>,
    Path(line): Path<String>,
) -> Result<Json<Faults>, (StatusCode, String)> {
    proxy.faults(&line).map(Json).map_err(not_found)
}

async fn set_faults(
    State(proxy): State<Arc<FaultProxy>>,
    Path(line): Path<String>,
    Json(faults): Json<Faults>,
) -> Result<StatusCode, (StatusCode, String)> {
    proxy.set(&line, faults).map_err(not_found)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn counts(State(proxy): State<Arc<FaultProxy>>) -> Json<Vec<Row>> {
    let row = |(call, tally): (&Call, &Tally)| Row {
        call: call.clone(),
        tally: *tally,
    };
    Json(proxy.counts().rows().map(row).collect())
}

#[allow(clippy::needless_pass_by_value, reason = "what map_err hands over")]
fn not_found(error: anyhow::Error) -> (StatusCode, String) {
    (StatusCode::NOT_FOUND, format!("{error}\n"))
}
