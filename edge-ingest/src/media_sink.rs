//! Where accepted media goes: the port that relays, recorders and tests stand behind.

use domain::ChannelId;
use rtmp::Media;

/// Takes the media of every publisher that is let in.
///
/// What it is given was accepted under a lock that was held at that moment. Of one channel,
/// generations only grow: once it was given something of one generation, on any edge, nothing of a
/// lower one follows.
pub trait MediaSink: std::fmt::Debug + Send + Sync {
    /// Takes one message. Called on the thread that reads the connection: it must not wait.
    fn accept(&self, channel_id: &ChannelId, generation: u64, media: &Media);
}
