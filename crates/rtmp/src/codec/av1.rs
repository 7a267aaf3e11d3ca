//! AV1: the AV1CodecConfigurationRecord (AV1 in ISOBMFF §2.3.3) and the sequence header OBU (AV1
//! bitstream §5.5), which is in the record or in front of a keyframe.

use super::{Picture, believable};
use crate::bits::Bits;

const SEQUENCE_HEADER: u8 = 1;

/// Most units looked at in front of a picture: a delimiter, the sequence header, metadata.
const UNITS: usize = 8;

pub(super) fn from_configuration(record: &[u8]) -> Option<Picture> {
    const MARKER_AND_VERSION: u8 = 0x81;
    let (&[marker, profile_and_level, _, _], units) = record.split_first_chunk()?;
    if marker != MARKER_AND_VERSION {
        return None;
    }
    let picture = from_units(units).unwrap_or_else(|| Picture {
        profile: profile(u32::from(profile_and_level >> 5)),
        level: level(u32::from(profile_and_level & 0x1F)),
        ..Picture::default()
    });
    Some(picture)
}

/// Looks for a sequence header among the first units of `units`.
pub(super) fn from_units(mut units: &[u8]) -> Option<Picture> {
    for _ in 0..UNITS {
        let (&header, mut rest) = units.split_first()?;
        if header & 0x04 != 0 {
            rest = rest.get(1..)?;
        }
        let mut unit = rest;
        if header & 0x02 != 0 {
            let (size, after) = variable_length(rest)?;
            // The last unit may be cut off by what is shown of the message.
            (unit, rest) = after.split_at_checked(size).unwrap_or((after, &[]));
        } else {
            rest = &[];
        }
        if (header >> 3) & 0x0F == SEQUENCE_HEADER {
            return sequence_header(unit);
        }
        units = rest;
    }
    None
}

/// A number of seven bits in each byte, the lowest first (§4.10.5).
fn variable_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut number = 0u64;
    for (index, byte) in bytes.iter().take(8).enumerate() {
        number |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            let rest = bytes.get(index + 1..)?;
            return usize::try_from(number).ok().map(|number| (number, rest));
        }
    }
    None
}

fn sequence_header(unit: &[u8]) -> Option<Picture> {
    let mut bits = Bits::new(unit);
    let mut picture = Picture {
        profile: profile(bits.read(3)?),
        ..Picture::default()
    };
    bits.skip(1)?;
    if bits.flag()? {
        picture.level = level(bits.read(5)?);
    } else {
        operating_points(&mut bits, &mut picture)?;
    }
    let width_bits = bits.read(4)? + 1;
    let height_bits = bits.read(4)? + 1;
    let width = bits.read(width_bits)?.checked_add(1)?;
    let height = bits.read(height_bits)?.checked_add(1)?;
    let (width, height) = believable(width, height)?;
    picture.width = Some(width);
    picture.height = Some(height);
    Some(picture)
}

fn operating_points(bits: &mut Bits<'_>, picture: &mut Picture) -> Option<()> {
    let mut delay_bits = None;
    if bits.flag()? {
        picture.frame_rate = timing(bits)?;
        if bits.flag()? {
            delay_bits = Some(bits.read(5)? + 1);
            bits.skip(32 + 5 + 5)?;
        }
    }
    let has_display_delay = bits.flag()?;
    for point in 0..=bits.read(5)? {
        bits.skip(12)?;
        let index = bits.read(5)?;
        if index > 7 {
            bits.skip(1)?;
        }
        if point == 0 {
            picture.level = level(index);
        }
        if let Some(delay_bits) = delay_bits
            && bits.flag()?
        {
            bits.skip(2 * delay_bits + 1)?;
        }
        if has_display_delay && bits.flag()? {
            bits.skip(4)?;
        }
    }
    Some(())
}

/// Pictures per second, if the interval between pictures is said to be always the same.
fn timing(bits: &mut Bits<'_>) -> Option<Option<f64>> {
    let ticks = u64::from(bits.read(32)?);
    let scale = bits.read(32)?;
    if !bits.flag()? {
        return Some(None);
    }
    // Written like an unsigned Exp-Golomb number.
    let ticks_per_picture = u64::from(bits.ue()?) + 1;
    Some(super::frame_rate(
        ticks.saturating_mul(ticks_per_picture),
        scale,
    ))
}

fn profile(profile: u32) -> Option<&'static str> {
    match profile {
        0 => Some("Main"),
        1 => Some("High"),
        2 => Some("Professional"),
        _ => None,
    }
}

fn level(index: u32) -> Option<String> {
    const LAST_DEFINED: u32 = 23;
    (index <= LAST_DEFINED).then(|| format!("{}.{}", 2 + (index >> 2), index & 3))
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    #[test]
    fn an_encoders_record_tells_profile_level_and_size() {
        let records = [
            ("81050c000a0b0000002d4cffb3c02f8004", "3.1", (1280, 720)),
            ("81090c000a0b0000004aabbfc3732be401", "4.1", (1920, 1080)),
        ];
        for (record, level, size) in records {
            let picture = from_configuration(&hex(record)).unwrap();
            assert_eq!(picture.profile, Some("Main"));
            assert_eq!(picture.level.as_deref(), Some(level));
            assert_eq!(
                (picture.width, picture.height),
                (Some(size.0), Some(size.1))
            );
            let units = hex(&record[8..]);
            assert_eq!(from_units(&units), Some(picture));
        }
        let bare = from_configuration(&hex("81050c00")).unwrap();
        assert_eq!((bare.level.as_deref(), bare.width), (Some("3.1"), None));
    }

    #[test]
    fn units_without_a_sequence_header_give_nothing() {
        assert_eq!(from_units(&[]), None);
        // A temporal delimiter, then a frame whose size goes past the end.
        assert_eq!(from_units(&[0x12, 0x00, 0x32, 0xFF, 0x7F, 1, 2]), None);
        assert_eq!(
            from_units(&[0x12, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]),
            None
        );
    }
}
