//! Audio formats that tell themselves in a short header: Opus (RFC 7845 §5.1), FLAC (RFC 9639
//! §8.2), AC-3 and E-AC-3 (ETSI TS 102 366 §4.3, §E.1.2), MP3 (ISO/IEC 11172-3 §2.4.1.3), and what
//! the old FLV header says of formats that have none (Video File Format 10.1 §E.4.2.1).

use crate::bits::Bits;
use crate::{AudioCodec, AudioFacts};

fn facts(codec: AudioCodec, sample_rate: u32, channels: u8) -> AudioFacts {
    AudioFacts {
        sample_rate: Some(sample_rate),
        channels: Some(channels),
        ..AudioFacts::new(codec)
    }
}

pub(super) fn opus(head: &[u8]) -> Option<AudioFacts> {
    /// Opus always decodes at this rate; the rate in its header is that of the source.
    const SAMPLE_RATE: u32 = 48_000;
    let rest = head.strip_prefix(b"OpusHead")?;
    let &[_, channels] = rest.first_chunk()?;
    (channels > 0).then(|| facts(AudioCodec::Opus, SAMPLE_RATE, channels))
}

/// Reads the stream information block, behind the format's marker or alone.
pub(super) fn flac(header: &[u8]) -> Option<AudioFacts> {
    /// Block and frame sizes in front of the sample rate.
    const SIZES_BITS: u32 = 16 + 16 + 24 + 24;
    const BLOCK_HEADER_BITS: u32 = 32;
    const STREAM_INFORMATION: u32 = 0;
    let mut bits = Bits::new(header.strip_prefix(b"fLaC").unwrap_or(header));
    if header.starts_with(b"fLaC") || header.len() > 34 {
        bits.skip(1)?;
        if bits.read(7)? != STREAM_INFORMATION {
            return None;
        }
        bits.skip(BLOCK_HEADER_BITS - 8)?;
    }
    bits.skip(SIZES_BITS)?;
    let sample_rate = bits.read(20)?;
    let channels = u8::try_from(bits.read(3)? + 1).ok()?;
    (sample_rate > 0).then(|| facts(AudioCodec::Flac, sample_rate, channels))
}

/// Channels without the low-frequency one, by audio coding mode.
const DOLBY_CHANNELS: [u8; 8] = [2, 1, 2, 3, 3, 4, 4, 5];
const DOLBY_SAMPLE_RATES: [u32; 3] = [48_000, 44_100, 32_000];

/// Reads a synchronization frame of AC-3 or E-AC-3; which of them it is, it says itself.
pub(super) fn dolby(frame: &[u8]) -> Option<AudioFacts> {
    const SYNC_WORD: u32 = 0x0B77;
    const LAST_AC3: u8 = 10;
    let identification = frame.get(5)? >> 3;
    let mut bits = Bits::new(frame);
    if bits.read(16)? != SYNC_WORD {
        return None;
    }
    if identification <= LAST_AC3 {
        ac3(&mut bits)
    } else {
        eac3(&mut bits)
    }
}

fn ac3(bits: &mut Bits<'_>) -> Option<AudioFacts> {
    bits.skip(16)?;
    let rate = dolby_rate(bits.read(2)?)?;
    bits.skip(6 + 5 + 3)?;
    let mode = bits.read(3)?;
    if mode & 1 != 0 && mode != 1 {
        bits.skip(2)?;
    }
    if mode & 4 != 0 {
        bits.skip(2)?;
    }
    if mode == 2 {
        bits.skip(2)?;
    }
    Some(facts(AudioCodec::Ac3, rate, dolby_channels(bits, mode)?))
}

fn eac3(bits: &mut Bits<'_>) -> Option<AudioFacts> {
    const REDUCED: u32 = 3;
    bits.skip(2 + 3 + 11)?;
    let code = bits.read(2)?;
    let other = bits.read(2)?;
    let rate = match code {
        REDUCED => dolby_rate(other)? / 2,
        code => dolby_rate(code)?,
    };
    let mode = bits.read(3)?;
    Some(facts(AudioCodec::Eac3, rate, dolby_channels(bits, mode)?))
}

fn dolby_rate(code: u32) -> Option<u32> {
    DOLBY_SAMPLE_RATES.get(usize::try_from(code).ok()?).copied()
}

fn dolby_channels(bits: &mut Bits<'_>, mode: u32) -> Option<u8> {
    let main = DOLBY_CHANNELS.get(usize::try_from(mode).ok()?)?;
    Some(main + u8::from(bits.flag()?))
}

pub(super) fn mp3(frame: &[u8]) -> Option<AudioFacts> {
    const SAMPLE_RATES: [u32; 3] = [44_100, 48_000, 32_000];
    const MONO: u32 = 3;
    let mut bits = Bits::new(frame);
    if bits.read(11)? != 0x7FF {
        return None;
    }
    let divisor = match bits.read(2)? {
        3 => 1,
        2 => 2,
        0 => 4,
        _ => return None,
    };
    bits.skip(2 + 1 + 4)?;
    let index = usize::try_from(bits.read(2)?).ok()?;
    bits.skip(2)?;
    let channels = if bits.read(2)? == MONO { 1 } else { 2 };
    let rate = SAMPLE_RATES.get(index)? / divisor;
    Some(facts(AudioCodec::Mp3, rate, channels))
}

/// What the first byte of an old audio message says.
pub(super) fn flags(codec: AudioCodec, flags: u8) -> AudioFacts {
    const STEREO: u8 = 0x01;
    let channels = 1 + (flags & STEREO);
    match (codec, flags >> 4) {
        (AudioCodec::Speex, _) => facts(codec, 16_000, 1),
        (AudioCodec::Nellymoser, 4) => facts(codec, 16_000, 1),
        (AudioCodec::Nellymoser, 5) => facts(codec, 8_000, 1),
        (AudioCodec::ALaw | AudioCodec::MuLaw, _) => facts(codec, 8_000, channels),
        _ => facts(codec, 44_100 >> (3 - (flags >> 2 & 3)), channels),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(facts: Option<AudioFacts>) -> Option<(AudioCodec, u32, u8)> {
        facts.map(|facts| {
            (
                facts.codec,
                facts.sample_rate.unwrap(),
                facts.channels.unwrap(),
            )
        })
    }

    #[test]
    fn opus_decodes_at_48_khz_whatever_its_source_had() {
        let head = b"OpusHead\x01\x02\x38\x01\x44\xAC\0\0\0\0\0";
        assert_eq!(of(opus(head)), Some((AudioCodec::Opus, 48_000, 2)));
        assert_eq!(opus(b"OpusTags"), None);
    }

    #[test]
    fn flac_is_read_with_and_without_its_marker() {
        let mut information = vec![0x10, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x0A, 0xC4, 0x42, 0xF0];
        information.resize(34, 0);
        assert_eq!(of(flac(&information)), Some((AudioCodec::Flac, 44_100, 2)));
        let marked = [b"fLaC\x80\0\0\x22".to_vec(), information].concat();
        assert_eq!(of(flac(&marked)), Some((AudioCodec::Flac, 44_100, 2)));
    }

    #[test]
    fn dolby_frames_say_which_of_both_they_are() {
        // AC-3, 48 kHz, 3/2 with low-frequency channel.
        let frame = [0x0B, 0x77, 0, 0, 0x14, 0x40, 0xE1];
        assert_eq!(of(dolby(&frame)), Some((AudioCodec::Ac3, 48_000, 6)));
        // AC-3, 44.1 kHz, stereo.
        let frame = [0x0B, 0x77, 0, 0, 0x54, 0x40, 0x40];
        assert_eq!(of(dolby(&frame)), Some((AudioCodec::Ac3, 44_100, 2)));
        // E-AC-3, 48 kHz, stereo.
        let frame = [0x0B, 0x77, 0x01, 0xFF, 0x34, 0x86];
        assert_eq!(of(dolby(&frame)), Some((AudioCodec::Eac3, 48_000, 2)));
        assert_eq!(dolby(&[0; 8]), None);
    }

    #[test]
    fn mp3_headers_tell_version_rate_and_mode() {
        assert_eq!(
            of(mp3(&[0xFF, 0xFB, 0x90, 0x00])),
            Some((AudioCodec::Mp3, 44_100, 2))
        );
        assert_eq!(
            of(mp3(&[0xFF, 0xF3, 0x94, 0xC0])),
            Some((AudioCodec::Mp3, 24_000, 1))
        );
        assert_eq!(mp3(b"ID3\x04"), None);
    }

    #[test]
    fn old_formats_are_told_by_the_tag() {
        assert_eq!(
            of(Some(flags(AudioCodec::Pcm, 0x3F))),
            Some((AudioCodec::Pcm, 44_100, 2))
        );
        assert_eq!(
            of(Some(flags(AudioCodec::Adpcm, 0x16))),
            Some((AudioCodec::Adpcm, 11_025, 1))
        );
        assert_eq!(
            of(Some(flags(AudioCodec::Speex, 0xB6))),
            Some((AudioCodec::Speex, 16_000, 1))
        );
    }
}
