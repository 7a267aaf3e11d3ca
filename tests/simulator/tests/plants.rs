//! Each planted error is found, and by what it breaks.

use simulator::{Options, Plant, Violation, run, run_all};

/// A planted error that is not found in so many seeds is not found.
const WITHIN: u64 = 3_000;

/// The first seed that finds it, and how.
fn find(plant: Plant) -> Option<(u64, Violation)> {
    let planted = Some(plant);
    let seed = run_all(0..WITHIN, planted, 2, &|| ()).failed?;
    let options = Options {
        plant: planted,
        story: false,
    };
    Some((seed, run(seed, options).violation?))
}

#[test]
fn every_planted_error_is_found() {
    let mut missed = Vec::new();
    for plant in Plant::ALL {
        match find(plant) {
            Some((seed, found)) => {
                println!(
                    "{plant}: found after {} seeds, by {:?}",
                    seed + 1,
                    found.rule
                );
            }
            None => missed.push(plant),
        }
    }
    assert!(missed.is_empty(), "not found in {WITHIN} seeds: {missed:?}");
}
