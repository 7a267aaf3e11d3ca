//! The edge container's program: see `edge-ingest --help`.

use std::process::ExitCode;

use clap::Parser as _;
use edge_ingest::options::Options;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    edge_ingest::program::run(Options::parse(), None).await
}
