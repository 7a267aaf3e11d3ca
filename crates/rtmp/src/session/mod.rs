//! One connection, ingest side.
//!
//! [`Session`] is what a connection driver holds: it puts bytes in, takes events and bytes out and
//! decides about the publish. Behind it the chunk reader hands messages to `state`, where `dialogue`
//! answers commands and `publication` follows the media of an accepted publish.
//!
//! Invariants:
//! - Events do not depend on how the input is split. Where a decision is the caller's (a publish
//!   request), reading stops until it is made; what comes meanwhile is held, up to a bound.
//! - The answer to `connect` waits until output is taken or the peer goes on, so that a caller may
//!   still refuse.
//! - After an error or a refusal nothing is read any more.

mod connect;
mod dialogue;
mod publication;
mod state;
mod timeline;
mod tracks;

use crate::chunk;
use crate::handshake::{Handshake, SERVER_RANDOM_BYTES};
use crate::reply::Writer;
use crate::{Counters, Error, Event, Limits, StreamFacts};
use state::State;
use std::fmt;

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// C0, C1 and C2 are not all there.
    Handshake,
    /// The handshake is done, `connect` has not come.
    Connecting,
    /// `connect` has come, nothing is published.
    Connected,
    /// `publish` has come and is not decided.
    PublishPending,
    /// Publish is accepted.
    Publishing,
    /// Refused, or ended by an error: input is ignored.
    Closed,
}

/// The ingest side of one RTMP connection.
///
/// After each [`receive`](Self::receive), and after each decision, poll events until there is
/// none, then write what [`take_output`](Self::take_output) gives.
pub struct Session {
    handshake: Handshake,
    reader: chunk::Reader,
    state: State,
    /// Input that came while a publish was pending.
    held: Vec<u8>,
    /// Bytes received since the start, or since the last publish ended.
    unpublished_bytes: u64,
    /// An error met outside `receive`, reported by the next one.
    failure: Option<Error>,
}

impl Session {
    /// A connection that has just been opened. `server_random` fills S1; see
    /// [`SERVER_RANDOM_BYTES`].
    pub fn new(limits: Limits, server_random: [u8; SERVER_RANDOM_BYTES]) -> Self {
        Self {
            handshake: Handshake::new(server_random),
            reader: chunk::Reader::new(&limits),
            state: State::new(limits),
            held: Vec::new(),
            unpublished_bytes: 0,
            failure: None,
        }
    }

    /// Memory, in bytes, that what the peer sent takes beyond this struct until it is whole:
    /// unfinished messages and input held while a publish is pending. Zero most of the time.
    pub fn held_bytes(&self) -> usize {
        self.reader
            .held_bytes()
            .saturating_add(self.held.capacity())
    }

    /// Takes bytes as read from the socket, in any pieces.
    ///
    /// On an error write what [`take_output`](Self::take_output) gives and close the connection;
    /// events that happened before the error can still be polled.
    pub fn receive(&mut self, input: &[u8]) -> Result<(), Error> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if self.state.phase == Phase::Closed {
            return Ok(());
        }
        let result = self.take(input);
        if result.is_err() {
            self.close();
        }
        result
    }

    fn take(&mut self, input: &[u8]) -> Result<(), Error> {
        if self.state.phase == Phase::Publishing {
            self.read(input)?;
            if self.state.phase == Phase::Publishing {
                return Ok(());
            }
            self.unpublished_bytes = 0;
            return Ok(());
        }
        let limit = self.state.limits.input_bytes_before_publish;
        let room = usize::try_from(limit.saturating_sub(self.unpublished_bytes));
        let (taken, over) = input
            .split_at_checked(room.unwrap_or(usize::MAX))
            .unwrap_or((input, &[]));
        let length = u64::try_from(taken.len()).unwrap_or(u64::MAX);
        self.unpublished_bytes = self.unpublished_bytes.saturating_add(length);
        self.read(taken)?;
        if over.is_empty() {
            return Ok(());
        }
        Err(Error::InputBeforePublish { limit })
    }

    fn read(&mut self, input: &[u8]) -> Result<(), Error> {
        let mut rest = input;
        if !self.handshake.is_done() {
            rest = self.handshake.receive(input, &mut self.state.output)?;
            if self.handshake.is_done() {
                self.state.phase = Phase::Connecting;
            }
        }
        if self.state.phase == Phase::PublishPending {
            return self.hold(rest);
        }
        self.read_chunks(rest)
    }

    fn read_chunks(&mut self, input: &[u8]) -> Result<(), Error> {
        let taken = self.reader.feed(input, &mut self.state)?;
        self.state.acknowledge(taken)?;
        self.hold(input.get(taken..).unwrap_or_default())
    }

    fn hold(&mut self, input: &[u8]) -> Result<(), Error> {
        let limit = self.state.limits.held_input_bytes;
        if input.len() > limit.saturating_sub(self.held.len()) {
            return Err(Error::HeldInput { limit });
        }
        // Exactly, so that what is held is what it costs.
        self.held.reserve_exact(input.len());
        self.held.extend_from_slice(input);
        Ok(())
    }

    /// The next event, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.state.events.pop_front()
    }

    /// All bytes to be written now, in order; empty when there is nothing.
    pub fn take_output(&mut self) -> Vec<u8> {
        let answered = self.state.answer_connect();
        self.note(answered);
        std::mem::take(&mut self.state.output)
    }

    /// Lets the pending publish begin: sends `NetStream.Publish.Start` and reads what was held
    /// meanwhile, which may produce events. Does nothing when no publish is pending.
    pub fn accept_publish(&mut self) {
        if self.state.phase != Phase::PublishPending {
            return;
        }
        let accepted = self.state.accept_publish();
        let held = std::mem::take(&mut self.held);
        let read = accepted.and_then(|()| self.take(&held));
        self.note(read);
    }

    /// Refuses the pending publish, or ends a live one, with an `onStatus` of level error, e.g.
    /// `NetStream.Publish.BadName`. Write the output and close then: an encoder that is left open
    /// waits for a long time.
    pub fn refuse_publish(&mut self, code: &str, description: &str) {
        if matches!(self.state.phase, Phase::PublishPending | Phase::Publishing) {
            let stream_id = self.state.publishing_stream;
            let refused = self
                .state
                .write(|writer| writer.status(stream_id, "error", code, description));
            self.note(refused);
        }
        self.close();
    }

    /// Refuses `connect` with `_error`; write the output and close then. Once the answer to
    /// `connect` has left, an `onStatus` of level error takes its place; before `connect` has come
    /// there is nothing to answer.
    pub fn refuse_connect(&mut self, code: &str, description: &str) {
        let refused = match (self.state.connect_answer.take(), self.state.phase) {
            (Some(answer), _) => {
                let refuse =
                    |writer: &mut Writer<'_>| writer.refused(answer.transaction, code, description);
                self.state.write(refuse)
            }
            (None, Phase::Handshake | Phase::Connecting | Phase::Closed) => Ok(()),
            (None, Phase::Connected | Phase::PublishPending | Phase::Publishing) => self
                .state
                .write(|writer| writer.status(0, "error", code, description)),
        };
        self.note(refused);
        self.close();
    }

    /// Asks the encoder to connect again, to `url` if given, where it announced that it can
    /// (Enhanced RTMP v2). False when it cannot, and nothing is sent.
    pub fn request_reconnect(&mut self, url: Option<&str>, description: &str) -> bool {
        if !self.state.can_reconnect || self.state.phase == Phase::Closed {
            return false;
        }
        let sent = self
            .state
            .write(|writer| writer.reconnect(url, description));
        self.note(sent);
        true
    }

    /// Whether media is to come out as [`Event::Media`]; false at first. When it becomes true
    /// during a publish, the sequence headers and metadata seen so far come out at once.
    pub fn want_media(&mut self, wanted: bool) {
        let begins = wanted && !self.state.publication.wanted;
        self.state.publication.wanted = wanted;
        if begins && self.state.phase == Phase::Publishing {
            self.state.publication.replay(&mut self.state.events);
        }
    }

    /// What the bitstream says now. Kept after the stream has ended, until the next is accepted.
    pub fn facts(&self) -> &StreamFacts {
        &self.state.publication.facts
    }

    /// Sums so far, likewise.
    pub fn counters(&self) -> Counters {
        self.state.publication.counters
    }

    /// Where this connection is in its life.
    pub fn phase(&self) -> Phase {
        self.state.phase
    }

    fn note(&mut self, result: Result<(), Error>) {
        if let Err(error) = result {
            self.close();
            self.failure.get_or_insert(error);
        }
    }

    fn close(&mut self) {
        self.state.phase = Phase::Closed;
        self.held = Vec::new();
    }
}

/// Buffers may hold a stream key, so they stay out of it.
impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Session")
            .field("phase", &self.phase())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}
