//! Recorded encoders: what each sent is understood as its expectation says, however it is split.
//!
//! Expectations lie beside the recordings. `WRITE_EXPECTATIONS=1` writes them anew; read the
//! difference before keeping it.

mod harness;

use harness::{Driver, Media, capture, capture_names, captures_folder, publish_end, run};
use rand::{Rng, SeedableRng, rngs::StdRng};
use rtmp::{AudioFacts, Event, MediaKind, VideoFacts};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Where a recording is split at each byte: dialogue, metadata, sequence headers, first frames.
const DENSE: std::ops::Range<usize> = 3_060..5_000;

/// Distance of the splits before that, within the handshake.
const HANDSHAKE_STRIDE: usize = 29;

/// Distance of the splits behind that; prime, so that they fall anywhere in a chunk.
const STRIDE: usize = 1_999;

#[test]
fn every_recording_is_understood_as_expected() {
    for name in capture_names() {
        let recording = capture(&format!("{name}.bin"));
        let (driver, result) = whole(Media::Unwanted, &recording);
        result.unwrap();
        let understood = describe(&driver);
        let path = captures_folder().join(format!("{name}.json"));
        if std::env::var_os("WRITE_EXPECTATIONS").is_some() {
            let text = serde_json::to_string_pretty(&understood).unwrap();
            std::fs::write(&path, text + "\n").unwrap();
        }
        let expected: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(understood, expected, "{name}");
    }
}

#[test]
fn a_recording_fed_byte_by_byte_gives_the_same() {
    for name in capture_names() {
        let recording = capture(&format!("{name}.bin"));
        for media in [Media::Wanted, Media::Unwanted] {
            let (expected, _) = whole(media, &recording);
            let (bytewise, result) = run(media, recording.chunks(1));
            result.unwrap();
            assert_same(&expected, &bytewise, &name);
        }
    }
}

#[test]
fn a_recording_split_at_any_offset_gives_the_same() {
    for name in capture_names() {
        let recording = capture(&format!("{name}.bin"));
        let start = &recording[..recording.len().min(DENSE.end + STRIDE)];
        let end = publish_end(start);
        let (expected, _) = whole(Media::Wanted, start);
        let handshake = (1..DENSE.start).step_by(HANDSHAKE_STRIDE);
        for offset in handshake.chain([1_536, 1_537, 1_538]).chain(DENSE) {
            let (split, result) = run(Media::Wanted, pieces(start, &[offset, end]));
            result.unwrap();
            assert_same(&expected, &split, &format!("{name} at {offset}"));
        }
        let (expected, _) = whole(Media::Wanted, &recording);
        for offset in (DENSE.end..recording.len()).step_by(STRIDE) {
            let (split, result) = run(Media::Wanted, pieces(&recording, &[offset, end]));
            result.unwrap();
            assert_same(&expected, &split, &format!("{name} at {offset}"));
        }
    }
}

#[test]
fn a_recording_in_reads_of_any_sizes_gives_the_same() {
    let mut random = StdRng::seed_from_u64(7);
    for name in capture_names() {
        let recording = capture(&format!("{name}.bin"));
        let end = publish_end(&recording);
        let (expected, _) = whole(Media::Wanted, &recording);
        for largest in [3, 20, 150, 1_500, 16_384, 65_536] {
            let mut offsets = vec![end];
            let mut offset = 0;
            while offset < recording.len() {
                offset += random.random_range(1..=largest);
                offsets.push(offset);
            }
            let (split, result) = run(Media::Wanted, pieces(&recording, &offsets));
            result.unwrap();
            assert_same(
                &expected,
                &split,
                &format!("{name} in reads up to {largest}"),
            );
        }
    }
}

#[test]
fn media_taken_or_left_changes_nothing_else() {
    for name in capture_names() {
        let recording = capture(&format!("{name}.bin"));
        let (mut wanted, _) = whole(Media::Wanted, &recording);
        let (unwanted, _) = whole(Media::Unwanted, &recording);
        let messages = wanted.session.counters().audio_messages
            + wanted.session.counters().video_messages
            + wanted.session.counters().data_messages;
        let media = |event: &Event| matches!(event, Event::Media(_));
        let handed_out = wanted.events.iter().filter(|event| media(event)).count();
        assert_eq!(handed_out, usize::try_from(messages).unwrap(), "{name}");
        wanted.events.retain(|event| !media(event));
        assert_same(&wanted, &unwanted, &name);
    }
}

#[test]
fn who_asks_late_for_media_gets_the_sequence_headers_first() {
    for name in capture_names() {
        let recording = capture(&format!("{name}.bin"));
        let end = publish_end(&recording);
        let middle = recording.len() / 2;
        let (mut driver, _) = run(Media::Unwanted, pieces(&recording[..middle], &[end]));
        driver.events.clear();
        driver.session.want_media(true);
        driver.feed(&recording[middle..]).unwrap();
        let (before, _) = run(Media::Wanted, pieces(&recording[..middle], &[end]));
        let expected: BTreeSet<_> = before.events.iter().filter_map(sequence_header).collect();
        let beginning = &driver.events[..=expected.len()];
        let found: BTreeSet<_> = beginning.iter().filter_map(sequence_header).collect();
        assert_eq!(found, expected, "{name}");
    }
}

/// Kind and track of a sequence header.
fn sequence_header(event: &Event) -> Option<(bool, u8)> {
    match event {
        Event::Media(media) if media.sequence_header => {
            Some((media.kind == MediaKind::Video, media.track))
        }
        _ => None,
    }
}

/// In two reads, as an encoder does it: it waits for the answer to its publish command.
fn whole(media: Media, recording: &[u8]) -> (Driver, Result<(), rtmp::Error>) {
    run(media, pieces(recording, &[publish_end(recording)]))
}

/// `input` cut at `offsets`.
fn pieces<'a>(input: &'a [u8], offsets: &[usize]) -> Vec<&'a [u8]> {
    let mut offsets: Vec<usize> = offsets
        .iter()
        .map(|&offset| offset.min(input.len()))
        .collect();
    offsets.sort_unstable();
    let mut from = 0;
    let mut pieces = Vec::new();
    for to in offsets.into_iter().chain([input.len()]) {
        pieces.push(&input[from..to]);
        from = to;
    }
    pieces
}

fn assert_same(expected: &Driver, found: &Driver, what: &str) {
    assert!(expected.events == found.events, "{what}: other events");
    assert_eq!(expected.session.facts(), found.session.facts(), "{what}");
    assert_eq!(
        expected.session.counters(),
        found.session.counters(),
        "{what}"
    );
    assert_eq!(expected.session.phase(), found.session.phase(), "{what}");
}

fn describe(driver: &Driver) -> Value {
    let mut dialogue = json!({});
    for event in &driver.events {
        match event {
            Event::Connected(info) => {
                dialogue["app"] = json!(info.app.expose());
                dialogue["flash_version"] = json!(info.encoder);
                dialogue["four_ccs"] = json!(info.capabilities.four_cc_list);
            }
            Event::PublishRequested(request) => {
                dialogue["publish_name"] = json!(request.publish_name.expose());
                dialogue["stream_id"] = json!(request.stream_id);
            }
            Event::MediaStarted => dialogue["media_started"] = json!(true),
            Event::Unpublished => dialogue["unpublished"] = json!(true),
            Event::Media(_) => {}
        }
    }
    let facts = driver.session.facts();
    let counters = driver.session.counters();
    let extra_video = facts
        .extra_video
        .iter()
        .map(|track| (track.id, video(&track.facts)));
    let extra_audio = facts
        .extra_audio
        .iter()
        .map(|track| (track.id, audio(&track.facts)));
    json!({
        "dialogue": dialogue,
        "encoder": facts.encoder,
        "video": facts.video.as_ref().map(video),
        "audio": facts.audio.as_ref().map(audio),
        "extra_video": extra_video.collect::<Vec<_>>(),
        "extra_audio": extra_audio.collect::<Vec<_>>(),
        "counters": {
            "bytes_received": counters.bytes_received,
            "video_bytes": counters.video_bytes,
            "audio_bytes": counters.audio_bytes,
            "video_messages": counters.video_messages,
            "audio_messages": counters.audio_messages,
            "data_messages": counters.data_messages,
            "video_frames": counters.video_frames,
            "keyframes": counters.keyframes,
            "audio_frames": counters.audio_frames,
            "video_from_ms": counters.first_video_timestamp_ms,
            "video_to_ms": counters.last_video_timestamp_ms,
            "audio_from_ms": counters.first_audio_timestamp_ms,
            "audio_to_ms": counters.last_audio_timestamp_ms,
            "timestamp_jumps": counters.timestamp_jumps,
            "unreadable_messages": counters.unreadable_messages,
        },
    })
}

fn video(facts: &VideoFacts) -> Value {
    json!({
        "codec": facts.codec.name(),
        "profile": facts.profile,
        "level": facts.level,
        "width": facts.width,
        "height": facts.height,
        "frame_rate": facts.frame_rate,
        "b_frames": facts.b_frames,
        "keyframe_interval_ms": facts.keyframe_interval_ms,
    })
}

fn audio(facts: &AudioFacts) -> Value {
    json!({
        "codec": facts.codec.name(),
        "profile": facts.profile,
        "sample_rate": facts.sample_rate,
        "channels": facts.channels,
    })
}
