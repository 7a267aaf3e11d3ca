//! Real encoders besides Debian's ffmpeg: other builds of ffmpeg, and GStreamer with either of its
//! two RTMP sinks, whose protocol code is their own.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use tokio::process::Command;

use crate::{Process, programs, repository};

/// How long a told or killed encoder may take to be gone: a hang guard, no promise.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// A build of ffmpeg. Enhanced RTMP grew with them: Debian's knows none of it, 7 writes its first
/// version (HEVC, AV1, VP9), 9 its second (more audio formats, several tracks).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Build {
    /// The one in the path.
    Debian,
    /// 7.0.2.
    Seven,
    /// 9.0.2.
    Nine,
}

impl Build {
    /// The program.
    ///
    /// # Errors
    /// When it is not installed, saying how to get it.
    pub fn command(self) -> Result<Command> {
        let folder = match self {
            Self::Debian => return programs::of_the_machine("ffmpeg"),
            Self::Seven => "ffmpeg-7",
            Self::Nine => "ffmpeg-9",
        };
        let program = repository::root()?.join("target/tools").join(folder);
        let program = program.join("ffmpeg");
        if !program.is_file() {
            bail!(
                "{} is missing: tests/run installs what the stories need",
                program.display()
            );
        }
        Ok(Command::new(program))
    }
}

/// An RTMP sink of GStreamer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sink {
    /// GStreamer's own.
    Rtmp2,
    /// On librtmp, which many other programs use, too.
    Librtmp,
}

impl Sink {
    fn element(self) -> &'static str {
        match self {
            Self::Rtmp2 => "rtmp2sink",
            Self::Librtmp => "rtmpsink",
        }
    }
}

/// H.264 of 320x180 at 30 pictures a second with a keyframe each second, and AAC.
const PIPELINE: &str = "flvmux name=muxer streamable=true \
     videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=30/1 \
     ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=300 key-int-max=30 \
     ! h264parse ! muxer. \
     audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 \
     ! voaacenc ! aacparse ! muxer. \
     muxer. !";

/// A running GStreamer pipeline.
#[derive(Debug)]
pub struct GStreamer {
    process: Process,
}

impl GStreamer {
    /// Publishes `key` to `server` until it is stopped.
    ///
    /// # Errors
    /// When GStreamer is not installed.
    pub fn publish(sink: Sink, server: &str, key: &str) -> Result<Self> {
        let mut command = programs::of_the_machine("gst-launch-1.0")?;
        // Told to stop, it then ends the stream in place of tearing the pipeline down.
        command.arg("--eos-on-shutdown");
        command.args(PIPELINE.split_whitespace());
        command
            .arg(sink.element())
            .arg(format!("location={server}/{key}"));
        let process = Process::spawn(sink.element(), command)?;
        Ok(Self { process })
    }

    /// Stops it as a person does with Ctrl-C: it says goodbye to the server.
    ///
    /// # Errors
    /// When it does not end normally.
    pub async fn stop_normally(mut self) -> Result<()> {
        let status = self.process.end(Signal::INT, GONE_WITHIN).await?;
        ensure!(
            status.success() && self.process.stdout().contains("EOS received"),
            "GStreamer did not end normally: {}",
            self.process.written()
        );
        Ok(())
    }

    /// Kills it: the server sees the connection break and nothing else.
    ///
    /// # Errors
    /// When it had ended already.
    pub async fn kill_9(mut self) -> Result<()> {
        self.process.end(Signal::KILL, GONE_WITHIN).await?;
        Ok(())
    }

    /// Waits until it gives up, as it does when the server refuses or cuts it. Gives what it
    /// printed about that.
    ///
    /// # Errors
    /// When it still runs after `deadline`, or ended with success.
    pub async fn gives_up(mut self, deadline: Duration) -> Result<String> {
        let status = self.process.exit(deadline).await?;
        ensure!(!status.success(), "GStreamer ended as if all were well");
        let words = self.process.stderr();
        let error = words.lines().find(|line| line.starts_with("ERROR"));
        Ok(error.context("GStreamer gave no reason")?.to_owned())
    }
}
