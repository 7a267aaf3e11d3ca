//! Takes RTMP chunks apart (RTMP 1.0 §5.3) and assembles their messages.
//!
//! Bytes go in as they come from the socket; a [`Sink`] hears of every message. Each chunk stream
//! assembles its own message, so that audio and video chunks may interleave. A message that lies
//! whole in the input is handed over in place; one that nobody wants is skipped in place, except
//! for its first [`PREFIX_BYTES`].
//!
//! Ours rather than `rml_rtmp`'s, whose reader assembles one message at a time, so that interleaved
//! chunks end in a panic or in a wrong message, ignores Abort, and keeps state without bound.
//!
//! Invariants: what the sink hears does not depend on how the input is split; no allocation per
//! chunk; memory follows the bytes that arrived, never a declared length.
//!
//! The two messages that concern chunks themselves, SetChunkSize and Abort, are obeyed here and
//! shown to the sink all the same.

mod header;
mod small;
mod stream;

pub(crate) use stream::PREFIX_BYTES;

use crate::{Error, Limits, message};
use header::{Fields, HEADER_BYTES};
use small::Small;
use stream::{Assembly, Stream};

/// The chunk size both sides begin with, bytes (RTMP 1.0 §5.4.1).
const INITIAL_CHUNK_SIZE: u32 = 128;

/// Room for an incomplete header and as much again as the longest one: with that the first header
/// is always complete.
const JOINED_BYTES: usize = 2 * HEADER_BYTES;

/// What the sink wants of a message's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// All of it.
    Whole,
    /// Decide when the first [`PREFIX_BYTES`] are there.
    Judge,
    /// Its first bytes at most.
    Prefix,
}

/// Whether the reader goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    /// Stop after this message and leave the rest of the input to the caller.
    Pause,
}

/// The body of a finished message.
#[derive(Debug)]
pub(crate) enum Body<'a> {
    /// All of it, in the input or in a buffer of the reader.
    Borrowed(&'a [u8]),
    /// All of it, assembled from several pieces.
    Assembled(Vec<u8>),
    /// Its first bytes; the rest was skipped.
    Prefix(&'a [u8]),
}

impl Body<'_> {
    /// What there is of it.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Body::Borrowed(bytes) | Body::Prefix(bytes) => bytes,
            Body::Assembled(bytes) => bytes,
        }
    }
}

/// Hears of messages.
pub(crate) trait Sink {
    /// A message begins: judges its type and declared length.
    fn begin(&mut self, header: &message::Header) -> Result<Keep, Error>;
    /// Decides over a message by its first bytes after [`Keep::Judge`]; true keeps all of it.
    fn wants(&mut self, header: &message::Header, prefix: &[u8]) -> bool;
    /// A message is complete.
    fn end(&mut self, header: &message::Header, body: Body<'_>) -> Result<Flow, Error>;
    /// Memory all unfinished messages may take together, bytes.
    fn partial_bytes_limit(&self) -> usize;
}

/// The chunk whose body is being read.
#[derive(Debug, Clone, Copy)]
struct Current {
    /// Position of its chunk stream.
    index: usize,
    /// Body bytes of this chunk still to come.
    missing: u32,
}

#[derive(Debug)]
pub(crate) struct Reader {
    streams: Vec<Stream>,
    streams_limit: usize,
    chunk_size: u32,
    chunk_size_limit: u32,
    current: Option<Current>,
    /// A header whose end has not arrived.
    carry: Small<HEADER_BYTES>,
    /// Memory of all unfinished messages, bytes.
    held: usize,
}

impl Reader {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            streams: Vec::new(),
            streams_limit: limits.chunk_streams,
            chunk_size: INITIAL_CHUNK_SIZE,
            chunk_size_limit: limits.chunk_size,
            current: None,
            carry: Small::new(),
            held: 0,
        }
    }

    /// Reads `input` and returns how much of it was taken: all, unless the sink paused.
    pub(crate) fn feed<S: Sink>(&mut self, input: &[u8], sink: &mut S) -> Result<usize, Error> {
        let begun = match self.finish_carry(input, sink)? {
            (taken, Flow::Pause) => return Ok(taken),
            (taken, Flow::Continue) => taken,
        };
        let rest = input.get(begun..).unwrap_or_default();
        let (taken, flow) = self.run(rest, rest.len(), sink)?;
        if flow == Flow::Continue {
            self.carry.fill(rest.get(taken..).unwrap_or_default());
            return Ok(input.len());
        }
        Ok(begun.saturating_add(taken))
    }

    /// Memory of all unfinished messages.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held
    }

    /// Completes a header of which an earlier input held the beginning.
    fn finish_carry<S: Sink>(
        &mut self,
        input: &[u8],
        sink: &mut S,
    ) -> Result<(usize, Flow), Error> {
        if self.carry.is_empty() {
            return Ok((0, Flow::Continue));
        }
        let carried = self.carry.as_slice().len();
        let mut joined = Small::<JOINED_BYTES>::new();
        joined.fill(self.carry.as_slice());
        joined.fill(input);
        self.carry.clear();
        let (position, flow) = self.run(joined.as_slice(), carried, sink)?;
        if position >= carried {
            return Ok((position.saturating_sub(carried), flow));
        }
        let left = joined.as_slice().get(position..).unwrap_or_default();
        if flow == Flow::Pause {
            // A message ended within the carried bytes; what they hold beyond it stays carried.
            let carried_left = carried.saturating_sub(position);
            self.carry
                .fill(left.get(..carried_left).unwrap_or_default());
            return Ok((0, flow));
        }
        // Only a header longer than all of the input is incomplete here: see JOINED_BYTES.
        self.carry.fill(left);
        Ok((input.len(), flow))
    }

    /// Reads headers and bodies that begin before `stop`; a header may end behind it. Returns the
    /// position reached, which is before `stop` when a header is incomplete or the sink paused.
    fn run<S: Sink>(
        &mut self,
        bytes: &[u8],
        stop: usize,
        sink: &mut S,
    ) -> Result<(usize, Flow), Error> {
        let mut position = 0;
        while position < stop {
            let step = match self.current {
                None => self.header(bytes.get(position..).unwrap_or_default(), sink)?,
                Some(current) => {
                    let body = bytes.get(position..stop).unwrap_or_default();
                    Some(self.body(current, body, sink)?)
                }
            };
            let Some((taken, flow)) = step else { break };
            position = position.saturating_add(taken);
            if flow == Flow::Pause {
                return Ok((position, flow));
            }
        }
        Ok((position, Flow::Continue))
    }

    /// Reads one chunk header; nothing when it is incomplete.
    fn header<S: Sink>(
        &mut self,
        bytes: &[u8],
        sink: &mut S,
    ) -> Result<Option<(usize, Flow)>, Error> {
        let Some(fields) = header::read(bytes) else {
            return Ok(None);
        };
        let index = self.find(&fields)?;
        let Some(stream) = self.streams.get_mut(index) else {
            return Ok(None);
        };
        let Some(size) = stream.header_size(&fields, bytes) else {
            return Ok(None);
        };
        if fields.format < 3 || !stream.in_message() {
            // A full header in the middle of a message means that the rest of it never comes.
            self.held = self.held.saturating_sub(stream.held());
            stream.begin(&fields);
            stream.assembly = match sink.begin(&stream.header)? {
                Keep::Whole => Assembly::Keeping(Vec::new()),
                Keep::Judge => Assembly::Judging,
                Keep::Prefix => Assembly::Skipping,
            };
        }
        let missing = self.chunk_size.min(stream.missing());
        if missing == 0 {
            return Ok(Some((size, self.finish(index, sink)?)));
        }
        self.current = Some(Current { index, missing });
        Ok(Some((size, Flow::Continue)))
    }

    /// The position of the header's chunk stream, which a full header may open.
    fn find(&mut self, fields: &Fields) -> Result<usize, Error> {
        let known = |stream: &Stream| stream.id == fields.chunk_stream;
        if let Some(index) = self.streams.iter().position(known) {
            return Ok(index);
        }
        // librtmp opens chunk stream 2 with a format 1 header; that has all that is needed.
        if fields.format > 1 {
            return Err(Error::HeaderWithoutPredecessor(fields.format));
        }
        if self.streams.len() >= self.streams_limit {
            return Err(Error::ChunkStreams {
                limit: self.streams_limit,
            });
        }
        self.streams.push(Stream::new(fields.chunk_stream));
        Ok(self.streams.len().saturating_sub(1))
    }

    /// Takes body bytes of the current chunk.
    fn body<S: Sink>(
        &mut self,
        current: Current,
        bytes: &[u8],
        sink: &mut S,
    ) -> Result<(usize, Flow), Error> {
        let missing = usize::try_from(current.missing).unwrap_or(usize::MAX);
        let piece = bytes.get(..missing).unwrap_or(bytes);
        let taken = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        let missing = current.missing.saturating_sub(taken);
        self.current = (missing > 0).then_some(Current { missing, ..current });
        let Some(stream) = self.streams.get_mut(current.index) else {
            return Ok((piece.len(), Flow::Continue));
        };
        let flow = if stream.received == 0 && taken == stream.header.length {
            self.pass(current.index, piece, sink)?
        } else {
            stream.received = stream.received.saturating_add(taken);
            self.assemble(current.index, piece, sink)?
        };
        Ok((piece.len(), flow))
    }

    /// Hands over a message that lies whole in the input.
    fn pass<S: Sink>(&mut self, index: usize, body: &[u8], sink: &mut S) -> Result<Flow, Error> {
        let Some(stream) = self.streams.get_mut(index) else {
            return Ok(Flow::Continue);
        };
        let header = stream.header;
        let assembly = stream.reset();
        let limit = sink.partial_bytes_limit();
        if self.held.saturating_add(body.len()) > limit {
            // In pieces it would not have been kept, so it is not taken whole either.
            let kept = match assembly {
                Assembly::Keeping(_) => true,
                Assembly::Judging => body
                    .get(..PREFIX_BYTES)
                    .is_some_and(|prefix| sink.wants(&header, prefix)),
                Assembly::Skipping | Assembly::Idle => false,
            };
            if kept {
                return Err(Error::PartialBytes { limit });
            }
        }
        self.deliver(&header, Body::Borrowed(body), sink)
    }

    /// Appends a piece to its message and ends the message with its last one.
    fn assemble<S: Sink>(
        &mut self,
        index: usize,
        piece: &[u8],
        sink: &mut S,
    ) -> Result<Flow, Error> {
        let Some(stream) = self.streams.get_mut(index) else {
            return Ok(Flow::Continue);
        };
        let before = stream.held();
        append(stream, piece, sink);
        let now = stream.held();
        let complete = stream.missing() == 0;
        self.held = self.held.saturating_sub(before).saturating_add(now);
        let limit = sink.partial_bytes_limit();
        if now > before && self.held > limit {
            return Err(Error::PartialBytes { limit });
        }
        if complete {
            return self.finish(index, sink);
        }
        Ok(Flow::Continue)
    }

    /// Ends the message of a chunk stream whose last byte has arrived.
    fn finish<S: Sink>(&mut self, index: usize, sink: &mut S) -> Result<Flow, Error> {
        let Some(stream) = self.streams.get_mut(index) else {
            return Ok(Flow::Continue);
        };
        let header = stream.header;
        self.held = self.held.saturating_sub(stream.held());
        let prefix = stream.prefix;
        let prefix = prefix.as_slice();
        let body = match stream.reset() {
            Assembly::Keeping(body) => Body::Assembled(body),
            _ if u32::try_from(prefix.len()) == Ok(header.length) => Body::Borrowed(prefix),
            _ => Body::Prefix(prefix),
        };
        self.deliver(&header, body, sink)
    }

    fn deliver<S: Sink>(
        &mut self,
        header: &message::Header,
        body: Body<'_>,
        sink: &mut S,
    ) -> Result<Flow, Error> {
        match header.kind {
            message::SET_CHUNK_SIZE => self.set_chunk_size(first_u32(header, &body)?)?,
            message::ABORT => self.abort(first_u32(header, &body)?),
            _ => {}
        }
        sink.end(header, body)
    }

    fn set_chunk_size(&mut self, size: u32) -> Result<(), Error> {
        let limit = self.chunk_size_limit;
        if size == 0 || size > limit {
            return Err(Error::ChunkSize { size, limit });
        }
        self.chunk_size = size;
        Ok(())
    }

    /// Drops the unfinished message of a chunk stream (RTMP 1.0 §5.4.2).
    fn abort(&mut self, chunk_stream: u32) {
        let same = |stream: &&mut Stream| stream.id == chunk_stream;
        if let Some(stream) = self.streams.iter_mut().find(same) {
            self.held = self.held.saturating_sub(stream.held());
            stream.reset();
        }
    }
}

fn append<S: Sink>(stream: &mut Stream, piece: &[u8], sink: &mut S) {
    if matches!(stream.assembly, Assembly::Keeping(_)) {
        stream.keep(piece);
        return;
    }
    let taken = stream.prefix.fill(piece);
    let full = stream.prefix.as_slice().len() == PREFIX_BYTES;
    if !full || !matches!(stream.assembly, Assembly::Judging) {
        return;
    }
    let prefix = stream.prefix;
    stream.assembly = Assembly::Skipping;
    if sink.wants(&stream.header, prefix.as_slice()) {
        stream.assembly = Assembly::Keeping(Vec::new());
        stream.keep(prefix.as_slice());
        stream.keep(piece.get(taken..).unwrap_or_default());
    }
}

fn first_u32(header: &message::Header, body: &Body<'_>) -> Result<u32, Error> {
    match body.bytes().first_chunk() {
        Some(field) => Ok(u32::from_be_bytes(*field)),
        None => Err(Error::ControlMessage(header.kind)),
    }
}
