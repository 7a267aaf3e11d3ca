//! States that have the same future are made the same state.
//!
//! Each reduction forgets something on which nothing depends any more. They rest on what the same
//! exploration checks, that versions only grow, and on what an edge does, that it stops media before
//! it drops a publisher. On what the domain decides they do not rest: tests see to it that a wrong
//! rule is found with them as without them.

use domain::edge::{State as EdgeState, Write as EdgeWrite};
use domain::lease::Phase;
use domain::live::{Item, State as Lock, Write};

use crate::decisions::is_dead;
use crate::kept::{Keep as _, Kept};
use crate::state::{Node, Publish, Stage, State};
use crate::{Bounds, names};

impl State {
    /// Forgets what has no future.
    pub(crate) fn reduce(&mut self, bounds: &Bounds) {
        if !bounds.reduced {
            return;
        }
        self.forget_spent_writes();
        for publish in 0..bounds.publishes() {
            self.forget_answers(publish);
        }
        for edge in 0..bounds.edges {
            self.end_beyond_rescue(bounds, edge);
            self.forget_the_retired(bounds, edge);
        }
    }

    /// A write for whose answer nobody waits, and which the item will never let through again.
    fn forget_spent_writes(&mut self) {
        let item = self.item;
        let spent = |write: &Kept<Write>| is_spent(write, item.as_deref());
        for chore in &mut self.chores {
            *chore = chore.filter(|write| !spent(write));
        }
        self.chores.sort_by_key(Option::is_none);
        self.copy = self.copy.filter(|write| !spent(write));
    }

    /// A publish whose last write has been made or will never be: any answer says that it is over.
    fn forget_answers(&mut self, publish: usize) {
        let item = self.item.as_deref();
        let over = match self.publishes[publish].stage {
            Stage::Leaving(write) => !write.permitted(item),
            Stage::Owed(write) => {
                is_spent(&write, item) && !item.is_some_and(|item| write.left(item))
            }
            Stage::Adrift(write) => is_spent(&write, item),
            _ => false,
        };
        if over {
            self.publishes[publish] = Publish::GONE;
        }
    }

    /// An edge whose lease has passed will find that out, unless a heartbeat that is under way or
    /// still to be sent saves it. What its publishers would write before is what they might have had
    /// under way when the lease passed, so it may as well find out at once.
    fn end_beyond_rescue(&mut self, bounds: &Bounds, edge: usize) {
        let node = &mut self.nodes[edge];
        let up = node.runs && node.lease.phase == Phase::Up && !node.lease.is_held(edge);
        let sends = node.lives() && self.heartbeats_left > 0;
        let saved = node.first_sent.is_some() || sends;
        if !up || saved {
            return;
        }
        self.expire(bounds, edge);
        for publish in bounds.publishes_of(edge) {
            self.forget_answers(publish);
        }
    }

    /// An edge all of whose publishes are over: its past matters only to a lock that names it, and
    /// of a lock whose owner is dead only that.
    fn forget_the_retired(&mut self, bounds: &Bounds, edge: usize) {
        let over = |publish: usize| {
            matches!(
                self.publishes[publish].stage,
                Stage::Gone | Stage::Adrift(_)
            )
        };
        if !bounds.publishes_of(edge).all(over) {
            return;
        }
        let asked_about = |publish: &Publish| publish.stage.waits_for(edge);
        let fresh = Node::registered(edge);
        if !self.has_business(bounds, edge) {
            if !self.publishes.iter().any(asked_about) {
                self.nodes[edge] = fresh;
            }
            return;
        }
        let owner = names::edge_item(edge, 1).owner();
        if bounds.attempts == 1 && is_dead(&owner, self.nodes[edge].item) {
            self.nodes[edge] = Node {
                item: fenced(fresh.item),
                ..fresh.killed()
            };
        }
    }
}

fn fenced(item: Kept<domain::edge::Edge>) -> Kept<domain::edge::Edge> {
    let fenced: EdgeWrite = item.fence();
    let left = fenced.apply(Some(&item)).expect("it lives");
    debug_assert_eq!(left.state, EdgeState::Fenced);
    left.keep()
}

/// Whether the item, which only moves forward, will never let this write through.
fn is_spent(write: &Write, item: Option<&Item>) -> bool {
    let Some(item) = item else { return false };
    let past = |generation: u64| generation < item.version.generation;
    !write.permitted(Some(item))
        && match write {
            Write::Acquire(acquire) => acquire.seen.unwrap_or_default() < item.version,
            Write::GoLive { generation, .. } => past(*generation) || item.state != Lock::Starting,
            Write::Grace { generation, .. } | Write::End { generation, .. } => {
                past(*generation) || !item.state.is_held()
            }
            Write::Offline { seen, .. } => *seen < item.version,
        }
}

/// What only the session log and pages show of earlier generations.
pub(crate) fn without_history(bounds: &Bounds, item: Kept<Item>) -> Kept<Item> {
    if !bounds.reduced || item.state != Lock::Starting {
        return item;
    }
    Item {
        last_live_at: None,
        ended_at: None,
        reason: None,
        ..(*item).clone()
    }
    .keep()
}
