//! Several edges in processes of their own, and what may happen to each: killed, stopped, drained, cut
//! off from the store.
//!
//! Each story runs alone (a fleet sees to it) and most take longer than a quick run may, so they are
//! all `slow`. With `STREAM_SYNC_STORIES_AT_LENGTH=1` they go on for longer.

use std::time::Duration;

#[path = "fleet"]
mod slow {
    mod drain;
    mod grace;
    mod holds;
    mod kills;
    mod outages;
    mod pauses;
    mod races;
    mod reaper;
    mod redis;
    mod resets;
    mod storm;
}

/// A hang guard: so many times what is promised.
const GUARD: u32 = 3;
/// What an edge logs when it lost its lease, by its own clock or by another's word: a person should
/// look at why.
const GAVE_UP: [&str; 2] = [
    "no heartbeat was acknowledged in time",
    "this edge was fenced",
];

/// How much a story does: the first in an ordinary run, the second at length.
fn ordinarily_or_at_length<T>(ordinarily: T, at_length: T) -> T {
    match std::env::var_os("STREAM_SYNC_STORIES_AT_LENGTH") {
        Some(_) => at_length,
        None => ordinarily,
    }
}

/// Prints the middle, the 99th of a hundred and the longest of some waits.
#[allow(clippy::print_stdout, reason = "figures are for a person to read")]
fn tell(what: &str, mut waits: Vec<Duration>) {
    waits.sort_unstable();
    let last = waits.len() - 1;
    let (middle, most) = (waits[last / 2], waits[last * 99 / 100]);
    println!(
        "{what}: {} of them, p50 {middle:?}, p99 {most:?}, max {:?}",
        waits.len(),
        waits[last]
    );
}
