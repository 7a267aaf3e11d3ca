//! What messages act upon: the phase, the replies and events they cause, and the bounds they keep.
//!
//! Every message comes in by the [`chunk::Sink`] below: judged by its header when it begins, sent to
//! the dialogue, the publication or the control messages when it ends.

use super::Phase;
use super::publication::{self, Publication};
use crate::chunk::{self, Body, Flow, Keep};
use crate::event::Secret;
use crate::reply::{self, Writer};
use crate::{Error, Event, Limits, message};
use std::collections::VecDeque;

/// Smallest window obeyed for acknowledgements, bytes: keeps replies to a hostile window tiny.
const SMALLEST_WINDOW: u32 = 64 * 1024;

/// An answer to `connect` that has not been written.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectAnswer {
    pub(super) transaction: f64,
    /// Whether the peer announced Enhanced RTMP.
    pub(super) enhanced: bool,
}

/// Everything of a session that messages act upon.
#[derive(Debug)]
pub(super) struct State {
    pub(super) limits: Limits,
    pub(super) phase: Phase,
    pub(super) output: Vec<u8>,
    pub(super) events: VecDeque<Event>,
    pub(super) connect_answer: Option<ConnectAnswer>,
    pub(super) can_reconnect: bool,
    pub(super) created_streams: u32,
    pub(super) publishes: u32,
    /// Message stream of the pending or accepted publish.
    pub(super) publishing_stream: u32,
    pub(super) publication: Publication,
    /// Bytes after which the peer wants an acknowledgement; nothing until it says so.
    pub(super) window: Option<u32>,
    /// Bytes of chunks received.
    pub(super) received: u64,
    /// Value of `received` at the last acknowledgement.
    pub(super) acknowledged: u64,
}

impl State {
    pub(super) fn new(limits: Limits) -> Self {
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

    pub(super) fn check_name(&self, name: &Secret) -> Result<(), Error> {
        let limit = self.limits.name_bytes;
        if name.expose().len() > limit {
            return Err(Error::NameLength { limit });
        }
        Ok(())
    }

    pub(super) fn push(&mut self, event: Event) -> Result<(), Error> {
        self.events.push_back(event);
        self.check_events()
    }

    pub(super) fn check_events(&self) -> Result<(), Error> {
        let limit = self.limits.queued_events;
        if self.events.len() > limit {
            return Err(Error::QueuedEvents { limit });
        }
        Ok(())
    }

    pub(super) fn write<F>(&mut self, reply: F) -> Result<(), Error>
    where
        F: FnOnce(&mut Writer<'_>) -> Result<(), reply::Error>,
    {
        reply(&mut Writer(&mut self.output))?;
        let limit = self.limits.output_bytes;
        if self.output.len() > limit {
            return Err(Error::Output { limit });
        }
        Ok(())
    }

    pub(super) fn answer_connect(&mut self) -> Result<(), Error> {
        match self.connect_answer.take() {
            Some(answer) => {
                self.write(|writer| writer.connected(answer.transaction, answer.enhanced))
            }
            None => Ok(()),
        }
    }

    pub(super) fn accept_publish(&mut self) -> Result<(), Error> {
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
    pub(super) fn acknowledge(&mut self, bytes: usize) -> Result<(), Error> {
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

    pub(super) fn control(&mut self, header: &message::Header, bytes: &[u8]) -> Result<(), Error> {
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

    pub(super) fn length_limit(&self, kind: u8) -> u32 {
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
    pub(super) fn begin_media(&self, in_publish: Keep) -> Result<Keep, Error> {
        match self.phase {
            Phase::Publishing => Ok(in_publish),
            _ if self.publishes > 0 => Ok(Keep::Prefix),
            _ => Err(Error::MediaBeforePublish),
        }
    }

    pub(super) fn media(&mut self, header: &message::Header, body: Body<'_>) -> Result<(), Error> {
        if self.phase != Phase::Publishing {
            return Ok(());
        }
        self.publication.message(header, body, &mut self.events);
        self.check_events()
    }
}

impl chunk::Sink for State {
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
