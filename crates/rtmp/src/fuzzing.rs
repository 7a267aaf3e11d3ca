//! Doors to the inner readers for fuzz targets; each says in its name what it reads.
//!
//! What must hold: nothing panics, and where a target compares two ways of splitting, both see the
//! same.

use crate::chunk::{Body, Flow, Keep, PREFIX_BYTES, Reader, Sink};
use crate::handshake::{Handshake, SERVER_RANDOM_BYTES};
use crate::message::Header;
use crate::tag::Tag;
use crate::{Error, Limits, amf0 as values, codec};

/// Reads `input` as the values of a message.
pub fn amf0(input: &[u8]) {
    let _ = values::read_all(input, &Limits::default());
}

/// Reads `input` as the body of an audio and of a video message, whole and by its beginning.
pub fn tag(input: &[u8]) {
    let beginning = input.get(..PREFIX_BYTES).unwrap_or(input);
    for bytes in [input, beginning] {
        for tag in [Tag::video(bytes), Tag::audio(bytes)].into_iter().flatten() {
            for packet in tag.packets() {
                let _ = codec::picture(packet.codec.video(), &tag, &packet);
                let _ = codec::sound(packet.codec.audio(), &tag, &packet);
            }
        }
    }
}

/// Reads `input` as every kind of parameter set and frame header.
pub fn parameter_sets(input: &[u8]) {
    codec::read_everything(input);
}

/// Shakes hands with `input`, whole and in two pieces.
///
/// # Panics
/// When both differ.
pub fn handshake(input: &[u8], at: usize) {
    let run = |pieces: &[&[u8]]| {
        let mut handshake = Handshake::new([0; SERVER_RANDOM_BYTES]);
        let mut output = Vec::new();
        let mut rest = Vec::new();
        let each = |piece: &&[u8]| {
            let left = handshake.receive(piece, &mut output)?;
            rest.extend_from_slice(left);
            Ok::<(), Error>(())
        };
        let result = pieces.iter().try_for_each(each);
        (result, rest, output, handshake.is_done())
    };
    let (first, second) = input.split_at_checked(at).unwrap_or((input, &[]));
    assert_eq!(run(&[input]), run(&[first, second]));
}

/// Takes `input` apart as chunks, whole and in reads of `size`.
///
/// # Panics
/// When both differ.
pub fn chunks(input: &[u8], size: usize) {
    let run = |size: usize| {
        let mut reader = Reader::new(&Limits::default());
        let mut messages = Messages::default();
        let mut feed = |piece: &[u8]| reader.feed(piece, &mut messages).map(drop);
        let result = input.chunks(size.max(1)).try_for_each(&mut feed);
        (result, messages.0)
    };
    assert_eq!(run(usize::MAX), run(size));
}

/// Writes down what it hears.
#[derive(Debug, Default)]
struct Messages(Vec<(Header, Vec<u8>)>);

impl Sink for Messages {
    fn begin(&mut self, header: &Header) -> Result<Keep, Error> {
        Ok(match header.kind % 3 {
            0 => Keep::Whole,
            1 => Keep::Judge,
            _ => Keep::Prefix,
        })
    }

    fn wants(&mut self, _: &Header, prefix: &[u8]) -> bool {
        prefix.first().is_some_and(|first| first % 2 == 0)
    }

    fn end(&mut self, header: &Header, body: Body<'_>) -> Result<Flow, Error> {
        // A body that lay whole in one read is handed over although only its prefix was asked for.
        let seen = body.bytes();
        let bytes = match (header.kind % 3, seen.first()) {
            (0, _) => seen,
            (1, Some(first)) if first % 2 == 0 => seen,
            _ => seen.get(..PREFIX_BYTES).unwrap_or(seen),
        };
        self.0.push((*header, bytes.to_vec()));
        Ok(Flow::Continue)
    }

    fn partial_bytes_limit(&self) -> usize {
        usize::MAX
    }
}
