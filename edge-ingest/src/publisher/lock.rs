//! Taking the lock and writing to it, whatever the store answers.
//!
//! The steps are `domain::live::Attempt`'s; this does what they say. A write whose answer was lost
//! may have been done, so it is repeated until the store gives a definite answer; a lock that was
//! taken for a connection that is gone is given back.

use std::sync::Arc;
use std::time::Duration;

use domain::channel::DEFAULT_GRACE;
use domain::live::{Attempt, Claim, EndReason, Item, PARK, Step, Write, Written, Yield};
use domain::{Moment, Owner, Refusal, edge};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::admission::NotAdmitted;
use crate::clock;
use crate::lease::Epoch;
use crate::link::PublisherEnd;
use crate::registry::Claimed;
use crate::shared::Shared;
use crate::yielding::ask_here;

/// Between two repetitions of a write without a definite answer, at least; twice that at most, so
/// that a thousand publishers do not come back to a store in one moment.
const REPEAT_AFTER: Duration = Duration::from_millis(500);
/// How much longer a write is repeated once the edge stops; then another edge or the reaper
/// finds its epoch over.
const REPEAT_WHILE_STOPPING: Duration = Duration::from_secs(3);
/// How long a publisher of this very edge may take to stop and write what it leaves: there are no
/// heartbeats of one's own to wait for instead.
const YIELD_HERE_WITHIN: Duration = PARK;

/// A publish on its way to the lock.
struct Way<'way> {
    edge: &'way Arc<Shared>,
    epoch: &'way Epoch,
    attempt: Attempt,
    news: watch::Receiver<u64>,
    claimed: Option<Claimed>,
}

/// Takes the channel's lock as STARTING. `claimed` says so meanwhile, and comes back with the lock.
///
/// # Errors
/// Already live, or the store does not answer: then nothing is held for long. Or the encoder left.
pub(super) async fn acquire(
    edge: &Arc<Shared>,
    epoch: &Epoch,
    claim: Claim,
    claimed: Claimed,
    line: &mut PublisherEnd,
) -> Result<(Item, Claimed), NotAdmitted> {
    let mut way = Way {
        edge,
        epoch,
        news: edge.fleet.news(),
        attempt: Attempt::new(claim.clone()),
        claimed: Some(claimed),
    };
    let mut step = Step::Read;
    loop {
        step = match step {
            Step::Read => way.read(&claim).await?,
            Step::Write(write) => way.write(write).await?,
            Step::Sweep(item) => way.sweep(&item).await?,
            Step::Learn(owner) => way.learn(&owner).await?,
            Step::Ask(item) => tokio::select! {
                why = interrupted(edge, epoch, line) => return Err(why),
                step = way.ask(&item) => step,
            },
            Step::Park { until } => tokio::select! {
                why = interrupted(edge, epoch, line) => return Err(why),
                step = way.park(until) => step,
            },
            Step::Acquired(item) => {
                let claimed = way.claimed.take();
                let claimed = claimed.ok_or(NotAdmitted::from(Refusal::ServiceUnavailable))?;
                return Ok((item, claimed));
            }
            Step::Refuse(refusal) => return Err(refusal.into()),
        };
    }
}

/// What ends every wait for a holder: the encoder leaves, or this edge may not take anybody any more.
async fn interrupted(edge: &Shared, epoch: &Epoch, line: &mut PublisherEnd) -> NotAdmitted {
    tokio::select! {
        () = line.left() => NotAdmitted::Left,
        () = epoch.over().cancelled() => Refusal::ServiceUnavailable.into(),
        () = edge.stopping.cancelled() => Refusal::ServiceUnavailable.into(),
    }
}

impl Way<'_> {
    async fn read(&mut self, claim: &Claim) -> Result<Step, Refusal> {
        let found = self.edge.services.store.live(&claim.channel_id).await;
        let found = found.map_err(|error| failed(self.edge, &error))?;
        let (attempt, edge) = (&mut self.attempt, self.edge);
        Ok(edge
            .fleet
            .others(|others| attempt.found(found, others, clock::now())))
    }

    async fn write(&mut self, write: Write) -> Result<Step, Refusal> {
        // A lock that is taken without a lease is anybody's.
        if !self.epoch.is_held(clock::boot()) {
            return Err(Refusal::ServiceUnavailable);
        }
        match self.edge.services.store.write_live(&write).await {
            Ok(written) => Ok(self.written(written)),
            Err(error) => {
                self.owe(write);
                Err(failed(self.edge, &error))
            }
        }
    }

    fn written(&mut self, written: Written) -> Step {
        let (attempt, edge) = (&mut self.attempt, self.edge);
        edge.fleet
            .others(|others| attempt.written(written, others, clock::now()))
    }

    /// Writes what the loss of a dead holder leaves, so that its session can be resumed.
    async fn sweep(&mut self, item: &Item) -> Result<Step, Refusal> {
        let store = &self.edge.services.store;
        let channel = store.channel(&item.channel_id).await;
        let channel = channel.map_err(|error| failed(self.edge, &error))?;
        let grace = channel.map_or(DEFAULT_GRACE, |channel| channel.grace);
        let Some(write) = item.dropped(clock::now(), grace) else {
            return Ok(Step::Read);
        };
        let written = store.write_live(&write).await;
        let written = written.map_err(|error| failed(self.edge, &error))?;
        if let Written::Done(_) = written {
            self.edge.metrics.takeovers.inc();
            tracing::info!(channel_id = %item.channel_id, generation = item.version.generation,
                owner = item.owner.as_ref().map(tracing::field::display), "taking over from a dead edge");
        }
        Ok(self.written(written))
    }

    async fn learn(&mut self, owner: &Owner) -> Result<Step, Refusal> {
        let found = self.edge.services.store.edge(&owner.edge_id).await;
        let found = found.map_err(|error| failed(self.edge, &error))?;
        let dead = edge::is_dead(owner, found.as_ref());
        let (attempt, edge) = (&mut self.attempt, self.edge);
        Ok(edge
            .fleet
            .others(|others| attempt.learned(dead, others, clock::now())))
    }

    async fn ask(&mut self, item: &Item) -> Step {
        let answer = self.answer_of_holder(item).await;
        let (attempt, edge) = (&mut self.attempt, self.edge);
        edge.fleet
            .others(|others| attempt.answered(answer, others, clock::boot()))
    }

    async fn answer_of_holder(&self, item: &Item) -> Yield {
        let Some(owner) = &item.owner else {
            return Yield::Yielded;
        };
        let (channel_id, generation) = (&item.channel_id, item.version.generation);
        if *owner == self.epoch.owner {
            let (edge, asker) = (self.edge, self.claimed.as_ref());
            return ask_here(edge, channel_id, generation, asker, YIELD_HERE_WITHIN).await;
        }
        let peers = &self.edge.peers;
        peers
            .ask_to_yield(self.edge, owner, channel_id, generation)
            .await
    }

    /// Waits for news of the silent holder.
    async fn park(&mut self, until: Moment) -> Step {
        tokio::select! {
            // It ends with the edge.
            _ = self.news.changed() => {}
            () = sleep(until.since(clock::boot())) => {}
        }
        let (attempt, edge) = (&mut self.attempt, self.edge);
        edge.fleet
            .others(|others| attempt.look(others, clock::boot()))
    }

    /// A write that was sent may be done: it is repeated until that is known, by a task of the edge
    /// and not of the connection. An acquisition whose publish was turned away meanwhile is given
    /// back.
    fn owe(&mut self, write: Write) {
        let Write::Acquire(_) = &write else { return };
        let (edge, over) = (Arc::clone(self.edge), self.epoch.over().clone());
        let claimed = self.claimed.take();
        self.edge.tasks.spawn(async move {
            let owed = || Some(write.clone());
            if let Some(item) = persist(&edge, owed, Some(&over)).await {
                give_back(&edge, &item, EndReason::NoMedia).await;
            }
            drop(claimed);
        });
    }
}

/// Gives a lock back that no media was taken under: a session that waited to be resumed goes on
/// waiting, unless the reason is that its key is dead. Returns what is left.
pub(super) async fn give_back(edge: &Shared, item: &Item, reason: EndReason) -> Option<Item> {
    let write = || {
        let now = clock::now();
        let kept = item
            .dropped(now, Duration::ZERO)
            .filter(|write| matches!(write, Write::Grace { .. }));
        kept.or_else(|| item.end(now, reason))
    };
    persist(edge, write, None).await
}

/// Makes a write, anew as of each try, until the store gives a definite answer or `until` is fired.
/// None where it is known not to be done, or there was no answer in time.
pub(super) async fn persist(
    edge: &Shared,
    write: impl Fn() -> Option<Write>,
    until: Option<&CancellationToken>,
) -> Option<Item> {
    let mut stop_at: Option<Instant> = None;
    loop {
        let write = write()?;
        match edge.services.store.write_live(&write).await {
            Ok(Written::Done(item)) => return Some(item),
            Ok(Written::Rejected(found)) => {
                tracing::debug!(channel_id = %write.channel_id(), ?found, "the lock is not ours any more");
                return None;
            }
            Err(error) => {
                failed(edge, &error);
            }
        }
        if until.is_some_and(CancellationToken::is_cancelled) {
            return None;
        }
        if edge.stopping.is_cancelled() {
            let stop_at = *stop_at.get_or_insert(Instant::now() + REPEAT_WHILE_STOPPING);
            if Instant::now() >= stop_at {
                tracing::error!(channel_id = %write.channel_id(),
                    "stopped without an answer to a write on the lock: the reaper will end it");
                return None;
            }
        }
        sleep(rand::random_range(REPEAT_AFTER..2 * REPEAT_AFTER)).await;
    }
}

fn failed(edge: &Shared, error: &store::Error) -> Refusal {
    edge.metrics.store_errors.inc();
    tracing::warn!(%error, "the store did not answer about a lock");
    Refusal::ServiceUnavailable
}
