//! The command line of `rtmp-load`.
//!
//! Everything that can be refused before a socket is opened is refused here: with the message and
//! the exit status (2) of a wrong flag. Files of keys are read here, too; they are never shown.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser};

use crate::dialogue::{Key, SMALLEST_CHUNK_BYTES};
use crate::target::{self, Target};
use crate::{Kind, Mode, course, flv, handshakes, plan, publish, publisher, slowloris};

/// Longest run, seconds: 4 hours, below the 4.6 at which timestamps would need an extension.
pub const MAX_SECONDS: u64 = 4 * 3600;
/// Most publishers, slow sockets: what the ports of one source address allow.
const MAX_CONNECTIONS: u32 = 20_000;
/// Most handshakes of one run.
const MAX_HANDSHAKES: u32 = 10_000_000;
/// Largest chunk size, bytes: what servers take.
const MAX_CHUNK_BYTES: u32 = 65_536;
/// Largest file, bytes: it is held in memory.
const MAX_FLV_BYTES: u64 = 256 * 1024 * 1024;

const EXAMPLES: &str = "\
Examples:
  An FLV to loop: 20 s of 720p30 at 2.5 Mbit/s
    ffmpeg -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=sample_rate=48000 -t 20 \\
      -c:v libx264 -preset veryfast -b:v 2372k -maxrate 2372k -bufsize 2372k -g 60 -bf 0 \\
      -pix_fmt yuv420p -c:a aac -b:a 128k hi.flv

  200 publishers against a server that takes any name, measured for 20 s once all are live
    rtmp-load --url rtmp://127.0.0.1:1935/live --flv hi.flv --key-template 'stream{}' \\
      --connections 200 --window 20

  The same with stream keys, one in a line; all cut at once and back
    rtmp-load --url rtmp://127.0.0.1:1935/live --flv hi.flv --keys keys.txt --connections 200 --storm

  What a server must survive while others publish
    rtmp-load --url rtmp://127.0.0.1:1935/live --slowloris 500 --ramp 500
    rtmp-load --url rtmp://127.0.0.1:1935/live --handshakes 5000 --rate 800

One JSON object goes to stdout when the run is over. While it runs, stderr has a line at each of
these: `live N of M`, `back N of M`, `window begins`, `window ends`. No key is in either.";

/// Publishes one FLV file over many connections to an RTMP server on this machine, each message at
/// its time, and says how the server held up.
#[derive(Clone, Debug, Parser)]
#[command(name = "rtmp-load", version, after_help = EXAMPLES)]
pub struct Options {
    /// The server and its app: rtmp://127.0.0.1:1935/live. Only loopback addresses are taken
    #[arg(long, value_name = "URL", value_parser = Target::parse)]
    url: Target,

    /// H.264 and AAC (or other tracks with sequence headers); looped, timestamps continue
    #[arg(long, value_name = "FILE", required_unless_present_any = ["slowloris", "handshakes"])]
    flv: Option<PathBuf>,

    /// Stream keys, one in a line, at least as many as connections
    #[arg(long, value_name = "FILE", conflicts_with = "key_template",
          required_unless_present_any = ["key_template", "slowloris", "handshakes"])]
    keys: Option<PathBuf>,

    /// Names to publish where a server takes any: {} becomes the connection's number
    #[arg(long, value_name = "TEXT", value_parser = key_template)]
    key_template: Option<String>,

    /// How many publishers
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_CONNECTIONS)))]
    connections: u32,

    /// Connections begun in a second
    #[arg(long, value_name = "PER_SECOND", default_value_t = 100.0, value_parser = rate)]
    ramp: f64,

    /// The run ends by then, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(1..=MAX_SECONDS))]
    duration: u64,

    /// Between everybody being live and what comes next (storm, window), in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3,
          value_parser = clap::value_parser!(u64).range(0..=600))]
    settle: u64,

    /// Measure for so many seconds after settling, and end then
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=MAX_SECONDS))]
    window: Option<u64>,

    /// Go on so long after the window, for whoever asks the server about its publishers, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1, requires = "window",
          value_parser = clap::value_parser!(u64).range(0..=600))]
    hold: u64,

    /// Bytes of a chunk; OBS has 4096, GStreamer's rtmp2sink 128
    #[arg(long, value_name = "BYTES", default_value_t = 4096,
          value_parser = clap::value_parser!(u32).range(SMALLEST_CHUNK..=i64::from(MAX_CHUNK_BYTES)))]
    chunk_size: u32,

    /// Come from so many addresses, 127.0.0.1 and up, as if from as many machines
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..=i64::from(target::MAX_SOURCES)))]
    sources: u8,

    /// Cut all publishers at once after settling, without a word, and connect them again
    #[arg(long)]
    storm: bool,

    /// No publishers, but so many sockets that send one byte of the handshake now and then
    #[arg(long, value_name = "N", conflicts_with_all = ["handshakes", "storm", "flv", "window"],
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_CONNECTIONS)))]
    slowloris: Option<u32>,

    /// Between two bytes of a slow socket, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3, requires = "slowloris",
          value_parser = clap::value_parser!(u64).range(1..=600))]
    interval: u64,

    /// No publishers, but so many handshakes, each followed by closing
    #[arg(long, value_name = "N", conflicts_with_all = ["storm", "flv", "window"],
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_HANDSHAKES)))]
    handshakes: Option<u32>,

    /// Handshakes begun in a second
    #[arg(long, value_name = "PER_SECOND", default_value_t = 500.0, requires = "handshakes",
          value_parser = rate)]
    rate: f64,
}

/// For clap, which compares ranges as `i64`.
const SMALLEST_CHUNK: i64 = 128;
const _: () = assert!(
    SMALLEST_CHUNK_BYTES == 128,
    "both say what the protocol begins with"
);

impl Options {
    /// Reads the command line and the files it names; prints what is wrong and ends the process
    /// where they cannot be taken.
    #[must_use]
    pub fn from_command_line() -> (Target, Mode) {
        let options = Self::parse();
        match options.kind() {
            Ok(kind) => (options.target(), Mode(kind)),
            Err(wrong) => Self::command()
                .error(ErrorKind::ValueValidation, wrong)
                .exit(),
        }
    }

    fn target(&self) -> Target {
        self.url.clone().from_sources(self.sources)
    }

    fn kind(&self) -> Result<Kind, String> {
        let duration = Duration::from_secs(self.duration);
        if let Some(sockets) = self.slowloris {
            return Ok(Kind::Slowloris(slowloris::Wishes {
                sockets: to_usize(sockets),
                ramp: self.ramp,
                interval: Duration::from_secs(self.interval),
                duration,
            }));
        }
        if let Some(count) = self.handshakes {
            let handshakes = to_usize(count);
            return Ok(Kind::Handshakes(handshakes::Wishes {
                handshakes,
                rate: self.rate,
                duration,
            }));
        }
        let keys = self.read_keys()?;
        let chunk_size = to_usize(self.chunk_size);
        let plan = read_plan(self.flv.as_deref().ok_or("--flv is missing")?, chunk_size)?;
        let wishes = course::Wishes {
            settle: Duration::from_secs(self.settle),
            storm: self.storm,
            window: self.window.map(Duration::from_secs),
            hold: Duration::from_secs(self.hold),
            duration,
        };
        let shared = publisher::Shared {
            target: self.target(),
            plan,
            chunk_size,
        };
        Ok(Kind::Publish(
            Box::new(publish::Run {
                shared,
                wishes,
                ramp: self.ramp,
            }),
            keys,
        ))
    }

    fn read_keys(&self) -> Result<Vec<Key>, String> {
        let wanted = to_usize(self.connections);
        if let Some(template) = &self.key_template {
            let name = |number| Key::new(template.replace("{}", &format!("{number}")));
            return Ok((0..wanted).map(name).collect());
        }
        let path = self.keys.as_deref().ok_or("--keys is missing")?;
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("--keys {}: {error}", path.display()))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let keys: Vec<Key> = lines
            .take(wanted)
            .map(|line| Key::new(line.to_owned()))
            .collect();
        if keys.len() < wanted {
            let found = keys.len();
            return Err(format!(
                "--keys has {found} keys, --connections wants {wanted}"
            ));
        }
        Ok(keys)
    }
}

fn read_plan(path: &Path, chunk_size: usize) -> Result<plan::Plan, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("--flv {}: {error}", path.display());
    let length = std::fs::metadata(path)
        .map_err(|error| wrong(&error))?
        .len();
    if length > MAX_FLV_BYTES {
        return Err(wrong(&"larger than 256 MiB"));
    }
    let file = std::fs::read(path).map_err(|error| wrong(&error))?;
    let tags = flv::read(&file).map_err(|error| wrong(&error))?;
    plan::Plan::new(tags, chunk_size).map_err(|error| wrong(&error))
}

fn key_template(text: &str) -> Result<String, String> {
    if text.contains("{}") {
        return Ok(text.to_owned());
    }
    Err("must hold {}, which becomes the connection's number".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.1..=100_000.0).contains(&rate) => Ok(rate),
        _ => Err("must be a number between 0.1 and 100000".to_owned()),
    }
}

fn to_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(flags: &[&str]) -> Result<Options, ErrorKind> {
        Options::try_parse_from([&["rtmp-load"], flags].concat()).map_err(|error| error.kind())
    }

    const URL: [&str; 2] = ["--url", "rtmp://127.0.0.1/live"];

    #[test]
    fn a_mode_needs_what_it_works_with() {
        assert!(parse(&[&URL[..], &["--slowloris", "5"]].concat()).is_ok());
        assert!(parse(&[&URL[..], &["--handshakes", "5", "--rate", "2.5"]].concat()).is_ok());
        let missing = Err(ErrorKind::MissingRequiredArgument);
        assert_eq!(parse(&URL).map(|_| ()), missing);
        let both = [&URL[..], &["--slowloris", "5", "--handshakes", "5"]].concat();
        assert_eq!(parse(&both).map(|_| ()), Err(ErrorKind::ArgumentConflict));
        let foreign = ["--url", "rtmp://192.0.2.1/live", "--slowloris", "1"];
        assert_eq!(parse(&foreign).map(|_| ()), Err(ErrorKind::ValueValidation));
    }

    #[test]
    fn too_few_keys_are_noticed_before_anything_starts_and_not_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = folder.path().join("keys");
        std::fs::write(&keys, "sk_fake_one\n\n sk_fake_two \n").expect("written");
        let path = keys.to_str().expect("plain");
        let options = |count| {
            let flags = ["--flv", "x", "--keys", path, "--connections", count];
            parse(&[&URL[..], &flags].concat()).expect("good flags")
        };
        let two = vec![
            Key::new("sk_fake_one".to_owned()),
            Key::new("sk_fake_two".to_owned()),
        ];
        assert_eq!(options("2").read_keys(), Ok(two));
        let error = options("3").read_keys().expect_err("one is missing");
        assert!(
            error.contains("has 2 keys") && !error.contains("sk_fake"),
            "{error}"
        );
    }

    #[test]
    fn a_template_numbers_the_connections() {
        let flags = [
            "--flv",
            "x",
            "--key-template",
            "stream{}",
            "--connections",
            "2",
        ];
        let options = parse(&[&URL[..], &flags].concat()).expect("good flags");
        let names = vec![
            Key::new("stream0".to_owned()),
            Key::new("stream1".to_owned()),
        ];
        assert_eq!(options.read_keys(), Ok(names));
    }
}
