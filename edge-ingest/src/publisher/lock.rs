//! Taking the lock and writing to it, whatever the store answers.
//!
//! A write whose answer was lost may have been done. So it is repeated until the store gives a
//! definite answer; a lock that was taken for a connection that is gone is given back.

use std::sync::Arc;
use std::time::Duration;

use domain::channel::DEFAULT_GRACE;
use domain::live::{Claim, Decision, EndReason, Holder, Item, Write, Written, decide};
use domain::{Owner, Refusal, edge};
use tokio::time::Instant;

use crate::clock;
use crate::shared::Shared;

/// Decisions on items that changed meanwhile, before the encoder is told to come again.
const DECISIONS: usize = 5;
/// All of them together.
const DECIDE_WITHIN: Duration = Duration::from_secs(1);
/// Between two repetitions of a write without a definite answer.
const REPEAT_AFTER: Duration = Duration::from_millis(500);
/// How much longer a write is repeated once the edge stops; then another edge or the reaper
/// finds its epoch over.
const REPEAT_WHILE_STOPPING: Duration = Duration::from_secs(3);

/// Takes the channel's lock as STARTING.
///
/// # Errors
/// Already live, or the store does not answer: then nothing is held for long.
pub(super) async fn acquire(edge: &Arc<Shared>, claim: Claim) -> Result<Item, Refusal> {
    let deadline = Instant::now() + DECIDE_WITHIN;
    let store = &edge.services.store;
    let mut found = store
        .live(&claim.channel_id)
        .await
        .map_err(|error| failed(edge, &error))?;
    for _ in 0..DECISIONS {
        let dead = match held_elsewhere(edge, found.as_ref()) {
            Some(owner) => is_dead(edge, owner).await?,
            None => false,
        };
        let holder = if dead { Holder::Dead } else { Holder::Lives };
        let now = clock::now();
        let (write, takes) = match decide(found.as_ref(), &claim, holder, now) {
            Decision::Acquire(acquire) => (Write::Acquire(acquire), true),
            Decision::EndFirst(write) => (write, false),
            Decision::SweepFirst(item) => match item.dropped(now, DEFAULT_GRACE) {
                Some(write) => (write, false),
                None => break,
            },
            Decision::Ask(item) => return Err(item.already_live()),
            Decision::Refuse(refusal) => return Err(refusal),
        };
        found = match store.write_live(&write).await {
            Ok(Written::Done(item)) if takes => return Ok(item),
            Ok(Written::Done(item)) => Some(item),
            Ok(Written::Rejected(item)) => item,
            Err(error) => {
                owe(edge, write);
                return Err(failed(edge, &error));
            }
        };
        if Instant::now() >= deadline {
            break;
        }
    }
    Err(Refusal::ServiceUnavailable)
}

/// Gives a lock back that no media was taken under: a session that waited to be resumed goes on
/// waiting, unless the reason is that its key is dead.
pub(super) async fn give_back(edge: &Shared, item: &Item, reason: EndReason) {
    let now = clock::now();
    let kept = item
        .dropped(now, Duration::ZERO)
        .filter(|write| matches!(write, Write::Grace { .. }));
    if let Some(write) = kept.or_else(|| item.end(now, reason)) {
        persist(edge, &write).await;
    }
}

/// Repeats a write until the store gives a definite answer. None where it is known not to be done,
/// or the edge stopped before there was an answer.
pub(super) async fn persist(edge: &Shared, write: &Write) -> Option<Item> {
    let mut stop_at: Option<Instant> = None;
    loop {
        match edge.services.store.write_live(write).await {
            Ok(Written::Done(item)) => return Some(item),
            Ok(Written::Rejected(found)) => {
                tracing::debug!(channel_id = %write.channel_id(), ?found, "the lock is not ours any more");
                return None;
            }
            Err(error) => {
                failed(edge, &error);
            }
        }
        if edge.stopping.is_cancelled() {
            let stop_at = *stop_at.get_or_insert(Instant::now() + REPEAT_WHILE_STOPPING);
            if Instant::now() >= stop_at {
                tracing::error!(channel_id = %write.channel_id(),
                    "stopped without an answer to a write on the lock: the reaper will end it");
                return None;
            }
        }
        tokio::time::sleep(REPEAT_AFTER).await;
    }
}

fn owe(edge: &Arc<Shared>, write: Write) {
    let edge = Arc::clone(edge);
    edge.tasks.clone().spawn(async move {
        if let (Some(item), Write::Acquire(_)) = (persist(&edge, &write).await, &write) {
            give_back(&edge, &item, EndReason::NoMedia).await;
        }
    });
}

fn held_elsewhere<'item>(edge: &Shared, found: Option<&'item Item>) -> Option<&'item Owner> {
    found
        .filter(|item| item.state.is_held())
        .and_then(|item| item.owner.as_ref())
        .filter(|owner| **owner != edge.owner)
}

async fn is_dead(edge: &Shared, owner: &Owner) -> Result<bool, Refusal> {
    let edges = edge
        .services
        .store
        .edges()
        .await
        .map_err(|error| failed(edge, &error))?;
    let found = edges.iter().find(|other| other.id == owner.edge_id);
    Ok(edge::is_dead(owner, found))
}

fn failed(edge: &Shared, error: &store::Error) -> Refusal {
    edge.metrics.store_errors.inc();
    tracing::warn!(%error, "the store did not answer about a lock");
    Refusal::ServiceUnavailable
}
