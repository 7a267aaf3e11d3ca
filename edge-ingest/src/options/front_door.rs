//! The front door's bounds as flags: what a connection may send, and how long it may take.
//!
//! The defaults fit every encoder that was measured; each is explained where its constant is
//! (`rtmp::limits`, [`crate::settings::Timeouts`]).

use std::time::Duration;

use clap::Args;
use rtmp::{Limits, limits};

use crate::settings::Timeouts;

/// Flags of the front door.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Front door")]
pub struct FrontDoor {
    /// Chunk streams one encoder may use.
    #[arg(long, env = "STREAM_SYNC_LIMIT_CHUNK_STREAMS", default_value_t = limits::CHUNK_STREAMS, value_name = "COUNT", hide_short_help = true)]
    pub limit_chunk_streams: usize,
    /// Largest chunk size an encoder may announce.
    #[arg(long, env = "STREAM_SYNC_LIMIT_CHUNK_SIZE", default_value_t = limits::CHUNK_SIZE, value_name = "BYTES", hide_short_help = true)]
    pub limit_chunk_size: u32,
    /// Largest protocol control message.
    #[arg(long, env = "STREAM_SYNC_LIMIT_CONTROL_MESSAGE_BYTES", default_value_t = limits::CONTROL_MESSAGE_BYTES, value_name = "BYTES", hide_short_help = true)]
    pub limit_control_message_bytes: u32,
    /// Largest command before a publish is let in.
    #[arg(long, env = "STREAM_SYNC_LIMIT_COMMAND_BYTES_BEFORE_PUBLISH", default_value_t = limits::COMMAND_BYTES_BEFORE_PUBLISH, value_name = "BYTES", hide_short_help = true)]
    pub limit_command_bytes_before_publish: u32,
    /// Largest command or data message of a publisher.
    #[arg(long, env = "STREAM_SYNC_LIMIT_COMMAND_BYTES", default_value_t = limits::COMMAND_BYTES, value_name = "BYTES", hide_short_help = true)]
    pub limit_command_bytes: u32,
    /// How deep AMF0 objects and arrays may nest.
    #[arg(long, env = "STREAM_SYNC_LIMIT_AMF_DEPTH", default_value_t = limits::AMF_DEPTH, value_name = "COUNT", hide_short_help = true)]
    pub limit_amf_depth: usize,
    /// AMF0 values in one message.
    #[arg(long, env = "STREAM_SYNC_LIMIT_AMF_VALUES", default_value_t = limits::AMF_VALUES, value_name = "COUNT", hide_short_help = true)]
    pub limit_amf_values: usize,
    /// Largest audio message.
    #[arg(long, env = "STREAM_SYNC_LIMIT_AUDIO_MESSAGE_BYTES", default_value_t = limits::AUDIO_MESSAGE_BYTES, value_name = "BYTES", hide_short_help = true)]
    pub limit_audio_message_bytes: u32,
    /// Largest video message.
    #[arg(long, env = "STREAM_SYNC_LIMIT_VIDEO_MESSAGE_BYTES", default_value_t = limits::VIDEO_MESSAGE_BYTES, value_name = "BYTES", hide_short_help = true)]
    pub limit_video_message_bytes: u32,
    /// Unfinished messages of a publisher together.
    #[arg(long, env = "STREAM_SYNC_LIMIT_PARTIAL_BYTES", default_value_t = limits::PARTIAL_BYTES, value_name = "BYTES", hide_short_help = true)]
    pub limit_partial_bytes: usize,
    /// The same before a publish is let in.
    #[arg(long, env = "STREAM_SYNC_LIMIT_PARTIAL_BYTES_BEFORE_PUBLISH", default_value_t = limits::PARTIAL_BYTES_BEFORE_PUBLISH, value_name = "BYTES", hide_short_help = true)]
    pub limit_partial_bytes_before_publish: usize,
    /// Everything an encoder may send before a publish is let in.
    #[arg(long, env = "STREAM_SYNC_LIMIT_INPUT_BYTES_BEFORE_PUBLISH", default_value_t = limits::INPUT_BYTES_BEFORE_PUBLISH, value_name = "BYTES", hide_short_help = true)]
    pub limit_input_bytes_before_publish: u64,
    /// Input held while a publish is being decided.
    #[arg(long, env = "STREAM_SYNC_LIMIT_HELD_INPUT_BYTES", default_value_t = limits::HELD_INPUT_BYTES, value_name = "BYTES", hide_short_help = true)]
    pub limit_held_input_bytes: usize,
    /// createStream commands of one connection.
    #[arg(long, env = "STREAM_SYNC_LIMIT_CREATED_STREAMS", default_value_t = limits::CREATED_STREAMS, value_name = "COUNT", hide_short_help = true)]
    pub limit_created_streams: u32,
    /// From accept to the end of the handshake.
    #[arg(long, env = "STREAM_SYNC_TIMEOUT_HANDSHAKE", default_value_t = 5, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=300), hide_short_help = true)]
    pub timeout_handshake: u64,
    /// From accept to the publish command.
    #[arg(long, env = "STREAM_SYNC_TIMEOUT_PUBLISH", default_value_t = 10, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=300), hide_short_help = true)]
    pub timeout_publish: u64,
    /// Without any media once let in.
    #[arg(long, env = "STREAM_SYNC_TIMEOUT_NO_MEDIA", default_value_t = 15, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=300), hide_short_help = true)]
    pub timeout_no_media: u64,
    /// For one write to the socket.
    #[arg(long, env = "STREAM_SYNC_TIMEOUT_WRITE", default_value_t = 5, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=300), hide_short_help = true)]
    pub timeout_write: u64,
}

impl FrontDoor {
    /// What a connection may send.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            chunk_streams: self.limit_chunk_streams,
            chunk_size: self.limit_chunk_size,
            control_message_bytes: self.limit_control_message_bytes,
            command_bytes_before_publish: self.limit_command_bytes_before_publish,
            command_bytes: self.limit_command_bytes,
            amf_depth: self.limit_amf_depth,
            amf_values: self.limit_amf_values,
            audio_message_bytes: self.limit_audio_message_bytes,
            video_message_bytes: self.limit_video_message_bytes,
            partial_bytes: self.limit_partial_bytes,
            partial_bytes_before_publish: self.limit_partial_bytes_before_publish,
            input_bytes_before_publish: self.limit_input_bytes_before_publish,
            held_input_bytes: self.limit_held_input_bytes,
            created_streams: self.limit_created_streams,
            ..Limits::default()
        }
    }

    /// How long a connection may take.
    #[must_use]
    pub const fn timeouts(&self) -> Timeouts {
        Timeouts {
            handshake: Duration::from_secs(self.timeout_handshake),
            publish: Duration::from_secs(self.timeout_publish),
            no_media: Duration::from_secs(self.timeout_no_media),
            write: Duration::from_secs(self.timeout_write),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        front_door: FrontDoor,
    }

    #[test]
    fn without_flags_the_bounds_are_the_libraries_own() {
        let program = Program::try_parse_from(["edge"]).expect("no flag is required");
        assert_eq!(program.front_door.limits(), Limits::default());
        assert_eq!(program.front_door.timeouts(), Timeouts::default());
    }

    #[test]
    fn a_bound_can_be_moved() {
        let flags = ["edge", "--limit-amf-depth", "4", "--timeout-no-media", "30"];
        let program = Program::try_parse_from(flags).expect("valid");
        assert_eq!(program.front_door.limits().amf_depth, 4);
        assert_eq!(
            program.front_door.timeouts().no_media,
            Duration::from_secs(30)
        );
    }
}
