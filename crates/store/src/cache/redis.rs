//! The cache that all processes share, in Redis.
//!
//! Comparisons are made by scripts inside Redis, so that two writers cannot both win. In front of
//! look-ups stands a small cache of this process with single flight: a thousand tries with one key
//! ask Redis once. What it holds may be five seconds old; that is harmless, because an answer can
//! only refuse, and a revocation that is announced empties it.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use domain::authorization::Answer;
use domain::{ChannelId, ConnectionId, StreamKeyHash, UserId};
use moka::future::Cache;
use redis::{AsyncCommands as _, Client, Script};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::entry::{
    CONTROL_CHANNEL, LOCK_TTL, STATUS_TTL, answer_key, lock_key, read_answer, read_status,
    status_key, time_to_live, write_answer, write_control, write_status,
};
use super::link::Link;
use super::{Control, Error, StatusHint};

/// How long an answer is kept in this process.
const NEAR_TTL: Duration = Duration::from_secs(5);
/// Most answers kept in this process: more keys than one edge sees in five seconds.
const MAX_NEAR: u64 = 10_000;
/// How long a start waits for the first connection, so that the first calls find it.
const START_WAIT: Duration = Duration::from_millis(500);

/// Keeps an answer unless the one that is held is newer, or as new and a revocation: the rule of
/// `Answer::replaces`. An entry that cannot be read is replaced.
static REMEMBER: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local held = redis.call('GET', KEYS[1])
        if held then
            local read, entry = pcall(cjson.decode, held)
            if read and type(entry) == 'table' then
                local mine, theirs = tonumber(ARGV[2]), tonumber(entry.authVersion) or 0
                if mine < theirs or (mine == theirs and entry.answer == 'revoked') then
                    return 0
                end
            end
        end
        redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
        return 1
        ",
    )
});

/// Keeps a status where its (gen, seq, n) is greater than what is held.
static PUBLISH_STATUS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local held = redis.call('HGET', KEYS[1], ARGV[1])
        if held then
            local read, entry = pcall(cjson.decode, held)
            if read and type(entry) == 'table' then
                local theirs = {entry.gen, entry.seq, entry.n}
                local newer = false
                for place = 1, 3 do
                    local mine, other = tonumber(ARGV[3 + place]), tonumber(theirs[place]) or 0
                    if mine < other then return 0 end
                    if mine > other then newer = true break end
                end
                if not newer then return 0 end
            end
        end
        redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
        redis.call('PEXPIRE', KEYS[1], ARGV[3])
        return 1
        ",
    )
});

#[derive(Debug)]
pub(super) struct Redis {
    link: Arc<Link>,
    near: Cache<(u64, StreamKeyHash), Answer>,
    task: Mutex<Option<JoinHandle<()>>>,
    stop: CancellationToken,
    /// Ends the task where the last clone is dropped without [`Redis::close`].
    _stop_on_drop: DropGuard,
}

impl Redis {
    pub(super) async fn start(
        url: &str,
        call_timeout: Duration,
        controls: broadcast::Sender<Control>,
    ) -> Result<Self, Error> {
        let client = Client::open(url).map_err(|_| Error)?;
        let link = Arc::new(Link::new(client, call_timeout));
        let stop = CancellationToken::new();
        let (tried, mut first) = watch::channel(false);
        let keeper = Arc::clone(&link);
        let until = stop.clone();
        // From here on the task ends with this guard, also where this start is given up.
        let stop_on_drop = stop.clone().drop_guard();
        let task = tokio::spawn(async move { keeper.keep(controls, tried, until).await });
        // Neither a slow Redis nor one that is away holds up the start.
        let _ = tokio::time::timeout(START_WAIT, first.wait_for(|tried| *tried)).await;
        Ok(Self {
            link,
            near: Cache::builder()
                .max_capacity(MAX_NEAR)
                .time_to_live(NEAR_TTL)
                .build(),
            task: Mutex::new(Some(task)),
            _stop_on_drop: stop_on_drop,
            stop,
        })
    }

    pub(super) async fn close(&self) {
        self.stop.cancel();
        let task = {
            let mut held = self.task.lock().unwrap_or_else(PoisonError::into_inner);
            held.take()
        };
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "cache task failed");
        }
    }

    pub(super) async fn answer(&self, hash: &StreamKeyHash) -> Option<Answer> {
        let place = (self.link.round(), *hash);
        let found = self.near.optionally_get_with(place, self.look_up(hash));
        found.await
    }

    async fn look_up(&self, hash: &StreamKeyHash) -> Option<Answer> {
        let key = answer_key(hash);
        let found: Option<String> = self
            .link
            .call("answer", async |mut redis| redis.get(key).await)
            .await?;
        read_answer(&found?)
    }

    pub(super) async fn remember(&self, hash: &StreamKeyHash, answer: &Answer) {
        let (entry, version) = (write_answer(answer), answer.auth_version());
        let lives = time_to_live(answer, rand::random());
        let key = answer_key(hash);
        let call = async |mut redis| {
            let mut script = REMEMBER.key(key);
            script.arg(entry).arg(version).arg(millis(lives));
            script.invoke_async::<()>(&mut redis).await
        };
        self.link.call("remember", call).await;
        if matches!(answer, Answer::Revoked { .. }) {
            self.link.begin_round();
        } else {
            self.near.invalidate(&(self.link.round(), *hash)).await;
        }
    }

    pub(super) async fn publish_status(&self, user_id: &UserId, hint: &StatusHint) {
        let key = status_key(user_id);
        let call = async |mut redis| {
            let (generation, sequence, n) = hint.order();
            let mut script = PUBLISH_STATUS.key(key);
            script
                .arg(hint.channel_id.as_str())
                .arg(write_status(hint))
                .arg(millis(STATUS_TTL))
                .arg(generation)
                .arg(sequence)
                .arg(n);
            script.invoke_async::<()>(&mut redis).await
        };
        self.link.call("publish status", call).await;
    }

    pub(super) async fn status(
        &self,
        user_id: &UserId,
        channel_id: &ChannelId,
    ) -> Option<StatusHint> {
        let key = status_key(user_id);
        let found: Option<String> = self
            .link
            .call("status", async |mut redis| {
                redis.hget(key, channel_id.as_str()).await
            })
            .await?;
        read_status(channel_id, &found?)
    }

    pub(super) async fn hint_lock(
        &self,
        channel_id: &ChannelId,
        connection_id: Option<&ConnectionId>,
    ) {
        let key = lock_key(channel_id);
        let call = async |mut redis: redis::aio::MultiplexedConnection| match connection_id {
            Some(id) => redis.set_ex(key, id.as_str(), LOCK_TTL.as_secs()).await,
            None => redis.del(key).await,
        };
        self.link.call::<()>("hint lock", call).await;
    }

    pub(super) async fn lock_hint(&self, channel_id: &ChannelId) -> Option<ConnectionId> {
        let key = lock_key(channel_id);
        let found: Option<String> = self
            .link
            .call("lock hint", async |mut redis| redis.get(key).await)
            .await?;
        ConnectionId::parse(found?).ok()
    }

    /// Whether Redis took it, and so gives it back to this process too.
    pub(super) async fn announce(&self, control: &Control) -> bool {
        self.link.begin_round();
        let message = write_control(control);
        let call = async |mut redis: redis::aio::MultiplexedConnection| {
            redis.publish::<_, _, ()>(CONTROL_CHANNEL, message).await
        };
        self.link.call("announce", call).await.is_some()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
