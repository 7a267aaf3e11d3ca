//! VVC: the VvcDecoderConfigurationRecord (ISO/IEC 14496-15 §11.2.4.2), which repeats what the
//! parameter sets say, so that those need not be read.

use super::{Picture, believable};
use crate::bits::Bits;

pub(super) fn from_configuration(record: &[u8]) -> Option<Picture> {
    let mut bits = Bits::new(record);
    bits.skip(7)?;
    if !bits.flag()? {
        return None;
    }
    bits.skip(9)?;
    let sub_layers = bits.read(3)?;
    bits.skip(4 + 8 + 2)?;
    let constraint_bytes = bits.read(6)?;
    let profile = bits.read(7)?;
    bits.skip(1)?;
    let level = bits.read(8)?;
    bits.skip((8 * constraint_bytes).max(2))?;
    let mut levels = 0;
    for _ in 1..sub_layers {
        levels += u32::from(bits.flag()?);
    }
    if sub_layers > 1 {
        bits.skip(9 - sub_layers)?;
    }
    bits.skip(8 * levels)?;
    let sub_profiles = bits.read(8)?;
    bits.skip(32 * sub_profiles)?;
    let (width, height) = believable(bits.read(16)?, bits.read(16)?)?;
    let frames_in_256_seconds = bits.read(16)?;
    Some(Picture {
        profile: profile_name(profile),
        level: (level > 0).then(|| format!("{}.{}", level / 16, level % 16 / 3)),
        width: Some(width),
        height: Some(height),
        frame_rate: super::frame_rate(256, frames_in_256_seconds),
    })
}

fn profile_name(profile: u32) -> Option<&'static str> {
    Some(match profile {
        1 => "Main 10",
        17 => "Multilayer Main 10",
        33 => "Main 10 4:4:4",
        65 => "Main 10 Still Picture",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_profile_level_and_size() {
        // Single layer, 1080p, Main 10, level 4.0, 30 pictures per second.
        let record = [
            0xFF, 0x00, 0x11, 0x5F, 0x01, 0x02, 0x40, 0x80, 0x00, 0x07, 0x80, 0x04, 0x38, 0x1E,
            0x00,
        ];
        let picture = from_configuration(&record).unwrap();
        assert_eq!(picture.profile, Some("Main 10"));
        assert_eq!(picture.level.as_deref(), Some("4.0"));
        assert_eq!((picture.width, picture.height), (Some(1920), Some(1080)));
        assert_eq!(picture.frame_rate, Some(30.0));
        for end in 0..record.len() {
            assert_eq!(from_configuration(&record[..end]), None);
        }
    }
}
