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
//! Absent on purpose: declaring silent edges dead (fencing). That needs the edges' heartbeat, which
//! is to come; until then an owner is dead only where its own fleet says so.

use std::collections::HashMap;

use domain::channel::DEFAULT_GRACE;
use domain::edge::{Edge, is_dead};
use domain::live::{EndReason, GRACE_MARGIN, Item, State, Write, Written};
use domain::{EdgeId, Timestamp};
use futures_util::future::join_all;
use serde::Serialize;
use store::{Error, Store};

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
    let items = store.unfinished().await?;
    // The edges are read after the items: an edge takes a lock only once it is registered, so an
    // owner that is missing here is gone and not merely new.
    let edges = store.edges().await?;
    let edges: HashMap<_, _> = edges.iter().map(|edge| (edge.id.clone(), edge)).collect();
    let mut reaped = Reaped {
        seen: items.len(),
        ..Reaped::default()
    };
    // An edge that is lost leaves as many items as it had publishers.
    for some in items.chunks(MAX_AT_ONCE) {
        let outcomes = some.iter().map(|item| finish(store, item, &edges, now));
        for (item, outcome) in some.iter().zip(join_all(outcomes).await) {
            reaped.count(item, &outcome);
        }
    }
    Ok(reaped)
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
    edges: &HashMap<EdgeId, &Edge>,
    now: Timestamp,
) -> Result<Outcome, Error> {
    let owner_is_dead = item.owner.as_ref().is_none_or(|owner| {
        let found = edges.get(&owner.edge_id).copied();
        is_dead(owner, found)
    });
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
) -> Result<Option<Write>, Error> {
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
