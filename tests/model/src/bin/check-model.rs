//! Explores single live within bounds, and says what it found and what it left out.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser};
use model::{Bounds, Limits, Plant, explore};

/// Explores every order in which edges, publishers and the store may act on one channel.
///
/// Exits with 0 where every promise holds in every state within the bounds, with 1 where one is
/// broken, with 3 where the exploration was cut.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Edge processes, 1 to 3.
    #[arg(long, default_value_t = 2)]
    edges: usize,
    /// Publish attempts on each edge; at most 4 on all of them.
    #[arg(long, default_value_t = 1)]
    attempts: usize,
    /// Leave out kills, copies of answered writes, key resets and what else is not always there.
    #[arg(long)]
    plain: bool,
    /// Let a page watch.
    #[arg(long)]
    page: bool,
    /// Heartbeats that are sent after registrations, by all edges together.
    #[arg(long, default_value_t = 1)]
    heartbeats: u8,
    /// Keep states apart that have the same future: for checking the reductions themselves.
    #[arg(long)]
    unreduced: bool,
    /// Break a rule on purpose and see that it is found.
    #[arg(long, value_parser = plant)]
    plant: Option<Plant>,
    /// Threads that explore.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Cut the exploration after so many minutes.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Cut it after about so many steps.
    #[arg(long, default_value_t = 4_000_000_000)]
    steps: usize,
}

const BROKEN: u8 = 1;
const CUT: u8 = 3;

fn main() -> ExitCode {
    let options = Options::parse();
    let bounds = options.bounds();
    if !bounds.fits() {
        let words = "there is no room for so many edges and attempts";
        Options::command()
            .error(ErrorKind::ValueValidation, words)
            .exit();
    }
    let outcome = explore(bounds, options.limits(), |progress| println!("{progress}"));
    println!("{outcome}");
    match (outcome.broken.is_empty(), outcome.holds()) {
        (false, _) => ExitCode::from(BROKEN),
        (true, false) => ExitCode::from(CUT),
        (true, true) => ExitCode::SUCCESS,
    }
}

impl Options {
    fn bounds(&self) -> Bounds {
        let base = if self.plain {
            Bounds::plain(self.edges, self.attempts)
        } else {
            Bounds::full(self.edges, self.attempts)
        };
        let bounds = Bounds {
            page: self.page,
            heartbeats: self.heartbeats,
            reduced: !self.unreduced,
            ..base
        };
        self.plant.map_or(bounds, |plant| bounds.planted(plant))
    }

    const fn limits(&self) -> Limits {
        Limits {
            threads: self.threads,
            time: Duration::from_secs(self.minutes * 60),
            steps: self.steps,
        }
    }
}

fn plant(word: &str) -> Result<Plant, String> {
    let words: Vec<_> = Plant::ALL.iter().map(|plant| plant.as_str()).collect();
    Plant::parse(word).ok_or_else(|| format!("one of {}", words.join(", ")))
}
