//! Two thousand seeds, each a run of its own: no promise is broken in any.

use simulator::{NAMES, Options, Rule, run, run_all};

/// As many as every CI run simulates.
const SEEDS: u64 = 2_000;
/// Seeds that are run twice.
const TWICE: u64 = 20;

#[test]
fn no_promise_is_broken_in_any_of_two_thousand_seeds() {
    let summary = run_all(0..SEEDS, None, 2, &|| ());
    println!("{}", summary.figures);
    if let Some(seed) = summary.failed {
        let story = run(seed, story()).story;
        panic!("seed {seed} broke a promise:\n{}", story.join("\n"));
    }
    let figures = summary.figures;
    assert_eq!((figures.seeds, figures.false_fences), (SEEDS, 0));
    // The seeds reach what they are there for.
    for (name, count) in NAMES.iter().zip(figures.faults) {
        assert!(count > 0, "no {name}");
    }
    assert!(figures.takeovers > 100 && figures.holds > 100);
    for rule in [Rule::Takeover, Rule::DropIsShown, Rule::LossIsShown] {
        assert!(
            figures.bounds[&rule].0 > 100,
            "{rule:?} was hardly asserted"
        );
    }
}

#[test]
fn a_seed_is_always_the_same_run() {
    for seed in 0..TWICE {
        let outcome = run(seed, story());
        assert_eq!(outcome, run(seed, story()));
        // Telling the story changes nothing.
        let figures = run(seed, Options::default()).figures;
        assert_eq!(outcome.figures, figures);
    }
}

fn story() -> Options {
    Options {
        story: true,
        ..Options::default()
    }
}
