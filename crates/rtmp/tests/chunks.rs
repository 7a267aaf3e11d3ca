//! How encoders cut messages into chunks: every header, every clock, every oddity gives the
//! messages that were meant.

mod harness;

use harness::wire::{self, AGGREGATE, AUDIO, VIDEO};
use harness::{Media, run};
use rtmp::{Error, Event, MediaKind};

/// A picture as a message, told apart by its last bytes.
fn picture(number: u8, length: usize) -> Vec<u8> {
    let mut body = vec![0x27, 1, 0, 0, 0];
    body.resize(length, number);
    body
}

/// What comes out of `bytes` behind an accepted publish, in reads of several sizes.
fn delivered(bytes: &[u8]) -> Vec<(MediaKind, u64, Vec<u8>)> {
    let input = [wire::published(), bytes.to_vec()].concat();
    let of_size = |size: usize| {
        let (driver, result) = run(Media::Wanted, input.chunks(size));
        assert_eq!(result, Ok(()), "in reads of {size}");
        let media = driver.events.iter().filter_map(|event| match event {
            Event::Media(media) => Some((media.kind, media.timestamp, media.payload.to_vec())),
            _ => None,
        });
        media.collect::<Vec<_>>()
    };
    let whole = of_size(16_384);
    for size in [1, 2, 3, 5, 17, 19, 64, 127, 1000] {
        assert_eq!(of_size(size), whole, "in reads of {size}");
    }
    whole
}

fn timestamps(bytes: &[u8]) -> Vec<u64> {
    delivered(bytes).iter().map(|message| message.1).collect()
}

#[test]
fn all_four_headers_place_messages_in_time() {
    let body = picture(1, 20);
    let bytes = [
        wire::message(6, 1_000, VIDEO, &body),
        wire::length_header(6, 40, 20, VIDEO),
        body.clone(),
        wire::delta_header(6, 30),
        body.clone(),
        wire::basic(3, 6),
        body.clone(),
    ];
    assert_eq!(timestamps(&bytes.concat()), [1_000, 1_040, 1_070, 1_100]);
}

#[test]
fn a_short_first_timestamp_may_be_repeated_as_difference_and_a_long_one_means_the_same_time() {
    let body = picture(1, 20);
    let repeated = |first| {
        let bytes = [
            wire::message(6, first, VIDEO, &body),
            wire::basic(3, 6),
            body.clone(),
        ];
        timestamps(&bytes.concat())
    };
    assert_eq!(repeated(23), [23, 46]);
    assert_eq!(repeated(5_000_000), [5_000_000, 5_000_000]);
}

#[test]
fn chunk_stream_ids_of_every_length_are_told_apart() {
    let streams = [3, 63, 64, 319, 320, 65_599];
    let mut bytes = Vec::new();
    for (number, &stream) in (1..).zip(&streams) {
        let body = picture(number, 200);
        bytes.extend(wire::full_header(stream, 40, 200, VIDEO));
        bytes.extend(&body[..128]);
    }
    for (number, &stream) in (1..).zip(&streams) {
        bytes.extend(wire::basic(3, stream));
        bytes.extend(&picture(number, 200)[128..]);
    }
    let bodies: Vec<Vec<u8>> = delivered(&bytes)
        .into_iter()
        .map(|message| message.2)
        .collect();
    let expected: Vec<Vec<u8>> = (1..=6).map(|number| picture(number, 200)).collect();
    assert_eq!(bodies, expected);
}

#[test]
fn the_chunk_size_may_change_in_the_middle_of_a_message() {
    let body = picture(1, 1_000);
    let mut bytes = wire::full_header(6, 40, body.len(), VIDEO);
    bytes.extend(&body[..128]);
    bytes.extend(wire::set_chunk_size(500));
    bytes.extend(wire::basic(3, 6));
    bytes.extend(&body[128..628]);
    bytes.extend(wire::set_chunk_size(10));
    for part in body[628..].chunks(10) {
        bytes.extend(wire::basic(3, 6));
        bytes.extend(part);
    }
    assert_eq!(delivered(&bytes), [(MediaKind::Video, 40, body)]);
}

#[test]
fn extended_timestamps_may_or_may_not_be_repeated_in_each_chunk() {
    let start: u32 = 0x0123_4567;
    let body = picture(1, 300);
    for repeats in [true, false] {
        let mut bytes = wire::full_header(6, start, body.len(), VIDEO);
        for (index, part) in body.chunks(128).enumerate() {
            if index > 0 {
                bytes.extend(wire::basic(3, 6));
                if repeats {
                    bytes.extend(start.to_be_bytes());
                }
            }
            bytes.extend(part);
        }
        bytes.extend(wire::delta_header(6, 40));
        bytes.extend(&body[..128]);
        bytes.extend(wire::basic(3, 6));
        bytes.extend(&body[128..256]);
        bytes.extend(wire::basic(3, 6));
        bytes.extend(&body[256..]);
        let start = u64::from(start);
        let expected = [
            (MediaKind::Video, start, body.clone()),
            (MediaKind::Video, start + 40, body.clone()),
        ];
        assert_eq!(delivered(&bytes), expected, "repeats: {repeats}");
    }
}

#[test]
fn a_message_begun_by_a_bare_header_repeats_the_extended_time_or_not() {
    let start: u32 = 0x0123_4567;
    let body = picture(1, 100);
    for repeats in [true, false] {
        let mut bytes = wire::message(6, start, VIDEO, &body);
        bytes.extend(wire::basic(3, 6));
        if repeats {
            bytes.extend(start.to_be_bytes());
        }
        bytes.extend(&body);
        let start = u64::from(start);
        assert_eq!(timestamps(&bytes), [start, start], "repeats: {repeats}");
    }
}

#[test]
fn a_short_tail_without_repeated_timestamp_is_not_lost() {
    // The last chunk has two bytes, fewer than an extended timestamp.
    let start: u32 = 0x0123_4567;
    let body = picture(1, 130);
    let bytes = [
        wire::message(6, start, VIDEO, &body),
        wire::message(4, start, AUDIO, &[0xAF, 1, 2]),
    ];
    let messages = delivered(&bytes.concat());
    assert_eq!(messages[0].2, body);
    assert_eq!(messages[1].2, [0xAF, 1, 2]);
}

#[test]
fn time_goes_on_across_the_wrap_of_its_32_bits() {
    let body = picture(1, 20);
    let bytes = [
        wire::message(6, u32::MAX - 20, VIDEO, &body),
        wire::delta_header(6, 40),
        body.clone(),
        wire::message(6, 59, VIDEO, &body),
    ];
    let wrap = u64::from(u32::MAX) + 1;
    assert_eq!(
        timestamps(&bytes.concat()),
        [wrap - 21, wrap + 19, wrap + 59]
    );
}

#[test]
fn a_full_header_in_the_middle_of_a_message_begins_anew() {
    let mut bytes = wire::full_header(6, 0, 300, VIDEO);
    bytes.extend([1; 128]);
    bytes.extend(wire::message(6, 40, VIDEO, &picture(2, 30)));
    assert_eq!(delivered(&bytes), [(MediaKind::Video, 40, picture(2, 30))]);
}

#[test]
fn empty_messages_are_messages() {
    let bytes = [
        wire::message(4, 20, AUDIO, &[]),
        wire::message(6, 20, VIDEO, &[]),
        wire::basic(3, 4),
        wire::message(6, 40, VIDEO, &picture(1, 30)),
    ];
    let input = [wire::published(), bytes.concat()].concat();
    for size in [1, 4096] {
        let (driver, result) = run(Media::Unwanted, input.chunks(size));
        assert_eq!(result, Ok(()));
        let counters = driver.session.counters();
        assert_eq!((counters.audio_messages, counters.video_messages), (2, 2));
        // Silence is nothing odd, a picture without even a header is.
        assert_eq!(counters.unreadable_messages, 1);
        assert_eq!(counters.video_frames, 1);
    }
}

#[test]
fn an_aggregate_is_its_parts() {
    let mut body = Vec::new();
    let parts = [
        (VIDEO, 500u32, picture(1, 30)),
        (AUDIO, 520, vec![0xAF, 1, 9]),
        (99, 530, vec![1]),
    ];
    for (kind, timestamp, part) in parts
        .into_iter()
        .chain([(VIDEO, 0x0100_0000, picture(2, 10))])
    {
        let [t3, t2, t1, t0] = timestamp.to_be_bytes();
        body.extend([
            kind,
            0,
            0,
            u8::try_from(part.len()).unwrap(),
            t2,
            t1,
            t0,
            t3,
            0,
            0,
            0,
        ]);
        body.extend(&part);
        body.extend(u32::try_from(11 + part.len()).unwrap().to_be_bytes());
    }
    let messages = delivered(&wire::message(6, 10_000, AGGREGATE, &body));
    let expected = [
        (MediaKind::Video, 10_000, picture(1, 30)),
        (MediaKind::Audio, 10_020, vec![0xAF, 1, 9]),
        (MediaKind::Video, 10_000 + 0x0100_0000 - 500, picture(2, 10)),
    ];
    assert_eq!(messages, expected);
}

#[test]
fn a_cut_off_aggregate_gives_the_parts_before() {
    let mut body = vec![VIDEO, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0];
    body.extend(picture(1, 10));
    body.extend([0, 0, 0, 21, VIDEO, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(delivered(&wire::message(6, 0, AGGREGATE, &body)).len(), 1);
}

#[test]
fn librtmps_first_ping_without_a_full_header_is_understood() {
    let bytes = [wire::length_header(2, 0, 6, 4), vec![0, 3, 0, 0, 0, 1]].concat();
    let input = [wire::connected(), bytes].concat();
    assert_eq!(run(Media::Unwanted, input.chunks(100)).1, Ok(()));
    let error = run(
        Media::Unwanted,
        [&[wire::connected(), wire::basic(2, 9), vec![0; 3]].concat()[..]],
    )
    .1;
    assert_eq!(error, Err(Error::HeaderWithoutPredecessor(2)));
}
