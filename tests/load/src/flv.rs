//! Reads an FLV file into its tags.
//!
//! Only the container: what a tag's payload says is [`crate::plan`]'s business, and that only as far
//! as it must know headers and keyframes from the rest.

/// Bytes of the file header that this reader takes.
const HEADER_BYTES: usize = 9;
/// Bytes in front of a tag's payload.
const TAG_HEADER_BYTES: usize = 11;
/// After the header and after each tag: the size of the tag before.
const PREVIOUS_SIZE_BYTES: usize = 4;

/// What a tag carries. The numbers are those of RTMP message types, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Type 8.
    Audio,
    /// Type 9.
    Video,
    /// Type 18: `onMetaData`.
    Script,
}

/// One tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// What it carries.
    pub kind: Kind,
    /// When it is decoded, milliseconds.
    pub timestamp: u32,
    /// The payload of the RTMP message that it becomes.
    pub payload: Vec<u8>,
}

/// Why a file cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It does not begin as an FLV file does.
    #[error("not an FLV file")]
    NotFlv,
    /// A tag of a type that FLV does not have.
    #[error("unknown tag type {kind} at byte {at}")]
    UnknownTag {
        /// The type found.
        kind: u8,
        /// Where in the file.
        at: usize,
    },
}

/// All tags of a file. A tag that is cut off at the end is left out: recorders are stopped anywhere.
///
/// # Errors
/// See [`Error`].
pub fn read(file: &[u8]) -> Result<Vec<Tag>, Error> {
    let (header, _) = file.split_at_checked(HEADER_BYTES).ok_or(Error::NotFlv)?;
    if !header.starts_with(b"FLV\x01") {
        return Err(Error::NotFlv);
    }
    let offset = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
    let mut at = usize::try_from(offset).map_err(|_| Error::NotFlv)? + PREVIOUS_SIZE_BYTES;
    let mut tags = Vec::new();
    while let Some(head) = file.get(at..at + TAG_HEADER_BYTES) {
        let size = usize::try_from(u32::from_be_bytes([0, head[1], head[2], head[3]]))
            .unwrap_or(usize::MAX);
        let begin = at + TAG_HEADER_BYTES;
        let Some(payload) = file.get(begin..begin + size) else {
            break;
        };
        tags.push(Tag {
            kind: kind(head[0]).ok_or(Error::UnknownTag { kind: head[0], at })?,
            timestamp: u32::from_be_bytes([head[7], head[4], head[5], head[6]]),
            payload: payload.to_vec(),
        });
        at = begin + size + PREVIOUS_SIZE_BYTES;
    }
    Ok(tags)
}

fn kind(number: u8) -> Option<Kind> {
    match number {
        8 => Some(Kind::Audio),
        9 => Some(Kind::Video),
        18 => Some(Kind::Script),
        _ => None,
    }
}

/// Writes tags as a file: for tests, which need one without an encoder.
#[must_use]
pub fn write(tags: &[Tag]) -> Vec<u8> {
    let mut file = b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec();
    for tag in tags {
        let number = match tag.kind {
            Kind::Audio => 8,
            Kind::Video => 9,
            Kind::Script => 18,
        };
        let size = u32::try_from(tag.payload.len()).unwrap_or(u32::MAX);
        let [high, a, b, c] = tag.timestamp.to_be_bytes();
        file.push(number);
        file.extend_from_slice(&size.to_be_bytes()[1..]);
        file.extend_from_slice(&[a, b, c, high, 0, 0, 0]);
        file.extend_from_slice(&tag.payload);
        file.extend_from_slice(&(size + 11).to_be_bytes());
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags() -> Vec<Tag> {
        vec![
            Tag {
                kind: Kind::Script,
                timestamp: 0,
                payload: vec![2, 0, 0],
            },
            Tag {
                kind: Kind::Video,
                timestamp: 33,
                payload: vec![7; 5000],
            },
            Tag {
                kind: Kind::Audio,
                timestamp: 0x0123_4567,
                payload: vec![],
            },
        ]
    }

    #[test]
    fn tags_come_back_as_they_were_with_timestamps_beyond_24_bits() {
        assert_eq!(read(&write(&tags())), Ok(tags()));
    }

    #[test]
    fn a_last_tag_that_is_cut_off_is_left_out() {
        let file = write(&tags());
        assert_eq!(read(&file[..file.len() - 5]).map(|tags| tags.len()), Ok(2));
        assert_eq!(read(&file[..13]), Ok(vec![]));
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(read(b"RIFFxxxxxxxxxx"), Err(Error::NotFlv));
        assert_eq!(read(b""), Err(Error::NotFlv));
        let mut file = write(&tags());
        file[13] = 77;
        assert_eq!(read(&file), Err(Error::UnknownTag { kind: 77, at: 13 }));
    }
}
