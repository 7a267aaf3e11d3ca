//! A real ffmpeg that publishes a test picture, and tells how much it sent.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::Command;

use crate::{Process, programs};

/// Picture and sound of a known shape, encoded at a nearly constant rate: the video is padded to
/// 800 kbit/s by the encoder itself, with a keyframe every 2 s.
const ENCODER: &str = "-re -f lavfi -i testsrc2=size=640x360:rate=30 \
     -re -f lavfi -i sine=frequency=440:sample_rate=44100 \
     -c:v libx264 -preset veryfast -tune zerolatency -pix_fmt yuv420p \
     -g 60 -keyint_min 60 -sc_threshold 0 \
     -b:v 800k -minrate 800k -maxrate 800k -bufsize 400k -x264-params nal-hrd=cbr \
     -c:a aac -b:a 96k -f flv";
/// How long a told or killed ffmpeg may take to be gone: a hang guard, no promise.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// What a media message costs in the FLV stream beyond its payload: tag header and back pointer.
const FLV_OVERHEAD_BYTES: f64 = 15.0;
/// Messages a second: 30 pictures, 44,100 samples in frames of 1,024.
const MESSAGES_A_SECOND: f64 = 30.0 + 44_100.0 / 1_024.0;

/// A running ffmpeg.
#[derive(Debug)]
pub struct Ffmpeg {
    process: Process,
    progress: TempDir,
    started: Instant,
}

/// What an ffmpeg has sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Bytes of its FLV stream.
    pub bytes: u64,
    /// Seconds of media in them.
    pub seconds: f64,
}

impl Sent {
    /// Its rate of media payload, in kbit/s.
    #[must_use]
    #[allow(
        clippy::cast_precision_loss,
        reason = "a story sends far fewer than 2^52 bytes"
    )]
    pub fn kbps(self) -> f64 {
        let overhead = FLV_OVERHEAD_BYTES * MESSAGES_A_SECOND * self.seconds;
        (self.bytes as f64 - overhead) * 8.0 / self.seconds / 1_000.0
    }
}

impl Ffmpeg {
    /// Publishes `key` to `server` until it is stopped.
    ///
    /// # Errors
    /// When ffmpeg is not installed.
    pub fn publish(server: &str, key: &str) -> Result<Self> {
        Self::run(ENCODER.split_whitespace(), &format!("{server}/{key}"))
    }

    /// Runs ffmpeg with these arguments, then `url`.
    ///
    /// # Errors
    /// When ffmpeg is not installed.
    pub fn run<'a>(arguments: impl Iterator<Item = &'a str>, url: &str) -> Result<Self> {
        Self::run_build(programs::of_the_machine("ffmpeg")?, arguments, url)
    }

    /// Runs this ffmpeg with these arguments, then `url`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn run_build<'a>(
        mut command: Command,
        arguments: impl Iterator<Item = &'a str>,
        url: &str,
    ) -> Result<Self> {
        let progress = tempfile::tempdir()?;
        // Without -nostdin, with which ffmpeg 7 ends no sooner than at a second signal. There is no
        // standard input that it could wait for.
        command.args(["-hide_banner", "-nostats", "-stats_period", "0.2"]);
        command
            .arg("-progress")
            .arg(progress.path().join("progress"));
        command.args(arguments).arg(url);
        let started = Instant::now();
        let process = Process::spawn("ffmpeg", command)?;
        Ok(Self {
            process,
            progress,
            started,
        })
    }

    /// When it was started.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.process.runs()
    }

    /// How much it has sent so far.
    ///
    /// # Errors
    /// When it has not said so yet.
    pub fn sent(&self) -> Result<Sent> {
        let path: PathBuf = self.progress.path().join("progress");
        let report = std::fs::read_to_string(path).context("ffmpeg has reported nothing yet")?;
        read_progress(&report).context("ffmpeg has sent nothing yet")
    }

    /// Stops it as a person does with Ctrl-C: it says goodbye to the server. Gives the moment of
    /// the signal and what was sent in all.
    ///
    /// # Errors
    /// When it does not end normally.
    pub async fn stop_normally(mut self) -> Result<(Instant, Sent)> {
        let told = Instant::now();
        self.process.end(Signal::INT, GONE_WITHIN).await?;
        let words = self.process.stderr();
        ensure!(
            words.contains("Exiting normally"),
            "ffmpeg did not end normally: {words}"
        );
        Ok((told, self.sent()?))
    }

    /// Kills it: the server sees the connection break and nothing else. Gives the moment.
    ///
    /// # Errors
    /// When it had ended already.
    pub async fn kill_9(mut self) -> Result<Instant> {
        let killed = Instant::now();
        self.process.end(Signal::KILL, GONE_WITHIN).await?;
        Ok(killed)
    }

    /// Waits until it gives up, as it does when the server refuses or cuts it. Gives the moment
    /// and what it printed.
    ///
    /// # Errors
    /// When it still runs after `deadline`, or ended with success.
    pub async fn gives_up(mut self, deadline: Duration) -> Result<(Instant, String)> {
        let status = self.process.exit(deadline).await?;
        let at = Instant::now();
        ensure!(!status.success(), "ffmpeg ended as if all were well");
        Ok((at, self.process.stderr()))
    }
}

fn read_progress(report: &str) -> Option<Sent> {
    let last = |name: &str| {
        let mut lines = report.lines().rev();
        lines.find_map(|line| {
            line.strip_prefix(name)?
                .strip_prefix('=')?
                .trim()
                .parse::<u64>()
                .ok()
        })
    };
    let (bytes, micros) = (last("total_size")?, last("out_time_us")?);
    let seconds = Duration::from_micros(micros).as_secs_f64();
    (micros > 0).then_some(Sent { bytes, seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_progress_report_counts() {
        let report = "total_size=417\nout_time_us=N/A\nprogress=continue\n\
                      total_size=126121\nout_time_us=1045000\nprogress=continue\n";
        let sent = read_progress(report).unwrap();
        assert_eq!((sent.bytes, sent.seconds), (126_121, 1.045));
        assert!(read_progress("total_size=N/A\n").is_none());
    }

    #[test]
    fn the_rate_is_of_payload_only() {
        let sent = Sent {
            bytes: 126_096,
            seconds: 1.0,
        };
        assert!((sent.kbps() - 1_000.0).abs() < 0.1, "{}", sent.kbps());
    }
}
