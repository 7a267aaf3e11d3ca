//! Measures requirement 3.1: from ffmpeg's start to LIVE on a dashboard's WebSocket and through the
//! API, 20 times (or as many as the first argument says), on an otherwise idle machine.
//!
//! Prints each run, the median and the maximum, and fails where one run took two seconds or more.
//! Build the programs first (`cargo build --workspace`).

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use contract::http::StatusWord;
use harness::{Dashboard, Ffmpeg, HANG, Options, Stack};

/// Promised: Start Streaming to LIVE in less than this.
const PROMISED: Duration = Duration::from_secs(2);
/// Enough for a median; a maximum of few runs says little.
const RUNS: usize = 20;

#[tokio::main]
async fn main() -> Result<()> {
    let runs = match std::env::args().nth(1) {
        Some(runs) => runs
            .parse()
            .context("the argument is how many runs to make")?,
        None => RUNS,
    };
    ensure!(runs > 0, "no runs, no figures");
    let stack = Stack::start(Options::default()).await?;
    let mut dashboard = stack.dashboard().await?;
    let (mut pushed, mut asked) = (Vec::new(), Vec::new());
    for run in 1..=runs {
        let (push, ask) = once(&stack, &mut dashboard).await?;
        report(&format!("run {run:2}"), push, ask);
        pushed.push(push);
        asked.push(ask);
    }
    stack.stop().await?;
    pushed.sort_unstable();
    asked.sort_unstable();
    report("median", pushed[runs / 2], asked[runs / 2]);
    report("maximum", pushed[runs - 1], asked[runs - 1]);
    ensure!(
        pushed[runs - 1] < PROMISED && asked[runs - 1] < PROMISED,
        "not within {PROMISED:?}"
    );
    Ok(())
}

/// From ffmpeg's start to LIVE: on the WebSocket, and in the API's answer to a question asked then.
async fn once(stack: &Stack, dashboard: &mut Dashboard) -> Result<(Duration, Duration)> {
    let ffmpeg = Ffmpeg::publish(stack.server(0), &stack.key().await?)?;
    let (at, _) = dashboard.expect_status(StatusWord::Live, HANG).await?;
    let status = stack.owner.status(stack.channel()).await?;
    let asked = ffmpeg.started().elapsed();
    ensure!(
        status.status == StatusWord::Live,
        "the API does not agree: {status:?}"
    );
    let pushed = at - ffmpeg.started();
    ffmpeg.stop_normally().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    Ok((pushed, asked))
}

#[allow(
    clippy::print_stdout,
    reason = "printing figures is this program's job"
)]
fn report(what: &str, pushed: Duration, asked: Duration) {
    let (pushed, asked) = (pushed.as_millis(), asked.as_millis());
    println!("{what}: LIVE on the WebSocket after {pushed} ms, through the API after {asked} ms");
}
