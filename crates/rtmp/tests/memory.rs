//! What a connection costs: measured at the allocator, not computed.

mod harness;

use harness::wire::{self, AUDIO, COMMAND, VIDEO};
use harness::{Driver, Media, capture, publish_end};
use rml_rtmp::rml_amf0::Amf0Value;
use rtmp::{Limits, SERVER_RANDOM_BYTES, Session};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The allocator counts for the whole process, so one test measures at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an unknown peer may cost, bytes.
const BEFORE_PUBLISH: usize = 64 * 1024;

/// Bytes allocated since the region began and not freed.
fn held(region: &Region<'_, System>) -> usize {
    let change = region.change();
    change
        .bytes_allocated
        .saturating_sub(change.bytes_deallocated)
}

fn session() -> Session {
    Session::new(Limits::default(), [1; SERVER_RANDOM_BYTES])
}

/// Feeds pieces without ever taking output or events, and answers the most that was held after
/// any of them.
fn most_held(pieces: &[Vec<u8>]) -> usize {
    let region = Region::new(ALLOCATOR);
    let mut session = Box::new(session());
    let mut most = 0;
    for piece in pieces {
        let result = session.receive(piece);
        most = most.max(held(&region));
        if result.is_err() {
            break;
        }
    }
    most
}

#[test]
fn an_unknown_peer_costs_less_than_64_kilobytes_whatever_it_sends() {
    let _alone = alone();
    let unfinished = |chunk_stream: u32| {
        let header = wire::full_header(chunk_stream, 0, 16_000, COMMAND);
        [header, vec![2; 128]].concat()
    };
    let go_on = |chunk_stream: u32| [wire::basic(3, chunk_stream), vec![2; 128]].concat();
    let many: Vec<Vec<u8>> = (0..100)
        .flat_map(|round| {
            let begin = move |id| {
                if round == 0 {
                    unfinished(id)
                } else {
                    go_on(id)
                }
            };
            (10..20).map(begin)
        })
        .collect();
    let pings: Vec<Vec<u8>> = vec![wire::control(4, &[0, 6, 0, 0, 0, 1]); 2_000];
    let name = vec![Amf0Value::Null, wire::text(&"k".repeat(2_000))];
    let long_name = vec![wire::stream_command("publish", 1.0, name)];
    let frames: Vec<Vec<u8>> = vec![wire::message(6, 0, VIDEO, &[0x17; 900]); 17];
    let start = [wire::greeting(), wire::connect()];
    let half_greeting = vec![wire::greeting()[..1_500].to_vec()];
    let stories = [
        half_greeting,
        [&start[..], &many].concat(),
        [&start[..], &pings].concat(),
        // Everything at once: unfinished commands, replies not taken, input held behind publish.
        [&start[..], &many[..80], &pings[..250], &long_name, &frames].concat(),
    ];
    for (number, story) in stories.iter().enumerate() {
        let most = most_held(story);
        println!("story {number} held {most} bytes");
        assert!(most < BEFORE_PUBLISH, "story {number} held {most} bytes");
    }
}

#[test]
fn reading_one_command_never_takes_more_than_64_kilobytes() {
    let _alone = alone();
    let nulls = vec![5; 16 * 1024];
    let object = [b"\x03".to_vec(), b"\0\x01a\x05".repeat(4_000)].concat();
    let arrays = b"\x0A\xFF\xFF\xFF\xFF".repeat(16);
    let flat = [arrays.clone(), vec![5; 10_000]].concat();
    for body in [nulls, object, arrays, flat] {
        let mut session = session();
        session.receive(&wire::connected()).unwrap();
        session.receive(&wire::set_chunk_size(65_536)).unwrap();
        let message = wire::message_in(65_536, 3, 0, COMMAND, &body);
        let region = Region::new(ALLOCATOR);
        assert!(session.receive(&message).is_err());
        let allocated = region.change().bytes_allocated;
        assert!(allocated < BEFORE_PUBLISH, "allocated {allocated} bytes");
    }
}

#[test]
fn declared_lengths_reserve_nothing() {
    let _alone = alone();
    let mut driver = Driver::new(Media::Wanted);
    driver.feed(&wire::published()).unwrap();
    let region = Region::new(ALLOCATOR);
    for chunk_stream in 10..14 {
        let header = wire::full_header(chunk_stream, 0, 4 * 1024 * 1024, VIDEO);
        driver.feed(&[header, vec![0x17; 128]].concat()).unwrap();
    }
    let held = held(&region);
    assert!(held < 16 * 1024, "held {held} bytes");
}

#[test]
fn media_nobody_wants_allocates_nothing() {
    let _alone = alone();
    for chunk_size in [128, 4_096, 65_536] {
        let mut driver = Driver::new(Media::Unwanted);
        driver.feed(&wire::published()).unwrap();
        driver
            .feed(&wire::set_chunk_size(u32::try_from(chunk_size).unwrap()))
            .unwrap();
        let mut video = vec![9; 50_000];
        video[..5].copy_from_slice(&[0x27, 1, 0, 0, 0]);
        let mut second = Vec::new();
        for time in (0..1_000).step_by(20) {
            second.extend(wire::message_in(
                chunk_size,
                4,
                time,
                AUDIO,
                &[0xAF, 1, 5, 5, 5],
            ));
            second.extend(wire::message_in(chunk_size, 6, time, VIDEO, &video));
        }
        driver.session.receive(&second).unwrap();
        while driver.session.poll_event().is_some() {}
        let region = Region::new(ALLOCATOR);
        for read in second.chunks(16_384) {
            driver.session.receive(read).unwrap();
        }
        let change = region.change();
        assert_eq!(
            change.allocations + change.reallocations,
            0,
            "chunks of {chunk_size}"
        );
        assert_eq!(driver.session.counters().video_frames, 100);
    }
}

#[test]
fn wanted_media_is_copied_once_into_buffers_of_its_size() {
    let _alone = alone();
    let mut driver = Driver::new(Media::Wanted);
    driver.feed(&wire::published()).unwrap();
    driver.feed(&wire::set_chunk_size(65_536)).unwrap();
    let mut frame = vec![9; 50_000];
    frame[..5].copy_from_slice(&[0x27, 1, 0, 0, 0]);
    let message = wire::message_in(65_536, 6, 0, VIDEO, &frame);
    driver.session.receive(&message).unwrap();
    while driver.session.poll_event().is_some() {}
    let region = Region::new(ALLOCATOR);
    driver.session.receive(&message).unwrap();
    let change = region.change();
    // The bytes, and what counts who shares them.
    assert!(change.allocations <= 2, "{change:?}");
    assert!(change.bytes_allocated < 50_000 + 256, "{change:?}");
}

#[test]
fn a_live_publisher_costs_a_few_kilobytes() {
    let _alone = alone();
    for name in ["obs29_h264_aac.bin", "ffmpeg9_multitrack.bin"] {
        let recording = capture(name);
        let end = publish_end(&recording);
        let region = Region::new(ALLOCATOR);
        let mut session = Box::new(session());
        session.receive(&recording[..end]).unwrap();
        while session.poll_event().is_some() {}
        session.take_output();
        session.accept_publish();
        session.take_output();
        for read in recording[end..recording.len() - 1_000].chunks(4_096) {
            session.receive(read).unwrap();
            while session.poll_event().is_some() {}
        }
        let held = held(&region);
        println!("{name}: {held} bytes, {} inline", size_of::<Session>());
        assert!(held < 8 * 1024, "{name} held {held} bytes");
    }
}
