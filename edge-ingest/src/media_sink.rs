//! Where accepted media goes: the port that relays, recorders and tests stand behind.

use domain::ChannelId;
use rtmp::Media;

/// Takes the media of every publisher that is let in.
///
/// What it is given was accepted under a lock that was held when it was asked for, just before. Of one
/// channel, generations only grow; what comes late all the same (a process that stood still between the
/// asking and the hand-over) is told by its lower generation.
pub trait MediaSink: std::fmt::Debug + Send + Sync {
    /// Takes one message. Called on the thread that reads the connection: it must not wait.
    fn accept(&self, channel_id: &ChannelId, generation: u64, media: &Media);
}
