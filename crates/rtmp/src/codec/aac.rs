//! AAC: the AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1).

use crate::bits::Bits;
use crate::{AudioCodec, AudioFacts};

const SAMPLE_RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// Spectral band replication: the decoder's rate is the extension's.
const SBR: u32 = 5;
/// Parametric stereo, which includes SBR and doubles one channel.
const PS: u32 = 29;

pub(super) fn from_configuration(configuration: &[u8]) -> Option<AudioFacts> {
    let mut bits = Bits::new(configuration);
    let mut object_type = object_type(&mut bits)?;
    let mut rate = sample_rate(&mut bits)?;
    let channels = bits.read(4)?;
    if object_type == SBR || object_type == PS {
        rate = sample_rate(&mut bits)?;
    } else if let Some((extension, extended_rate)) = trailing_extension(&mut bits, object_type) {
        (object_type, rate) = (extension, extended_rate);
    }
    let mut facts = AudioFacts::new(AudioCodec::Aac);
    facts.profile = profile(object_type);
    facts.sample_rate = Some(rate);
    facts.channels = match channels {
        1 if object_type == PS => Some(2),
        1..=6 => u8::try_from(channels).ok(),
        7 | 12 | 14 => Some(8),
        11 => Some(7),
        // 0: told by a program config element further on.
        _ => None,
    };
    Some(facts)
}

/// Band replication announced behind the configuration of plain AAC, where old decoders do not
/// look: the object type it amounts to, and its rate.
fn trailing_extension(bits: &mut Bits<'_>, object_type: u32) -> Option<(u32, u32)> {
    const LC: u32 = 2;
    const SBR_FOLLOWS: u32 = 0x2B7;
    const PS_FOLLOWS: u32 = 0x548;
    bits.skip(1)?;
    let has_core_coder = bits.flag()?;
    let has_extension = bits.flag()?;
    if object_type != LC || has_core_coder || has_extension {
        return None;
    }
    if bits.read(11)? != SBR_FOLLOWS || bits.read(5)? != SBR || !bits.flag()? {
        return None;
    }
    let rate = sample_rate(bits)?;
    let has_stereo = bits.read(11) == Some(PS_FOLLOWS) && bits.flag() == Some(true);
    Some((if has_stereo { PS } else { SBR }, rate))
}

fn object_type(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.read(5)? {
        31 => Some(32 + bits.read(6)?),
        known => Some(known),
    }
}

fn sample_rate(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.read(4)? {
        15 => bits.read(24),
        index => SAMPLE_RATES.get(usize::try_from(index).ok()?).copied(),
    }
}

fn profile(object_type: u32) -> Option<&'static str> {
    match object_type {
        1 => Some("Main"),
        2 => Some("LC"),
        3 => Some("SSR"),
        4 => Some("LTP"),
        SBR => Some("HE-AAC"),
        PS => Some("HE-AACv2"),
        23 => Some("LD"),
        39 => Some("ELD"),
        42 => Some("xHE-AAC"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_configurations_are_understood() {
        let read = |bytes: &[u8]| {
            let facts = from_configuration(bytes).unwrap();
            (facts.profile, facts.sample_rate.unwrap(), facts.channels)
        };
        assert_eq!(read(&[0x12, 0x10]), (Some("LC"), 44_100, Some(2)));
        assert_eq!(read(&[0x11, 0x88]), (Some("LC"), 48_000, Some(1)));
        assert_eq!(read(&[0x11, 0xB0]), (Some("LC"), 48_000, Some(6)));
        // HE-AAC: 24 kHz core, 48 kHz after band replication.
        assert_eq!(read(&[0x2B, 0x11, 0x88]), (Some("HE-AAC"), 48_000, Some(2)));
        // The same, announced behind a plain configuration; with parametric stereo too.
        let trailing = [0x13, 0x10, 0x56, 0xE5, 0x98];
        assert_eq!(read(&trailing), (Some("HE-AAC"), 48_000, Some(2)));
        let stereo = [0x13, 0x08, 0x56, 0xE5, 0x9D, 0x48, 0x80];
        assert_eq!(read(&stereo), (Some("HE-AACv2"), 48_000, Some(2)));
        assert_eq!(from_configuration(&[]), None);
        assert_eq!(from_configuration(&[0x17]), None);
    }
}
