//! The words of a finding: what is seen, what it does, what to click in OBS.

use super::{Code, Measured};

/// What the owner reads.
pub(super) fn of(code: Code, measured: Measured) -> String {
    let seen = seen(code, measured);
    let remedy = match code {
        Code::KeyframeIntervalLong => {
            "set it to 2 s: Settings > Output > Streaming > Keyframe Interval."
        }
        Code::KeyframesMissing => {
            "Players cannot begin without one. Set Settings > Output > Streaming > Keyframe Interval \
             to 2 s and start the stream again."
        }
        Code::FrameRateLow => {
            "The computer does not keep up. Choose a lower Settings > Video > Common FPS Values or \
             Output (Scaled) Resolution, or a faster preset in Settings > Output > Streaming."
        }
        Code::BitrateDropped => {
            "Unless the picture stands still, the connection does not keep up. Lower Settings > \
             Output > Streaming > Bitrate, or use a cable instead of a wireless network."
        }
        Code::VideoMissing => {
            "Sound arrives, and no picture. Start the stream again; if that does not help, choose \
             another Settings > Output > Streaming > Video Encoder."
        }
        Code::AudioMissing => {
            "A picture arrives, and no sound at all, not even silence. Look at Settings > Output > \
             Streaming > Audio Track and start the stream again."
        }
        Code::AudioVideoDrift => {
            "Set Sync Offset to 0 in Edit > Advanced Audio Properties and start the stream again."
        }
        Code::TimestampsJump => {
            "The clock of the stream jumped, and players stumble. If it happens again, restart the \
             encoder; a capture device with a clock of its own may be the cause."
        }
    };
    seen + remedy
}

fn seen(code: Code, measured: Measured) -> String {
    match measured {
        Measured::KeyframeInterval { millis, ended } => {
            let least = if ended { "" } else { "at least " };
            format!("Your keyframe interval is {least}{} s, ", seconds(millis))
        }
        Measured::FrameRate { fps, announced } => {
            format!("Your frame rate is {fps:.0} fps, and your encoder announced {announced:.0}. ")
        }
        Measured::Bitrate { kbps, level } => {
            format!("Your bitrate fell to {kbps} kbit/s from about {level}. ")
        }
        Measured::Drift { audio_ahead_ms } => {
            let apart = seconds(audio_ahead_ms.unsigned_abs());
            let side = if audio_ahead_ms < 0 {
                "behind"
            } else {
                "ahead of"
            };
            format!("Your sound is {apart} s {side} the picture. ")
        }
        Measured::Bare if code == Code::KeyframesMissing => {
            "No keyframe has arrived yet. ".to_owned()
        }
        Measured::Bare => String::new(),
    }
}

/// To a tenth: `8.3`.
fn seconds(millis: u64) -> String {
    let tenths = millis.saturating_add(50) / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}
