//! Finishes what no edge is left to finish: once a minute, all items that are not OFFLINE.
//!
//! | found | left |
//! |---|---|
//! | GRACE, long past due | OFFLINE |
//! | GRACE of a dead owner, past due | OFFLINE |
//! | STARTING or LIVE of a dead owner | GRACE (or what was before STARTING) |
//!
//! Every write carries what was seen, so that an edge that comes to it first wins.
//!
//! Where an edge that is not known to be dead holds something, it is watched for a while
//! ([`super::silence`]): with no edge left nobody else would find it silent. Edges whose locks were
//! all given back are forgotten.

use std::collections::HashMap;

use domain::channel::DEFAULT_GRACE;
use domain::edge::{Edge, State as EdgeState, Write, is_dead};
use domain::live::{self, EndReason, GRACE_MARGIN, Item, State, Written};
use domain::{EdgeId, Timestamp};
use futures_util::future::join_all;
use serde::Serialize;
use store::{Error, Store};
use tokio::time::Instant;

use super::silence::fence_silent;
use crate::chain::Chain;

/// Items that are finished at a time: a thousand in a few seconds, without a burst at the store.
const MAX_AT_ONCE: usize = 16;

/// What one run did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub(crate) struct Reaped {
    /// Items that were not OFFLINE.
    pub(crate) seen: usize,
    /// Items that are OFFLINE now.
    pub(crate) ended: usize,
    /// Items that are in GRACE now.
    pub(crate) dropped: usize,
    /// Items that somebody else changed first.
    pub(crate) outrun: usize,
    /// Items that the store gave no answer for: the next run sees them again.
    pub(crate) failed: usize,
    /// Edges that were fenced because they were silent.
    pub(crate) fenced: usize,
    /// Edges that are no more and hold nothing, forgotten.
    pub(crate) forgotten: usize,
}

/// What became of one item.
enum Outcome {
    Left,
    Ended,
    Dropped,
    Outrun,
}

/// One run over everything.
pub(crate) async fn reap(store: &Store, now: Timestamp) -> Result<Reaped, Error> {
    let mut reaped = Reaped::default();
    let began = Instant::now();
    let items = store.unfinished().await?;
    // The edges are read after the items: an edge takes a lock only once it is registered, so an
    // owner that is missing here is gone and not merely new.
    let mut edges = by_id(store.edges().await?);
    let held_by_the_living = |item: &Item| {
        let owner = item.owner.as_ref();
        item.state.is_held()
            && owner.is_some_and(|owner| !is_dead(owner, edges.get(&owner.edge_id)))
    };
    if items.iter().any(held_by_the_living) {
        reaped.fenced = fence_silent(store).await?;
        edges = by_id(store.edges().await?);
    }
    // A grace is promised from when it is written, not from before the wait.
    let now = now + began.elapsed();
    reaped.seen = items.len();
    // An edge that is lost leaves as many items as it had publishers.
    for some in items.chunks(MAX_AT_ONCE) {
        let outcomes = some.iter().map(|item| finish(store, item, &edges, now));
        for (item, outcome) in some.iter().zip(join_all(outcomes).await) {
            reaped.count(item, &outcome);
        }
    }
    reaped.forgotten = forget(store, edges.values(), &items).await?;
    Ok(reaped)
}

fn by_id(edges: Vec<Edge>) -> HashMap<EdgeId, Edge> {
    edges
        .into_iter()
        .map(|edge| (edge.id.clone(), edge))
        .collect()
}

/// Forgets the edges that are over and are named by no item, so that the list stays short. An
/// owner that is missing from it is dead.
async fn forget(
    store: &Store,
    edges: impl Iterator<Item = &Edge>,
    unfinished: &[Item],
) -> Result<usize, Error> {
    let named = |edge: &Edge| {
        let mut owners = unfinished.iter().filter_map(|item| item.owner.as_ref());
        owners.any(|owner| owner.edge_id == edge.id)
    };
    let mut forgotten = 0;
    for edge in edges.filter(|edge| edge.state == EdgeState::Fenced && !named(edge)) {
        let swept = store
            .write_edge(&Write::Swept {
                owner: edge.owner(),
            })
            .await?;
        forgotten += usize::from(swept && store.forget_edge(edge).await?);
    }
    Ok(forgotten)
}

impl Reaped {
    fn count(&mut self, item: &Item, outcome: &Result<Outcome, Error>) {
        match outcome {
            Ok(Outcome::Left) => {}
            Ok(Outcome::Ended) => self.ended += 1,
            Ok(Outcome::Dropped) => self.dropped += 1,
            Ok(Outcome::Outrun) => self.outrun += 1,
            Err(error) => {
                let channel_id = &item.channel_id;
                tracing::warn!(error = %Chain(error), %channel_id, "item not finished");
                self.failed += 1;
            }
        }
    }
}

async fn finish(
    store: &Store,
    item: &Item,
    edges: &HashMap<EdgeId, Edge>,
    now: Timestamp,
) -> Result<Outcome, Error> {
    let owner_is_dead = item
        .owner
        .as_ref()
        .is_none_or(|owner| is_dead(owner, edges.get(&owner.edge_id)));
    let Some(write) = due(store, item, owner_is_dead, now).await? else {
        return Ok(Outcome::Left);
    };
    Ok(match store.write_live(&write).await? {
        Written::Rejected(_) => Outcome::Outrun,
        Written::Done(left) => {
            tracing::info!(channel_id = %item.channel_id, state = ?left.state, "item finished");
            match left.state {
                State::Offline => Outcome::Ended,
                State::Starting | State::Live | State::Grace => Outcome::Dropped,
            }
        }
    })
}

/// The write that is due on an item; None where its edge will make it.
async fn due(
    store: &Store,
    item: &Item,
    owner_is_dead: bool,
    now: Timestamp,
) -> Result<Option<live::Write>, Error> {
    Ok(match item.state {
        State::Offline => None,
        State::Grace => {
            let over = item.is_abandoned(now) || (owner_is_dead && is_past(item, now));
            over.then(|| item.offline(now, EndReason::Dropped))
                .flatten()
        }
        State::Starting | State::Live if owner_is_dead => {
            let channel = store.channel(&item.channel_id).await?;
            let grace = channel.map_or(DEFAULT_GRACE, |channel| channel.grace);
            item.dropped(now, grace)
        }
        State::Starting | State::Live => None,
    })
}

fn is_past(item: &Item, now: Timestamp) -> bool {
    item.grace_until
        .is_none_or(|until| now >= until + GRACE_MARGIN)
}
