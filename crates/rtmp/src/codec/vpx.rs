//! VP8 and VP9: the VPCodecConfigurationRecord (VP codec ISO media file format binding §2.2), which
//! tells no size, and the headers of keyframes, which do (RFC 6386 §9.1; VP9 bitstream §6.2).

use super::{Picture, believable};
use crate::bits::Bits;

/// Reads profile and level from a configuration record, with or without the version and flags of
/// the box it comes from: encoders disagree.
pub(super) fn vp9_from_configuration(record: &[u8]) -> Option<Picture> {
    let &[profile, level] = match record {
        [1, 0, 0, 0, rest @ ..] => rest.first_chunk()?,
        _ => record.first_chunk()?,
    };
    Some(Picture {
        profile: vp9_profile(u32::from(profile)),
        level: (level >= 10).then(|| format!("{}.{}", level / 10, level % 10)),
        ..Picture::default()
    })
}

pub(super) fn vp9_from_keyframe(frame: &[u8]) -> Option<Picture> {
    const SYNC_CODE: u32 = 0x49_83_42;
    const RGB: u32 = 7;
    let mut bits = Bits::new(frame);
    if bits.read(2)? != 2 {
        return None;
    }
    let profile = bits.read(1)? + 2 * bits.read(1)?;
    if profile == 3 {
        bits.skip(1)?;
    }
    let shows_existing_frame = bits.flag()?;
    let is_inter_frame = bits.flag()?;
    bits.skip(2)?;
    if shows_existing_frame || is_inter_frame || bits.read(24)? != SYNC_CODE {
        return None;
    }
    if profile >= 2 {
        bits.skip(1)?;
    }
    let colour_space = bits.read(3)?;
    let odd_profile = profile % 2 == 1;
    bits.skip(match (colour_space, odd_profile) {
        (RGB, true) => 1,
        (RGB, false) => 0,
        (_, true) => 4,
        (_, false) => 1,
    })?;
    let (width, height) = believable(bits.read(16)? + 1, bits.read(16)? + 1)?;
    Some(Picture {
        profile: vp9_profile(profile),
        width: Some(width),
        height: Some(height),
        ..Picture::default()
    })
}

fn vp9_profile(profile: u32) -> Option<&'static str> {
    match profile {
        0 => Some("Profile 0"),
        1 => Some("Profile 1"),
        2 => Some("Profile 2"),
        3 => Some("Profile 3"),
        _ => None,
    }
}

pub(super) fn vp8_from_keyframe(frame: &[u8]) -> Option<Picture> {
    /// Sides have 14 bits; two more tell how a player may scale.
    const SIDE: u16 = 0x3FFF;
    let &[first, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1] = frame.first_chunk()? else {
        return None;
    };
    if first & 1 != 0 {
        return None;
    }
    let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & SIDE);
    let (width, height) = believable(side(w0, w1), side(h0, h1))?;
    Some(Picture {
        width: Some(width),
        height: Some(height),
        ..Picture::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vp8_keyframe_tells_its_size() {
        let frame = [0x10, 0x02, 0x00, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0x68, 0x41];
        let picture = vp8_from_keyframe(&frame).unwrap();
        assert_eq!((picture.width, picture.height), (Some(640), Some(360)));
        assert_eq!(vp8_from_keyframe(&frame[..9]), None);
        assert_eq!(
            vp8_from_keyframe(&[0x11, 0, 0, 0x9D, 1, 0x2A, 1, 0, 1, 0]),
            None
        );
    }

    #[test]
    fn a_vp9_keyframe_tells_its_size() {
        // Profile 0, keyframe shown, sync code, BT.709, 320x180.
        let frame = [0x82, 0x49, 0x83, 0x42, 0x40, 0x13, 0xF0, 0x0B, 0x30];
        let picture = vp9_from_keyframe(&frame).unwrap();
        assert_eq!((picture.width, picture.height), (Some(320), Some(180)));
        assert_eq!(vp9_from_keyframe(&frame[..8]), None);
        assert_eq!(vp9_from_keyframe(&[0x86, 0x49]), None);
    }
}
