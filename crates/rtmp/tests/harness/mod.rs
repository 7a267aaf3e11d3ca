//! One door for the tests: feeds a session as a connection driver does and writes down what happens.

#![allow(dead_code, reason = "each test program uses its part of the harness")]

pub(crate) mod publisher;
pub(crate) mod wire;

use rtmp::{Error, Event, Limits, SERVER_RANDOM_BYTES, Session};
use std::path::PathBuf;

/// What is wanted of the media while replaying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    Wanted,
    Unwanted,
}

/// A session and everything that came out of it.
pub(crate) struct Driver {
    pub(crate) session: Session,
    pub(crate) events: Vec<Event>,
    pub(crate) output: Vec<u8>,
    /// Whether a publish request is accepted at once.
    pub(crate) accepts: bool,
}

impl Driver {
    pub(crate) fn new(media: Media) -> Self {
        Self::with_limits(media, Limits::default())
    }

    pub(crate) fn with_limits(media: Media, limits: Limits) -> Self {
        let mut session = Session::new(limits, [1; SERVER_RANDOM_BYTES]);
        session.want_media(media == Media::Wanted);
        Self {
            session,
            events: Vec::new(),
            output: Vec::new(),
            accepts: true,
        }
    }

    /// Feeds one read's worth and does what a driver does after it.
    pub(crate) fn feed(&mut self, input: &[u8]) -> Result<(), Error> {
        let result = self.session.receive(input);
        self.drain();
        result
    }

    fn drain(&mut self) {
        let mut asked = self.poll();
        while asked {
            if self.accepts {
                self.session.accept_publish();
            }
            asked = self.poll() && self.accepts;
        }
        self.output.extend(self.session.take_output());
    }

    /// True when a publish request was among the events.
    fn poll(&mut self) -> bool {
        let before = self.events.len();
        self.events
            .extend(std::iter::from_fn(|| self.session.poll_event()));
        self.events[before..]
            .iter()
            .any(|event| matches!(event, Event::PublishRequested(_)))
    }
}

/// Feeds pieces, up to the first error.
pub(crate) fn run<'a>(
    media: Media,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Driver, Result<(), Error>) {
    run_within(Limits::default(), media, pieces)
}

/// The same under other limits.
pub(crate) fn run_within<'a>(
    limits: Limits,
    media: Media,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Driver, Result<(), Error>) {
    let mut driver = Driver::with_limits(media, limits);
    for piece in pieces {
        if let Err(error) = driver.feed(piece) {
            return (driver, Err(error));
        }
    }
    // What was held during a publish decision may have held an error.
    let result = driver.feed(&[]);
    (driver, result)
}

pub(crate) fn captures_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/captures")
}

pub(crate) fn capture(name: &str) -> Vec<u8> {
    std::fs::read(captures_folder().join(name)).unwrap()
}

/// All recordings' names without the ending, sorted.
pub(crate) fn capture_names() -> Vec<String> {
    let entries = std::fs::read_dir(captures_folder()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let recordings = paths.filter(|path| path.extension().is_some_and(|ending| ending == "bin"));
    let mut names: Vec<String> = recordings
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert!(!names.is_empty());
    names
}

/// Where the publish command ends: an encoder stops there until it is answered, so a replay does
/// not run past it in one read.
pub(crate) fn publish_end(recording: &[u8]) -> usize {
    let mut driver = Driver::new(Media::Unwanted);
    for (index, byte) in recording.iter().enumerate() {
        driver.feed(std::slice::from_ref(byte)).unwrap();
        if matches!(driver.events.last(), Some(Event::PublishRequested(_))) {
            return index + 1;
        }
    }
    panic!("the recording has no publish command");
}
