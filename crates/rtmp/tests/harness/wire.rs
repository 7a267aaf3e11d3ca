//! Writes RTMP as an encoder does, byte for byte, so that a test can also write it wrong.

use rml_rtmp::rml_amf0::{Amf0Value, serialize};
use std::collections::HashMap;

/// Chunk size until SetChunkSize.
pub(crate) const CHUNK: usize = 128;

pub(crate) const AUDIO: u8 = 8;
pub(crate) const VIDEO: u8 = 9;
pub(crate) const DATA: u8 = 18;
pub(crate) const COMMAND: u8 = 20;
pub(crate) const AGGREGATE: u8 = 22;

/// C0, C1 and C2.
pub(crate) fn greeting() -> Vec<u8> {
    let mut bytes = vec![0; 1 + 2 * 1536];
    bytes[0] = 3;
    bytes
}

/// A basic header in its shortest form.
pub(crate) fn basic(format: u8, chunk_stream: u32) -> Vec<u8> {
    let format = format << 6;
    match chunk_stream {
        2..=63 => vec![format | u8::try_from(chunk_stream).unwrap()],
        64..=319 => vec![format, u8::try_from(chunk_stream - 64).unwrap()],
        _ => {
            let [low, high, ..] = (chunk_stream - 64).to_le_bytes();
            vec![format | 1, low, high]
        }
    }
}

fn u24(number: usize) -> [u8; 3] {
    let [_, high, middle, low] = u32::try_from(number).unwrap().to_be_bytes();
    [high, middle, low]
}

fn timestamps(timestamp: u32) -> ([u8; 3], Vec<u8>) {
    if timestamp < 0x00FF_FFFF {
        (u24(timestamp as usize), Vec::new())
    } else {
        ([0xFF; 3], timestamp.to_be_bytes().to_vec())
    }
}

/// A chunk header of format 0.
pub(crate) fn full_header(chunk_stream: u32, timestamp: u32, length: usize, kind: u8) -> Vec<u8> {
    let (field, extended) = timestamps(timestamp);
    let mut header = basic(0, chunk_stream);
    header.extend(field);
    header.extend(u24(length));
    header.push(kind);
    let stream: u32 = if matches!(kind, AUDIO | VIDEO | DATA | AGGREGATE) {
        1
    } else {
        0
    };
    header.extend(stream.to_le_bytes());
    header.extend(extended);
    header
}

/// A chunk header of format 1.
pub(crate) fn length_header(chunk_stream: u32, delta: u32, length: usize, kind: u8) -> Vec<u8> {
    let (field, extended) = timestamps(delta);
    let mut header = basic(1, chunk_stream);
    header.extend(field);
    header.extend(u24(length));
    header.push(kind);
    header.extend(extended);
    header
}

/// A chunk header of format 2.
pub(crate) fn delta_header(chunk_stream: u32, delta: u32) -> Vec<u8> {
    let (field, extended) = timestamps(delta);
    [basic(2, chunk_stream), field.to_vec(), extended].concat()
}

/// A whole message: a full header, then chunks of `size` with headers of format 3 between them.
pub(crate) fn message_in(
    size: usize,
    chunk_stream: u32,
    timestamp: u32,
    kind: u8,
    body: &[u8],
) -> Vec<u8> {
    let mut bytes = full_header(chunk_stream, timestamp, body.len(), kind);
    for (index, part) in body.chunks(size).enumerate() {
        if index > 0 {
            bytes.extend(basic(3, chunk_stream));
        }
        bytes.extend(part);
    }
    bytes
}

pub(crate) fn message(chunk_stream: u32, timestamp: u32, kind: u8, body: &[u8]) -> Vec<u8> {
    message_in(CHUNK, chunk_stream, timestamp, kind, body)
}

pub(crate) fn control(kind: u8, body: &[u8]) -> Vec<u8> {
    message(2, 0, kind, body)
}

pub(crate) fn set_chunk_size(size: u32) -> Vec<u8> {
    control(1, &size.to_be_bytes())
}

pub(crate) fn abort(chunk_stream: u32) -> Vec<u8> {
    control(2, &chunk_stream.to_be_bytes())
}

pub(crate) fn text(text: &str) -> Amf0Value {
    Amf0Value::Utf8String(text.to_owned())
}

pub(crate) fn number(number: f64) -> Amf0Value {
    Amf0Value::Number(number)
}

pub(crate) fn object(properties: &[(&str, Amf0Value)]) -> Amf0Value {
    let owned = |(name, value): &(&str, Amf0Value)| ((*name).to_owned(), value.clone());
    Amf0Value::Object(properties.iter().map(owned).collect::<HashMap<_, _>>())
}

pub(crate) fn command_body(name: &str, transaction: f64, arguments: Vec<Amf0Value>) -> Vec<u8> {
    let mut values = vec![text(name), number(transaction)];
    values.extend(arguments);
    serialize(&values).unwrap()
}

pub(crate) fn command(name: &str, transaction: f64, arguments: Vec<Amf0Value>) -> Vec<u8> {
    message(3, 0, COMMAND, &command_body(name, transaction, arguments))
}

/// A command on message stream 1.
pub(crate) fn stream_command(name: &str, transaction: f64, arguments: Vec<Amf0Value>) -> Vec<u8> {
    let mut bytes = command(name, transaction, arguments);
    bytes[8] = 1;
    bytes
}

pub(crate) fn connect() -> Vec<u8> {
    let object = object(&[
        ("app", text("live")),
        ("tcUrl", text("rtmp://localhost/live")),
    ]);
    command("connect", 1.0, vec![object])
}

/// Greeting and `connect`.
pub(crate) fn connected() -> Vec<u8> {
    [greeting(), connect()].concat()
}

/// Everything up to `publish`.
pub(crate) fn published() -> Vec<u8> {
    let create = command("createStream", 2.0, vec![Amf0Value::Null]);
    let name = vec![Amf0Value::Null, text("key"), text("live")];
    [connected(), create, stream_command("publish", 3.0, name)].concat()
}

/// A message the session wrote.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub(crate) chunk_stream: u8,
    pub(crate) kind: u8,
    pub(crate) stream_id: u32,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The values of a command.
    pub(crate) fn values(&self) -> Vec<Amf0Value> {
        rml_rtmp::rml_amf0::deserialize(&mut std::io::Cursor::new(&self.body)).unwrap()
    }

    /// Name and transaction id of a command.
    pub(crate) fn call(&self) -> (String, f64) {
        match &self.values()[..] {
            [Amf0Value::Utf8String(name), Amf0Value::Number(id), ..] => (name.clone(), *id),
            other => panic!("{other:?}"),
        }
    }

    /// A text of the last object of a command.
    pub(crate) fn information(&self, property: &str) -> String {
        match self.values().pop() {
            Some(Amf0Value::Object(properties)) => match properties.get(property) {
                Some(Amf0Value::Utf8String(text)) => text.clone(),
                other => panic!("{property}: {other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
}

/// Takes the session's output apart. Each reply is one chunk with a full header.
pub(crate) fn replies(output: &[u8]) -> Vec<Reply> {
    let mut replies = Vec::new();
    let mut rest = output;
    while !rest.is_empty() {
        assert_eq!(rest[0] >> 6, 0, "not a full header");
        let length = usize::from(rest[5]) * 256 + usize::from(rest[6]);
        assert_eq!(rest[4], 0);
        replies.push(Reply {
            chunk_stream: rest[0],
            kind: rest[7],
            stream_id: u32::from_le_bytes(rest[8..12].try_into().unwrap()),
            body: rest[12..12 + length].to_vec(),
        });
        rest = &rest[12 + length..];
    }
    replies
}
