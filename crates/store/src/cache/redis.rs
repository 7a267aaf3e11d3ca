//! The cache that all processes share, in Redis.
//!
//! Comparisons are made by scripts inside Redis, so that two writers cannot both win. No more than
//! an entry of ours can have is read of any: whoever else writes into this Redis costs neither
//! memory nor the time of a call.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use domain::authorization::{Answer, Hold};
use domain::{ChannelId, ConnectionId, StreamKeyHash, Timestamp, UserId};
use redis::{AsyncCommands as _, Client, Script};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::entry::{
    CONTROL_CHANNEL, LOCK_TTL, MAX_ENTRY_BYTES, REVOKED_TTL, STATUS_TTL, answer_key, hold_key,
    lock_key, read_answer, read_hold, read_status, status_key, time_to_live, write_answer,
    write_control, write_hold, write_status,
};
use super::link::Link;
use super::near::Near;
use super::{Away, Control, Error, StatusHint};

/// How long a start waits for the first connection, so that the first calls find it.
const START_WAIT: Duration = Duration::from_millis(500);

/// Keeps an entry with this version unless the one that is held is newer, or as new and final: the
/// rules of `Answer::replaces` (a revocation is final) and `Hold::replaces` (so is what lifts). An
/// entry that cannot be read is replaced. ARGV: entry, version, PX or PXAT, milliseconds, most bytes
/// of an entry.
static REMEMBER: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local length = redis.pcall('STRLEN', KEYS[1])
        if type(length) == 'number' and length > 0 and length <= tonumber(ARGV[5]) then
            local read, entry = pcall(cjson.decode, redis.call('GET', KEYS[1]))
            if read and type(entry) == 'table' then
                local mine, theirs = tonumber(ARGV[2]), tonumber(entry.authVersion) or 0
                local final = entry.answer == 'revoked' or entry.hold == 'lifted'
                if mine < theirs or (mine == theirs and final) then
                    return 0
                end
            end
        end
        redis.call('SET', KEYS[1], ARGV[1], ARGV[3], ARGV[4])
        return 1
        ",
    )
});

/// Keeps a status where its (gen, seq, n) is greater than what is held.
static PUBLISH_STATUS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local length = redis.call('HSTRLEN', KEYS[1], ARGV[1])
        if length > 0 and length <= tonumber(ARGV[7]) then
            local read, entry = pcall(cjson.decode, redis.call('HGET', KEYS[1], ARGV[1]))
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

/// A status, unless it is too long to be ours.
static READ_STATUS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        if redis.call('HSTRLEN', KEYS[1], ARGV[1]) > tonumber(ARGV[2]) then return false end
        return redis.call('HGET', KEYS[1], ARGV[1])
        ",
    )
});

#[derive(Debug)]
pub(super) struct Redis {
    link: Arc<Link>,
    task: Mutex<Option<JoinHandle<()>>>,
    stop: CancellationToken,
    /// Ends the task where the last clone is dropped without [`Redis::close`].
    _stop_on_drop: DropGuard,
}

impl Redis {
    pub(super) async fn start(
        url: &str,
        call_timeout: Duration,
        near: Arc<Near>,
        controls: broadcast::Sender<Control>,
    ) -> Result<Self, Error> {
        let client = Client::open(url).map_err(|_| Error)?;
        let link = Arc::new(Link::new(client, call_timeout, near));
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
        let found = self.entry("answer", answer_key(hash)).await.ok()?;
        read_answer(&found?)
    }

    /// An entry's text; None where there is none, or one that cannot be ours.
    async fn entry(&self, operation: &'static str, key: String) -> Result<Option<String>, Away> {
        // One byte more than ours may have: what fills it is another's.
        let call = async |mut redis: redis::aio::MultiplexedConnection| {
            redis
                .getrange::<_, Vec<u8>>(key, 0, MAX_ENTRY_BYTES as isize)
                .await
        };
        let found = self.link.call(operation, call).await.ok_or(Away)?;
        let ours = (1..=MAX_ENTRY_BYTES).contains(&found.len());
        Ok(ours.then(|| String::from_utf8(found).ok()).flatten())
    }

    pub(super) async fn remember(&self, hash: &StreamKeyHash, answer: &Answer) {
        let (key, entry) = (answer_key(hash), write_answer(answer));
        let lives = Expiry::After(time_to_live(answer, rand::random()));
        self.keep(key, entry, answer.auth_version(), lives).await;
    }

    pub(super) async fn remember_hold(&self, channel_id: &ChannelId, hold: Hold) {
        let lives = match hold.until {
            Some(until) => Expiry::At(until),
            None => Expiry::After(REVOKED_TTL),
        };
        let (key, entry) = (hold_key(channel_id), write_hold(hold));
        self.keep(key, entry, hold.auth_version, lives).await;
    }

    pub(super) async fn hold(&self, channel_id: &ChannelId) -> Result<Option<Hold>, Away> {
        let found = self.entry("hold", hold_key(channel_id)).await?;
        Ok(found.as_deref().and_then(read_hold))
    }

    async fn keep(&self, key: String, entry: String, version: u64, lives: Expiry) {
        let (option, millis) = lives.option();
        let call = async |mut redis| {
            let mut script = REMEMBER.key(key);
            script.arg(entry).arg(version).arg(option).arg(millis);
            script.arg(MAX_ENTRY_BYTES);
            script.invoke_async::<()>(&mut redis).await
        };
        self.link.call("remember", call).await;
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
                .arg(n)
                .arg(MAX_ENTRY_BYTES);
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
        let call = async |mut redis| {
            let mut script = READ_STATUS.key(key);
            script.arg(channel_id.as_str()).arg(MAX_ENTRY_BYTES);
            script.invoke_async::<Option<String>>(&mut redis).await
        };
        let found = self.link.call("status", call).await?;
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
        let found = self.entry("lock hint", lock_key(channel_id)).await.ok()?;
        ConnectionId::parse(found?).ok()
    }

    /// Whether Redis took it, and so gives it back to this process too.
    pub(super) async fn announce(&self, control: &Control) -> bool {
        let message = write_control(control);
        let call = async |mut redis: redis::aio::MultiplexedConnection| {
            redis.publish::<_, _, ()>(CONTROL_CHANNEL, message).await
        };
        self.link.call("announce", call).await.is_some()
    }
}

/// How long Redis keeps an entry.
enum Expiry {
    After(Duration),
    At(Timestamp),
}

impl Expiry {
    /// As `SET` takes it.
    fn option(&self) -> (&'static str, u64) {
        match self {
            Self::After(lives) => ("PX", millis(*lives)),
            Self::At(end) => ("PXAT", end.millis()),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
