//! Measures what the store is asked for: DynamoDB's read and write units per edge-hour, per
//! stream-hour and per session, with 100 publishers on three edges for ten minutes (or as many as
//! the first argument says), dashboards open.
//!
//! Prints each, what it would cost on demand, and the rate of each kind of request. Build the
//! programs first (`cargo build --workspace`).

#![allow(
    clippy::print_stdout,
    reason = "printing figures is this program's job"
)]

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use harness::fault_proxy::{Call, Counts, Tally};
use harness::fleet::{Crowd, Options};
use harness::reconnecting::Habit;
use harness::{Fleet, wait};

/// Long enough for what happens each 30 s to happen often.
const MINUTES: u64 = 10;
const PUBLISHERS: u32 = 100;
/// How long the edges are watched without a publisher.
const IDLE: Duration = Duration::from_secs(60);
/// USD for a million units, on demand, us-east-1.
const USD_PER_MILLION_READS: f64 = 0.125;
const USD_PER_MILLION_WRITES: f64 = 0.625;

#[tokio::main]
async fn main() -> Result<()> {
    let minutes = match std::env::args().nth(1) {
        Some(minutes) => minutes
            .parse()
            .context("the argument is for how many minutes to measure")?,
        None => MINUTES,
    };
    ensure!(minutes > 0, "no time, no figures");
    let fleet = Fleet::start(Options {
        program: "edge-ingest".to_owned(),
        ..Options::default()
    })
    .await?;
    let idle = Measured::during(&fleet, async {
        wait::for_the_length_of(IDLE).await;
        Ok(())
    });
    let (idle, ()) = idle.await?;
    let live = Crowd::live(&fleet, PUBLISHERS as usize, Habit::OBS, |number| number);
    let (begun, crowd) = Measured::during(&fleet, live).await?;
    let steady = Measured::during(&fleet, async {
        wait::for_the_length_of(Duration::from_secs(60 * minutes)).await;
        Ok(())
    });
    let (steady, ()) = steady.await?;
    crowd.never_dropped()?;
    let (ended, ()) = Measured::during(&fleet, crowd.leave()).await?;
    report(&fleet, &idle, &steady, &[begun, ended]);
    fleet.stop().await
}

/// What passed the proxy in some time.
struct Measured {
    counts: Counts,
    took: Duration,
}

impl Measured {
    async fn during<T>(fleet: &Fleet, what: impl Future<Output = Result<T>>) -> Result<(Self, T)> {
        let before = fleet.proxy.counts();
        let began = Instant::now();
        let done = what.await?;
        let measured = Self {
            counts: fleet.proxy.counts().since(&before),
            took: began.elapsed(),
        };
        Ok((measured, done))
    }

    fn hours(&self) -> f64 {
        self.took.as_secs_f64() / 3600.0
    }

    /// Read and write units of the edges.
    fn edges(&self) -> (f64, f64) {
        units(&self.counts.sum(|call| call.line.starts_with("edge-")))
    }
}

fn units(tally: &Tally) -> (f64, f64) {
    (tally.read_units, tally.write_units)
}

/// The control plane's part is told by the rates: it hangs on what owners do, not on streams.
fn report(fleet: &Fleet, idle: &Measured, steady: &Measured, changes: &[Measured]) {
    let edges = u32::try_from(fleet.edges().len()).unwrap_or(u32::MAX);
    let publishers = f64::from(PUBLISHERS);
    let (reads, writes) = idle.edges();
    let idle_hour = (reads / idle.hours(), writes / idle.hours());
    let edge = f64::from(edges);
    tell("edge-hour", (idle_hour.0 / edge, idle_hour.1 / edge));
    let (reads, writes) = steady.edges();
    let more = |units: f64, idle: f64| (units / steady.hours() - idle) / publishers;
    tell(
        "stream-hour",
        (more(reads, idle_hour.0), more(writes, idle_hour.1)),
    );
    let mut session = (0.0, 0.0);
    for change in changes {
        let (reads, writes) = change.edges();
        session.0 += (reads - idle_hour.0 * change.hours()) / publishers;
        session.1 += (writes - idle_hour.1 * change.hours()) / publishers;
    }
    tell("session (begin and end)", session);
    println!("\nwith {PUBLISHERS} publishers on {edges} edges, in each second:");
    for (call, tally) in steady.counts.rows().filter(|(_, tally)| tally.requests > 0) {
        rate(call, tally, steady.took.as_secs_f64());
    }
}

fn tell(what: &str, (reads, writes): (f64, f64)) {
    let usd = (reads * USD_PER_MILLION_READS + writes * USD_PER_MILLION_WRITES) / 1e6;
    println!("{what}: {reads:.1} read units, {writes:.1} write units, {usd:.6} USD on demand");
}

#[allow(
    clippy::cast_precision_loss,
    reason = "far fewer requests than an f64 counts"
)]
fn rate(call: &Call, tally: &Tally, seconds: f64) {
    println!(
        "{:>8} {:<16} {:<24} {:>8.2} requests {:>8.2} read units {:>8.2} write units",
        call.line,
        call.operation,
        call.table,
        tally.requests as f64 / seconds,
        tally.read_units / seconds,
        tally.write_units / seconds
    );
}
