//! See `rtmp::fuzzing::chunks`. The first byte says how large the reads are.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    rtmp::fuzzing::chunks(input.1, usize::from(input.0));
});
