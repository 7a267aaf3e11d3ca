//! Runs an exploration and says what came of it, and what it left out.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use stateright::{Checker, Expectation, HasDiscoveries, Model as _};

use crate::{Bounds, World, story};

/// What an exploration may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Threads that explore.
    pub threads: usize,
    /// It is cut after so long.
    pub time: Duration,
    /// It is cut after about so many steps.
    pub steps: usize,
}

/// How far an exploration is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Distinct states so far.
    pub states: usize,
    /// Steps taken from them.
    pub steps: usize,
    /// Steps on the longest path.
    pub depth: usize,
    /// Time since it began.
    pub took: Duration,
}

/// What came of an exploration.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was explored.
    pub bounds: Bounds,
    /// How far it came.
    pub progress: Progress,
    /// Whether states were left: then what it did not find may still be there.
    pub cut: bool,
    /// The promises that do not hold, each with a story that breaks it.
    pub broken: Vec<Counterexample>,
    /// What should happen in some state and was seen in none.
    pub never: Vec<&'static str>,
}

/// A story that breaks a promise.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// The promise.
    pub promise: &'static str,
    /// Who did what.
    pub story: String,
    /// How many steps it has.
    pub steps: usize,
}

/// Time between two reports of progress.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// Time between two looks whether it is done.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Explores until everything was seen, a promise is broken or a limit is reached.
///
/// With a rule broken on purpose it searches in breadth, for a short story; else in depth, which
/// remembers less.
pub fn explore(bounds: Bounds, limits: Limits, report: impl FnMut(Progress)) -> Outcome {
    let checker = World::new(bounds)
        .checker()
        .threads(limits.threads)
        .target_state_count(limits.steps)
        .finish_when(HasDiscoveries::AnyFailures);
    if bounds.plant.is_some() {
        run(checker.spawn_bfs(), limits, report)
    } else {
        run(checker.spawn_dfs(), limits, report)
    }
}

fn run(checker: impl Checker<World>, limits: Limits, mut report: impl FnMut(Progress)) -> Outcome {
    let began = Instant::now();
    let mut reported = began;
    while !checker.is_done() && began.elapsed() < limits.time {
        thread::sleep(LOOK_EVERY);
        if reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            report(progress(&checker, began.elapsed()));
        }
    }
    // The checker's own limit of time stops only threads that share their work.
    let late = began.elapsed() >= limits.time;
    checker.model().stop(late);
    let checker = checker.join();
    // A path is found again by going it.
    checker.model().stop(false);
    outcome(&checker, limits, began.elapsed())
}

fn progress(checker: &impl Checker<World>, took: Duration) -> Progress {
    Progress {
        states: checker.unique_state_count(),
        steps: checker.state_count(),
        depth: checker.max_depth(),
        took,
    }
}

fn outcome(checker: &impl Checker<World>, limits: Limits, took: Duration) -> Outcome {
    let bounds = *checker.model().bounds();
    let progress = progress(checker, took);
    let mut found = checker.discoveries();
    let mut broken = Vec::new();
    let mut never = Vec::new();
    for property in checker.model().properties() {
        let path = found.remove(property.name);
        match property.expectation {
            Expectation::Always => broken.extend(path.map(|path| {
                let path = path.into_vec();
                Counterexample {
                    promise: property.name,
                    story: story::tell(&bounds, &path),
                    steps: path.len() - 1,
                }
            })),
            Expectation::Sometimes | Expectation::Eventually if path.is_none() => {
                never.push(property.name);
            }
            Expectation::Sometimes | Expectation::Eventually => {}
        }
    }
    let cut = !broken.is_empty() || progress.took >= limits.time || progress.steps >= limits.steps;
    Outcome {
        bounds,
        progress,
        cut,
        broken,
        never,
    }
}

impl Outcome {
    /// Whether every state within the bounds was seen, every promise held in each, and everything
    /// happened that should.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.cut && self.broken.is_empty() && self.never.is_empty()
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (states, steps, depth) = (self.states, self.steps, self.depth);
        let seconds = self.took.as_secs_f64();
        write!(
            f,
            "{states} states, {steps} steps, depth {depth}, {seconds:.1} s"
        )
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.bounds)?;
        for broken in &self.broken {
            writeln!(f, "BROKEN: {}\n{}", broken.promise, broken.story)?;
        }
        // What was cut may have come to it later.
        for never in self.never.iter().filter(|_| !self.cut) {
            writeln!(f, "never seen: {never}")?;
        }
        let verdict = match (self.broken.is_empty(), self.cut) {
            (false, _) => "broken",
            (true, true) => "CUT: not every state was explored, none of those that were is wrong",
            (true, false) => "explored exhaustively within these bounds, every promise holds",
        };
        write!(f, "{verdict}: {}", self.progress)
    }
}
