//! The embedded DynamoDB alone, on a loopback socket, with the product's tables in it: for edges and
//! control planes of other processes, and for what stands between them and the store. See `--help`.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use harness::serving::{loopback, say_ready, stop_signal};
use store::Store;
use stream_sync::database::{self, Database};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const EXAMPLES: &str = "\
Examples:
  dynamodb --listen 127.0.0.1:8000
  dynamodb --ready-file url.txt      any free port; the file holds the URL once the tables are there

Everything is in memory and gone at the end, which SIGTERM and Ctrl-C bring.";

/// The embedded DynamoDB on a loopback socket, with the tables of stream-sync.
#[derive(Debug, Parser)]
#[command(name = "dynamodb", version, after_help = EXAMPLES)]
struct Options {
    /// Where to listen; only loopback addresses are taken, since nobody's rights are checked. Port 0
    /// means any free one
    #[arg(long, env = "STREAM_SYNC_DYNAMODB_LISTEN", value_name = "HOST:PORT",
          default_value = "127.0.0.1:0", value_parser = loopback)]
    listen: SocketAddr,

    /// What the names of the tables begin with
    #[arg(
        long,
        env = "STREAM_SYNC_TABLE_PREFIX",
        value_name = "TEXT",
        default_value = ""
    )]
    table_prefix: String,

    /// Write the URL into this file when the tables are there; it is also the first line on stdout
    #[arg(long, env = "STREAM_SYNC_READY_FILE", value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let database = Database::embedded(None).await?;
    create_tables(&database, &options.table_prefix).await?;
    let embedded = database.as_embedded().context("nothing is embedded")?;
    let listener = TcpListener::bind(options.listen).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(database::serve(listener, embedded, shutdown.clone()));
    say_ready(&url, options.ready_file.as_deref())?;
    stop_signal().await?;
    shutdown.cancel();
    // Clients that keep their connections open would keep it for ever; nothing is kept anyway.
    served.abort();
    Ok(())
}

async fn create_tables(database: &Database, prefix: &str) -> Result<()> {
    let config = store::client::config_for(&database.sdk_config().await).build();
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    Ok(Store::new(client, prefix).create_tables().await?)
}
