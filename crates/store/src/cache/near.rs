//! What this process knows by itself: the answers of its last five seconds, and holds.
//!
//! Look-ups are made in single flight: a thousand tries with one key ask once. What is held may be
//! five seconds old; that is harmless, because an answer can only refuse, and a revocation that is
//! heard of empties it. Of a hold the shared cache knows more; what is here goes on while that is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::authorization::{Answer, Hold};
use domain::{ChannelId, StreamKeyHash};
use moka::future::Cache;
use moka::ops::compute::Op;

use super::entry::REVOKED_TTL;

/// How long an answer is kept in this process.
const NEAR_TTL: Duration = Duration::from_secs(5);
/// Most answers kept in this process: more keys than one edge sees in five seconds.
const MAX_NEAR: u64 = 10_000;
/// Most holds kept in this process: far more than are ever tried at a time.
const MAX_HOLDS: u64 = 10_000;

#[derive(Debug)]
pub(super) struct Near {
    answers: Cache<(u64, StreamKeyHash), Answer>,
    holds: Cache<ChannelId, Hold>,
    /// Grows whenever something may have been revoked: what was learnt in an earlier round is not
    /// used any more, not even by a look-up that is under way.
    round: AtomicU64,
}

impl Near {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            answers: Cache::builder()
                .max_capacity(MAX_NEAR)
                .time_to_live(NEAR_TTL)
                .build(),
            // Without a clock the end of a hold is not known here. One that outlives its entry is
            // found in the store, and remembered again.
            holds: Cache::builder()
                .max_capacity(MAX_HOLDS)
                .time_to_live(REVOKED_TTL)
                .build(),
            round: AtomicU64::new(0),
        })
    }

    fn place(&self, hash: &StreamKeyHash) -> (u64, StreamKeyHash) {
        (self.round.load(Ordering::Acquire), *hash)
    }

    pub(super) fn begin_round(&self) {
        self.round.fetch_add(1, Ordering::AcqRel);
    }

    /// What is held, or what `look_up` finds; finding nothing is not held.
    pub(super) async fn answer(
        &self,
        hash: &StreamKeyHash,
        look_up: impl Future<Output = Option<Answer>>,
    ) -> Option<Answer> {
        let found = self.answers.optionally_get_with(self.place(hash), look_up);
        found.await
    }

    /// What is held, or what `look_up` finds; its failure goes to all who wait, and is not held.
    pub(super) async fn answer_or<E: Send + Sync + 'static>(
        &self,
        hash: &StreamKeyHash,
        look_up: impl Future<Output = Result<Answer, E>>,
    ) -> Result<Answer, Arc<E>> {
        self.answers.try_get_with(self.place(hash), look_up).await
    }

    pub(super) async fn remember_hold(&self, channel_id: &ChannelId, hold: Hold) {
        let place = self.holds.entry(channel_id.clone());
        let compared = place.and_compute_with(|held| {
            let keeps = held.is_some_and(|held| !hold.replaces(held.value()));
            std::future::ready(if keeps { Op::Nop } else { Op::Put(hold) })
        });
        compared.await;
    }

    pub(super) async fn hold(&self, channel_id: &ChannelId) -> Option<Hold> {
        self.holds.get(channel_id).await
    }

    /// Something was said of the key meanwhile.
    pub(super) async fn forget(&self, hash: &StreamKeyHash) {
        self.answers.invalidate(&self.place(hash)).await;
    }
}
