//! See `rtmp::fuzzing::tag`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rtmp::fuzzing::tag(input));
