//! See `rtmp::fuzzing::parameter_sets`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rtmp::fuzzing::parameter_sets(input));
