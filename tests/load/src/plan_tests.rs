//! The plan, read back by a chunk reader that follows the rules of the protocol.

use super::*;
use crate::replies::{Message as Received, Reader};
use crate::synthetic;

const CHUNK: usize = 128;

fn plan() -> Plan {
    Plan::new(synthetic::tags(40, 2_000), CHUNK).expect("the synthetic file is good")
}

/// What a server reads when publish number `nth` runs for `count` messages.
fn received(plan: &Plan, nth: usize, count: usize) -> Vec<Received> {
    let preamble = plan.preamble(nth, 1);
    let mut bytes = preamble.bytes;
    for step in 0..count {
        let index = (preamble.begin + step) % plan.messages().len();
        bytes.extend_from_slice(&plan.bytes()[plan.start_of(index)..plan.messages()[index].end]);
    }
    let mut reader = Reader::with_chunk_size(CHUNK);
    let mut messages = Vec::new();
    reader
        .feed(&bytes, |message| messages.push(message))
        .expect("what is sent can be read");
    messages
}

fn media(messages: Vec<Received>) -> Vec<Received> {
    messages.into_iter().skip(3).collect()
}

#[test]
fn timestamps_continue_over_laps_at_the_files_own_pace() {
    let plan = plan();
    let per_lap = plan.messages().len();
    for nth in 0..3 {
        let sent = media(received(&plan, nth, per_lap * 3));
        for message_type in [8, 9] {
            let track: Vec<u32> = sent
                .iter()
                .filter(|message| message.message_type == message_type)
                .map(|message| message.timestamp)
                .collect();
            let third = track.len() / 3;
            for (early, late) in track.iter().zip(&track[third..]) {
                assert_eq!(late - early, plan.loop_milliseconds());
            }
            assert!(track.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}

#[test]
fn pictures_keep_their_pace_where_the_loop_begins_again() {
    let plan = plan();
    let sent = media(received(&plan, 1, plan.messages().len() * 2));
    let pictures: Vec<u32> = sent
        .iter()
        .filter(|message| message.message_type == 9)
        .map(|message| message.timestamp)
        .collect();
    assert!(pictures.windows(2).all(|pair| pair[1] - pair[0] == 40));
}

#[test]
fn audio_and_video_keep_their_distance_wherever_a_publish_begins() {
    let plan = plan();
    let distance = |nth: usize| {
        let sent = media(received(&plan, nth, plan.messages().len()));
        let begin = plan.preamble(nth, 1).begin;
        let mut offsets = sent.iter().enumerate().map(|(step, message)| {
            let index = begin + step;
            let lap = u32::try_from(index / plan.messages().len()).expect("small");
            let at = plan.messages()[index % plan.messages().len()].at;
            i64::from(message.timestamp) - i64::from(at + lap * plan.loop_milliseconds())
        });
        let first = offsets.next().expect("there is media");
        assert!(offsets.all(|offset| offset == first), "publish {nth}");
    };
    (0..4).for_each(distance);
}

#[test]
fn payloads_arrive_whole_and_begin_with_headers_and_a_keyframe() {
    let plan = plan();
    let sent = received(&plan, 1, plan.messages().len());
    let types: Vec<u8> = sent.iter().take(4).map(|m| m.message_type).collect();
    assert_eq!(types, [18, 9, 8, 9]);
    assert!(sent[0].payload.starts_with(SET_DATA_FRAME));
    assert_eq!(sent[3].payload[0], 0x17, "a keyframe");
    assert!(sent.iter().all(|message| message.stream_id == 1));
    let total: usize = sent[3..].iter().map(|message| message.payload.len()).sum();
    let planned: usize = plan.messages().iter().map(|m| m.payload_bytes).sum();
    assert_eq!(total, planned);
}

#[test]
fn neighbours_begin_at_different_keyframes() {
    let plan = plan();
    assert!(plan.begins.len() >= 2);
    assert_ne!(plan.preamble(0, 1).begin, plan.preamble(1, 1).begin);
}

#[test]
fn a_file_that_cannot_be_joined_in_the_middle_is_refused() {
    let mut tags = synthetic::tags(10, 100);
    tags.retain(|tag| !(tag.kind == Kind::Audio && is_header(tag)));
    assert_eq!(Plan::new(tags, CHUNK).err(), Some(Error::NoSequenceHeader));
    assert_eq!(Plan::new(vec![], CHUNK).err(), Some(Error::NoMedia));
    let headers = synthetic::tags(10, 100).into_iter().filter(is_header);
    assert_eq!(
        Plan::new(headers.collect(), CHUNK).err(),
        Some(Error::NoMedia)
    );
}
