//! What holds in every state: explored exhaustively within the bounds that each test prints. Larger
//! ones take longer: `check-model --edges 3 --plain`, `check-model --edges 2 --attempts 2`.
#![allow(clippy::print_stdout, reason = "says how much was explored")]

use std::time::Duration;

use model::{Bounds, Limits, Outcome, explore};

/// A test that needs more was given bounds that are too wide: it says so and fails.
const LIMITS: Limits = Limits {
    threads: 2,
    time: Duration::from_secs(20 * 60),
    steps: 1_000_000_000,
};

fn check(bounds: Bounds) -> Outcome {
    let outcome = explore(bounds, LIMITS, |progress| println!("{progress}"));
    println!("{outcome}");
    assert!(outcome.broken.is_empty() && !outcome.cut, "{outcome}");
    outcome
}

#[test]
fn two_edges_with_a_publish_each_keep_every_promise() {
    assert!(check(Bounds::full(2, 1)).holds());
}

#[test]
fn three_edges_with_a_publish_each_keep_every_promise_that_needs_no_second_heartbeat() {
    let bounds = Bounds {
        heartbeats: 0,
        ..Bounds::plain(3, 1)
    };
    assert!(check(bounds).holds());
}

#[test]
fn publishes_on_one_edge_keep_every_promise_through_its_epochs() {
    assert!(check(Bounds::full(1, 2)).holds());
}

mod slow {
    use super::{Bounds, check};

    #[test]
    fn a_page_agrees_with_the_store_whatever_order_pushes_come_in() {
        let bounds = Bounds {
            page: true,
            ..Bounds::plain(2, 1)
        };
        assert!(check(bounds).holds());
    }

    #[test]
    fn without_reductions_nothing_else_is_found() {
        let bounds = Bounds {
            heartbeats: 0,
            reduced: false,
            ..Bounds::plain(2, 1)
        };
        assert!(check(bounds).holds());
    }
}
