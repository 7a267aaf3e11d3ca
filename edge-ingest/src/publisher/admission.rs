//! Who may publish: key, lock, confirmation, in that order.
//!
//! The look-up through the cache may only refuse. What admits is the strongly consistent read of
//! key and gate after the lock was taken: functions write the gate before they read the lock, so
//! one of the two sides sees the other.

use std::sync::Arc;
use std::time::Duration;

use domain::authorization::{Admission, Answer, Known, admit as decide};
use domain::channel::{Channel, MAX_GRACE};
use domain::live::{Claim, EndReason, Item, State};
use domain::{AttemptId, Refusal, SessionId, StreamKeyHash};

use super::session::Session;
use super::{Publish, lock};
use crate::clock;
use crate::grant::Grant;
use crate::lease::Epoch;
use crate::link::PublisherEnd;
use crate::registry::Place;
use crate::shared::Shared;

/// A publish that was let in, holding its lock.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) admission: Admission,
    pub(super) item: Item,
    pub(super) grace: Duration,
    pub(super) place: Place,
    pub(super) grant: Arc<Grant>,
}

/// Why a publish was not let in.
#[derive(Debug)]
pub(super) enum NotAdmitted {
    /// The encoder is told so.
    Refused(Refusal),
    /// The encoder left while it waited.
    Left,
}

impl From<Refusal> for NotAdmitted {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Lets a publish in, or says why not. Where it says no, nothing is held.
pub(super) async fn admit(
    edge: &Arc<Shared>,
    epoch: &Arc<Epoch>,
    publish: &Publish,
    line: &mut PublisherEnd,
) -> Result<Admitted, NotAdmitted> {
    if !epoch.is_held(clock::boot()) {
        return Err(Refusal::ServiceUnavailable.into());
    }
    let key = publish.attempted.presented.key.as_ref().map_err(|malformed| {
        tracing::debug!(key = %publish.attempted.presented.fingerprint, %malformed, "not a stream key");
        Refusal::Unauthorized
    })?;
    let hash = key.hash();
    let known = look_up(edge, &hash).await?;
    let channel_id = &known.key.channel_id;
    let claim = claim(epoch, publish, &known);
    let claimed = edge.registry.claim(channel_id);
    let (item, claimed) = lock::acquire(edge, epoch, claim, claimed, line).await?;
    let grant = Grant::new(
        Arc::clone(epoch),
        channel_id.clone(),
        item.version.generation,
    );
    // Entered before the gate is read, so that a cut after that read finds it.
    let place = edge.registry.enter(&grant);
    drop(claimed);
    let confirmed = match confirm(edge, &hash, &known).await {
        Ok(_) if !epoch.is_held(clock::boot()) => Err(Refusal::ServiceUnavailable),
        confirmed => confirmed,
    };
    match confirmed {
        Ok((admission, channel)) => {
            edge.registry.confirm(&place, admission.auth_version);
            Ok(Admitted {
                admission,
                item,
                grace: channel.grace,
                place,
                grant,
            })
        }
        Err(refusal) => {
            let left = lock::give_back(edge, &item, EndReason::Revoked).await;
            if let Some(item) = left.filter(|item| item.state == State::Grace) {
                keep_waiting(edge, known, item, place);
            }
            Err(refusal.into())
        }
    }
}

/// A session that was to be resumed waits on: its timer's holder saw another generation.
fn keep_waiting(edge: &Arc<Shared>, known: Known, item: Item, place: Place) {
    edge.registry.confirm(&place, known.auth_version);
    let until = item.grace_until.unwrap_or_default();
    let left = until.since(clock::now()).min(MAX_GRACE);
    let session = Session::new(edge, known.key.user_id, item, place);
    edge.tasks.spawn(session.wait_out(left));
}

async fn look_up(edge: &Shared, hash: &StreamKeyHash) -> Result<Known, Refusal> {
    let cache = &edge.services.cache;
    let now = clock::now();
    if let Some(answer) = cache.answer(hash).await {
        return answer.screen(now).cloned();
    }
    let answer = read(edge, hash)
        .await
        .map_err(|error| unavailable(edge, &error))?;
    cache.remember(hash, &answer).await;
    answer.screen(now).cloned()
}

async fn read(edge: &Shared, hash: &StreamKeyHash) -> Result<Answer, store::Error> {
    let store = &edge.services.store;
    let Some(key) = store.key(hash).await? else {
        return Ok(Answer::Unknown);
    };
    let auth_version = store.gate(&key.channel_id).await?.auth_version;
    Ok(Answer::Known(Known { key, auth_version }))
}

async fn confirm(
    edge: &Shared,
    hash: &StreamKeyHash,
    known: &Known,
) -> Result<(Admission, Channel), Refusal> {
    let store = &edge.services.store;
    let channel_id = &known.key.channel_id;
    let failed = |error| unavailable(edge, &error);
    // The gate before the key: a reset between the two is then seen in the key. The other way round
    // a retired key would be admitted under the version that retired it, and nothing would cut it.
    let gate = store.gate(channel_id).await.map_err(failed)?;
    let (key, channel) =
        tokio::try_join!(store.key(hash), store.channel(channel_id)).map_err(failed)?;
    let admission = decide(key.as_ref(), &gate, clock::now())?;
    // A key whose channel was deleted opens nothing.
    Ok((admission, channel.ok_or(Refusal::Unauthorized)?))
}

fn claim(epoch: &Epoch, publish: &Publish, known: &Known) -> Claim {
    Claim {
        channel_id: known.key.channel_id.clone(),
        owner: epoch.owner.clone(),
        attempt_id: AttemptId::from_random(clock::random()),
        connection_id: publish.connection_id.clone(),
        session_id: SessionId::new(clock::now(), clock::random()),
        key_version: known.key.version,
        client_ip: publish.attempted.ip.to_string(),
    }
}

fn unavailable(edge: &Shared, error: &store::Error) -> Refusal {
    edge.metrics.store_errors.inc();
    tracing::warn!(%error, "cannot authorize a publish");
    Refusal::ServiceUnavailable
}
