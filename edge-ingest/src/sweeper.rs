//! Gives back what an epoch that is over has left, and what nobody here answers for.
//!
//! A lock of a dead owner becomes GRACE now and OFFLINE when the grace is over, as if its publisher
//! had dropped. Every write is conditional, so that any number of edges may sweep the same epoch.

use std::sync::Arc;
use std::time::Duration;

use domain::channel::DEFAULT_GRACE;
use domain::edge::Write;
use domain::live::{Item, Written};
use domain::{ChannelId, Owner};
use futures_util::StreamExt as _;
use store::Error;
use tokio::time::{MissedTickBehavior, sleep};

use crate::clock;
use crate::publisher::Session;
use crate::shared::Shared;

/// When the locks of a dead epoch are looked up, from the beginning of its sweep: the index lags.
const LOOKS: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_secs(2),
    Duration::from_secs(12),
];
/// Time between two looks for own locks that nobody answers for.
const OWN_LOCKS_EVERY: Duration = Duration::from_secs(30);
/// Locks given back at a time: a thousand in some seconds, without a burst at the store.
const AT_ONCE: usize = 16;
/// After a look that the store did not answer.
const REPEAT_AFTER: Duration = Duration::from_millis(500);

/// Begins to sweep the locks of an epoch that is over, on the edge's own runtime.
pub(crate) fn start(edge: &Arc<Shared>, owner: Owner) {
    edge.tasks
        .spawn_on(sweep(Arc::clone(edge), owner), &edge.runtime);
}

async fn sweep(edge: Arc<Shared>, owner: Owner) {
    // The epoch before it may have been cut short in its own sweep.
    let before = Owner {
        epoch: owner.epoch.saturating_sub(1),
        ..owner.clone()
    };
    let mut since = Duration::ZERO;
    for look in LOOKS {
        let wait = look.saturating_sub(since);
        since = look;
        tokio::select! {
            () = edge.stopping.cancelled() => return,
            () = sleep(wait) => {}
        }
        for owner in [&before, &owner] {
            give_back_all(&edge, owner).await;
        }
    }
    match edge
        .services
        .store
        .write_edge(&Write::Swept { owner })
        .await
    {
        Ok(_) => {}
        Err(error) => tracing::debug!(%error, "cannot say that an epoch was swept"),
    }
}

/// Gives back everything that names `owner`; repeats the look until the store answers.
async fn give_back_all(edge: &Arc<Shared>, owner: &Owner) {
    while !edge.stopping.is_cancelled() {
        match edge.services.store.held_by(owner).await {
            Ok(channels) => {
                return futures_util::stream::iter(channels)
                    .for_each_concurrent(AT_ONCE, |channel_id| async move {
                        settle(edge, &channel_id, owner).await;
                    })
                    .await;
            }
            Err(error) => {
                edge.metrics.store_errors.inc();
                tracing::warn!(%owner, %error, "cannot look up the locks of a dead epoch");
                sleep(REPEAT_AFTER).await;
            }
        }
    }
}

/// Looks every half minute for own locks that nobody answers for.
pub(crate) async fn run(edge: Arc<Shared>) {
    let mut looks = tokio::time::interval(OWN_LOCKS_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = edge.stopping.cancelled() => return,
            _ = looks.tick() => {}
        }
        let owner = edge.fleet.epoch().owner.clone();
        match edge.services.store.held_by(&owner).await {
            Ok(channels) => {
                // A thousand publishers that are here cost one query, and no reads.
                for channel_id in channels.iter().filter(|id| !edge.registry.knows(id)) {
                    settle(&edge, channel_id, &owner).await;
                }
            }
            Err(error) => tracing::debug!(%error, "cannot look for own locks"),
        }
    }
}

/// Gives one channel's lock back where it names `owner` and nobody here answers for it.
pub(crate) async fn settle(edge: &Arc<Shared>, channel_id: &ChannelId, owner: &Owner) {
    if let Err(error) = try_to_settle(edge, channel_id, owner).await {
        edge.metrics.store_errors.inc();
        tracing::warn!(%channel_id, %owner, %error, "cannot give a lock back");
    }
}

async fn try_to_settle(
    edge: &Arc<Shared>,
    channel_id: &ChannelId,
    owner: &Owner,
) -> Result<(), Error> {
    let store = &edge.services.store;
    let item = store.live(channel_id).await?;
    let Some(item) = item.filter(|item| item.owner.as_ref() == Some(owner)) else {
        return Ok(());
    };
    if edge
        .registry
        .answers_for(channel_id, item.version.generation)
    {
        return Ok(());
    }
    // The gate is read before the session waits, so that a cut after this finds it.
    let gate = store.gate(channel_id).await?;
    let channel = store.channel(channel_id).await?;
    let grace = channel
        .as_ref()
        .map_or(DEFAULT_GRACE, |channel| channel.grace);
    let Some(item) = let_go(edge, item, grace).await? else {
        return Ok(());
    };
    // A channel that was deleted has nobody to show it to; the reaper ends it.
    if let Some(channel) = channel {
        let session = Session::found(edge, channel.user_id, item, gate.auth_version);
        edge.tasks.spawn_on(session.wait_out(grace), &edge.runtime);
    }
    Ok(())
}

/// Writes what the loss of its holder leaves; None where somebody was faster.
async fn let_go(edge: &Shared, item: Item, grace: Duration) -> Result<Option<Item>, Error> {
    let Some(write) = item.dropped(clock::now(), grace) else {
        return Ok(Some(item));
    };
    Ok(match edge.services.store.write_live(&write).await? {
        Written::Done(item) => {
            edge.metrics.locks_given_back.inc();
            tracing::info!(channel_id = %item.channel_id, generation = item.version.generation,
                state = ?item.state, "lock of a lost holder given back");
            Some(item)
        }
        Written::Rejected(_) => None,
    })
}
