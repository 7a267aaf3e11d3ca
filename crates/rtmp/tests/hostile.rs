//! What nobody should send, and everybody may: no input ends the process, each is refused within
//! its bound. The beginning of this file is what is known to break other implementations.

mod harness;

use harness::wire::{self, AGGREGATE, AUDIO, COMMAND, DATA, VIDEO};
use harness::{Driver, Media, run};
use rml_rtmp::rml_amf0::Amf0Value;
use rtmp::{Error, Event, Limits, Phase, amf0};

/// Feeds bytes behind a connect, in reads of 4 KiB.
fn connected_then(bytes: &[u8]) -> (Driver, Result<(), Error>) {
    let input = [wire::connected(), bytes.to_vec()].concat();
    run(Media::Unwanted, input.chunks(4096))
}

/// Feeds bytes behind an accepted publish, in reads of 4 KiB.
fn published_then(bytes: &[u8]) -> (Driver, Result<(), Error>) {
    let input = [wire::published(), bytes.to_vec()].concat();
    run(Media::Unwanted, input.chunks(4096))
}

#[test]
fn amf0_nested_thousands_deep_is_refused() {
    for opening in [
        &b"\x0A\0\0\0\x01"[..],
        b"\x03\0\x01a",
        b"\x08\0\0\0\x01\0\x01a",
    ] {
        let bomb = opening.repeat(3_200);
        let body = &bomb[..bomb.len().min(16_000)];
        let (_, result) = connected_then(&wire::message(3, 0, COMMAND, body));
        assert!(matches!(
            result,
            Err(Error::CommandShape | Error::Amf0(amf0::Error::Depth(16)))
        ));
        // In metadata it is passed over: the stream itself is well.
        let (driver, result) = published_then(&wire::message(4, 0, DATA, body));
        assert_eq!(result, Ok(()));
        assert_eq!(driver.session.counters().unreadable_messages, 1);
    }
}

#[test]
fn a_command_of_fewer_than_three_values_is_no_surprise() {
    let nameless = wire::message(3, 0, COMMAND, &[]);
    assert_eq!(connected_then(&nameless).1, Err(Error::CommandShape));
    let number_first = wire::message(3, 0, COMMAND, &[0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(connected_then(&number_first).1, Err(Error::CommandShape));
    let name_only = wire::message(3, 0, COMMAND, b"\x02\0\x0CcreateStream");
    assert_eq!(connected_then(&name_only).1, Ok(()));
    let bare = [wire::greeting(), wire::command("connect", 1.0, vec![])].concat();
    let (driver, result) = run(Media::Unwanted, [&bare[..]]);
    assert_eq!(result, Ok(()));
    assert_eq!(driver.session.phase(), Phase::Connected);
}

#[test]
fn audio_and_video_chunks_may_interleave() {
    let audio = [&[0xAF, 1][..], &[7; 298]].concat();
    let video = [&[0x17, 1, 0, 0, 0][..], &[9; 395]].concat();
    let mut bytes = wire::full_header(4, 40, audio.len(), AUDIO);
    bytes.extend(&audio[..128]);
    bytes.extend(wire::full_header(6, 40, video.len(), VIDEO));
    bytes.extend(&video[..128]);
    for part in 1..4 {
        if let Some(piece) = audio.chunks(128).nth(part) {
            bytes.extend([wire::basic(3, 4), piece.to_vec()].concat());
        }
        bytes.extend(
            [
                wire::basic(3, 6),
                video.chunks(128).nth(part).unwrap().to_vec(),
            ]
            .concat(),
        );
    }
    let input = [wire::published(), bytes].concat();
    let (driver, result) = run(Media::Wanted, input.chunks(50));
    assert_eq!(result, Ok(()));
    let payloads: Vec<&[u8]> = driver.events.iter().filter_map(payload).collect();
    assert_eq!(payloads, [&audio[..], &video]);
}

fn payload(event: &Event) -> Option<&[u8]> {
    match event {
        Event::Media(media) => Some(&media.payload),
        _ => None,
    }
}

#[test]
fn an_abort_drops_the_message_it_names() {
    let mut bytes = wire::full_header(6, 0, 300, VIDEO);
    bytes.extend([0x17; 128]);
    bytes.extend(wire::abort(6));
    bytes.extend(wire::message(6, 40, VIDEO, &[0x27, 1, 0, 0, 0, 1]));
    bytes.extend(wire::abort(99));
    let input = [wire::published(), bytes].concat();
    let (driver, result) = run(Media::Wanted, input.chunks(7));
    assert_eq!(result, Ok(()));
    let payloads: Vec<&[u8]> = driver.events.iter().filter_map(payload).collect();
    assert_eq!(payloads, [&[0x27, 1, 0, 0, 0, 1][..]]);
}

#[test]
fn a_command_of_megabytes_is_refused_by_its_length_alone() {
    let header = wire::full_header(3, 0, 0x00FF_FFFF, COMMAND);
    let limit = 16 * 1024;
    let expected = Error::MessageLength {
        kind: COMMAND,
        length: 0x00FF_FFFF,
        limit,
    };
    assert_eq!(connected_then(&header).1, Err(expected));
    let nulls = wire::message(3, 0, COMMAND, &vec![5; 16 * 1024]);
    assert_eq!(
        connected_then(&nulls).1,
        Err(Error::Amf0(amf0::Error::Values(512)))
    );
}

#[test]
fn dates_long_strings_and_unknown_control_events_are_ordinary() {
    let mut body = wire::command_body("FCPublish", 4.0, vec![Amf0Value::Null]);
    body.extend(b"\x0B\0\0\0\0\0\0\0\0\0\0\x0C\0\0\0\x03abc");
    let mut bytes = wire::message(3, 0, COMMAND, &body);
    bytes.extend(wire::control(4, &[0, 99, 1, 2, 3, 4]));
    bytes.extend(wire::control(4, &[0, 31]));
    let (driver, result) = connected_then(&bytes);
    assert_eq!(result, Ok(()));
    assert_eq!(driver.session.phase(), Phase::Connected);
}

#[test]
fn chunk_streams_and_created_streams_are_bounded() {
    let open = |chunk_stream| wire::message(chunk_stream, 0, 99, &[]);
    let many: Vec<u8> = (10..60_000).flat_map(open).collect();
    let limit = Limits::default().chunk_streams;
    assert_eq!(connected_then(&many).1, Err(Error::ChunkStreams { limit }));
    let create = wire::command("createStream", 2.0, vec![Amf0Value::Null]);
    let expected = Error::CreatedStreams { limit: 4 };
    assert_eq!(
        connected_then(&create.repeat(100_000 / create.len())).1,
        Err(expected)
    );
}

#[test]
fn chunk_sizes_of_nothing_and_of_gigabytes_are_refused() {
    for size in [0, 1024 * 1024 + 1, 0x7FFF_FFFF, 0x8000_0000, u32::MAX] {
        let limit = 1024 * 1024;
        let (_, result) = connected_then(&wire::set_chunk_size(size));
        assert_eq!(result, Err(Error::ChunkSize { size, limit }));
    }
    for size in [1, 128, 65_536, 1024 * 1024] {
        assert_eq!(connected_then(&wire::set_chunk_size(size)).1, Ok(()));
    }
}

#[test]
fn control_messages_too_short_or_too_long_are_refused() {
    for kind in [1, 2, 4, 5] {
        let (_, result) = connected_then(&wire::control(kind, &[0]));
        assert_eq!(result, Err(Error::ControlMessage(kind)));
    }
    assert_eq!(
        connected_then(&wire::control(4, &[0, 6, 1])).1,
        Err(Error::ControlMessage(4))
    );
    let (_, result) = connected_then(&wire::control(5, &[0; 65]));
    assert!(matches!(result, Err(Error::MessageLength { kind: 5, .. })));
}

#[test]
fn media_before_a_publish_is_refused() {
    for kind in [AUDIO, VIDEO, AGGREGATE] {
        let (_, result) = connected_then(&wire::message(4, 0, kind, &[0x17, 1, 0, 0, 0]));
        assert_eq!(result, Err(Error::MediaBeforePublish));
    }
}

#[test]
fn who_talks_without_end_before_publishing_is_refused() {
    let chatter = wire::command("FCSubscribe", 0.0, vec![Amf0Value::Null]);
    let (_, result) = connected_then(&chatter.repeat(10_000));
    assert_eq!(result, Err(Error::InputBeforePublish { limit: 256 * 1024 }));
    let mut driver = Driver::new(Media::Unwanted);
    let whole = [wire::connected(), chatter.repeat(10_000)].concat();
    assert_eq!(
        driver.feed(&whole),
        Err(Error::InputBeforePublish { limit: 256 * 1024 })
    );
    assert!(matches!(driver.events[..], [Event::Connected(_)]));
}

#[test]
fn who_sends_on_while_a_publish_is_pending_is_held_and_then_refused() {
    let mut driver = Driver::new(Media::Unwanted);
    driver.accepts = false;
    driver.feed(&wire::published()).unwrap();
    let frame = wire::message(6, 0, VIDEO, &[0x17, 1, 0, 0, 0, 1]);
    driver.feed(&frame).unwrap();
    assert_eq!(driver.session.counters().video_frames, 0);
    driver.session.accept_publish();
    assert_eq!(driver.session.counters().video_frames, 1);
    assert_eq!(driver.session.poll_event(), Some(Event::MediaStarted));

    let mut driver = Driver::new(Media::Unwanted);
    driver.accepts = false;
    driver.feed(&wire::published()).unwrap();
    let result = (0..10_000).try_for_each(|_| driver.feed(&frame));
    assert_eq!(result, Err(Error::HeldInput { limit: 16 * 1024 }));
}

#[test]
fn an_error_in_held_input_is_reported_by_the_next_read() {
    let mut driver = Driver::new(Media::Unwanted);
    driver.accepts = false;
    driver.feed(&wire::published()).unwrap();
    driver.feed(&wire::set_chunk_size(0)).unwrap();
    driver.session.accept_publish();
    assert_eq!(driver.session.phase(), Phase::Closed);
    assert!(matches!(
        driver.feed(&[]),
        Err(Error::ChunkSize { size: 0, .. })
    ));
    assert_eq!(driver.feed(b"anything"), Ok(()));
}

#[test]
fn unfinished_messages_together_are_bounded() {
    // Four audio messages and two video messages, each almost whole, want eight megabytes.
    let mut bytes = wire::set_chunk_size(1024 * 1024);
    for chunk_stream in 10..18 {
        // A sequence header is kept although nobody wants media.
        bytes.extend(wire::full_header(chunk_stream, 0, 4 * 1024 * 1024, VIDEO));
        bytes.extend([0x17, 0, 0, 0, 0]);
        bytes.extend(vec![1; 1024 * 1024 - 5]);
    }
    let limit = 6 * 1024 * 1024;
    assert_eq!(published_then(&bytes).1, Err(Error::PartialBytes { limit }));
    let mut bytes = wire::set_chunk_size(1024 * 1024);
    for chunk_stream in 10..18 {
        bytes.extend(wire::full_header(chunk_stream, 0, 16_000, COMMAND));
        bytes.extend(vec![1; 15_000]);
        // The rest of the chunk stays away, so the next header is part of its body; end it.
        bytes.extend(vec![1; 1_000]);
    }
    assert!(connected_then(&bytes).1.is_err());
}

#[test]
fn what_an_unfinished_message_holds_is_told_and_given_back() {
    let mut start = wire::set_chunk_size(1024 * 1024);
    start.extend(wire::full_header(6, 0, 10_000, VIDEO));
    // A sequence header is kept although nobody wants media.
    start.extend([0x17, 0, 0, 0, 0]);
    start.extend(vec![1; 4_000]);
    let (mut driver, result) = published_then(&start);
    assert_eq!(result, Ok(()));
    assert!(
        (4_000..20_000).contains(&driver.session.held_bytes()),
        "{}",
        driver.session.held_bytes()
    );
    assert_eq!(driver.session.receive(&[1; 5_995]), Ok(()));
    assert_eq!(driver.session.held_bytes(), 0);
}

#[test]
fn messages_longer_than_their_kind_allows_are_refused() {
    for (kind, limit) in [
        (AUDIO, 1 << 20),
        (VIDEO, 4 << 20),
        (AGGREGATE, 4 << 20),
        (DATA, 1 << 16),
    ] {
        let length = limit + 1;
        let header = wire::full_header(6, 0, length as usize, kind);
        let expected = Error::MessageLength {
            kind,
            length,
            limit,
        };
        assert_eq!(published_then(&header).1, Err(expected));
    }
}

#[test]
fn floods_of_pings_from_a_reader_that_never_reads_are_refused() {
    let ping = wire::control(4, &[0, 6, 0, 0, 0, 1]);
    let mut driver = Driver::new(Media::Unwanted);
    driver.feed(&wire::published()).unwrap();
    let result = (0..10_000).try_for_each(|_| driver.session.receive(&ping));
    assert_eq!(result, Err(Error::Output { limit: 8 * 1024 }));
    assert!(driver.session.take_output().len() < 9 * 1024);
}

#[test]
fn keys_of_64_kilobytes_and_with_nul_and_newlines_are_only_text() {
    for name in [
        "k".repeat(65_535),
        "k".repeat(2_049),
        "a\0b\r\nc".to_owned(),
        "\u{202E}key".to_owned(),
    ] {
        let arguments = vec![Amf0Value::Null, wire::text(&name), wire::text("live")];
        let (driver, result) = connected_then(&wire::stream_command("publish", 3.0, arguments));
        if name.len() > 16_000 {
            assert!(matches!(
                result,
                Err(Error::MessageLength { kind: COMMAND, .. })
            ));
            continue;
        }
        if name.len() > 2_048 {
            assert_eq!(result, Err(Error::NameLength { limit: 2_048 }));
            continue;
        }
        assert_eq!(result, Ok(()));
        let Some(Event::PublishRequested(request)) = driver.events.last() else {
            panic!("{:?}", driver.events);
        };
        assert_eq!(request.publish_name.expose(), name);
        assert!(!format!("{:?}", driver.events).contains(&name));
    }
}

#[test]
fn other_protocols_are_refused_at_the_first_byte() {
    for greeting in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"\x16\x03\x01\x02\0",
        b"\x06",
        b"SSH-2.0",
    ] {
        let (driver, result) = run(Media::Unwanted, [greeting]);
        assert_eq!(result, Err(Error::Version(greeting[0])));
        assert!(driver.output.is_empty());
    }
}

#[test]
fn commands_out_of_turn_are_refused() {
    let create = wire::command("createStream", 2.0, vec![Amf0Value::Null]);
    let early = [wire::greeting(), create].concat();
    assert_eq!(
        run(Media::Unwanted, [&early[..]]).1,
        Err(Error::NotConnected)
    );
    assert_eq!(
        connected_then(&wire::connect()).1,
        Err(Error::SecondConnect)
    );
    let again = vec![Amf0Value::Null, wire::text("other"), wire::text("live")];
    let publish = wire::stream_command("publish", 5.0, again);
    assert_eq!(published_then(&publish).1, Err(Error::SecondPublish));
    let play = wire::stream_command("play", 5.0, vec![Amf0Value::Null, wire::text("key")]);
    assert_eq!(connected_then(&play).1, Err(Error::Play));
}

#[test]
fn compressed_headers_need_a_full_one_before() {
    for format in [2, 3] {
        let mut bytes = wire::basic(format, 40);
        bytes.extend([0; 20]);
        assert_eq!(
            connected_then(&bytes).1,
            Err(Error::HeaderWithoutPredecessor(format))
        );
    }
}

#[test]
fn errors_and_debug_output_never_carry_what_the_peer_sent() {
    let secret = "live_secret_key";
    let object = wire::object(&[("app", wire::text(secret)), ("tcUrl", wire::text(secret))]);
    let connect = wire::command("connect", 1.0, vec![object]);
    let arguments = vec![Amf0Value::Null, wire::text(secret), wire::text("live")];
    let publish = wire::stream_command("publish", 3.0, arguments.clone());
    let input = [wire::greeting(), connect, publish.clone(), publish].concat();
    let (driver, result) = run(Media::Unwanted, [&input[..]]);
    let error = result.unwrap_err();
    assert_eq!(error, Error::SecondPublish);
    let session = format!("{:?}", driver.session);
    assert!(
        session.starts_with("Session { phase: Closed, counters: Counters {"),
        "{session}"
    );
    let shown = format!(
        "{error} {error:?} {:?} {:?}",
        driver.events,
        driver.session.facts()
    );
    assert!(!shown.contains("secret"), "{shown}");
}
