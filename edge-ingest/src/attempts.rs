//! Refused attempts, and streams that were cut for what they sent: logged once each, and shown to the
//! channel's owner, because OBS does not show the reason.
//!
//! An attempt whose key is or was ours is recorded and pushed. Anything else has no owner and is
//! only logged and counted. Retries of the same kind from the same address within
//! [`QUIET`] are not pushed again, so that an encoder that retries every two seconds costs one
//! message. Whose stream was lost here may come back by itself, and is told of as one that does.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::websocket::{Refused, ServerMessage};
use domain::attempt::Attempt;
use domain::encoder::{GIVES_UP_AFTER, next_try};
use domain::{Refusal, StreamKeyHash, UserId};
use moka::sync::Cache;
use notify::Reach;

use crate::clock;
use crate::metrics::RefusalLabel;
use crate::presented::Presented;
use crate::shared::Shared;

/// One message to the owner in this time for attempts of one kind from one address.
const QUIET: Duration = Duration::from_secs(10);
/// Kinds of attempts remembered at once, and encoders that were lost; beyond it the oldest may be
/// told again, and is not known to come back.
const REMEMBERED: u64 = 10_000;
/// Reports under way at once; beyond it attempts are logged and counted, no more.
const CONCURRENT_REPORTS: usize = 64;

/// What was told lately, and who may be expected to try.
#[derive(Debug)]
pub(crate) struct Attempts {
    told: Cache<(StreamKeyHash, &'static str, IpAddr), ()>,
    lost: Cache<(StreamKeyHash, IpAddr), Lost>,
    room: Arc<tokio::sync::Semaphore>,
}

/// An encoder whose stream ended without its wish.
#[derive(Clone, Debug)]
struct Lost {
    at: Instant,
    encoder: String,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            told: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(QUIET)
                .build(),
            lost: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(GIVES_UP_AFTER)
                .build(),
            room: Arc::new(tokio::sync::Semaphore::new(CONCURRENT_REPORTS)),
        }
    }
}

/// Who asked to publish.
#[derive(Clone, Debug)]
pub(crate) struct Attempted {
    pub(crate) presented: Presented,
    pub(crate) ip: IpAddr,
    pub(crate) encoder: Option<String>,
}

impl Attempted {
    /// The key and the address, which one who comes back has again.
    fn identity(&self) -> Option<(StreamKeyHash, IpAddr)> {
        let key = self.presented.key.as_ref().ok()?;
        Some((key.hash(), self.ip))
    }
}

impl Attempts {
    /// A stream that was let in ended, and its encoder, by the name it gave itself, did not ask for it.
    pub(crate) fn lost(&self, attempted: &Attempted, encoder: Option<&str>) {
        if let Some((identity, encoder)) = attempted.identity().zip(encoder) {
            let (at, encoder) = (Instant::now(), encoder.to_owned());
            self.lost.insert(identity, Lost { at, encoder });
        }
    }

    /// An encoder is back, or said that it stops: it is not to be expected.
    pub(crate) fn settled(&self, attempted: &Attempted) {
        if let Some(identity) = attempted.identity() {
            self.lost.invalidate(&identity);
        }
    }
}

/// Logs and counts.
pub(crate) fn note(edge: &Shared, attempted: &Attempted, refusal: &Refusal) {
    let reason = refusal.code();
    edge.metrics
        .publishes_refused
        .get_or_create(&RefusalLabel { reason })
        .inc();
    tracing::info!(reason, key = %attempted.presented.fingerprint, client_ip = %attempted.ip,
        encoder = attempted.encoder.as_deref(), "publish refused: {refusal}");
}

/// Tells the owner, where there is one, unless that was just told. Delays nobody.
pub(crate) fn tell(edge: &Arc<Shared>, attempted: Attempted, refusal: Refusal) {
    let Some(identity) = attempted.identity() else {
        return;
    };
    let (hash, ip) = identity;
    let kind = (hash, refusal.code(), ip);
    let Ok(permit) = Arc::clone(&edge.attempts.room).try_acquire_owned() else {
        return;
    };
    if !edge.attempts.told.entry(kind).or_insert(()).is_fresh() {
        return;
    }
    let lost = edge.attempts.lost.get(&identity);
    let retry_after = lost.and_then(|lost| next_try(&lost.encoder, lost.at.elapsed()));
    let edge = Arc::clone(edge);
    edge.tasks.clone().spawn(async move {
        tell_owner(&edge, hash, attempted, refusal, retry_after).await;
        drop(permit);
    });
}

async fn tell_owner(
    edge: &Shared,
    hash: StreamKeyHash,
    attempted: Attempted,
    refusal: Refusal,
    retry_after: Option<Duration>,
) {
    let key = match edge.services.store.key(&hash).await {
        Ok(Some(key)) => key,
        Ok(None) => return,
        Err(error) => {
            tracing::warn!(%error, "cannot find whose key was refused");
            return;
        }
    };
    let attempt = Attempt {
        channel_id: key.channel_id,
        refusal,
        ip_address: attempted.ip.to_string(),
        encoder: attempted.encoder,
        at: clock::now(),
    };
    push(edge, &key.user_id, &attempt, retry_after).await;
    if let Err(error) = edge.services.store.record_attempt(&attempt).await {
        edge.metrics.store_errors.inc();
        tracing::warn!(channel_id = %attempt.channel_id, %error, "cannot record a refused attempt");
    }
}

async fn push(edge: &Shared, user_id: &UserId, attempt: &Attempt, retry_after: Option<Duration>) {
    let message = ServerMessage::Refused(Refused {
        id: attempt.id(),
        channel_id: attempt.channel_id.clone(),
        reason: attempt.refusal.code().to_owned(),
        detail: attempt.refusal.advice(),
        ip_address: attempt.ip_address.clone(),
        encoder: attempt.encoder.clone(),
        retry_after_seconds: retry_after.map(|wait| wait.as_secs()),
        at: attempt.at,
    });
    edge.services
        .notifier
        .push(user_id, &message, Reach::Fresh, attempt.at)
        .await;
}
