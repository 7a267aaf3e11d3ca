//! Refused attempts, and streams that were cut for what they sent: logged once each, and shown to the
//! channel's owner, because OBS does not show the reason.
//!
//! An attempt whose key is or was ours is recorded and pushed. Anything else has no owner and is
//! only logged and counted. Retries of the same kind from the same address within
//! [`QUIET`] are not pushed again, so that an encoder that retries every two seconds costs one
//! message.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use contract::websocket::{Refused, ServerMessage};
use domain::attempt::Attempt;
use domain::{ChannelId, Refusal, StreamKeyHash, UserId};
use moka::sync::Cache;
use notify::Reach;

use crate::clock;
use crate::metrics::RefusalLabel;
use crate::presented::Presented;
use crate::shared::Shared;

/// One message to the owner in this time for attempts of one kind from one address.
const QUIET: Duration = Duration::from_secs(10);
/// Kinds of attempts remembered at once; beyond it the oldest may be told again.
const REMEMBERED: u64 = 10_000;
/// Reports under way at once; beyond it attempts are logged and counted, no more.
const CONCURRENT_REPORTS: usize = 64;

/// What was told lately.
#[derive(Debug)]
pub(crate) struct Attempts {
    told: Cache<(StreamKeyHash, &'static str, IpAddr), ()>,
    room: Arc<tokio::sync::Semaphore>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            told: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(QUIET)
                .build(),
            room: Arc::new(tokio::sync::Semaphore::new(CONCURRENT_REPORTS)),
        }
    }
}

/// Who was turned away.
#[derive(Clone, Debug)]
pub(crate) struct Attempted {
    pub(crate) presented: Presented,
    pub(crate) ip: IpAddr,
    pub(crate) encoder: Option<String>,
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
    let Ok(hash) = attempted
        .presented
        .key
        .as_ref()
        .map(domain::StreamKey::hash)
    else {
        return;
    };
    let kind = (hash, refusal.code(), attempted.ip);
    let Ok(permit) = Arc::clone(&edge.attempts.room).try_acquire_owned() else {
        return;
    };
    if !edge.attempts.told.entry(kind).or_insert(()).is_fresh() {
        return;
    }
    let edge = Arc::clone(edge);
    edge.tasks.clone().spawn(async move {
        tell_owner(&edge, hash, attempted, refusal).await;
        drop(permit);
    });
}

async fn tell_owner(edge: &Shared, hash: StreamKeyHash, attempted: Attempted, refusal: Refusal) {
    let key = match edge.services.store.key(&hash).await {
        Ok(Some(key)) => key,
        Ok(None) => return,
        Err(error) => {
            tracing::warn!(%error, "cannot find whose key was refused");
            return;
        }
    };
    let attempt = Attempt {
        channel_id: key.channel_id.clone(),
        refusal,
        ip_address: attempted.ip.to_string(),
        encoder: attempted.encoder,
        at: clock::now(),
    };
    push(edge, &key.user_id, key.channel_id, &attempt).await;
    if let Err(error) = edge.services.store.record_attempt(&attempt).await {
        edge.metrics.store_errors.inc();
        tracing::warn!(channel_id = %attempt.channel_id, %error, "cannot record a refused attempt");
    }
}

async fn push(edge: &Shared, user_id: &UserId, channel_id: ChannelId, attempt: &Attempt) {
    let message = ServerMessage::Refused(Refused {
        id: attempt.id(),
        channel_id,
        reason: attempt.refusal.code().to_owned(),
        detail: attempt.refusal.advice(),
        ip_address: attempt.ip_address.clone(),
        encoder: attempt.encoder.clone(),
        at: attempt.at,
    });
    edge.services
        .notifier
        .push(user_id, &message, Reach::Fresh)
        .await;
}
