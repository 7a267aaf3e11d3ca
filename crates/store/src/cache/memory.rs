//! The cache within one process, with the rules of the shared one.

use std::time::{Duration, Instant};

use domain::authorization::Answer;
use domain::{ChannelId, ConnectionId, StreamKeyHash, UserId};
use moka::Expiry;
use moka::future::Cache;
use moka::ops::compute::Op;

use super::StatusHint;
use super::entry::{LOCK_TTL, STATUS_TTL, time_to_live};

/// Most entries of each kind; some 300 bytes each. What is over is dropped and looked up again.
const MAX_ENTRIES: u64 = 100_000;

#[derive(Debug)]
pub(super) struct Memory {
    answers: Cache<StreamKeyHash, Answer>,
    statuses: Cache<(UserId, ChannelId), StatusHint>,
    locks: Cache<ChannelId, ConnectionId>,
}

/// Each kind of answer has a life of its own, counted from when it was last written.
struct ByKind;

impl Expiry<StreamKeyHash, Answer> for ByKind {
    fn expire_after_create(
        &self,
        _: &StreamKeyHash,
        answer: &Answer,
        _: Instant,
    ) -> Option<Duration> {
        Some(time_to_live(answer, rand::random()))
    }

    fn expire_after_update(
        &self,
        _: &StreamKeyHash,
        answer: &Answer,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(time_to_live(answer, rand::random()))
    }
}

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            answers: Cache::builder()
                .max_capacity(MAX_ENTRIES)
                .expire_after(ByKind)
                .build(),
            statuses: Cache::builder()
                .max_capacity(MAX_ENTRIES)
                .time_to_live(STATUS_TTL)
                .build(),
            locks: Cache::builder()
                .max_capacity(MAX_ENTRIES)
                .time_to_live(LOCK_TTL)
                .build(),
        }
    }

    pub(super) async fn answer(&self, hash: &StreamKeyHash) -> Option<Answer> {
        self.answers.get(hash).await
    }

    pub(super) async fn remember(&self, hash: &StreamKeyHash, answer: &Answer) {
        let place = self.answers.entry(*hash);
        let compared = place.and_compute_with(|held| {
            let keeps = held.is_some_and(|held| !answer.replaces(held.value()));
            std::future::ready(if keeps {
                Op::Nop
            } else {
                Op::Put(answer.clone())
            })
        });
        compared.await;
    }

    pub(super) async fn publish_status(&self, user_id: &UserId, hint: &StatusHint) {
        let place = self
            .statuses
            .entry((user_id.clone(), hint.channel_id.clone()));
        let compared = place.and_compute_with(|held| {
            let keeps = held.is_some_and(|held| held.value().order() >= hint.order());
            std::future::ready(if keeps {
                Op::Nop
            } else {
                Op::Put(hint.clone())
            })
        });
        compared.await;
    }

    pub(super) async fn status(
        &self,
        user_id: &UserId,
        channel_id: &ChannelId,
    ) -> Option<StatusHint> {
        let place = (user_id.clone(), channel_id.clone());
        self.statuses.get(&place).await
    }

    pub(super) async fn hint_lock(
        &self,
        channel_id: &ChannelId,
        connection_id: Option<&ConnectionId>,
    ) {
        match connection_id {
            Some(id) => self.locks.insert(channel_id.clone(), id.clone()).await,
            None => self.locks.invalidate(channel_id).await,
        }
    }

    pub(super) async fn lock_hint(&self, channel_id: &ChannelId) -> Option<ConnectionId> {
        self.locks.get(channel_id).await
    }
}
