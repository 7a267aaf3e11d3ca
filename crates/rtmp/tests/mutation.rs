//! Sessions changed at random: whatever comes, no panic, and the same events however it is split.
//!
//! `RTMP_MUTATED_SESSIONS` and `RTMP_RANDOM_SESSIONS` set how many are tried; every run of the same
//! number tries the same ones.

mod harness;

use harness::wire::{self, AUDIO, DATA, VIDEO};
use harness::{Media, capture, capture_names, publish_end, run_within};
use rand::{Rng, SeedableRng, rngs::StdRng};
use rtmp::Limits;

/// Bytes of a recording that are mutated and replayed: dialogue, headers and several frames.
const BYTES: usize = 24_000;

fn rounds(variable: &str, ordinary: usize) -> usize {
    match std::env::var(variable) {
        Ok(text) => text.parse().expect("a number of sessions"),
        Err(_) => ordinary,
    }
}

/// Feeds in reads of random sizes, then otherwise, and expects the same.
fn try_session(random: &mut StdRng, session: &[u8], what: &str) {
    let media = if random.random() {
        Media::Wanted
    } else {
        Media::Unwanted
    };
    let tight = Limits {
        partial_bytes: 2_500,
        partial_bytes_before_publish: 1_000,
        command_bytes_before_publish: 900,
        chunk_streams: 8,
        ..Limits::default()
    };
    let limits = if random.random() {
        tight
    } else {
        Limits::default()
    };
    let cut = |random: &mut StdRng, largest: usize| {
        let mut pieces = Vec::new();
        let mut rest = session;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(random.random_range(1..=largest).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces
    };
    let first_sizes = *[7, 300, 4_096].get(random.random_range(0..3)).unwrap();
    let (first, first_result) = run_within(limits, media, cut(random, first_sizes));
    let (second, second_result) = run_within(limits, media, cut(random, 1_000));
    assert_eq!(first_result, second_result, "{what}");
    assert!(first.events == second.events, "{what}: other events");
    assert_eq!(first.session.facts(), second.session.facts(), "{what}");
    assert_eq!(
        first.session.counters(),
        second.session.counters(),
        "{what}"
    );
}

/// Changes, removes, repeats or inserts a few bytes behind the handshake.
fn mutate(random: &mut StdRng, session: &mut Vec<u8>) {
    const HANDSHAKE: usize = 3_073;
    for _ in 0..random.random_range(1..8) {
        let at = random.random_range(HANDSHAKE..session.len());
        let length = random.random_range(1..40).min(session.len() - at);
        match random.random_range(0..6) {
            0 => session[at] ^= 1 << random.random_range(0..8),
            1 => {
                session[at] = *[0, 1, 0x7F, 0x80, 0xFF]
                    .get(random.random_range(0..5))
                    .unwrap()
            }
            2 => drop(session.drain(at..at + length)),
            3 => {
                let repeated = session[at..at + length].to_vec();
                drop(session.splice(at..at, repeated));
            }
            4 => {
                let noise: Vec<u8> = (0..length).map(|_| random.random()).collect();
                drop(session.splice(at..at, noise));
            }
            _ => session[at..at + length].fill_with(|| random.random()),
        }
    }
}

#[test]
fn mutated_recordings_never_panic_and_never_depend_on_the_split() {
    let recordings: Vec<(String, Vec<u8>)> = capture_names()
        .into_iter()
        .map(|name| {
            let mut recording = capture(&format!("{name}.bin"));
            assert!(publish_end(&recording) < BYTES);
            recording.truncate(BYTES);
            (name, recording)
        })
        .collect();
    for round in 0..rounds("RTMP_MUTATED_SESSIONS", 2_000) {
        let mut random = StdRng::seed_from_u64(round as u64);
        let (name, recording) = &recordings[round % recordings.len()];
        let mut session = recording.clone();
        mutate(&mut random, &mut session);
        try_session(&mut random, &session, &format!("{name}, round {round}"));
    }
}

#[test]
fn random_sessions_never_panic_and_never_depend_on_the_split() {
    for round in 0..rounds("RTMP_RANDOM_SESSIONS", 3_000) {
        let mut random = StdRng::seed_from_u64(round as u64);
        let mut session = match round % 3 {
            0 => wire::greeting(),
            1 => wire::connected(),
            _ => wire::published(),
        };
        for _ in 0..random.random_range(1..30) {
            append(&mut random, &mut session);
        }
        try_session(&mut random, &session, &format!("round {round}"));
    }
}

/// Appends something that looks like a message, more or less.
fn append(random: &mut StdRng, session: &mut Vec<u8>) {
    let length = random.random_range(0..400);
    let mut body: Vec<u8> = (0..length).map(|_| random.random()).collect();
    let first = [
        0x17, 0x27, 0xAF, 0x90, 0x91, 0x96, 0x97, 0xA1, 0x95, 0x02, 0x00,
    ];
    if let Some(byte) = body.first_mut() {
        *byte = first[random.random_range(0..first.len())];
    }
    let chunk_stream = random.random_range(2..12);
    let kind = match random.random_range(0..8) {
        0 | 1 => VIDEO,
        2 => AUDIO,
        3 => DATA,
        4 => random.random_range(1..7),
        5 => *[15, 17, 20, 22].get(random.random_range(0..4)).unwrap(),
        _ => random.random(),
    };
    match random.random_range(0..10) {
        0 => session.extend(body),
        1 => session.extend(wire::basic(3, chunk_stream)),
        2 => session.extend(wire::delta_header(chunk_stream, random.random())),
        3 => session.extend(wire::length_header(
            chunk_stream,
            random.random(),
            length,
            kind,
        )),
        4 => session.extend(wire::set_chunk_size(random.random_range(0..3_000))),
        5 => session.extend(wire::abort(chunk_stream)),
        _ => session.extend(wire::message(chunk_stream, random.random(), kind, &body)),
    }
}
