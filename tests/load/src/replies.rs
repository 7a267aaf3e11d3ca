//! Reads what a server sends: chunks to messages.

/// Largest message taken from a server. Answers have some hundred bytes.
const MESSAGE_BYTES: usize = 64 * 1024;
/// Chunk size until a server sets another.
const FIRST_CHUNK_SIZE: usize = 128;
/// Message type of `SetChunkSize`.
const SET_CHUNK_SIZE: u8 = 1;
/// What stands in the timestamp field when the timestamp follows in four bytes.
const EXTENDED: u32 = 0x00ff_ffff;

/// A whole message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) timestamp: u32,
    pub(crate) message_type: u8,
    pub(crate) stream_id: u32,
    pub(crate) payload: Vec<u8>,
}

/// A server that cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server sent what is not RTMP, or a message of more than {MESSAGE_BYTES} bytes")]
pub(crate) struct Error;

/// Holds what came of unfinished chunks and messages.
#[derive(Debug)]
pub(crate) struct Reader {
    chunk_size: usize,
    input: Vec<u8>,
    streams: Vec<(u16, Stream)>,
}

#[derive(Debug, Default)]
struct Stream {
    message: Message,
    delta: u32,
    length: usize,
    extended: bool,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self::with_chunk_size(FIRST_CHUNK_SIZE)
    }

    pub(crate) fn with_chunk_size(chunk_size: usize) -> Self {
        Self {
            chunk_size,
            input: Vec::new(),
            streams: Vec::new(),
        }
    }

    /// Takes bytes in any pieces and hands out each message that is complete.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        mut took: impl FnMut(Message),
    ) -> Result<(), Error> {
        self.input.extend_from_slice(bytes);
        let input = std::mem::take(&mut self.input);
        let mut at = 0;
        while let Some(used) = self.chunk(&input[at..], &mut took)? {
            at += used;
        }
        self.input.extend_from_slice(&input[at..]);
        Ok(())
    }

    /// Reads one chunk if it is all there; says how many bytes it had.
    fn chunk(
        &mut self,
        input: &[u8],
        took: &mut impl FnMut(Message),
    ) -> Result<Option<usize>, Error> {
        let Some((id, id_bytes)) = chunk_stream(input) else {
            return Ok(None);
        };
        let chunk_size = self.chunk_size;
        let stream = self.stream(id);
        let Some(header) = Header::read(input, id_bytes, stream) else {
            return Ok(None);
        };
        if header.length > MESSAGE_BYTES {
            return Err(Error);
        }
        let left = header.length.saturating_sub(stream.message.payload.len());
        let end = header.bytes + chunk_size.min(left);
        let Some(payload) = input.get(header.bytes..end) else {
            return Ok(None);
        };
        stream.take(&header, payload);
        if stream.message.payload.len() >= header.length {
            let message = stream.message.clone();
            stream.message.payload.clear();
            self.obey(&message);
            took(message);
        }
        Ok(Some(end))
    }

    fn obey(&mut self, message: &Message) {
        if message.message_type == SET_CHUNK_SIZE
            && let Some(size) = number(message.payload.get(..4))
        {
            self.chunk_size = to_usize(size & 0x7fff_ffff).max(1);
        }
    }

    fn stream(&mut self, id: u16) -> &mut Stream {
        let place = self.streams.iter().position(|(known, _)| *known == id);
        let place = place.unwrap_or_else(|| {
            self.streams.push((id, Stream::default()));
            self.streams.len() - 1
        });
        &mut self.streams[place].1
    }
}

/// The chunk stream's number, and how many bytes say it.
fn chunk_stream(input: &[u8]) -> Option<(u16, usize)> {
    match (input.first()? & 0x3f, input) {
        (0, [_, id, ..]) => Some((u16::from(*id) + 64, 2)),
        (1, [_, low, high, ..]) => Some((u16::from_le_bytes([*low, *high]).saturating_add(64), 3)),
        (0 | 1, _) => None,
        (id, _) => Some((u16::from(id), 1)),
    }
}

/// A chunk's header, with what it leaves out taken from the message before.
struct Header {
    /// All of it, the chunk stream's number included.
    bytes: usize,
    absolute: bool,
    extended: bool,
    time: u32,
    length: usize,
    message_type: u8,
    stream_id: u32,
}

impl Header {
    /// None where it is not all there.
    fn read(input: &[u8], id_bytes: usize, before: &Stream) -> Option<Self> {
        let header_bytes = [11, 7, 3, 0][usize::from(input.first()? >> 6)];
        let mut bytes = id_bytes + header_bytes;
        let fields = input.get(id_bytes..bytes)?;
        let field = number(fields.get(..3));
        let extended = field.map_or(before.extended, |field| field == EXTENDED);
        let mut time = field.unwrap_or(before.delta);
        if extended {
            time = number(input.get(bytes..bytes + 4))?;
            bytes += 4;
        }
        let stream_id = fields.get(7..11).and_then(|id| id.try_into().ok());
        Some(Self {
            bytes,
            absolute: header_bytes == 11,
            extended,
            time,
            length: number(fields.get(3..6)).map_or(before.length, to_usize),
            message_type: *fields.get(6).unwrap_or(&before.message.message_type),
            stream_id: stream_id.map_or(before.message.stream_id, u32::from_le_bytes),
        })
    }
}

impl Stream {
    fn take(&mut self, header: &Header, payload: &[u8]) {
        // A message's first chunk says when it is; the others only go on.
        if self.message.payload.is_empty() {
            let before = if header.absolute {
                0
            } else {
                self.message.timestamp
            };
            self.message.timestamp = before.wrapping_add(header.time);
            self.delta = header.time;
        }
        self.extended = header.extended;
        self.length = header.length;
        self.message.message_type = header.message_type;
        self.message.stream_id = header.stream_id;
        self.message.payload.extend_from_slice(payload);
    }
}

fn number(bytes: Option<&[u8]>) -> Option<u32> {
    Some(
        bytes?
            .iter()
            .fold(0, |sum, byte| sum << 8 | u32::from(*byte)),
    )
}

fn to_usize(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Header, Time, write_message};

    fn bytes() -> Vec<u8> {
        let header = |chunk_stream, message_type| Header {
            chunk_stream,
            message_type,
            time: Time::Absolute {
                timestamp: 7,
                stream_id: 1,
            },
        };
        let mut bytes = Vec::new();
        write_message(&mut bytes, header(3, 20), &[&[9; 300]], 128);
        write_message(
            &mut bytes,
            header(2, SET_CHUNK_SIZE),
            &[&[0, 0, 16, 0]],
            128,
        );
        write_message(&mut bytes, header(3, 20), &[&[8; 3000]], 4096);
        bytes
    }

    #[test]
    fn messages_are_the_same_however_the_bytes_are_split() {
        let read = |step: usize| {
            let mut reader = Reader::new();
            let mut messages = Vec::new();
            for piece in bytes().chunks(step) {
                reader
                    .feed(piece, |message| messages.push(message))
                    .expect("it is RTMP");
            }
            messages
        };
        let whole = read(usize::MAX);
        let lengths: Vec<usize> = whole.iter().map(|message| message.payload.len()).collect();
        assert_eq!(lengths, [300, 4, 3000]);
        assert_eq!(read(1), whole);
        assert_eq!(read(131), whole);
    }

    #[test]
    fn a_message_of_16_megabytes_is_refused_at_its_header() {
        let mut reader = Reader::new();
        let header = [3, 0, 0, 0, 0xff, 0xff, 0xff, 20, 0, 0, 0, 0];
        assert_eq!(reader.feed(&header, |_| {}), Err(Error));
    }
}
