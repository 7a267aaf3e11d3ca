//! How fast media passes the parser: bytes per second at the chunk sizes encoders use, fed in reads
//! as large as the edge's. The streams are those of a 720p30 encoder at 2.5 Mbit/s.

#![allow(
    missing_docs,
    reason = "criterion's macros write public functions without documentation"
)]

#[path = "../tests/harness/mod.rs"]
mod harness;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use harness::wire::{self, AUDIO, VIDEO};
use harness::{Driver, Media};
use std::hint::black_box;

/// Bytes of one read.
const READ_BYTES: usize = 16 * 1024;

/// A second of video and audio behind a keyframe.
fn second(chunk_size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for picture in 0..30u32 {
        let (first, length) = if picture == 0 {
            (0x17, 60_000)
        } else {
            (0x27, 8_000)
        };
        let mut body = vec![0xA5; length];
        body[..5].copy_from_slice(&[first, 1, 0, 0, 0]);
        bytes.extend(wire::message_in(chunk_size, 6, picture * 33, VIDEO, &body));
        for half in 0..2 {
            let sound = [&[0xAF, 1][..], &[0x5A; 340]].concat();
            bytes.extend(wire::message_in(
                chunk_size,
                4,
                picture * 33 + half * 16,
                AUDIO,
                &sound,
            ));
        }
    }
    bytes
}

fn publishing(media: Media, chunk_size: usize) -> Driver {
    let mut driver = Driver::new(media);
    driver.feed(&wire::published()).unwrap();
    let announced = u32::try_from(chunk_size).unwrap();
    driver.feed(&wire::set_chunk_size(announced)).unwrap();
    driver
}

fn media(criterion: &mut Criterion) {
    for (name, media) in [("unwanted", Media::Unwanted), ("wanted", Media::Wanted)] {
        let mut group = criterion.benchmark_group(name);
        for chunk_size in [128, 4_096, 65_536] {
            let second = second(chunk_size);
            group.throughput(Throughput::Bytes(second.len() as u64));
            let mut session = publishing(media, chunk_size).session;
            group.bench_function(BenchmarkId::from_parameter(chunk_size), |bencher| {
                bencher.iter(|| {
                    for read in second.chunks(READ_BYTES) {
                        session.receive(read).unwrap();
                        while let Some(event) = session.poll_event() {
                            black_box(event);
                        }
                    }
                });
            });
        }
        group.finish();
    }
}

fn dialogue(criterion: &mut Criterion) {
    let input = wire::published();
    criterion.bench_function("from the first byte to Publish.Start", |bencher| {
        bencher.iter(|| {
            let mut driver = Driver::new(Media::Unwanted);
            driver.feed(&input).unwrap();
            black_box(driver.output)
        });
    });
}

criterion_group!(benches, media, dialogue);
criterion_main!(benches);
