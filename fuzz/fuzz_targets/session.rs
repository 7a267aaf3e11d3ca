//! A whole session whose publish is accepted, in large and in small reads: the same must happen.
#![no_main]

use rtmp::{Event, Limits, SERVER_RANDOM_BYTES, Session};

/// Smaller than what is held behind a publish, so that a read cannot overrun it alone.
const LARGE_READ: usize = 4096;

fn run(input: &[u8], read: usize) -> (Vec<Event>, Result<(), rtmp::Error>, Session) {
    let mut session = Session::new(Limits::default(), [0; SERVER_RANDOM_BYTES]);
    session.want_media(true);
    let mut events = Vec::new();
    let pieces = input.chunks(read).chain([&[][..]]);
    let mut result = Ok(());
    for piece in pieces {
        result = session.receive(piece);
        loop {
            events.extend(std::iter::from_fn(|| session.poll_event()));
            if session.phase() != rtmp::Phase::PublishPending {
                break;
            }
            session.accept_publish();
        }
        session.take_output();
        if result.is_err() {
            break;
        }
    }
    (events, result, session)
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (large, large_result, large_session) = run(input, LARGE_READ);
    let (small, small_result, small_session) = run(input, 13);
    assert_eq!(large, small);
    assert_eq!(large_result, small_result);
    assert_eq!(large_session.counters(), small_session.counters());
    assert_eq!(large_session.facts(), small_session.facts());
});
