//! The floor: takes any publish, reads what comes and drops it. See `--help`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the address and the sums are what this program says"
)]

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use load::discard::Discard;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

const EXAMPLES: &str = "\
Examples:
  rtmp-discard --listen 127.0.0.1:2935
  rtmp-discard --listen 127.0.0.1:0      any free port; the address is the first line on stdout

It ends at SIGINT or SIGTERM, and then prints what it received as one JSON object.";

/// An RTMP server that lets everybody publish anything, reads it and drops it.
#[derive(Debug, Parser)]
#[command(name = "rtmp-discard", version, after_help = EXAMPLES)]
struct Options {
    /// Where to listen; only loopback addresses are taken, since anybody may publish
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:2935", value_parser = loopback)]
    listen: SocketAddr,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(_) => Err("must be a loopback address".to_owned()),
        Err(_) => Err("must be ADDRESS:PORT".to_owned()),
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    load::descriptors::raise_limit();
    match serve(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rtmp-discard: {error}");
            ExitCode::FAILURE
        }
    }
}

// One thread: it is to be compared on one core, and has nothing to gain from more.
#[tokio::main(flavor = "current_thread")]
async fn serve(options: Options) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(options.listen).await?;
    println!("{}", listener.local_addr()?);
    let server = Discard::start(listener);
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    println!("{}", serde_json::to_string(&server.stop().await)?);
    Ok(())
}
