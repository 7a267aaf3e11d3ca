//! Enhanced RTMP: FourCC codecs, modifiers and tracks, written out as the specification has them.

mod harness;

use harness::wire::{self, AUDIO, VIDEO};
use harness::{Driver, Media, run};
use rtmp::{AudioCodec, Event, MediaCodec, VideoCodec};

const EXTENDED_KEYFRAME: u8 = 0x90;
const EXTENDED_INTER: u8 = 0xA0;

/// An AVCDecoderConfigurationRecord of 426x240, 15 pictures per second, Constrained Baseline.
const AVC_RECORD: [u8; 41] = [
    0x01, 0x42, 0xC0, 0x15, 0xFF, 0xE1, 0x00, 0x19, 0x67, 0x42, 0xC0, 0x15, 0xD9, 0x01, 0xB1, 0xFE,
    0x4F, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x01, 0xE0, 0xF1, 0x62, 0xE4,
    0x80, 0x01, 0x00, 0x05, 0x68, 0xCB, 0x83, 0xCB, 0x20,
];

/// Feeds messages behind an accepted publish and checks that media taken or left learns the same.
fn publish(messages: &[(u8, u32, Vec<u8>)]) -> Driver {
    let mut input = wire::published();
    for (kind, timestamp, body) in messages {
        let chunk_stream = if *kind == VIDEO { 6 } else { 4 };
        input.extend(wire::message(chunk_stream, *timestamp, *kind, body));
    }
    let (wanted, result) = run(Media::Wanted, input.chunks(1000));
    assert_eq!(result, Ok(()));
    for size in [1, 77, 16_000] {
        let (unwanted, result) = run(Media::Unwanted, input.chunks(size));
        assert_eq!(result, Ok(()));
        assert_eq!(unwanted.session.facts(), wanted.session.facts());
        assert_eq!(unwanted.session.counters(), wanted.session.counters());
    }
    wanted
}

fn video(first: u8, packet: u8, four_cc: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&[first | packet][..], four_cc, body].concat()
}

fn audio(packet: u8, four_cc: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&[0x90 | packet][..], four_cc, body].concat()
}

fn media(driver: &Driver) -> Vec<&rtmp::Media> {
    fn media(event: &Event) -> Option<&rtmp::Media> {
        match event {
            Event::Media(media) => Some(media),
            _ => None,
        }
    }
    driver.events.iter().filter_map(media).collect()
}

#[test]
fn every_video_four_cc_is_known_by_name() {
    let known = [
        (b"avc1", VideoCodec::H264, "h264"),
        (b"hvc1", VideoCodec::Hevc, "hevc"),
        (b"av01", VideoCodec::Av1, "av1"),
        (b"vp09", VideoCodec::Vp9, "vp9"),
        (b"vp08", VideoCodec::Vp8, "vp8"),
        (b"vvc1", VideoCodec::Vvc, "vvc"),
        (b"xxxx", VideoCodec::Unknown, "unknown"),
    ];
    for (four_cc, codec, name) in known {
        let frame = video(EXTENDED_KEYFRAME, 1, four_cc, &[0, 0, 0, 1, 2, 3]);
        let driver = publish(&[(VIDEO, 0, frame)]);
        let facts = driver.session.facts().video.clone().unwrap();
        assert_eq!((facts.codec, facts.codec.name()), (codec, name));
        assert_eq!(driver.session.counters().keyframes, 1);
        assert_eq!(media(&driver)[0].codec, MediaCodec::Video(codec));
    }
}

#[test]
fn every_audio_four_cc_is_known_by_name() {
    let known = [
        (b"mp4a", AudioCodec::Aac, "aac"),
        (b"Opus", AudioCodec::Opus, "opus"),
        (b"fLaC", AudioCodec::Flac, "flac"),
        (b"ac-3", AudioCodec::Ac3, "ac3"),
        (b"ec-3", AudioCodec::Eac3, "eac3"),
        (b".mp3", AudioCodec::Mp3, "mp3"),
        (b"xxxx", AudioCodec::Unknown, "unknown"),
    ];
    for (four_cc, codec, name) in known {
        let driver = publish(&[(AUDIO, 0, audio(1, four_cc, &[1, 2, 3]))]);
        let facts = driver.session.facts().audio.clone().unwrap();
        assert_eq!((facts.codec, facts.codec.name()), (codec, name));
        assert!(driver.events.contains(&Event::MediaStarted));
    }
}

#[test]
fn a_composition_offset_is_read_where_there_is_one() {
    let coded = |packet, four_cc| video(EXTENDED_INTER, packet, four_cc, &[0xFF, 0xFF, 0xD8, 7]);
    let driver = publish(&[
        (VIDEO, 100, coded(1, b"avc1")),
        (VIDEO, 140, coded(1, b"hvc1")),
        (VIDEO, 180, coded(3, b"avc1")),
        (VIDEO, 220, coded(1, b"av01")),
    ]);
    let read: Vec<(i32, usize)> = media(&driver)
        .iter()
        .map(|media| (media.composition_offset_ms, media.body.len()))
        .collect();
    assert_eq!(read, [(-40, 1), (-40, 1), (0, 4), (0, 4)]);
}

#[test]
fn sequence_headers_tell_facts_and_do_not_count_as_pictures() {
    let driver = publish(&[
        (VIDEO, 0, video(EXTENDED_KEYFRAME, 0, b"avc1", &AVC_RECORD)),
        (
            AUDIO,
            0,
            audio(0, b"Opus", b"OpusHead\x01\x02\0\0\x80\xBB\0\0\0\0\0"),
        ),
        (VIDEO, 0, video(EXTENDED_KEYFRAME, 2, b"avc1", &[])),
    ]);
    assert!(!driver.events.contains(&Event::MediaStarted));
    let facts = driver.session.facts();
    let video = facts.video.as_ref().unwrap();
    assert_eq!((video.width, video.height), (Some(426), Some(240)));
    assert_eq!(video.frame_rate, Some(15.0));
    let audio = facts.audio.as_ref().unwrap();
    assert_eq!((audio.sample_rate, audio.channels), (Some(48_000), Some(2)));
    let counters = driver.session.counters();
    assert_eq!(
        (
            counters.video_frames,
            counters.keyframes,
            counters.video_messages
        ),
        (0, 0, 2)
    );
    assert!(media(&driver)[0].sequence_header && !media(&driver)[0].keyframe);
}

#[test]
fn keyframes_of_vp8_vp9_and_av1_tell_their_size() {
    let vp8 = [0x10, 0x02, 0x00, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0x68, 0x01];
    let vp9 = [0x82, 0x49, 0x83, 0x42, 0x40, 0x13, 0xF0, 0x0B, 0x30];
    let av1 = b"\x12\x00\x0A\x0B\x00\x00\x00\x2D\x4C\xFF\xB3\xC0\x2F\x80\x04\x32\x05";
    let sizes = [
        (b"vp08", &vp8[..], (640, 360)),
        (b"vp09", &vp9[..], (320, 180)),
        (b"av01", &av1[..], (1280, 720)),
    ];
    for (four_cc, body, (width, height)) in sizes {
        let mut long = body.to_vec();
        long.resize(3_000, 0);
        for body in [body, &long] {
            let driver = publish(&[(VIDEO, 0, video(EXTENDED_KEYFRAME, 1, four_cc, body))]);
            let facts = driver.session.facts().video.clone().unwrap();
            assert_eq!((facts.width, facts.height), (Some(width), Some(height)));
        }
    }
}

#[test]
fn modifiers_are_passed_and_nanoseconds_read() {
    let modifier = |size: usize, kind: u8, next: u8| {
        let mut bytes = match u8::try_from(size - 1) {
            Ok(size) if size < 255 => vec![size],
            _ => [&[255][..], &u16::try_from(size - 1).unwrap().to_be_bytes()].concat(),
        };
        bytes.extend(vec![0; size - 3]);
        bytes.extend([0x01, 0xE2, 0x40]);
        bytes.push(kind << 4 | next);
        bytes
    };
    // One modifier, several in a row, one longer than a message's first glance, unknown ones.
    let shapes: [(Vec<u8>, u32); 4] = [
        (modifier(3, 0, 1), 123_456),
        (
            [modifier(5, 9, 7), modifier(3, 0, 7), modifier(4, 3, 1)].concat(),
            123_456,
        ),
        (modifier(256, 3, 1), 0),
        (modifier(5_000, 3, 1), 0),
    ];
    for (prefix, nanoseconds) in shapes {
        let tail = [&prefix[..], b"av01", &[1, 2, 3]].concat();
        let frame = [&[EXTENDED_KEYFRAME | 7][..], &tail].concat();
        let sound = [&[0x97][..], &prefix, b"Opus", &[1, 2, 3]].concat();
        let driver = publish(&[(VIDEO, 0, frame), (AUDIO, 0, sound)]);
        assert_eq!(driver.session.counters().video_frames, 1);
        assert_eq!(driver.session.counters().audio_frames, 1);
        for media in media(&driver) {
            assert_eq!(media.nanoseconds, nanoseconds);
            assert_eq!(&media.body[..], [1, 2, 3]);
        }
    }
}

#[test]
fn one_track_of_several_comes_with_its_id() {
    let track = |packet: u8, id: u8, body: &[u8]| {
        let head = [EXTENDED_KEYFRAME | 6, packet, b'a', b'v', b'c', b'1', id];
        [&head[..], body].concat()
    };
    let driver = publish(&[
        (VIDEO, 0, video(EXTENDED_KEYFRAME, 0, b"avc1", &AVC_RECORD)),
        (VIDEO, 0, track(0, 7, &AVC_RECORD)),
        (
            VIDEO,
            0,
            video(EXTENDED_KEYFRAME, 1, b"avc1", &[0, 0, 0, 1]),
        ),
        (VIDEO, 0, track(1, 7, &[0, 0, 0, 1])),
        (VIDEO, 40, track(1, 7, &[0, 0, 0, 1])),
    ]);
    let facts = driver.session.facts();
    assert_eq!(facts.extra_video.len(), 1);
    assert_eq!(facts.extra_video[0].id, 7);
    assert_eq!(facts.extra_video[0].facts.width, Some(426));
    assert_eq!(driver.session.counters().video_frames, 1);
    let tracks: Vec<u8> = media(&driver).iter().map(|media| media.track).collect();
    assert_eq!(tracks, [0, 7, 0, 7, 7]);
    assert_eq!(&media(&driver)[3].body[..], [1]);
}

#[test]
fn many_tracks_in_one_message_are_each_seen() {
    let part = |id: u8, body: &[u8]| {
        let [_, a, b, c] = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[id, a, b, c][..], body].concat()
    };
    let filler = vec![9; 500];
    let same_codec = [
        vec![EXTENDED_KEYFRAME | 6, 0x10],
        b"avc1".to_vec(),
        part(0, &AVC_RECORD),
        part(1, &AVC_RECORD),
    ];
    let many_codecs = [
        vec![EXTENDED_KEYFRAME | 6, 0x21],
        b"avc1".to_vec(),
        part(0, &[&[0, 0, 0][..], &filler].concat()),
        b"vp08".to_vec(),
        part(
            2,
            &[0x10, 0x02, 0x00, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0x68, 0x01],
        ),
    ];
    let sounds = [
        vec![0x95, 0x21],
        b"Opus".to_vec(),
        part(0, &[1]),
        b"mp4a".to_vec(),
        part(1, &[2]),
    ];
    let driver = publish(&[
        (VIDEO, 0, same_codec.concat()),
        (VIDEO, 0, many_codecs.concat()),
        (AUDIO, 0, sounds.concat()),
    ]);
    let facts = driver.session.facts();
    assert_eq!(facts.video.as_ref().unwrap().width, Some(426));
    let extra: Vec<(u8, VideoCodec, Option<u32>)> = facts
        .extra_video
        .iter()
        .map(|track| (track.id, track.facts.codec, track.facts.width))
        .collect();
    assert_eq!(
        extra,
        [
            (1, VideoCodec::H264, Some(426)),
            (2, VideoCodec::Vp8, Some(640))
        ]
    );
    assert_eq!(facts.extra_audio[0].facts.codec, AudioCodec::Aac);
    assert_eq!(media(&driver).len(), 6);
    assert_eq!(&media(&driver)[2].body[..], filler);
}

#[test]
fn more_tracks_than_are_followed_do_not_grow_anything() {
    let mut messages = Vec::new();
    for id in 0..=255 {
        let head = [EXTENDED_KEYFRAME | 6, 0x00, b'a', b'v', b'c', b'1', id];
        messages.push((VIDEO, 0, [&head[..], &AVC_RECORD].concat()));
    }
    let driver = publish(&messages);
    assert_eq!(driver.session.facts().extra_video.len(), 7);
    assert_eq!(media(&driver).len(), 256);
}

#[test]
fn descriptions_commands_and_unknown_packets_are_not_pictures() {
    let driver = publish(&[
        (
            VIDEO,
            0,
            video(EXTENDED_KEYFRAME, 4, b"hvc1", b"\x02\0\x09colorInfo\x05"),
        ),
        (VIDEO, 0, vec![0xD1, 0]),
        (VIDEO, 0, vec![0x57, 0]),
        (VIDEO, 0, video(EXTENDED_KEYFRAME, 9, b"hvc1", &[1, 2, 3])),
        (AUDIO, 0, audio(4, b"Opus", &[1, 2, 0, 1])),
        (AUDIO, 0, audio(2, b"Opus", &[])),
        (AUDIO, 0, Vec::new()),
    ]);
    let counters = driver.session.counters();
    assert_eq!((counters.video_frames, counters.audio_frames), (0, 0));
    assert_eq!((counters.video_messages, counters.audio_messages), (4, 3));
    assert_eq!(counters.unreadable_messages, 0);
    assert!(!driver.events.contains(&Event::MediaStarted));
}

#[test]
fn headers_cut_off_are_counted_and_passed_over() {
    let driver = publish(&[
        (VIDEO, 0, vec![0x17]),
        (VIDEO, 0, vec![EXTENDED_KEYFRAME | 1, b'a', b'v']),
        (VIDEO, 0, vec![EXTENDED_KEYFRAME | 7, 9]),
        (VIDEO, 0, vec![EXTENDED_KEYFRAME | 6]),
        (AUDIO, 0, vec![0xAF]),
        (AUDIO, 0, vec![0x91, b'O']),
    ]);
    assert_eq!(driver.session.counters().unreadable_messages, 6);
}

#[test]
fn codecs_that_change_in_the_middle_are_noticed() {
    let driver = publish(&[
        (VIDEO, 0, [&[0x17, 0, 0, 0, 0][..], &AVC_RECORD].concat()),
        (VIDEO, 0, vec![0x17, 1, 0, 0, 0, 1]),
        (VIDEO, 40, video(EXTENDED_KEYFRAME, 1, b"av01", &[1])),
    ]);
    let facts = driver.session.facts().video.clone().unwrap();
    assert_eq!((facts.codec, facts.width), (VideoCodec::Av1, None));
    assert_eq!(driver.session.counters().video_frames, 2);
}

#[test]
fn pictures_out_of_order_are_b_frames_and_a_constant_offset_is_not() {
    let frame = |offset: u8| vec![0x27, 1, 0, 0, offset, 1];
    let constant: Vec<_> = (0..5).map(|index| (VIDEO, index * 40, frame(80))).collect();
    assert!(
        !publish(&constant)
            .session
            .facts()
            .video
            .as_ref()
            .unwrap()
            .b_frames
    );
    let offsets = [80, 160, 40, 0];
    let reordered: Vec<_> = (0..)
        .zip(offsets)
        .map(|(index, offset)| (VIDEO, index * 40, frame(offset)))
        .collect();
    assert!(
        publish(&reordered)
            .session
            .facts()
            .video
            .as_ref()
            .unwrap()
            .b_frames
    );
}

#[test]
fn jumps_and_drift_are_noticed() {
    let frame = || vec![0x27, 1, 0, 0, 0, 1];
    let sound = || vec![0xAF, 1, 1];
    let driver = publish(&[
        (VIDEO, 50_000, frame()),
        (AUDIO, 50_000, sound()),
        (VIDEO, 50_040, frame()),
        (AUDIO, 50_240, sound()),
        (VIDEO, 0, frame()),
        (VIDEO, 40, frame()),
    ]);
    let counters = driver.session.counters();
    assert_eq!(counters.timestamp_jumps, 1);
    assert_eq!(counters.first_video_timestamp_ms, 50_000);
    assert_eq!(counters.last_video_timestamp_ms, 50_080);
    assert_eq!(counters.audio_ahead_ms, 50_200);
}

#[test]
fn old_audio_formats_tell_themselves_by_their_flags() {
    let formats = [
        (0x2F, AudioCodec::Mp3, None),
        (0x3E, AudioCodec::Pcm, Some((44_100, 1))),
        (0xB2, AudioCodec::Speex, Some((16_000, 1))),
        (0x72, AudioCodec::ALaw, Some((8_000, 1))),
        (0x42, AudioCodec::Nellymoser, Some((16_000, 1))),
    ];
    for (flags, codec, sound) in formats {
        let driver = publish(&[(AUDIO, 0, vec![flags, 1, 2, 3])]);
        let facts = driver.session.facts().audio.clone().unwrap();
        assert_eq!(facts.codec, codec);
        assert_eq!(facts.sample_rate.zip(facts.channels), sound);
    }
}

#[test]
fn a_sequence_header_at_zero_is_no_jump() {
    let driver = publish(&[
        (VIDEO, 0, [&[0x17, 0, 0, 0, 0][..], &AVC_RECORD].concat()),
        (VIDEO, 500_000, vec![0x17, 1, 0, 0, 0, 1]),
        (VIDEO, 0, [&[0x17, 0, 0, 0, 0][..], &AVC_RECORD].concat()),
        (VIDEO, 500_040, vec![0x27, 1, 0, 0, 0, 1]),
    ]);
    let counters = driver.session.counters();
    assert_eq!(counters.timestamp_jumps, 0);
    assert_eq!(counters.first_video_timestamp_ms, 500_000);
    assert_eq!(counters.last_video_timestamp_ms, 500_040);
    let timestamps: Vec<u64> = media(&driver).iter().map(|media| media.timestamp).collect();
    assert_eq!(timestamps, [0, 500_000, 0, 500_040]);
}

#[test]
fn media_wanted_in_the_middle_of_a_message_begins_with_the_next_one() {
    let long = [&[0x27, 1, 0, 0, 0][..], &[1; 1_000]].concat();
    let message = wire::message(6, 0, VIDEO, &long);
    let mut driver = Driver::new(Media::Unwanted);
    driver.feed(&wire::published()).unwrap();
    driver.feed(&message[..500]).unwrap();
    driver.session.want_media(true);
    driver.feed(&message[500..]).unwrap();
    assert_eq!(driver.session.counters().video_frames, 1);
    assert!(media(&driver).is_empty());
    driver.feed(&message).unwrap();
    assert_eq!(media(&driver)[0].payload.len(), long.len());
}
