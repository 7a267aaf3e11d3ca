//! Gives back what an epoch that is over has left, and what nobody here answers for.
//!
//! A lock of a dead owner becomes GRACE now and OFFLINE when the grace is over, as if its publisher
//! had dropped. Every write is conditional, so that any number of edges may sweep the same epoch.

use std::sync::Arc;
use std::time::Duration;

use domain::edge::Write;
use domain::live::{Item, State, Written};
use domain::{ChannelId, Owner};
use futures_util::StreamExt as _;
use store::Error;
use tokio::time::{MissedTickBehavior, sleep};

use crate::clock;
use crate::lease::FIRST_EPOCH;
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
    // The epoch before it, where there was one, may have been cut short in its own sweep.
    let earlier = (owner.epoch > FIRST_EPOCH).then(|| Owner {
        epoch: owner.epoch - 1,
        ..owner.clone()
    });
    let everything = async {
        let mut since = Duration::ZERO;
        for look in LOOKS {
            sleep(look.saturating_sub(since)).await;
            since = look;
            for owner in earlier.iter().chain([&owner]) {
                give_back_all(&edge, owner).await;
            }
        }
        let swept = Write::Swept {
            owner: owner.clone(),
        };
        if let Err(error) = edge.services.store.write_edge(&swept).await {
            tracing::debug!(%error, "cannot say that an epoch was swept");
        }
    };
    until_it_stops(&edge, everything).await;
}

/// Gives back everything that names `owner`; repeats the look until the store answers.
async fn give_back_all(edge: &Arc<Shared>, owner: &Owner) {
    loop {
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
    let for_ever = async {
        loop {
            looks.tick().await;
            settle_all_own(&edge).await;
        }
    };
    until_it_stops(&edge, for_ever).await;
}

/// What is left undone when the edge stops another edge or the reaper does.
async fn until_it_stops(edge: &Shared, sweeping: impl Future<Output = ()>) {
    tokio::select! {
        () = edge.stopping.cancelled() => {}
        () = sweeping => {}
    }
}

async fn settle_all_own(edge: &Arc<Shared>) {
    let owner = edge.fleet.epoch().owner.clone();
    match edge.services.store.held_by(&owner).await {
        Ok(channels) => {
            // A thousand publishers that are here cost one query, and no reads.
            for channel_id in channels.iter().filter(|id| !edge.registry.knows(id)) {
                settle(edge, channel_id, &owner).await;
            }
        }
        Err(error) => tracing::debug!(%error, "cannot look for own locks"),
    }
}

/// Gives one channel's lock of the present epoch back, where nobody here answers for it. False where
/// the store did not answer.
pub(crate) async fn settle_own(edge: Arc<Shared>, channel_id: ChannelId) -> bool {
    let owner = edge.fleet.epoch().owner.clone();
    settle(&edge, &channel_id, &owner).await
}

/// Gives one channel's lock back where it names `owner` and nobody here answers for it.
async fn settle(edge: &Arc<Shared>, channel_id: &ChannelId, owner: &Owner) -> bool {
    let settled = try_to_settle(edge, channel_id, owner).await;
    if let Err(error) = &settled {
        edge.metrics.store_errors.inc();
        tracing::warn!(%channel_id, %owner, %error, "cannot give a lock back");
    }
    settled.is_ok()
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
    let generation = item.version.generation;
    if edge.registry.answers_for(channel_id, generation) {
        return Ok(());
    }
    // The gate is read before the session waits, so that a cut after this finds it.
    let gate = store.gate(channel_id).await?;
    // A channel that was deleted has nobody to show it to; the reaper ends it.
    let Some(channel) = store.channel(channel_id).await? else {
        return Ok(());
    };
    let wait = wait_for(edge, &item, channel.grace);
    if let Some(item) = let_go(edge, item, channel.grace).await?
        && let Some(session) = Session::found(edge, channel.user_id, item, gate.auth_version)
    {
        edge.tasks.spawn_on(session.wait_out(wait), &edge.runtime);
    }
    Ok(())
}

/// How long the session will wait: what is left of a grace that this edge itself wrote; the whole of
/// any other, because how long it has run is known by another's clock only.
fn wait_for(edge: &Shared, item: &Item, grace: Duration) -> Duration {
    let own = item
        .owner
        .as_ref()
        .is_some_and(|owner| owner.edge_id == edge.fleet.epoch().owner.edge_id);
    let until = item
        .grace_until
        .filter(|_| own && item.state == State::Grace);
    until.map_or(grace, |until| grace.min(until.since(clock::now())))
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
