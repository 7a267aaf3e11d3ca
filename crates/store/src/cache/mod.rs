//! The cache: it makes look-ups and refusals cheap, and never admits anybody.
//!
//! Kept in Redis, where all processes share it, or in one process's memory; nothing else differs. A
//! cache that is away, slow or empty answers nothing, and the caller asks the store: nothing that is
//! said here fails, and no call takes longer than [`CALL_TIMEOUT`].
//!
//! Invariants:
//! - An answer about a key never takes the place of a newer one; of equal ones the revocation
//!   stays. The same holds for what is said of a hold.
//! - What cannot be read, whatever its size or kind, is as good as nothing, and is replaced.
//! - A status never takes the place of one with a greater `(generation, sequence, n)`.
//! - Hints are hints: what is read here is compared with the store before anything is decided.
//!
//! Absent on purpose: locks. Redis may lose what it holds.

mod entry;
mod link;
pub mod lookup;
mod memory;
mod near;
mod redis;

use std::sync::Arc;
use std::time::Duration;

use domain::authorization::{Answer, Hold};
use domain::metrics::Metrics;
use domain::{ChannelId, ConnectionId, StreamKeyHash, Timestamp, UserId};
use memory::Memory;
use near::Near;
use redis::Redis;
use tokio::sync::broadcast;

/// Longest call of the shared cache: a look-up in the store takes less than twice as long.
pub const CALL_TIMEOUT: Duration = Duration::from_millis(50);
/// Control messages that a receiver may be behind before it misses some. One that missed some reads
/// the gates again.
pub const CONTROL_BACKLOG: usize = 256;

/// The last sample of a channel, for whoever reads the status between two pushes.
#[derive(Clone, PartialEq, Debug)]
pub struct StatusHint {
    /// The channel.
    pub channel_id: ChannelId,
    /// Of which status it is; compare with the live item's.
    pub generation: u64,
    /// Of which status it is; compare with the live item's.
    pub sequence: u64,
    /// Counts samples within one `(generation, sequence)`.
    pub n: u64,
    /// Whether media flows.
    pub live: bool,
    /// The sample.
    pub metrics: Option<Metrics>,
}

impl StatusHint {
    /// Orders hints of one channel.
    #[must_use]
    pub const fn order(&self) -> (u64, u64, u64) {
        (self.generation, self.sequence, self.n)
    }
}

/// Word of a change of a channel's gate. It may be lost: edges read the gates of their live
/// channels again from time to time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Control {
    /// The channel.
    pub channel_id: ChannelId,
    /// The gate's version since the change.
    pub auth_version: u64,
}

/// What was given as the cache's address is none. Says nothing of it: it may hold a password.
#[derive(Debug, thiserror::Error)]
#[error("not a redis:// or rediss:// address")]
pub struct Error;

/// The shared cache gives no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the shared cache gives no answer")]
pub struct Away;

/// The cache. A cheap clone: all share what it holds.
#[derive(Clone, Debug)]
pub struct Cache {
    kind: Kind,
    near: Arc<Near>,
    controls: broadcast::Sender<Control>,
}

#[derive(Clone, Debug)]
enum Kind {
    None,
    Memory(Arc<Memory>),
    Redis(Arc<Redis>),
}

impl Cache {
    /// A cache in this process's memory.
    #[must_use]
    pub fn memory() -> Self {
        Self::of(Kind::Memory(Arc::new(Memory::new())))
    }

    /// The cache in the Redis at `url`. Starts even where it is away, after half a second at most,
    /// and finds it later. Must be called within a tokio runtime; [`Cache::close`] ends its task.
    ///
    /// # Errors
    /// [`Error`] where `url` is not an address.
    pub async fn redis(url: &str) -> Result<Self, Error> {
        Self::redis_within(url, CALL_TIMEOUT).await
    }

    /// The same with another bound on a call: for a Redis that is far away, or a busy machine.
    ///
    /// # Errors
    /// [`Error`] where `url` is not an address.
    pub async fn redis_within(url: &str, call_timeout: Duration) -> Result<Self, Error> {
        let controls = broadcast::Sender::new(CONTROL_BACKLOG);
        let near = Near::new();
        let redis = Redis::start(url, call_timeout, Arc::clone(&near), controls.clone()).await?;
        Ok(Self {
            kind: Kind::Redis(Arc::new(redis)),
            near,
            controls,
        })
    }

    /// A cache that remembers nothing; control messages still go round within the process.
    #[must_use]
    pub fn none() -> Self {
        Self::of(Kind::None)
    }

    fn of(kind: Kind) -> Self {
        Self {
            kind,
            near: Near::new(),
            controls: broadcast::Sender::new(CONTROL_BACKLOG),
        }
    }

    /// What is known of a key; None where nothing is, or the cache is in trouble.
    pub async fn answer(&self, hash: &StreamKeyHash) -> Option<Answer> {
        self.near.answer(hash, self.shared_answer(hash)).await
    }

    /// What is known of a key, or else what `read` finds, which is then remembered. However many ask
    /// for one key at a time, the cache and `read` are asked once.
    ///
    /// # Errors
    /// What `read` failed with, for all who waited for it.
    pub async fn answer_or<E: Send + Sync + 'static>(
        &self,
        hash: &StreamKeyHash,
        read: impl Future<Output = Result<Answer, E>>,
    ) -> Result<Answer, Arc<E>> {
        let look_up = async {
            if let Some(answer) = self.shared_answer(hash).await {
                return Ok(answer);
            }
            let answer = read.await?;
            self.share(hash, &answer).await;
            Ok(answer)
        };
        self.near.answer_or(hash, look_up).await
    }

    async fn shared_answer(&self, hash: &StreamKeyHash) -> Option<Answer> {
        match &self.kind {
            Kind::None => None,
            Kind::Memory(memory) => memory.answer(hash).await,
            Kind::Redis(redis) => redis.answer(hash).await,
        }
    }

    /// Keeps an answer where it may take the place of what is held: [`Answer::replaces`]. A key
    /// that was found is kept 300 s (a tenth more or less), one that was not 5 s, a revoked one 1 h.
    pub async fn remember(&self, hash: &StreamKeyHash, answer: &Answer) {
        self.share(hash, answer).await;
        if matches!(answer, Answer::Revoked { .. }) {
            self.near.begin_round();
        } else {
            self.near.forget(hash).await;
        }
    }

    async fn share(&self, hash: &StreamKeyHash, answer: &Answer) {
        match &self.kind {
            Kind::None => {}
            Kind::Memory(memory) => memory.remember(hash, answer).await,
            Kind::Redis(redis) => redis.remember(hash, answer).await,
        }
    }

    /// Says that the gate's `auth_version` holds a channel until then, or, with None, that it lifts
    /// a hold; where that is newer than what is held: [`Hold::replaces`]. A hold is kept until it
    /// ends, its lifting 1 h. To be said before the change is announced.
    pub async fn remember_hold(
        &self,
        channel_id: &ChannelId,
        auth_version: u64,
        until: Option<Timestamp>,
    ) {
        let hold = Hold {
            auth_version,
            until,
        };
        match &self.kind {
            Kind::None => return,
            Kind::Memory(_) => {}
            Kind::Redis(redis) => redis.remember_hold(channel_id, hold).await,
        }
        self.near.remember_hold(channel_id, hold).await;
    }

    /// The newest that is known of a channel's hold, here or in the shared cache; None where nothing
    /// is. It may be over: ask the store before anybody is refused for it.
    ///
    /// # Errors
    /// [`Away`]: the shared cache might know of one.
    pub async fn hold(&self, channel_id: &ChannelId) -> Result<Option<Hold>, Away> {
        let near = self.near.hold(channel_id).await;
        let shared = match &self.kind {
            Kind::None | Kind::Memory(_) => None,
            Kind::Redis(redis) => redis.hold(channel_id).await?,
        };
        let newer = shared.filter(|shared| near.is_none_or(|near| shared.replaces(&near)));
        Ok(newer.or(near))
    }

    /// Keeps a sample for five minutes where it is newer than what is held.
    pub async fn publish_status(&self, user_id: &UserId, hint: &StatusHint) {
        match &self.kind {
            Kind::None => {}
            Kind::Memory(memory) => memory.publish_status(user_id, hint).await,
            Kind::Redis(redis) => redis.publish_status(user_id, hint).await,
        }
    }

    /// The last sample of a channel; None where there is none, or the cache is in trouble.
    pub async fn status(&self, user_id: &UserId, channel_id: &ChannelId) -> Option<StatusHint> {
        match &self.kind {
            Kind::None => None,
            Kind::Memory(memory) => memory.status(user_id, channel_id).await,
            Kind::Redis(redis) => redis.status(user_id, channel_id).await,
        }
    }

    /// Says which connection publishes on a channel, for a day; None: nobody does.
    pub async fn hint_lock(&self, channel_id: &ChannelId, connection_id: Option<&ConnectionId>) {
        match &self.kind {
            Kind::None => {}
            Kind::Memory(memory) => memory.hint_lock(channel_id, connection_id).await,
            Kind::Redis(redis) => redis.hint_lock(channel_id, connection_id).await,
        }
    }

    /// Which connection was last said to publish on a channel.
    pub async fn lock_hint(&self, channel_id: &ChannelId) -> Option<ConnectionId> {
        match &self.kind {
            Kind::None => None,
            Kind::Memory(memory) => memory.lock_hint(channel_id).await,
            Kind::Redis(redis) => redis.lock_hint(channel_id).await,
        }
    }

    /// Says everywhere that a channel's gate changed; where the shared cache is away, in this
    /// process.
    pub async fn announce(&self, control: Control) {
        self.near.begin_round();
        if let Kind::Redis(redis) = &self.kind
            && redis.announce(&control).await
        {
            return;
        }
        // Nobody listening is no fault.
        let _ = self.controls.send(control);
    }

    /// Hears what is announced from now on, here and elsewhere. A receiver that lags by more than
    /// [`CONTROL_BACKLOG`] messages is told so and reads the gates again.
    #[must_use]
    pub fn controls(&self) -> broadcast::Receiver<Control> {
        self.controls.subscribe()
    }

    /// Ends the connections and the task that keeps them, and waits for its end. The cache answers
    /// nothing from then on.
    pub async fn close(&self) {
        if let Kind::Redis(redis) = &self.kind {
            redis.close().await;
        }
    }
}
