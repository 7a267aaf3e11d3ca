//! Reads pictures' and samples' formats from parameter sets and frame headers.
//!
//! One module for each coding format, each a few bounded reads that answer "not known" for
//! anything they do not understand: facts are a courtesy, and no bitstream can end a connection.

mod aac;
mod h264;

use crate::tag::{Packet, Purpose, Tag};
use crate::{AudioCodec, AudioFacts, VideoCodec};

/// What a parameter set says of a picture.
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

/// Pictures per second of a clock of `scale` ticks per second and `ticks` per picture, where
/// that is a rate somebody could mean.
fn frame_rate(ticks: u32, scale: u32) -> Option<f64> {
    const HIGHEST: f64 = 1000.0;
    let rate = f64::from(scale) / f64::from(ticks);
    (rate > 0.0 && rate <= HIGHEST).then_some(rate)
}

/// What a video packet says of its pictures; nothing for most.
pub(crate) fn picture(codec: VideoCodec, tag: &Tag<'_>, packet: &Packet<'_>) -> Option<Picture> {
    match (tag.purpose, codec) {
        (Purpose::SequenceStart, VideoCodec::H264) => h264::from_configuration(packet.body),
        _ => None,
    }
}

/// What an audio packet says of its samples; nothing for most.
pub(crate) fn sound(codec: AudioCodec, tag: &Tag<'_>, packet: &Packet<'_>) -> Option<AudioFacts> {
    match (tag.purpose, codec) {
        (Purpose::SequenceStart, AudioCodec::Aac) => aac::from_configuration(packet.body),
        _ => None,
    }
}
