//! One connection, ingest side.
//!
//! [`Session`] is what a connection driver holds: it puts bytes in, takes events and bytes out and
//! decides about the publish. Behind it `dialogue` answers commands, `publication` follows the
//! media of an accepted publish, and the chunk reader calls both through one [`chunk::Sink`].
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
mod timeline;
mod tracks;

use crate::chunk::{self, Body, Flow, Keep};
use crate::event::Secret;
use crate::handshake::{Handshake, SERVER_RANDOM_BYTES};
use crate::reply::Writer;
use crate::{Counters, Error, Event, Limits, StreamFacts, message};
use publication::Publication;
use std::collections::VecDeque;
use std::fmt;

/// Smallest window obeyed for acknowledgements, bytes: keeps replies to a hostile window tiny.
const SMALLEST_WINDOW: u32 = 64 * 1024;

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
    core: Core,
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
            core: Core::new(limits),
            held: Vec::new(),
            unpublished_bytes: 0,
            failure: None,
        }
    }

    /// Takes bytes as read from the socket, in any pieces.
    ///
    /// On an error write what [`take_output`](Self::take_output) gives and close the connection;
    /// events that happened before the error can still be polled.
    pub fn receive(&mut self, input: &[u8]) -> Result<(), Error> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if self.core.phase == Phase::Closed {
            return Ok(());
        }
        let result = self.take(input);
        if result.is_err() {
            self.close();
        }
        result
    }

    fn take(&mut self, input: &[u8]) -> Result<(), Error> {
        if self.core.phase == Phase::Publishing {
            self.read(input)?;
            if self.core.phase == Phase::Publishing {
                return Ok(());
            }
            self.unpublished_bytes = 0;
            return Ok(());
        }
        let limit = self.core.limits.input_bytes_before_publish;
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
            rest = self.handshake.receive(input, &mut self.core.output)?;
            if self.handshake.is_done() {
                self.core.phase = Phase::Connecting;
            }
        }
        if self.core.phase == Phase::PublishPending {
            return self.hold(rest);
        }
        self.read_chunks(rest)
    }

    fn read_chunks(&mut self, input: &[u8]) -> Result<(), Error> {
        let taken = self.reader.feed(input, &mut self.core)?;
        self.core.acknowledge(taken)?;
        self.hold(input.get(taken..).unwrap_or_default())
    }

    fn hold(&mut self, input: &[u8]) -> Result<(), Error> {
        let limit = self.core.limits.held_input_bytes;
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
        self.core.events.pop_front()
    }

    /// All bytes to be written now, in order; empty when there is nothing.
    pub fn take_output(&mut self) -> Vec<u8> {
        let answered = self.core.answer_connect();
        self.note(answered);
        std::mem::take(&mut self.core.output)
    }

    /// Lets the pending publish begin: sends `NetStream.Publish.Start` and reads what was held
    /// meanwhile, which may produce events. Does nothing when no publish is pending.
    pub fn accept_publish(&mut self) {
        if self.core.phase != Phase::PublishPending {
            return;
        }
        let accepted = self.core.accept_publish();
        let held = std::mem::take(&mut self.held);
        let read = accepted.and_then(|()| self.take(&held));
        self.note(read);
    }

    /// Refuses the pending publish, or ends a live one, with an `onStatus` of level error, e.g.
    /// `NetStream.Publish.BadName`. Write the output and close then: an encoder that is left open
    /// waits for a long time.
    pub fn refuse_publish(&mut self, code: &str, description: &str) {
        if matches!(self.core.phase, Phase::PublishPending | Phase::Publishing) {
            let stream_id = self.core.publishing_stream;
            let refused = self
                .core
                .write(|writer| writer.status(stream_id, "error", code, description));
            self.note(refused);
        }
        self.close();
    }

    /// Refuses `connect` with `_error`; write the output and close then. Once the answer to
    /// `connect` has left, an `onStatus` of level error takes its place; before `connect` has come
    /// there is nothing to answer.
    pub fn refuse_connect(&mut self, code: &str, description: &str) {
        let refused = match (self.core.connect_answer.take(), self.core.phase) {
            (Some(answer), _) => {
                let refuse =
                    |writer: &mut Writer<'_>| writer.refused(answer.transaction, code, description);
                self.core.write(refuse)
            }
            (None, Phase::Handshake | Phase::Connecting | Phase::Closed) => Ok(()),
            (None, Phase::Connected | Phase::PublishPending | Phase::Publishing) => self
                .core
                .write(|writer| writer.status(0, "error", code, description)),
        };
        self.note(refused);
        self.close();
    }

    /// Asks the encoder to connect again, to `url` if given, where it announced that it can
    /// (Enhanced RTMP v2). False when it cannot, and nothing is sent.
    pub fn request_reconnect(&mut self, url: Option<&str>, description: &str) -> bool {
        if !self.core.can_reconnect || self.core.phase == Phase::Closed {
            return false;
        }
        let sent = self.core.write(|writer| writer.reconnect(url, description));
        self.note(sent);
        true
    }

    /// Whether media is to come out as [`Event::Media`]; false at first. When it becomes true
    /// during a publish, the sequence headers and metadata seen so far come out at once.
    pub fn want_media(&mut self, wanted: bool) {
        let begins = wanted && !self.core.publication.wanted;
        self.core.publication.wanted = wanted;
        if begins && self.core.phase == Phase::Publishing {
            self.core.publication.replay(&mut self.core.events);
        }
    }

    /// What the bitstream says now. Kept after the stream has ended, until the next is accepted.
    pub fn facts(&self) -> &StreamFacts {
        &self.core.publication.facts
    }

    /// Sums so far, likewise.
    pub fn counters(&self) -> Counters {
        self.core.publication.counters
    }

    /// Where this connection is in its life.
    pub fn phase(&self) -> Phase {
        self.core.phase
    }

    fn note(&mut self, result: Result<(), Error>) {
        if let Err(error) = result {
            self.close();
            self.failure.get_or_insert(error);
        }
    }

    fn close(&mut self) {
        self.core.phase = Phase::Closed;
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

/// An answer to `connect` that has not been written.
#[derive(Debug, Clone, Copy)]
struct ConnectAnswer {
    transaction: f64,
    /// Whether the peer announced Enhanced RTMP.
    enhanced: bool,
}

/// Everything of a session that messages act upon.
#[derive(Debug)]
struct Core {
    limits: Limits,
    phase: Phase,
    output: Vec<u8>,
    events: VecDeque<Event>,
    connect_answer: Option<ConnectAnswer>,
    can_reconnect: bool,
    created_streams: u32,
    publishes: u32,
    /// Message stream of the pending or accepted publish.
    publishing_stream: u32,
    publication: Publication,
    /// Bytes after which the peer wants an acknowledgement; nothing until it says so.
    window: Option<u32>,
    /// Bytes of chunks received.
    received: u64,
    /// Value of `received` at the last acknowledgement.
    acknowledged: u64,
}

impl Core {
    fn new(limits: Limits) -> Self {
        Self {
            publication: Publication::new(&limits),
            limits,
            phase: Phase::Handshake,
            output: Vec::new(),
            events: VecDeque::new(),
            connect_answer: None,
            can_reconnect: false,
            created_streams: 0,
            publishes: 0,
            publishing_stream: 0,
            window: None,
            received: 0,
            acknowledged: 0,
        }
    }

    fn check_name(&self, name: &Secret) -> Result<(), Error> {
        let limit = self.limits.name_bytes;
        if name.expose().len() > limit {
            return Err(Error::NameLength { limit });
        }
        Ok(())
    }

    fn push(&mut self, event: Event) -> Result<(), Error> {
        self.events.push_back(event);
        self.check_events()
    }

    fn check_events(&self) -> Result<(), Error> {
        let limit = self.limits.queued_events;
        if self.events.len() > limit {
            return Err(Error::QueuedEvents { limit });
        }
        Ok(())
    }

    fn write<F>(&mut self, reply: F) -> Result<(), Error>
    where
        F: FnOnce(&mut Writer<'_>) -> Result<(), crate::reply::Error>,
    {
        reply(&mut Writer(&mut self.output))?;
        let limit = self.limits.output_bytes;
        if self.output.len() > limit {
            return Err(Error::Output { limit });
        }
        Ok(())
    }

    fn answer_connect(&mut self) -> Result<(), Error> {
        match self.connect_answer.take() {
            Some(answer) => {
                self.write(|writer| writer.connected(answer.transaction, answer.enhanced))
            }
            None => Ok(()),
        }
    }

    fn accept_publish(&mut self) -> Result<(), Error> {
        self.phase = Phase::Publishing;
        self.publication.begin();
        let stream_id = self.publishing_stream;
        self.write(|writer| {
            writer.status(
                stream_id,
                "status",
                "NetStream.Publish.Start",
                "Publishing.",
            )
        })
    }

    /// Counts chunk bytes and acknowledges a full window, at most once for each read.
    fn acknowledge(&mut self, bytes: usize) -> Result<(), Error> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.received = self.received.saturating_add(bytes);
        let Some(window) = self.window else {
            return Ok(());
        };
        if self.received.saturating_sub(self.acknowledged) < u64::from(window) {
            return Ok(());
        }
        self.acknowledged = self.received;
        // The field wraps by definition.
        let [.., a, b, c, d] = self.received.to_be_bytes();
        self.write(|writer| writer.acknowledgement(u32::from_be_bytes([a, b, c, d])))
    }

    fn control(&mut self, header: &message::Header, bytes: &[u8]) -> Result<(), Error> {
        const PING_REQUEST: u16 = 6;
        let short = Error::ControlMessage(header.kind);
        if header.kind == message::WINDOW_ACKNOWLEDGEMENT_SIZE {
            let window = u32::from_be_bytes(*bytes.first_chunk().ok_or(short)?);
            self.window = Some(window.max(SMALLEST_WINDOW));
            return Ok(());
        }
        let (event, rest) = bytes.split_first_chunk().ok_or(short.clone())?;
        if u16::from_be_bytes(*event) == PING_REQUEST {
            let timestamp = u32::from_be_bytes(*rest.first_chunk().ok_or(short)?);
            return self.write(|writer| writer.pong(timestamp));
        }
        Ok(())
    }

    fn length_limit(&self, kind: u8) -> u32 {
        match kind {
            message::SET_CHUNK_SIZE..=message::SET_PEER_BANDWIDTH => {
                self.limits.control_message_bytes
            }
            message::AUDIO => self.limits.audio_message_bytes,
            message::VIDEO | message::AGGREGATE => self.limits.video_message_bytes,
            _ if self.phase == Phase::Publishing => self.limits.command_bytes,
            _ => self.limits.command_bytes_before_publish,
        }
    }

    /// Media is for a publish only; what trails behind the end of one is passed over.
    fn begin_media(&self, in_publish: Keep) -> Result<Keep, Error> {
        match self.phase {
            Phase::Publishing => Ok(in_publish),
            _ if self.publishes > 0 => Ok(Keep::Prefix),
            _ => Err(Error::MediaBeforePublish),
        }
    }

    fn media(&mut self, header: &message::Header, body: Body<'_>) -> Result<(), Error> {
        if self.phase != Phase::Publishing {
            return Ok(());
        }
        self.publication.message(header, body, &mut self.events);
        self.check_events()
    }
}

impl chunk::Sink for Core {
    fn begin(&mut self, header: &message::Header) -> Result<Keep, Error> {
        let limit = self.length_limit(header.kind);
        if header.length > limit {
            return Err(Error::MessageLength {
                kind: header.kind,
                length: header.length,
                limit,
            });
        }
        match header.kind {
            message::AUDIO | message::VIDEO if self.publication.wanted => {
                self.begin_media(Keep::Whole)
            }
            message::AUDIO | message::VIDEO => self.begin_media(Keep::Judge),
            message::AGGREGATE => self.begin_media(Keep::Whole),
            message::DATA_AMF0 | message::DATA_AMF3 if self.phase != Phase::Publishing => {
                Ok(Keep::Prefix)
            }
            message::SET_CHUNK_SIZE..=message::SET_PEER_BANDWIDTH
            | message::DATA_AMF0
            | message::DATA_AMF3
            | message::COMMAND_AMF0
            | message::COMMAND_AMF3 => Ok(Keep::Whole),
            _ => Ok(Keep::Prefix),
        }
    }

    fn wants(&mut self, header: &message::Header, prefix: &[u8]) -> bool {
        publication::needs_whole(header.kind, prefix)
    }

    fn end(&mut self, header: &message::Header, body: Body<'_>) -> Result<Flow, Error> {
        match header.kind {
            message::AUDIO
            | message::VIDEO
            | message::DATA_AMF0
            | message::DATA_AMF3
            | message::AGGREGATE => self.media(header, body)?,
            message::COMMAND_AMF0 | message::COMMAND_AMF3 => {
                return self.command(header, body.bytes());
            }
            message::USER_CONTROL | message::WINDOW_ACKNOWLEDGEMENT_SIZE => {
                self.control(header, body.bytes())?;
            }
            // Chunk size and abort are obeyed by the chunk reader; acknowledgements and bandwidth
            // concern what we send, which is next to nothing.
            _ => {}
        }
        Ok(Flow::Continue)
    }

    fn partial_bytes_limit(&self) -> usize {
        match self.phase {
            Phase::Publishing => self.limits.partial_bytes,
            _ => self.limits.partial_bytes_before_publish,
        }
    }
}
