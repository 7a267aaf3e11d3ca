//! Who may publish: key, lock, confirmation, in that order.
//!
//! The look-up through the cache may only refuse. What admits is the strongly consistent read of
//! key and gate after the lock was taken: functions write the gate before they read the lock, so
//! one of the two sides sees the other.
//!
//! A publish that will be refused in the end should not touch the lock: whoever has it would be asked
//! to yield, and a session that waits would be resumed for nothing. So where the cache gives cause to
//! think so, the store is asked before. What the store then says goes back into the cache.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::authorization::{Admission, Answer, Known, admit as decide, is_doubtful};
use domain::channel::{Channel, Gate, Key, MAX_GRACE};
use domain::live::{Claim, EndReason, Item, State};
use domain::{AttemptId, ChannelId, Refusal, SessionId, StreamKeyHash};

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
    /// Nor was the key ever anybody's.
    KeyOfNobody,
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
    let address = publish.attempted.ip;
    let known = look_up(edge, &hash, address).await?;
    let channel_id = &known.key.channel_id;
    let claim = claim(epoch, publish, &known);
    let claimed = edge.registry.claim(channel_id);
    let (item, claimed) = match lock::acquire(edge, epoch, claim, claimed, line).await {
        Err(NotAdmitted::Refused(refusal @ Refusal::AlreadyLive { .. })) => {
            return Err(rather(edge, &hash, &known, address, refusal).await.into());
        }
        acquired => acquired?,
    };
    let grant = Grant::new(
        Arc::clone(epoch),
        channel_id.clone(),
        item.version.generation,
    );
    // Entered before the gate is read, so that a cut after that read finds it.
    let place = edge.registry.enter(&grant);
    drop(claimed);
    let confirmed = match confirm(edge, &hash, &known, address).await {
        Ok(_) if !epoch.is_held(clock::boot()) => Err(Refusal::ServiceUnavailable),
        confirmed => confirmed,
    };
    match confirmed {
        Ok((admission, channel)) => {
            let limits = Arc::new(channel.limits);
            edge.registry
                .confirm(&place, admission.auth_version, &limits);
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
    edge.registry
        .confirm(&place, known.auth_version, &Arc::default());
    let until = item.grace_until.unwrap_or_default();
    let left = until.since(clock::now()).min(MAX_GRACE);
    let session = Session::new(edge, known.key.user_id, item, place);
    edge.tasks.spawn(session.wait_out(left));
}

/// What the key opens, as far as is known without the lock. `Ok` is not an admission. Whoever tries
/// the same key meanwhile waits for the same answer.
async fn look_up(
    edge: &Shared,
    hash: &StreamKeyHash,
    address: IpAddr,
) -> Result<Known, NotAdmitted> {
    let mut found = None;
    let read = async {
        let Some(key) = edge.services.store.key(hash).await? else {
            return Ok::<_, store::Error>(Answer::Unknown);
        };
        let found = found.insert(Found::read(edge, &key.channel_id).await?);
        Ok(found.answer(key))
    };
    let answer = edge.services.cache.answer_or(hash, read).await;
    let answer = answer.map_err(|error| unavailable(edge, &error))?;
    if answer == Answer::Unknown {
        return Err(NotAdmitted::KeyOfNobody);
    }
    let known = answer.screen(clock::now())?;
    match found {
        Some(found) => found.check(address)?,
        None => screen(edge, known, address).await?,
    }
    Ok(known.clone())
}

/// What a channel lets in, strongly consistent.
struct Found {
    gate: Gate,
    /// None: it was deleted.
    channel: Option<Channel>,
}

impl Found {
    async fn read(edge: &Shared, channel_id: &ChannelId) -> Result<Self, store::Error> {
        let store = &edge.services.store;
        let (gate, channel) = tokio::try_join!(store.gate(channel_id), store.channel(channel_id))?;
        if gate.check(clock::now()).is_err() {
            let cache = &edge.services.cache;
            cache
                .remember_hold(channel_id, gate.auth_version, gate.hold_until)
                .await;
        }
        Ok(Self { gate, channel })
    }

    fn answer(&self, key: Key) -> Answer {
        let networks = |channel: &Channel| channel.limits.allowed_networks.clone();
        Answer::Known(Known {
            key,
            auth_version: self.gate.auth_version,
            allowed_networks: self.channel.as_ref().map(networks).unwrap_or_default(),
        })
    }

    fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        self.gate.check(clock::now())?;
        match &self.channel {
            Some(channel) => Ok(channel.limits.check_address(address)?),
            // A key whose channel was deleted opens nothing.
            None => Err(Refusal::Unauthorized),
        }
    }
}

/// Turns a publish away before the lock, where the cache gives cause to ask the store and that
/// agrees. `Ok` is not an admission.
async fn screen(edge: &Shared, known: &Known, address: IpAddr) -> Result<(), Refusal> {
    let (cache, channel_id) = (&edge.services.cache, &known.key.channel_id);
    let hold = cache.hold(channel_id).await;
    let now = clock::now();
    // A cache that does not answer gives cause enough.
    let standing = hold.is_ok_and(|hold| hold.is_some_and(|hold| hold.stands(now)));
    if hold.is_ok_and(|hold| !is_doubtful(known, hold.as_ref(), address, now)) {
        return Ok(());
    }
    let found = Found::read(edge, channel_id).await;
    let found = found.map_err(|error| unavailable(edge, &error))?;
    if standing && found.gate.check(now).is_ok() {
        let version = found.gate.auth_version;
        cache.remember_hold(channel_id, version, None).await;
    }
    found.check(address)
}

/// What a publish is told that did not get the lock: that somebody is live is no answer to a key that
/// is dead by now, whatever is cached of it, or may be dead for all that the store says.
async fn rather(
    edge: &Shared,
    hash: &StreamKeyHash,
    known: &Known,
    address: IpAddr,
    refusal: Refusal,
) -> Refusal {
    match confirm(edge, hash, known, address).await {
        Ok(_) => refusal,
        Err(better) => better,
    }
}

async fn confirm(
    edge: &Shared,
    hash: &StreamKeyHash,
    known: &Known,
    address: IpAddr,
) -> Result<(Admission, Channel), Refusal> {
    let store = &edge.services.store;
    let channel_id = &known.key.channel_id;
    let failed = |error| unavailable(edge, &error);
    // The gate before the key: a reset between the two is then seen in the key. The other way round
    // a retired key would be admitted under the version that retired it, and nothing would cut it.
    let gate = store.gate(channel_id).await.map_err(failed)?;
    let (key, channel) =
        tokio::try_join!(store.key(hash), store.channel(channel_id)).map_err(failed)?;
    let found = Found { gate, channel };
    correct(edge, hash, known, key.as_ref(), &found).await;
    let admission = decide(key.as_ref(), &found.gate, clock::now())?;
    found.check(address)?;
    Ok((admission, found.channel.ok_or(Refusal::Unauthorized)?))
}

/// Puts what the store says into the cache, where that said something else.
async fn correct(
    edge: &Shared,
    hash: &StreamKeyHash,
    known: &Known,
    key: Option<&Key>,
    found: &Found,
) {
    let cache = &edge.services.cache;
    let auth_version = found.gate.auth_version;
    let answer = match key {
        Some(key) => found.answer(key.clone()),
        None => Answer::Revoked { auth_version },
    };
    if answer != Answer::Known(known.clone()) {
        cache.remember(hash, &answer).await;
    }
    if found.gate.check(clock::now()).is_err() {
        let until = found.gate.hold_until;
        cache
            .remember_hold(&known.key.channel_id, auth_version, until)
            .await;
    }
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
