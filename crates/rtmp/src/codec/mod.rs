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

#[cfg(test)]
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}
