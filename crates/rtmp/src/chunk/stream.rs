//! One chunk stream: the header its next one is relative to, and the message being assembled.

use super::header::Fields;
use super::small::Small;
use crate::message;

/// How much of a message is shown before it is decided whether the rest is kept. Holds the tag
/// header of every codec and the first bytes of a keyframe that tell its size.
pub(crate) const PREFIX_BYTES: usize = 64;

/// After a full header, a format 3 header that begins a message repeats the full header's
/// timestamp as difference (RTMP 1.0 §5.3.1.2.4). Encoders rely on that for the second frame of a
/// stream; for later timestamps the literal reading would double the clock, so it means "same".
const LARGEST_REPEATED_TIMESTAMP_MS: u32 = 1000;

/// Least memory of a message that is kept, bytes, unless it is shorter.
const SMALLEST_ROOM: usize = 512;

/// What is held of the message in progress.
#[derive(Debug)]
pub(super) enum Assembly {
    /// No message has begun.
    Idle,
    /// Its first bytes are collected to judge it.
    Judging,
    /// Its bytes are counted and dropped.
    Skipping,
    /// All of it is kept.
    Keeping(Vec<u8>),
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: u32,
    pub(super) header: message::Header,
    /// Milliseconds a format 3 header adds when it begins a message.
    difference: u32,
    /// The extended timestamp of the last header that had a timestamp, if it was extended.
    extended: Option<u32>,
    /// Body bytes of the message in progress that have arrived.
    pub(super) received: u32,
    pub(super) assembly: Assembly,
    pub(super) prefix: Small<PREFIX_BYTES>,
}

impl Stream {
    pub(super) fn new(id: u32) -> Self {
        Self {
            id,
            header: message::Header {
                timestamp: 0,
                length: 0,
                kind: 0,
                stream_id: 0,
            },
            difference: 0,
            extended: None,
            received: 0,
            assembly: Assembly::Idle,
            prefix: Small::new(),
        }
    }

    pub(super) fn in_message(&self) -> bool {
        !matches!(self.assembly, Assembly::Idle)
    }

    pub(super) fn missing(&self) -> u32 {
        self.header.length.saturating_sub(self.received)
    }

    /// Bytes of memory the message in progress takes beyond this struct.
    pub(super) fn held(&self) -> usize {
        match &self.assembly {
            Assembly::Keeping(body) => room(body.len(), self.header.length),
            Assembly::Idle | Assembly::Judging | Assembly::Skipping => 0,
        }
    }

    /// Bytes a header takes at the beginning of `bytes`; nothing when too few are there to tell.
    ///
    /// The four bytes behind a format 3 header may be an extended timestamp: the text of RTMP 1.0
    /// is read both ways by encoders, and some repeat it in every format 3 header, some in none.
    /// They are one if they read as the last one did.
    pub(super) fn header_size(&self, fields: &Fields, bytes: &[u8]) -> Option<usize> {
        let (3, Some(extended)) = (fields.format, self.extended) else {
            return Some(fields.size);
        };
        let found = u32::from_be_bytes(*bytes.get(fields.size..)?.first_chunk()?);
        let repeated = found == extended || (self.in_message() && found == self.header.timestamp);
        Some(fields.size + if repeated { 4 } else { 0 })
    }

    /// Resolves a header that begins a message.
    pub(super) fn begin(&mut self, fields: &Fields) {
        if fields.format < 3 {
            self.extended = fields.extended.then_some(fields.timestamp);
            self.difference = fields.timestamp;
        }
        if fields.format < 2 {
            self.header.length = fields.length;
            self.header.kind = fields.kind;
        }
        if fields.format == 0 {
            self.header.stream_id = fields.stream_id;
            self.header.timestamp = fields.timestamp;
            if fields.timestamp > LARGEST_REPEATED_TIMESTAMP_MS {
                self.difference = 0;
            }
        } else {
            self.header.timestamp = self.header.timestamp.wrapping_add(self.difference);
        }
        self.reset();
    }

    /// Forgets the message in progress and gives back what it held.
    pub(super) fn reset(&mut self) -> Assembly {
        self.received = 0;
        self.prefix.clear();
        std::mem::replace(&mut self.assembly, Assembly::Idle)
    }

    /// Appends to a kept message.
    pub(super) fn keep(&mut self, piece: &[u8]) {
        if let Assembly::Keeping(body) = &mut self.assembly {
            let needed = body.len().saturating_add(piece.len());
            if needed > body.capacity() {
                let wanted = room(needed, self.header.length);
                body.reserve_exact(wanted.saturating_sub(body.len()));
            }
            body.extend_from_slice(piece);
        }
    }
}

/// Memory for the first `bytes` of a message of `length`: the next power of two, and the length at
/// most. It follows what has arrived, whatever is declared, ends exactly at the length, and does
/// not depend on the pieces it came in.
fn room(bytes: usize, length: u32) -> usize {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    match bytes {
        0 => 0,
        _ => bytes.next_power_of_two().max(SMALLEST_ROOM).min(length),
    }
}
