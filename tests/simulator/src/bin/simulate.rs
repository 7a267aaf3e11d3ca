//! Runs seeds of the simulator, many at once, or tells the story of one. See `--help`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the summary and the story are what this program is for"
)]

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use simulator::{Options, Outcome, Plant, Summary, run, run_all};

/// So much of a story is told of a seed that broke a promise, unless all of it is asked for.
const LAST_LINES: usize = 150;
/// The bar is drawn for each so many seeds.
const BAR_EVERY: u64 = 64;

/// Single live under faults, in virtual time: the real decisions with simulated edges, encoders,
/// dashboards, network and store around them. Each seed is a run of its own, and always the same
/// one. The exit code is 1 where a promise was broken.
#[derive(Debug, Parser)]
#[command(name = "simulate", version)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 2_000, value_name = "N")]
    seeds: u64,

    /// The first of them.
    #[arg(long, default_value_t = 0, value_name = "N")]
    first: u64,

    /// Run this seed only.
    #[arg(long, value_name = "N", conflicts_with_all = ["seeds", "first"])]
    seed: Option<u64>,

    /// Tell everything that happens in that seed.
    #[arg(long, requires = "seed")]
    story: bool,

    /// Break a rule on purpose.
    #[arg(long, value_name = "RULE")]
    plant: Option<Plant>,

    /// Threads to run seeds on: one for each processor where it is not given.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let broken = match arguments.seed {
        Some(seed) => tell(seed, arguments.plant, arguments.story),
        None => run_many(&arguments),
    };
    if broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn tell(seed: u64, plant: Option<Plant>, whole: bool) -> bool {
    let outcome = run(seed, Options { plant, story: true });
    print_story(&outcome, whole);
    print!("\n{}", outcome.figures);
    outcome.violation.is_some()
}

fn print_story(outcome: &Outcome, whole: bool) {
    let told = if whole || outcome.violation.is_some() {
        outcome.story.len()
    } else {
        0
    };
    let skipped = if whole {
        0
    } else {
        told.saturating_sub(LAST_LINES)
    };
    if skipped > 0 {
        println!(
            "({skipped} lines before these: --seed {} --story)",
            outcome.seed
        );
    }
    for line in outcome.story.iter().take(told).skip(skipped) {
        println!("{line}");
    }
}

fn run_many(arguments: &Arguments) -> bool {
    let began = Instant::now();
    let bar = bar(arguments.seeds);
    let summary = run_with(arguments, &bar);
    bar.finish_and_clear();
    print!("{}", summary.figures);
    let seconds = began.elapsed().as_secs_f64();
    let pace = summary.figures.seeds as f64 * 60.0 / seconds.max(f64::EPSILON);
    println!("took          {seconds:.1} s, {pace:.0} seeds per minute");
    let Some(seed) = summary.failed else {
        println!("no promise was broken");
        return false;
    };
    println!("\nseed {seed} broke a promise:\n");
    tell(seed, arguments.plant, false);
    true
}

fn run_with(arguments: &Arguments, bar: &ProgressBar) -> Summary {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = arguments.threads.unwrap_or(processors);
    let done = std::sync::atomic::AtomicU64::new(0);
    let progress = || {
        let done = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        if done.is_multiple_of(BAR_EVERY) {
            bar.set_position(done);
        }
    };
    let seeds = arguments.first..arguments.first.saturating_add(arguments.seeds);
    run_all(seeds, arguments.plant, threads, &progress)
}

fn bar(seeds: u64) -> ProgressBar {
    let shape = "{elapsed_precise} {wide_bar} {pos}/{len} seeds, {per_sec}, {eta} to go";
    let style = ProgressStyle::with_template(shape);
    ProgressBar::new(seeds).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
