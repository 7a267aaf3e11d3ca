//! Each planted error is found, and by what it breaks.

use simulator::{Options, Outcome, Plant, run};

/// A planted error that is not found in so many seeds is not found.
const WITHIN: u64 = 3_000;

/// The first seed that finds it.
fn find(plant: Plant) -> Option<Outcome> {
    let options = Options {
        plant: Some(plant),
        story: false,
    };
    let outcomes = (0..WITHIN).map(|seed| run(seed, options));
    outcomes
        .into_iter()
        .find(|outcome| outcome.violation.is_some())
}

#[test]
fn every_planted_error_is_found() {
    let mut missed = Vec::new();
    for plant in Plant::ALL {
        match find(plant).and_then(|outcome| Some((outcome.seed, outcome.violation?))) {
            Some((seed, violation)) => {
                println!(
                    "{plant}: found after {} seeds, by {:?}",
                    seed + 1,
                    violation.rule
                );
            }
            None => missed.push(plant),
        }
    }
    assert!(missed.is_empty(), "not found in {WITHIN} seeds: {missed:?}");
}
