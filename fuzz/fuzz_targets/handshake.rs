//! See `rtmp::fuzzing::handshake`. The first two bytes say where the rest is split.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (u16, &[u8])| {
    rtmp::fuzzing::handshake(input.1, usize::from(input.0));
});
