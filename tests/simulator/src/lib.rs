//! Single live under faults: the real decisions of `domain`, unchanged, with simulated actors around
//! them, in virtual time.
//!
//! A run is made from a seed: some edges, channels and encoders, what they do, and what goes wrong
//! (`scenario.rs`). Events happen one after the other (`queue.rs`); the observer (`checks/`) sees
//! every write and every batch of media and stops the run at the first promise that is broken. The
//! same seed gives the same run, step for step.
//!
//! Invariants:
//! - Nothing in a run depends on real time, threads, addresses or the order of a hash map.
//! - Actors see their own clocks only, and reach each other only by messages that the network may
//!   delay, repeat or lose.
//! - What a conditional write demands and leaves, when a lease is held, who is silent and what a
//!   publish does next is decided by `domain` alone. A [`Plant`] is wrong on purpose beside it.
//!
//! Absent on purpose: bytes of RTMP, DynamoDB's expressions, processes. Those have tests of their own;
//! docs/decisions/0009-single-live-is-simulated.md says what is simulated and what is not.

mod chance;
mod checks;
mod edge;
mod encoder;
mod event;
mod fault;
mod figures;
mod functions;
mod network;
mod plant;
mod queue;
mod scenario;
mod simulation;
mod store;
mod story;
mod time;
mod world;

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

pub use checks::{Rule, Violation};
pub use fault::NAMES;
pub use figures::{Figures, Residue};
pub use plant::Plant;
pub use time::Time;

use simulation::Simulation;

/// How a seed is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// A wrong rule.
    pub plant: Option<Plant>,
    /// Whether the story is wanted.
    pub story: bool,
}

/// What came of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// What was counted.
    pub figures: Figures,
    /// The promise that was broken, where one was.
    pub violation: Option<Violation>,
    /// What happened, line by line, where that was wanted.
    pub story: Vec<String>,
}

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, options: Options) -> Outcome {
    Simulation::new(seed, options).run()
}

/// Many runs together.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// All counts.
    pub figures: Figures,
    /// The lowest seed that broke a promise, among those that were run.
    pub failed: Option<u64>,
}

/// Runs seeds on several threads and stops soon after one breaks a promise. `progress` hears of
/// each seed that is done.
#[must_use]
pub fn run_all(
    seeds: Range<u64>,
    plant: Option<Plant>,
    threads: usize,
    progress: &(dyn Fn() + Sync),
) -> Summary {
    let next = AtomicU64::new(seeds.start);
    let summary = Mutex::new(Summary::default());
    let worker = || {
        let mut mine = Summary::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let outcome = run(
                seed,
                Options {
                    plant,
                    story: false,
                },
            );
            mine.figures.add(&outcome.figures);
            progress();
            if outcome.violation.is_some() {
                mine.failed = Some(seed);
                next.store(seeds.end, Ordering::Relaxed);
                break;
            }
        }
        if let Ok(mut all) = summary.lock() {
            all.figures.add(&mine.figures);
            all.failed = [all.failed, mine.failed].into_iter().flatten().min();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(worker);
        }
    });
    summary.into_inner().unwrap_or_default()
}
