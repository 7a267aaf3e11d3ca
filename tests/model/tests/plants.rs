//! A rule that is broken on purpose is found. Each test prints the shortest story that was found and
//! after how many states; run it with `-- --nocapture` to read them.
#![allow(clippy::print_stdout, reason = "tells the stories")]

use std::time::Duration;

use model::{Bounds, Limits, Plant, explore};

const LIMITS: Limits = Limits {
    threads: 2,
    time: Duration::from_secs(10 * 60),
    steps: 200_000_000,
};

const PLAIN: Bounds = Bounds::plain(2, 1);

/// The promise that the plant breaks is seen broken, and the reductions do not hide it.
fn found(plant: Plant, bounds: Bounds, promise: &str) {
    let planted = bounds.planted(plant);
    tell(planted, promise);
    let reduced = Bounds {
        reduced: true,
        ..planted
    };
    tell(reduced, promise);
}

/// The same for a rule on which the reductions rest: an edge that drops its publishers stops their
/// media first.
fn found_unreduced(plant: Plant, bounds: Bounds, promise: &str) {
    tell(bounds.planted(plant), promise);
}

fn tell(planted: Bounds, promise: &str) {
    let outcome = explore(planted, LIMITS, |_| ());
    let broken = outcome.broken.iter().find(|it| it.promise == promise);
    let broken = broken.unwrap_or_else(|| panic!("not broken: {promise}; {outcome}"));
    let (steps, progress) = (broken.steps, outcome.progress);
    println!(
        "{planted}\nbreaks \"{promise}\" in {steps} steps; {progress}\n{}",
        broken.story
    );
}

#[test]
fn an_acquisition_that_does_not_compare_the_sequence_is_found() {
    let promise = "a session that ended stays ended";
    found(Plant::NoSequenceCompare, PLAIN, promise);
}

#[test]
fn a_deadline_that_counts_from_the_reply_is_found() {
    let promise = "media of one publisher at a time";
    found(Plant::DeadlineFromReply, PLAIN, promise);
}

#[test]
fn a_watcher_with_a_wall_clock_is_found() {
    let promise = "media of one publisher at a time";
    found(Plant::WallClockExpiry, PLAIN, promise);
}

#[test]
fn an_item_that_is_deleted_on_release_is_found() {
    let promise = "every version follows the one before";
    found(Plant::ItemDeleted, PLAIN, promise);
}

#[test]
fn idempotence_by_owner_alone_is_found() {
    let promise = "media of one publisher at a time";
    found(Plant::IdempotenceByOwner, PLAIN, promise);
}

#[test]
fn an_acquisition_that_is_not_owed_is_found() {
    let promise = "at rest only an encoder that is there holds the lock";
    found(Plant::NoOwedAcquire, PLAIN, promise);
}

#[test]
fn samples_that_count_in_the_sequence_are_found() {
    let bounds = Bounds {
        page: true,
        ..PLAIN
    };
    let promise = "at rest the page shows what the store has";
    found(Plant::MetricsInSequence, bounds, promise);
}

#[test]
fn an_authorization_before_the_lock_alone_is_found() {
    let bounds = Bounds {
        reset: true,
        ..PLAIN
    };
    let promise = "no media on a key that was retired before the lock";
    found(Plant::AuthorizationOnlyBefore, bounds, promise);
}

#[test]
fn media_that_is_handed_on_until_the_grace_is_answered_is_found() {
    let promise = "media of one publisher at a time";
    found_unreduced(Plant::MediaUntilGraceAnswered, PLAIN, promise);
}

#[test]
fn a_restart_that_overwrites_its_own_item_is_found() {
    let promise = "media of one publisher at a time";
    found(Plant::RestartOverwrites, PLAIN, promise);
}

#[test]
fn an_epoch_that_registers_before_all_were_dropped_is_found() {
    let promise = "media of one publisher at a time";
    found_unreduced(Plant::RenewBeforeDrop, PLAIN, promise);
}

#[test]
fn a_grace_that_begins_anew_without_media_is_found() {
    let promise = "nothing prolongs a grace but media";
    found(Plant::FreshGrace, PLAIN, promise);
}

#[test]
fn a_lost_reply_to_a_heartbeat_that_ends_the_epoch_is_found() {
    let promise = "a lost reply to a heartbeat ends no epoch";
    found(Plant::LostReplyDrops, PLAIN, promise);
}
