//! What a connection is let in under: a lock of one generation, held by one epoch of this edge.
//!
//! Shared by the connection, which asks before each batch of media, and the publisher's task, which
//! takes it back. Taking it back waits for a batch that is just being handed on, so that nothing is
//! accepted after the write that says so.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{ChannelId, Moment};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::lease::Epoch;

/// A publisher that has sent no media for so long gives its lock up to whoever asks.
pub(crate) const IDLE_AFTER: Duration = Duration::from_millis(1_500);

#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) epoch: Arc<Epoch>,
    pub(crate) channel_id: ChannelId,
    pub(crate) generation: u64,
    /// When media last came; at first, when it was let in.
    media_at: AtomicU64,
    taken_back: Mutex<bool>,
    /// Fired when the lock was given back by a write: it is no longer held under this grant.
    given_back: CancellationToken,
}

impl Grant {
    pub(crate) fn new(epoch: Arc<Epoch>, channel_id: ChannelId, generation: u64) -> Arc<Self> {
        Arc::new(Self {
            epoch,
            channel_id,
            generation,
            media_at: AtomicU64::new(clock::boot().micros()),
            taken_back: Mutex::new(false),
            given_back: CancellationToken::new(),
        })
    }

    /// Hands on what came, media or not, where that is still allowed; false where it is not.
    pub(crate) fn hand_on(&self, media_came: bool, hand: impl FnOnce()) -> bool {
        let taken_back = self
            .taken_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let now = clock::boot();
        if *taken_back || !self.epoch.is_held(now) {
            return false;
        }
        if media_came {
            self.media_at.store(now.micros(), Ordering::Relaxed);
        }
        hand();
        true
    }

    /// From here on nothing is handed on.
    pub(crate) fn take_back(&self) {
        *self
            .taken_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Whether media came lately.
    pub(crate) fn flows(&self) -> bool {
        let media_at = Moment::from_micros(self.media_at.load(Ordering::Relaxed));
        clock::boot().since(media_at) < IDLE_AFTER
    }

    /// The lock is no longer held under it.
    pub(crate) fn gave_back(&self) {
        self.given_back.cancel();
    }

    /// Waits until the lock was given back.
    pub(crate) async fn until_given_back(&self) {
        self.given_back.cancelled().await;
    }
}
