//! Tags shaped like an encoder's, for tests that have no encoder. The pictures in them are noise:
//! only good for servers that do not decode.

use crate::flv::{Kind, Tag};

/// Milliseconds between two pictures: 25 a second.
const PICTURE_MILLISECONDS: u32 = 40;
/// Milliseconds between two audio frames, about AAC's at 48 kHz.
const AUDIO_MILLISECONDS: u32 = 21;
/// Every so many pictures a keyframe.
const KEYFRAME_EVERY: u32 = 10;

/// Headers, then `pictures` video messages of about `picture_bytes` bytes with the audio between.
#[must_use]
pub fn tags(pictures: u32, picture_bytes: usize) -> Vec<Tag> {
    let tag = |kind, timestamp, payload: &[u8]| Tag {
        kind,
        timestamp,
        payload: payload.to_vec(),
    };
    let mut tags = vec![
        tag(Kind::Script, 0, b"\x02\0\x0aonMetaData\x08\0\0\0\0\0\0\x09"),
        tag(
            Kind::Video,
            0,
            &[0x17, 0, 0, 0, 0, 1, 0x42, 0, 0x1e, 0xff, 0xe0, 0],
        ),
        tag(Kind::Audio, 0, &[0xaf, 0, 0x11, 0x90]),
    ];
    let mut audio_at = 0;
    for picture in 0..pictures {
        let at = picture * PICTURE_MILLISECONDS;
        while audio_at < at {
            tags.push(tag(
                Kind::Audio,
                audio_at,
                &[0xaf, 1, 0x55, 0x55, 0x55, 0x55],
            ));
            audio_at += AUDIO_MILLISECONDS;
        }
        let first = if picture % KEYFRAME_EVERY == 0 {
            0x17
        } else {
            0x27
        };
        let mut payload = vec![first, 1, 0, 0, 0];
        payload.resize(
            picture_bytes + usize::try_from(picture % 7).unwrap_or(0),
            0xaa,
        );
        tags.push(tag(Kind::Video, at, &payload));
    }
    tags
}
