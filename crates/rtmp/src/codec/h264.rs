//! H.264: the AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3) and the sequence parameter
//! set in it (ITU-T H.264 §7.3.2.1, §E.1.1).
//!
//! Read here rather than by `h264-reader`, which is a conformance parser: it gives nothing for a
//! picture larger than its declared level or a unit with padding behind it, and encoders in the
//! field send both. The tests hold this reader to that crate wherever the crate has an answer.

use super::{Picture, believable};
use crate::bits::Bits;

const SEQUENCE_PARAMETER_SET: u8 = 7;

pub(super) fn from_configuration(record: &[u8]) -> Option<Picture> {
    let (&[version, _, _, _, _, sets], rest) = record.split_first_chunk()?;
    if version != 1 || sets & 0x1F == 0 {
        return None;
    }
    let (length, rest) = rest.split_first_chunk()?;
    let unit = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
    from_unit(unit)
}

/// Reads a sequence parameter set with its NAL unit header.
pub(super) fn from_unit(unit: &[u8]) -> Option<Picture> {
    let (&header, _) = unit.split_first()?;
    if header & 0x1F != SEQUENCE_PARAMETER_SET {
        return None;
    }
    let mut bits = Bits::of_unit(unit);
    bits.skip(8)?;
    let profile_number = bits.read(8)?;
    let constraints = bits.read(8)?;
    let level = bits.read(8)?;
    let (width, height) = size(&mut bits, profile_number)?;
    Some(Picture {
        profile: profile(profile_number, constraints),
        level: level_name(profile_number, constraints, level),
        width: Some(width),
        height: Some(height),
        frame_rate: frame_rate(&mut bits),
    })
}

/// Reads up to the usability information and answers the size of the shown picture.
fn size(bits: &mut Bits<'_>, profile: u32) -> Option<(u32, u32)> {
    bits.ue()?;
    let chroma_format = match profile {
        100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135 => chroma(bits)?,
        _ => 1,
    };
    bits.ue()?;
    picture_order(bits)?;
    bits.ue()?;
    bits.skip(1)?;
    let width_in_blocks = bits.ue()?.checked_add(1)?;
    let height_in_units = bits.ue()?.checked_add(1)?;
    let frames_only = bits.flag()?;
    if !frames_only {
        bits.skip(1)?;
    }
    bits.skip(1)?;
    let fields = if frames_only { 1 } else { 2 };
    let (step_x, step_y) = match chroma_format {
        1 => (2, 2 * fields),
        2 => (2, fields),
        _ => (1, fields),
    };
    let mut width = width_in_blocks.checked_mul(16)?;
    let mut height = height_in_units.checked_mul(16 * fields)?;
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

/// Reads what high profiles have before the picture order; answers how chroma is sampled.
fn chroma(bits: &mut Bits<'_>) -> Option<u32> {
    let format = bits.ue()?;
    let separate_planes = format == 3 && bits.flag()?;
    bits.ue()?;
    bits.ue()?;
    bits.skip(1)?;
    if bits.flag()? {
        let lists = if format == 3 { 12 } else { 8 };
        for list in 0..lists {
            if bits.flag()? {
                scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(if separate_planes { 0 } else { format })
}

fn scaling_list(bits: &mut Bits<'_>, entries: u32) -> Option<()> {
    let mut last = 8i32;
    for _ in 0..entries {
        let next = last.checked_add(bits.se()?)? & 0xFF;
        if next == 0 {
            break;
        }
        last = next;
    }
    Some(())
}

fn picture_order(bits: &mut Bits<'_>) -> Option<()> {
    match bits.ue()? {
        0 => {
            bits.ue()?;
        }
        1 => {
            bits.skip(1)?;
            bits.ue()?;
            bits.ue()?;
            for _ in 0..bits.ue().filter(|&count| count <= 255)? {
                bits.ue()?;
            }
        }
        _ => {}
    }
    Some(())
}

/// Reads the usability information up to its timing: two ticks make a picture.
fn frame_rate(bits: &mut Bits<'_>) -> Option<f64> {
    if !bits.flag()? {
        return None;
    }
    super::skip_picture_description(bits)?;
    if !bits.flag()? {
        return None;
    }
    let ticks = u64::from(bits.read(32)?) * 2;
    super::frame_rate(ticks, bits.read(32)?)
}

fn profile(number: u32, constraints: u32) -> Option<&'static str> {
    let constraint = |index: u32| constraints & (0x80 >> index) != 0;
    Some(match number {
        66 if constraint(1) => "Constrained Baseline",
        66 => "Baseline",
        77 => "Main",
        88 => "Extended",
        100 if constraint(4) && constraint(5) => "Constrained High",
        100 if constraint(4) => "Progressive High",
        100 => "High",
        110 if constraint(3) => "High 10 Intra",
        110 => "High 10",
        122 if constraint(3) => "High 4:2:2 Intra",
        122 => "High 4:2:2",
        244 if constraint(3) => "High 4:4:4 Intra",
        244 => "High 4:4:4 Predictive",
        44 => "CAVLC 4:4:4 Intra",
        _ => return None,
    })
}

fn level_name(profile: u32, constraints: u32, level: u32) -> Option<String> {
    // Level 1b is written as 11 with a constraint flag in the older profiles, as 9 in the others.
    let marked = matches!(profile, 66 | 77 | 88) && constraints & 0x10 != 0;
    match level {
        0 => None,
        9 => Some("1b".to_owned()),
        11 if marked => Some("1b".to_owned()),
        _ => Some(format!("{}.{}", level / 10, level % 10)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;
    use h264_reader::nal::sps::SeqParameterSet;
    use h264_reader::rbsp::{self, BitReader};
    use rand::{Rng, SeedableRng, rngs::StdRng};

    /// Configuration records of x264, and what ffprobe says of the pictures.
    const RECORDS: [(&str, &str, (u32, u32), f64); 6] = [
        (
            "01640028ffe1001967640028acd940780227e5c04400000fa40003a9803c60c65801000668ebe3cb22c0fdf8f800",
            "High 4.0",
            (1920, 1080),
            30000.0 / 1001.0,
        ),
        (
            "0164001effe100186764001eacd940b424d8088000000300800000190f8a14cb01000668fba3cb22c0fdf8f800",
            "High 3.0",
            (720, 576),
            25.0,
        ),
        (
            "017a0020ffe1001a677a0020b6cd9405005bb011000003000100000300780f18319601000668ebe3cb22c0fefafa00",
            "High 4:2:2 3.2",
            (1280, 720),
            60.0,
        ),
        (
            "01f4001effe1001b67f4001e919b281b07bc5f80880000030008000003018078b16cb001000668ebe3c44844fff8f800",
            "High 4:4:4 Predictive 3.0",
            (854, 480),
            24.0,
        ),
        (
            "0142c015ffe100196742c015d901b1fe4f0110000003001000000301e0f162e48001000568cb83cb20",
            "Constrained Baseline 2.1",
            (426, 240),
            15.0,
        ),
        (
            "0164002affe1001b6764002aacd940780227e5c044000003000400000301903c60c65801000768ebe3cb3002c0fdf8f800",
            "High 4.2",
            (1920, 1080),
            50.0,
        ),
    ];

    #[test]
    fn an_encoders_record_tells_profile_level_size_and_rate() {
        for (record, name, size, rate) in RECORDS {
            let picture = from_configuration(&hex(record)).unwrap();
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
    fn a_record_cut_anywhere_never_gives_another_size() {
        for (record, _, size, _) in RECORDS {
            let record = hex(record);
            for end in 0..record.len() {
                if let Some(picture) = from_configuration(&record[..end]) {
                    assert_eq!(
                        (picture.width, picture.height),
                        (Some(size.0), Some(size.1))
                    );
                }
            }
        }
    }

    /// A conformance parser is stricter, but where it has an answer it is ours too.
    #[test]
    fn mutated_parameter_sets_read_as_a_conformance_parser_reads_them() {
        let mut random = StdRng::seed_from_u64(264);
        let mut compared = 0;
        for round in 0..20_000 {
            let record = hex(RECORDS[round % RECORDS.len()].0);
            let mut unit = record[8..8 + usize::from(record[7])].to_vec();
            for _ in 0..random.random_range(0..4) {
                let at = random.random_range(1..unit.len());
                unit[at] ^= 1 << random.random_range(0..8);
            }
            let ours = from_unit(&unit);
            let Ok(body) = rbsp::decode_nal(&unit) else {
                continue;
            };
            let Ok(theirs) = SeqParameterSet::from_bits(BitReader::new(&body[..])) else {
                continue;
            };
            let Ok((width, height)) = theirs.pixel_dimensions() else {
                continue;
            };
            if width == 0 || height == 0 {
                continue;
            }
            compared += 1;
            let ours = ours.unwrap();
            assert_eq!(
                (ours.width, ours.height),
                (Some(width), Some(height)),
                "{unit:02x?}"
            );
            if let Some(rate) = ours.frame_rate {
                assert!((theirs.fps().unwrap() - rate).abs() < 1e-6);
            }
        }
        assert!(compared > 5_000, "only {compared} comparisons");
    }
}
