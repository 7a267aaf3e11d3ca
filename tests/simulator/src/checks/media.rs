//! Whose media is accepted, and with which key.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::{EdgeId, Owner};

use super::{By, Checks, Fence, Rule};
use crate::event::{Channel, Connection, Slot};
use crate::figures::Residue;
use crate::time::Time;

/// A session that is to be cut is, where its edge is told and well.
const CUT_WITHIN: Duration = Duration::from_secs(1);
/// The same where the edge must find out by itself.
const CUT_FOUND_WITHIN: Duration = Duration::from_secs(25);

/// A batch of media that an edge accepts, and on what ground it does.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) channel: Channel,
    pub(crate) owner: &'a Owner,
    pub(crate) generation: u64,
    pub(crate) connection: Connection,
    pub(crate) key_version: u64,
    pub(crate) auth_version: u64,
    /// The ordinary deadline has passed: it holds on because all others said that the store is away.
    pub(crate) held_by_word: bool,
    /// No heartbeat and no question whose answer came was sent within a lease.
    pub(crate) overdue: bool,
    /// The edges that lived in its last good reading when it last was told so, without those that it
    /// had fenced since.
    pub(crate) known: &'a BTreeSet<EdgeId>,
    pub(crate) slot: Slot,
}

impl Checks {
    /// Media is accepted.
    pub(crate) fn accepted(&mut self, now: Time, batch: &Batch<'_>) {
        self.figures.batches += 1;
        if batch.overdue {
            self.broken(now, Rule::DeadlineIsKept, || format!("{batch:?}"));
        }
        self.check_key(now, batch);
        self.check_cut(now, batch);
        if self.is_fenced(now, batch) {
            return;
        }
        if self.channels[batch.channel].let_go >= batch.generation {
            self.broken(now, Rule::NothingAfterLetGo, || format!("{batch:?}"));
        }
        let track = &mut self.channels[batch.channel];
        track.last_media = now;
        let live = track.live == batch.generation;
        if let Some(acquired) = track.acquired.get(&batch.generation).filter(|_| live) {
            let session = acquired.session.clone();
            track
                .session_media
                .extend(session.map(|session| (session, now)));
        }
        let mine = (batch.generation, batch.owner, batch.connection);
        match &track.accepted {
            Some((generation, ..)) if *generation > batch.generation => {
                let higher = *generation;
                self.broken(now, Rule::OnePublisher, || {
                    format!("after media of generation {higher}: {batch:?}")
                });
            }
            Some((generation, owner, connection)) if *generation == batch.generation => {
                if mine != (*generation, owner, *connection) {
                    self.broken(now, Rule::OnePublisher, || {
                        format!("two under one generation: {batch:?}")
                    });
                }
            }
            Some(_) | None => {
                track.accepted = Some((batch.generation, batch.owner.clone(), batch.connection));
            }
        }
    }

    /// Media that an epoch accepts after it was fenced: its lock may be another's. Broken, unless it
    /// is the residue of a hold.
    fn is_fenced(&mut self, now: Time, batch: &Batch<'_>) -> bool {
        let Some(fence) = self.fence_of(batch.owner) else {
            return false;
        };
        let owner = batch.owner;
        let case = (owner.edge_id.clone(), owner.epoch, batch.generation);
        match self.residue_of(batch, fence) {
            Some(residue) => {
                let fresh = u64::from(self.residue.insert(case));
                self.figures.residue[residue as usize] += fresh;
            }
            None => self.broken(now, Rule::OnePublisher, || {
                format!("of an epoch that was fenced: {fence:?}; {batch:?}")
            }),
        }
        true
    }

    /// It holds on by the word of every edge that it knew to live, and was fenced by one that it
    /// could not ask.
    fn residue_of(&self, batch: &Batch<'_>, fence: Fence) -> Option<Residue> {
        match fence.by {
            _ if !batch.held_by_word => None,
            By::Edge(fencer) if batch.known.contains(&self.born[fencer].id) => None,
            By::Edge(_) => Some(Residue::NewEdge),
            By::Reaper => Some(Residue::Reaper),
        }
    }

    /// A key or a hold is looked at after the lock was taken: what was so before must be seen.
    fn check_key(&mut self, now: Time, batch: &Batch<'_>) {
        let track = &self.channels[batch.channel];
        let Some(at) = track
            .acquired
            .get(&batch.generation)
            .map(|acquired| acquired.at)
        else {
            return;
        };
        let retired = track
            .retired
            .iter()
            .find(|(version, from, doubt)| *version == batch.key_version && at > *from + *doubt);
        let hold = track
            .holds
            .iter()
            .find(|(from, until)| at > *from && at < *until);
        if retired.is_some() || hold.is_some() {
            let what = format!("taken at {at}; retired {retired:?}, hold {hold:?}; {batch:?}");
            self.broken(now, Rule::RetiredKey, || what);
        }
    }

    fn check_cut(&mut self, now: Time, batch: &Batch<'_>) {
        let track = &self.channels[batch.channel];
        let due = track
            .cuts
            .iter()
            .filter(|(_, before, _)| batch.auth_version < *before);
        let Some((at, _, told)) = due.copied().next() else {
            return;
        };
        let well = self.well(batch.slot);
        let at_once = told && well.is_some_and(|well| well <= at.before(CUT_WITHIN));
        let late = if at_once {
            now > at + CUT_WITHIN
        } else {
            well.is_some_and(|well| now > at.max(well) + CUT_FOUND_WITHIN)
        };
        if late {
            self.broken(now, Rule::Cut, || {
                format!("to be cut at {at}, told {told}: {batch:?}")
            });
        }
    }
}
