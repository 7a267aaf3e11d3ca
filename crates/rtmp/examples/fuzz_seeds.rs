//! Writes the beginnings of the fuzz corpora from recorded encoder sessions:
//! `fuzz_seeds RECORDINGS CORPUS` fills one folder of CORPUS for each fuzz target.

use std::error::Error;
use std::fs;
use std::path::Path;

use rtmp::{Event, Limits, Media, MediaKind, SERVER_RANDOM_BYTES, Session};

/// Whole sessions are cut here: dialogue, sequence headers and a few seconds of media.
const SESSION_BYTES: usize = 40_000;
/// Tags beyond this many of one recording are more of the same.
const TAGS: usize = 24;
/// Longer tags only make the fuzzer slow.
const TAG_BYTES: usize = 4_096;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(recordings), Some(corpus)) = (arguments.next(), arguments.next()) else {
        return Err("usage: fuzz_seeds RECORDINGS CORPUS".into());
    };
    for entry in fs::read_dir(recordings)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "bin") {
            seed(&path, Path::new(&corpus))?;
        }
    }
    Ok(())
}

fn seed(recording: &Path, corpus: &Path) -> Result<(), Box<dyn Error>> {
    let name = recording
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or("recording");
    let bytes = fs::read(recording)?;
    let start = bytes.get(..SESSION_BYTES).unwrap_or(&bytes);
    // C0, C1 and C2 come before the chunks (RTMP 1.0 section 5.2).
    const HANDSHAKE: usize = 1 + 1536 + 1536;
    write(corpus, "session", name, start)?;
    write(
        corpus,
        "handshake",
        name,
        start.get(..HANDSHAKE).unwrap_or(start),
    )?;
    write(
        corpus,
        "chunks",
        name,
        start.get(HANDSHAKE..).unwrap_or_default(),
    )?;
    let (mut tags, mut headers, mut data) = (0, 0, 0);
    for media in media(&bytes) {
        let body = media.body.get(..TAG_BYTES).unwrap_or(&media.body);
        match media.kind {
            MediaKind::Data => {
                data += 1;
                write(corpus, "amf0", &format!("{name}-{data}"), body)?;
            }
            MediaKind::Audio | MediaKind::Video => {
                if media.sequence_header {
                    headers += 1;
                    write(
                        corpus,
                        "parameter_sets",
                        &format!("{name}-{headers}"),
                        &media.payload,
                    )?;
                }
                tags += 1;
                if tags <= TAGS {
                    write(corpus, "tag", &format!("{name}-{tags}"), body)?;
                }
            }
        }
    }
    Ok(())
}

fn media(recording: &[u8]) -> Vec<Media> {
    let mut session = Session::new(Limits::default(), [0; SERVER_RANDOM_BYTES]);
    session.want_media(true);
    let mut found = Vec::new();
    for piece in recording.chunks(4_096) {
        let received = session.receive(piece);
        while let Some(event) = session.poll_event() {
            match event {
                Event::PublishRequested(_) => session.accept_publish(),
                Event::Media(media) => found.push(media),
                Event::Connected(_) | Event::MediaStarted | Event::Unpublished => {}
            }
        }
        session.take_output();
        if received.is_err() {
            break;
        }
    }
    found
}

fn write(corpus: &Path, target: &str, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let folder = corpus.join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}
