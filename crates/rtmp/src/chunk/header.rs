//! The fields of one chunk header (RTMP 1.0 §5.3.1), without the state they refer to.

/// The longest header: basic header of 3, message header of 11, extended timestamp of 4 bytes.
pub(super) const HEADER_BYTES: usize = 18;

/// A timestamp field of this value says that an extended timestamp follows.
const EXTENDED: u32 = 0x00FF_FFFF;

/// A chunk header as written, before it is resolved against its chunk stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields {
    /// 0 to 3: how much of the message header is present.
    pub(super) format: u8,
    /// Chunk stream id, 2 to 65,599.
    pub(super) chunk_stream: u32,
    /// Absolute in format 0, a difference in formats 1 and 2, zero in format 3; milliseconds.
    pub(super) timestamp: u32,
    pub(super) length: u32,
    pub(super) kind: u8,
    pub(super) stream_id: u32,
    /// True when `timestamp` came as an extended timestamp.
    pub(super) extended: bool,
    /// Bytes the header takes, without the extended timestamp a format 3 header may repeat.
    pub(super) size: usize,
}

/// Reads a header from the beginning of `input`; nothing when it is incomplete.
pub(super) fn read(input: &[u8]) -> Option<Fields> {
    let (&first, rest) = input.split_first()?;
    let (chunk_stream, rest) = chunk_stream(first, rest)?;
    let mut fields = Fields {
        format: first >> 6,
        chunk_stream,
        timestamp: 0,
        length: 0,
        kind: 0,
        stream_id: 0,
        extended: false,
        size: 0,
    };
    let rest = fields.message_header(rest)?;
    let rest = fields.extended_timestamp(rest)?;
    fields.size = input.len().saturating_sub(rest.len());
    Some(fields)
}

fn chunk_stream(first: u8, rest: &[u8]) -> Option<(u32, &[u8])> {
    match first & 0x3F {
        0 => {
            let (&[low], rest) = rest.split_first_chunk()?;
            Some((64 + u32::from(low), rest))
        }
        1 => {
            let (&[low, high], rest) = rest.split_first_chunk()?;
            Some((64 + u32::from(low) + 256 * u32::from(high), rest))
        }
        id => Some((u32::from(id), rest)),
    }
}

impl Fields {
    fn message_header<'a>(&mut self, rest: &'a [u8]) -> Option<&'a [u8]> {
        if self.format == 3 {
            return Some(rest);
        }
        let (timestamp, rest) = rest.split_first_chunk()?;
        self.timestamp = u24(timestamp);
        if self.format == 2 {
            return Some(rest);
        }
        let (length, rest) = rest.split_first_chunk()?;
        let (&[kind], rest) = rest.split_first_chunk()?;
        self.length = u24(length);
        self.kind = kind;
        if self.format == 1 {
            return Some(rest);
        }
        let (stream_id, rest) = rest.split_first_chunk()?;
        // The only little-endian field of the protocol.
        self.stream_id = u32::from_le_bytes(*stream_id);
        Some(rest)
    }

    fn extended_timestamp<'a>(&mut self, rest: &'a [u8]) -> Option<&'a [u8]> {
        if self.timestamp != EXTENDED {
            return Some(rest);
        }
        let (timestamp, rest) = rest.split_first_chunk()?;
        self.timestamp = u32::from_be_bytes(*timestamp);
        self.extended = true;
        Some(rest)
    }
}

fn u24([high, middle, low]: &[u8; 3]) -> u32 {
    u32::from_be_bytes([0, *high, *middle, *low])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_stream_ids_take_one_two_or_three_bytes() {
        assert_eq!(read(&[0xC0 | 5]).unwrap().chunk_stream, 5);
        assert_eq!(read(&[0xC0, 0]).unwrap().chunk_stream, 64);
        assert_eq!(read(&[0xC0, 255]).unwrap().chunk_stream, 319);
        assert_eq!(read(&[0xC1, 1, 1]).unwrap().chunk_stream, 321);
        assert_eq!(read(&[0xC1, 255, 255]).unwrap().chunk_stream, 65_599);
    }

    #[test]
    fn each_format_has_its_fields_and_size() {
        let full = [3, 0, 0, 1, 0, 0, 9, 20, 1, 0, 0, 0, 99];
        let fields = read(&full).unwrap();
        assert_eq!((fields.timestamp, fields.length, fields.kind), (1, 9, 20));
        assert_eq!((fields.stream_id, fields.size), (1, 12));
        assert_eq!(read(&[0x43, 0, 0, 1, 0, 0, 9, 20]).unwrap().size, 8);
        assert_eq!(read(&[0x83, 0, 0, 1]).unwrap().size, 4);
        let extended = [0x83, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0];
        assert_eq!(read(&extended).unwrap().timestamp, 0x0100_0000);
        for end in 0..full.len() - 1 {
            assert_eq!(read(&full[..end]), None);
        }
        assert_eq!(read(&extended[..7]), None);
    }
}
