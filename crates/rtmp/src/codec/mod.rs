//! Reads pictures' and samples' formats from parameter sets and frame headers.
//!
//! One module for each family of formats, each a few bounded reads that answer "not known" for
//! anything they do not understand: facts are a courtesy, and no bitstream can end a connection.
//!
//! Written here because the formats' crates either parse far more than the few fields asked for,
//! with the strictness of a conformance checker, or allocate what the bitstream declares.

mod aac;
mod av1;
mod frames;
mod h264;
mod hevc;
mod vpx;
mod vvc;

use crate::bits::Bits;
use crate::tag::{Packet, Purpose, Tag};
use crate::{AudioCodec, AudioFacts, VideoCodec};

/// What a parameter set or keyframe says of a picture.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Picture {
    pub(crate) profile: Option<&'static str>,
    pub(crate) level: Option<String>,
    /// Pixels shown.
    pub(crate) width: Option<u32>,
    /// Pixels shown.
    pub(crate) height: Option<u32>,
    /// Pictures per second.
    pub(crate) frame_rate: Option<f64>,
}

/// What a video packet says of its pictures; nothing for most.
pub(crate) fn picture(codec: VideoCodec, tag: &Tag<'_>, packet: &Packet<'_>) -> Option<Picture> {
    match tag.purpose {
        Purpose::SequenceStart => match codec {
            VideoCodec::H264 => h264::from_configuration(packet.body),
            VideoCodec::Hevc => hevc::from_configuration(packet.body),
            VideoCodec::Vvc => vvc::from_configuration(packet.body),
            VideoCodec::Av1 => av1::from_configuration(packet.body),
            VideoCodec::Vp9 => vpx::vp9_from_configuration(packet.body),
            _ => None,
        },
        Purpose::Coded if tag.keyframe => match codec {
            VideoCodec::Av1 => av1::from_units(packet.body),
            VideoCodec::Vp9 => vpx::vp9_from_keyframe(packet.body),
            VideoCodec::Vp8 => vpx::vp8_from_keyframe(packet.body),
            _ => None,
        },
        _ => None,
    }
}

/// What an audio packet says of its samples; nothing for most.
pub(crate) fn sound(codec: AudioCodec, tag: &Tag<'_>, packet: &Packet<'_>) -> Option<AudioFacts> {
    match (tag.purpose, codec) {
        (Purpose::SequenceStart, AudioCodec::Aac) => aac::from_configuration(packet.body),
        (Purpose::SequenceStart, AudioCodec::Opus) => frames::opus(packet.body),
        (Purpose::SequenceStart, AudioCodec::Flac) => frames::flac(packet.body),
        (Purpose::Coded, AudioCodec::Ac3 | AudioCodec::Eac3) => frames::dolby(packet.body),
        (Purpose::Coded, AudioCodec::Mp3) => frames::mp3(packet.body),
        (
            Purpose::Coded,
            AudioCodec::Speex
            | AudioCodec::Pcm
            | AudioCodec::ALaw
            | AudioCodec::MuLaw
            | AudioCodec::Adpcm
            | AudioCodec::Nellymoser,
        ) => Some(frames::flags(codec, tag.flags)),
        _ => None,
    }
}

/// The size, where it is one a picture can have; the standards end at 16,384 pixels.
fn believable(width: u32, height: u32) -> Option<(u32, u32)> {
    const LARGEST_SIDE: u32 = 65_536;
    let side = |side| (1..=LARGEST_SIDE).contains(&side);
    (side(width) && side(height)).then_some((width, height))
}

/// Pictures per second of a clock of `scale` ticks per second and `ticks` per picture, where
/// that is a rate somebody could mean.
fn frame_rate(ticks: u64, scale: u32) -> Option<f64> {
    const HIGHEST: f64 = 1000.0;
    // Exact up to 2^53, which no clock in use comes near.
    let rate = f64::from(scale) / f64::from(u32::try_from(ticks).ok()?);
    (rate > 0.0 && rate <= HIGHEST).then_some(rate)
}

/// Passes over what the usability information of H.264 and HEVC begins with alike: aspect,
/// overscan, signal type, chroma location.
fn skip_picture_description(bits: &mut Bits<'_>) -> Option<()> {
    const OTHER_ASPECT: u32 = 255;
    if bits.flag()? && bits.read(8)? == OTHER_ASPECT {
        bits.skip(32)?;
    }
    if bits.flag()? {
        bits.skip(1)?;
    }
    if bits.flag()? {
        bits.skip(4)?;
        if bits.flag()? {
            bits.skip(24)?;
        }
    }
    if bits.flag()? {
        bits.ue()?;
        bits.ue()?;
    }
    Some(())
}

/// Puts bytes through every reader of this module.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_everything(bytes: &[u8]) {
    let readers = [
        h264::from_configuration,
        h264::from_unit,
        hevc::from_configuration,
        vvc::from_configuration,
        av1::from_configuration,
        av1::from_units,
        vpx::vp9_from_configuration,
        vpx::vp9_from_keyframe,
        vpx::vp8_from_keyframe,
    ];
    for read in readers {
        read(bytes);
    }
    let readers = [
        aac::from_configuration,
        frames::opus,
        frames::flac,
        frames::dolby,
        frames::mp3,
    ];
    for read in readers {
        read(bytes);
    }
}

#[cfg(test)]
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    /// The end of a configuration record changed, so that every field behind its head is.
    #[test]
    fn no_bitstream_makes_a_reader_panic() {
        let heads: [&[u8]; 12] = [
            b"",
            b"\x01\x64\0\x28\xFF\xE1\0\x40\x67",
            b"\x67\x64\0\x28",
            &[1; 22],
            b"\x81\x05\x0C\0\x0A",
            b"\x0A\x0B",
            b"\x82\x49\x83\x42",
            b"OpusHead",
            b"fLaC\x80",
            b"\x0B\x77",
            b"\xFF\xFB",
            b"\xFF\0\x11\x5F",
        ];
        let mut random = StdRng::seed_from_u64(5);
        for round in 0..60_000 {
            let mut bytes = heads[round % heads.len()].to_vec();
            let sparse = random.random_range(1..=8);
            for _ in 0..random.random_range(0..120) {
                let byte = if random.random_ratio(1, sparse) {
                    random.random()
                } else {
                    0
                };
                bytes.push(byte);
            }
            read_everything(&bytes);
        }
    }
}
