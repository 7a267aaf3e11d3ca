//! HEVC: the HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 §8.3.3) and the sequence parameter
//! set in it (ITU-T H.265 §7.3.2.2, §E.2.1).

use super::{Picture, believable};
use crate::bits::Bits;

const SEQUENCE_PARAMETER_SET: u8 = 33;

/// Most arrays, and units in one, that are looked at: encoders send three arrays of one unit.
const UNITS: usize = 16;

pub(super) fn from_configuration(record: &[u8]) -> Option<Picture> {
    let (head, mut rest) = record.split_first_chunk::<23>()?;
    let [version, .., arrays] = *head;
    if version > 1 {
        return None;
    }
    for _ in 0..usize::from(arrays).min(UNITS) {
        let (&[kind, high, low], after) = rest.split_first_chunk()?;
        rest = after;
        for _ in 0..usize::from(u16::from_be_bytes([high, low])).min(UNITS) {
            let (length, after) = rest.split_first_chunk()?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (unit, after) = after.split_at_checked(length)?;
            rest = after;
            if kind & 0x3F == SEQUENCE_PARAMETER_SET {
                return from_unit(unit);
            }
        }
    }
    None
}

fn from_unit(unit: &[u8]) -> Option<Picture> {
    let mut bits = Bits::of_unit(unit);
    bits.skip(16 + 4)?;
    let sub_layers = bits.read(3)?;
    bits.skip(1)?;
    let (profile, level) = profile_and_level(&mut bits, sub_layers)?;
    let (width, height) = size(&mut bits)?;
    Some(Picture {
        profile,
        level,
        width: Some(width),
        height: Some(height),
        frame_rate: frame_rate(&mut bits, sub_layers),
    })
}

fn profile_and_level(
    bits: &mut Bits<'_>,
    sub_layers: u32,
) -> Option<(Option<&'static str>, Option<String>)> {
    bits.skip(3)?;
    let profile = bits.read(5)?;
    bits.skip(32 + 48)?;
    let level = bits.read(8)?;
    let mut sub_layer_bits = 0;
    for _ in 0..sub_layers {
        sub_layer_bits += if bits.flag()? { 88 } else { 0 };
        sub_layer_bits += if bits.flag()? { 8 } else { 0 };
    }
    if sub_layers > 0 {
        // Pairs of flags are padded to eight.
        bits.skip(2 * (8 - sub_layers))?;
    }
    bits.skip(sub_layer_bits)?;
    let level = (level > 0).then(|| format!("{}.{}", level / 30, level % 30 / 3));
    Some((profile_name(profile), level))
}

fn profile_name(profile: u32) -> Option<&'static str> {
    Some(match profile {
        1 => "Main",
        2 => "Main 10",
        3 => "Main Still Picture",
        4 => "Range Extensions",
        5 => "High Throughput",
        9 => "Screen Content Coding",
        _ => return None,
    })
}

fn size(bits: &mut Bits<'_>) -> Option<(u32, u32)> {
    bits.ue()?;
    let chroma_format = bits.ue()?;
    if chroma_format == 3 {
        bits.skip(1)?;
    }
    let (step_x, step_y) = match chroma_format {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    let mut width = bits.ue()?;
    let mut height = bits.ue()?;
    if bits.flag()? {
        width = crop(bits, width, step_x)?;
        height = crop(bits, height, step_y)?;
    }
    believable(width, height)
}

fn crop(bits: &mut Bits<'_>, side: u32, step: u32) -> Option<u32> {
    let offsets = bits.ue()?.checked_add(bits.ue()?)?;
    side.checked_sub(offsets.checked_mul(step)?)
}

/// Reads on behind the size up to the timing in the usability information.
fn frame_rate(bits: &mut Bits<'_>, sub_layers: u32) -> Option<f64> {
    bits.ue()?;
    bits.ue()?;
    let order_bits = bits.ue()?.checked_add(4)?;
    let ordered_layers = if bits.flag()? { sub_layers + 1 } else { 1 };
    for _ in 0..ordered_layers * 3 {
        bits.ue()?;
    }
    // Block sizes and transform depths.
    for _ in 0..6 {
        bits.ue()?;
    }
    if bits.flag()? && bits.flag()? {
        scaling_lists(bits)?;
    }
    bits.skip(2)?;
    if bits.flag()? {
        bits.skip(8)?;
        bits.ue()?;
        bits.ue()?;
        bits.skip(1)?;
    }
    reference_sets(bits)?;
    if bits.flag()? {
        for _ in 0..bits.ue().filter(|&count| count <= 32)? {
            bits.skip(order_bits + 1)?;
        }
    }
    bits.skip(2)?;
    if bits.flag()? { timing(bits) } else { None }
}

fn scaling_lists(bits: &mut Bits<'_>) -> Option<()> {
    for size in 0..4u32 {
        let lists = if size == 3 { 2 } else { 6 };
        for _ in 0..lists {
            if !bits.flag()? {
                bits.ue()?;
                continue;
            }
            let coefficients = 64.min(1 << (4 + 2 * size)) + u32::from(size > 1);
            for _ in 0..coefficients {
                bits.ue()?;
            }
        }
    }
    Some(())
}

fn reference_sets(bits: &mut Bits<'_>) -> Option<()> {
    let sets = bits.ue().filter(|&count| count <= 64)?;
    let mut pictures = 0;
    for set in 0..sets {
        pictures = if set > 0 && bits.flag()? {
            predicted_set(bits, pictures)?
        } else {
            explicit_set(bits)?
        };
    }
    Some(())
}

/// Reads a set given by its difference to the one before; answers how many pictures it has.
fn predicted_set(bits: &mut Bits<'_>, pictures_before: u32) -> Option<u32> {
    bits.skip(1)?;
    bits.ue()?;
    let mut pictures = 0;
    for _ in 0..=pictures_before {
        let used = bits.flag()?;
        if used || bits.flag()? {
            pictures += 1;
        }
    }
    Some(pictures)
}

fn explicit_set(bits: &mut Bits<'_>) -> Option<u32> {
    const LARGEST: u32 = 16;
    let negative = bits.ue().filter(|&count| count <= LARGEST)?;
    let positive = bits.ue().filter(|&count| count <= LARGEST)?;
    for _ in 0..negative + positive {
        bits.ue()?;
        bits.skip(1)?;
    }
    Some(negative + positive)
}

fn timing(bits: &mut Bits<'_>) -> Option<f64> {
    super::skip_picture_description(bits)?;
    bits.skip(3)?;
    if bits.flag()? {
        for _ in 0..4 {
            bits.ue()?;
        }
    }
    if !bits.flag()? {
        return None;
    }
    super::frame_rate(u64::from(bits.read(32)?), bits.read(32)?)
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    /// Sequence parameter sets of x265, and what ffprobe says of the pictures.
    const UNITS: [(&str, &str, (u32, u32), f64); 3] = [
        (
            "42010101600000030090000003000003007ba003c08010e596566924caf0168080000003008000001e042",
            "Main 4.1",
            (1920, 1080),
            60.0,
        ),
        (
            "420101022000000300900000030000030096a001e020021c4d96566924e5780b40400000fa40001d4c02",
            "Main 10 5.0",
            (3840, 2160),
            30000.0 / 1001.0,
        ),
        (
            "4201010408000003009e08000003000078900055900603bf2cacd24995e02d010000030001000003001908",
            "Range Extensions 4.0",
            (1366, 768),
            25.0,
        ),
    ];

    /// A record with a first array of nothing and the unit in the second.
    fn record(unit: &str) -> Vec<u8> {
        let unit = hex(unit);
        let mut record = vec![1; 22];
        record.extend([2, 0x20, 0, 0, 0x21, 0, 1]);
        record.extend(u16::try_from(unit.len()).unwrap().to_be_bytes());
        record.extend(unit);
        record
    }

    #[test]
    fn an_encoders_record_tells_profile_level_size_and_rate() {
        for (unit, name, size, rate) in UNITS {
            let picture = from_configuration(&record(unit)).unwrap();
            let level = picture.level.unwrap();
            assert_eq!(format!("{} {level}", picture.profile.unwrap()), name);
            assert_eq!(
                (picture.width, picture.height),
                (Some(size.0), Some(size.1))
            );
            assert!((picture.frame_rate.unwrap() - rate).abs() < 1e-6);
        }
    }

    #[test]
    fn what_is_no_record_gives_nothing() {
        assert_eq!(from_configuration(&[]), None);
        assert_eq!(from_configuration(&[1; 23]), None);
        assert_eq!(from_configuration(&[0xFF; 300]), None);
        assert_eq!(from_unit(&[0; 200]), None);
    }
}
