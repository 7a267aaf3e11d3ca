//! Reads the header of an audio or video message: the body of an FLV tag (Video File Format 10.1
//! §E.4.2, §E.4.3) and its extension by Enhanced RTMP v1 and v2.
//!
//! Works on the beginning of a message as well as on all of it. A header that goes on behind the
//! end of what is shown gives [`CutOff`]; bodies may be cut off silently, since most callers only
//! look at their first bytes.
//!
//! Every loop consumes input in every turn, so its length is bounded by the message's.

use crate::{AudioCodec, VideoCodec};

/// The header goes on behind the bytes that were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CutOff;

/// What a packet is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Decoder configuration.
    SequenceStart,
    /// A coded picture or coded samples.
    Coded,
    SequenceEnd,
    /// Colour information and the like, channel layouts: goes with a stream, is not part of it.
    Description,
    /// Nothing: silence, a seek command, a type not defined.
    Nothing,
}

/// A message's header, and its tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    pub(crate) purpose: Purpose,
    /// Always false for audio.
    pub(crate) keyframe: bool,
    /// Whether coded H.264, HEVC and VVC begin with a composition offset.
    composition_offset: bool,
    pub(crate) nanoseconds: u32,
    /// First byte of an audio message of an old format, which tells its rate and channels.
    pub(crate) flags: u8,
    tracks: Tracks,
    rest: &'a [u8],
}

/// How tracks are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tracks {
    /// The only track, of a format the old header tells.
    Legacy(Legacy),
    /// The only track, of this FourCC.
    Single([u8; 4]),
    /// One track with an id.
    One([u8; 4]),
    /// Several tracks of one format.
    Many([u8; 4]),
    /// Several tracks, each with its FourCC.
    ManyCodecs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Legacy {
    Video(VideoCodec),
    Audio(AudioCodec),
}

/// One track's part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet<'a> {
    pub(crate) track: u8,
    pub(crate) codec: PacketCodec,
    /// Milliseconds.
    pub(crate) composition_offset: i32,
    /// The codec's bytes, as far as they were given.
    pub(crate) body: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PacketCodec {
    Legacy(Legacy),
    FourCc([u8; 4]),
}

impl PacketCodec {
    pub(crate) fn video(self) -> VideoCodec {
        match self {
            Self::Legacy(Legacy::Video(codec)) => codec,
            Self::Legacy(Legacy::Audio(_)) => VideoCodec::Unknown,
            Self::FourCc(four_cc) => VideoCodec::from_four_cc(four_cc),
        }
    }

    pub(crate) fn audio(self) -> AudioCodec {
        match self {
            Self::Legacy(Legacy::Audio(codec)) => codec,
            Self::Legacy(Legacy::Video(_)) => AudioCodec::Unknown,
            Self::FourCc(four_cc) => AudioCodec::from_four_cc(four_cc),
        }
    }
}

/// Frame types of the video header.
const KEYFRAME: u8 = 1;
const COMMAND_FRAME: u8 = 5;

/// Packet types of Enhanced RTMP that are the same for audio and video.
const MOD_EX: u8 = 7;
/// The only modifier defined: three bytes of nanoseconds.
const NANOSECOND_OFFSET: u8 = 0;

impl<'a> Tag<'a> {
    fn legacy(codec: Legacy, purpose: Purpose, rest: &'a [u8]) -> Self {
        Self {
            purpose,
            keyframe: false,
            composition_offset: false,
            nanoseconds: 0,
            flags: 0,
            tracks: Tracks::Legacy(codec),
            rest,
        }
    }

    /// Reads the header of a video message.
    pub(crate) fn video(message: &'a [u8]) -> Result<Self, CutOff> {
        let mut cursor = Cursor(message);
        let first = cursor.u8()?;
        let frame = (first >> 4) & 0x07;
        let mut tag = if first & 0x80 != 0 {
            Self::extended_video(cursor, frame, first & 0x0F)?
        } else {
            Self::legacy_video(cursor, frame, first & 0x0F)?
        };
        tag.keyframe = frame == KEYFRAME;
        Ok(tag)
    }

    fn legacy_video(mut cursor: Cursor<'a>, frame: u8, codec: u8) -> Result<Self, CutOff> {
        let codec = match codec {
            2 => VideoCodec::Sorenson,
            3 | 6 => VideoCodec::Screen,
            4 | 5 => VideoCodec::Vp6,
            7 => VideoCodec::H264,
            // Not in Adobe's text, but widely sent before Enhanced RTMP.
            12 => VideoCodec::Hevc,
            13 => VideoCodec::Av1,
            _ => VideoCodec::Unknown,
        };
        let has_packet_type =
            matches!(codec, VideoCodec::H264 | VideoCodec::Hevc | VideoCodec::Av1);
        let purpose = match (frame, has_packet_type) {
            (COMMAND_FRAME, _) => Purpose::Nothing,
            (_, false) => Purpose::Coded,
            (_, true) => match cursor.u8()? {
                0 => Purpose::SequenceStart,
                1 => Purpose::Coded,
                2 => Purpose::SequenceEnd,
                _ => Purpose::Nothing,
            },
        };
        let mut tag = Self::legacy(Legacy::Video(codec), purpose, cursor.0);
        if has_packet_type && purpose != Purpose::Nothing {
            // The composition offset is there in every packet type, and means something in one.
            tag.composition_offset = true;
            cursor.u24()?;
        }
        Ok(tag)
    }

    fn extended_video(mut cursor: Cursor<'a>, frame: u8, packet: u8) -> Result<Self, CutOff> {
        const METADATA: u8 = 4;
        const MULTITRACK: u8 = 6;
        let (mut packet, nanoseconds) = cursor.modifiers(packet)?;
        let mut tracks = Tracks::Single([0; 4]);
        if frame == COMMAND_FRAME && packet != METADATA {
            let mut tag = Self::legacy(Legacy::Video(VideoCodec::Unknown), Purpose::Nothing, &[]);
            tag.nanoseconds = nanoseconds;
            return Ok(tag);
        }
        if packet == MULTITRACK {
            (packet, tracks) = cursor.multitrack()?;
        } else {
            tracks = tracks.with(cursor.four_cc()?);
        }
        let purpose = match packet {
            0 | 5 => Purpose::SequenceStart,
            1 | 3 => Purpose::Coded,
            2 => Purpose::SequenceEnd,
            METADATA => Purpose::Description,
            _ => Purpose::Nothing,
        };
        Ok(Self {
            purpose,
            keyframe: false,
            composition_offset: packet == 1,
            nanoseconds,
            flags: 0,
            tracks,
            rest: cursor.0,
        })
    }

    /// Reads the header of an audio message. An empty message is silence.
    pub(crate) fn audio(message: &'a [u8]) -> Result<Self, CutOff> {
        let mut cursor = Cursor(message);
        let Ok(first) = cursor.u8() else {
            let codec = Legacy::Audio(AudioCodec::Unknown);
            return Ok(Self::legacy(codec, Purpose::Nothing, &[]));
        };
        if first >> 4 == 9 {
            return Self::extended_audio(cursor, first & 0x0F);
        }
        let codec = match first >> 4 {
            0 | 3 => AudioCodec::Pcm,
            1 => AudioCodec::Adpcm,
            2 | 14 => AudioCodec::Mp3,
            4..=6 => AudioCodec::Nellymoser,
            7 => AudioCodec::ALaw,
            8 => AudioCodec::MuLaw,
            10 => AudioCodec::Aac,
            11 => AudioCodec::Speex,
            // Not in Adobe's text, but sent before Enhanced RTMP.
            13 => AudioCodec::Opus,
            _ => AudioCodec::Unknown,
        };
        let has_packet_type = matches!(codec, AudioCodec::Aac | AudioCodec::Opus);
        let purpose = match has_packet_type.then(|| cursor.u8()).transpose()? {
            Some(0) => Purpose::SequenceStart,
            _ => Purpose::Coded,
        };
        let mut tag = Self::legacy(Legacy::Audio(codec), purpose, cursor.0);
        tag.flags = first;
        Ok(tag)
    }

    fn extended_audio(mut cursor: Cursor<'a>, packet: u8) -> Result<Self, CutOff> {
        const MULTITRACK: u8 = 5;
        let (mut packet, nanoseconds) = cursor.modifiers(packet)?;
        let mut tracks = Tracks::Single([0; 4]);
        if packet == MULTITRACK {
            (packet, tracks) = cursor.multitrack()?;
        } else {
            tracks = tracks.with(cursor.four_cc()?);
        }
        let purpose = match packet {
            0 => Purpose::SequenceStart,
            1 => Purpose::Coded,
            2 => Purpose::SequenceEnd,
            4 => Purpose::Description,
            _ => Purpose::Nothing,
        };
        Ok(Self {
            purpose,
            keyframe: false,
            composition_offset: false,
            nanoseconds,
            flags: 0,
            tracks,
            rest: cursor.0,
        })
    }

    /// Whether tracks follow each other, so that only the whole message shows all of them.
    pub(crate) fn has_several_tracks(&self) -> bool {
        matches!(self.tracks, Tracks::Many(_) | Tracks::ManyCodecs)
    }

    /// The tracks of this message. Ends at the first one that is cut off in its header.
    pub(crate) fn packets(&self) -> Packets<'a> {
        Packets {
            tracks: Some(self.tracks),
            composition_offset: self.composition_offset,
            cursor: Cursor(self.rest),
        }
    }
}

impl Tracks {
    fn with(self, four_cc: [u8; 4]) -> Self {
        match self {
            Self::Single(_) => Self::Single(four_cc),
            Self::One(_) => Self::One(four_cc),
            Self::Many(_) => Self::Many(four_cc),
            Self::ManyCodecs | Self::Legacy(_) => self,
        }
    }
}

/// See [`Tag::packets`].
#[derive(Debug)]
pub(crate) struct Packets<'a> {
    /// Nothing once the last track was given.
    tracks: Option<Tracks>,
    composition_offset: bool,
    cursor: Cursor<'a>,
}

impl<'a> Packets<'a> {
    fn several(&mut self, four_cc: Option<[u8; 4]>) -> Result<Packet<'a>, CutOff> {
        let four_cc = match four_cc {
            Some(four_cc) => four_cc,
            None => self.cursor.four_cc()?,
        };
        let track = self.cursor.u8()?;
        let size = usize::try_from(self.cursor.u24()?).unwrap_or(usize::MAX);
        let body = self.cursor.at_most(size);
        Ok(self.packet(track, PacketCodec::FourCc(four_cc), body))
    }

    fn last(&mut self) -> &'a [u8] {
        self.tracks = None;
        std::mem::take(&mut self.cursor.0)
    }

    fn packet(&self, track: u8, codec: PacketCodec, body: &'a [u8]) -> Packet<'a> {
        let mut cursor = Cursor(body);
        let mut composition_offset = 0;
        let has_offset = match codec {
            PacketCodec::Legacy(_) => true,
            PacketCodec::FourCc(four_cc) => matches!(&four_cc, b"avc1" | b"hvc1" | b"vvc1"),
        };
        if self.composition_offset && has_offset {
            composition_offset = cursor.i24().unwrap_or_default();
        }
        Packet {
            track,
            codec,
            composition_offset,
            body: cursor.0,
        }
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        match self.tracks? {
            Tracks::Legacy(codec) => {
                let body = self.last();
                Some(self.packet(0, PacketCodec::Legacy(codec), body))
            }
            Tracks::Single(four_cc) => {
                let body = self.last();
                Some(self.packet(0, PacketCodec::FourCc(four_cc), body))
            }
            Tracks::One(four_cc) => {
                let mut body = Cursor(self.last());
                let track = body.u8().ok()?;
                Some(self.packet(track, PacketCodec::FourCc(four_cc), body.0))
            }
            Tracks::Many(four_cc) => self.several(Some(four_cc)).ok(),
            Tracks::ManyCodecs => self.several(None).ok(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], CutOff> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(CutOff)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn at_most(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at_checked(length).unwrap_or((self.0, &[]));
        self.0 = rest;
        taken
    }

    fn u8(&mut self) -> Result<u8, CutOff> {
        let [byte] = self.take()?;
        Ok(byte)
    }

    fn u24(&mut self) -> Result<u32, CutOff> {
        let [high, middle, low] = self.take()?;
        Ok(u32::from_be_bytes([0, high, middle, low]))
    }

    fn i24(&mut self) -> Result<i32, CutOff> {
        let [high, middle, low] = self.take()?;
        Ok(i32::from_be_bytes([high, middle, low, 0]) >> 8)
    }

    fn four_cc(&mut self) -> Result<[u8; 4], CutOff> {
        self.take()
    }

    /// Reads ModEx prefixes and returns the packet type behind them and the nanoseconds.
    fn modifiers(&mut self, mut packet: u8) -> Result<(u8, u32), CutOff> {
        let mut nanoseconds = 0;
        while packet == MOD_EX {
            let mut size = usize::from(self.u8()?) + 1;
            if size == 256 {
                size = usize::from(u16::from_be_bytes(self.take()?)) + 1;
            }
            let (data, rest) = self.0.split_at_checked(size).ok_or(CutOff)?;
            self.0 = rest;
            let next = self.u8()?;
            if next >> 4 == NANOSECOND_OFFSET {
                nanoseconds = Cursor(data).u24().unwrap_or_default().min(999_999);
            }
            packet = next & 0x0F;
        }
        Ok((packet, nanoseconds))
    }

    /// Reads the multitrack type, the packet type all tracks share and the FourCC they may share.
    fn multitrack(&mut self) -> Result<(u8, Tracks), CutOff> {
        let byte = self.u8()?;
        let tracks = match byte >> 4 {
            0 => Tracks::One(self.four_cc()?),
            1 => Tracks::Many(self.four_cc()?),
            _ => Tracks::ManyCodecs,
        };
        Ok((byte & 0x0F, tracks))
    }
}
