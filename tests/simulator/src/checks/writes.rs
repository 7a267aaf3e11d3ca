//! What the store must never show.

use std::time::Duration;

use domain::edge::{Edge, Write as EdgeWrite};
use domain::lease::SILENCE;
use domain::live::{EndReason, Item, State, Write};

use super::{Acquired, By, Checks, Fence, Rule};
use crate::event::{Channel, Push};
use crate::time::Time;

impl Checks {
    /// A write on a live item was carried out.
    pub(crate) fn live_written(
        &mut self,
        now: Time,
        channel: Channel,
        write: &Write,
        before: Option<&Item>,
        left: &Item,
    ) {
        let top = self.channels[channel].top;
        if top.is_some_and(|top| left.version <= top) {
            let version = left.version;
            self.broken(now, Rule::VersionsGrow, || {
                format!("channel {channel}: {version:?} after {top:?}")
            });
        }
        let track = &mut self.channels[channel];
        track.top = top.max(Some(left.version));
        track.changed = now;
        match write {
            Write::Acquire(_) => self.acquired(now, channel, before, left),
            Write::Offline { reason, .. } => self.offline(now, channel, *reason, left),
            Write::GoLive { generation, .. } => {
                track.live = *generation;
                self.figures.lives += 1;
            }
            Write::Grace { generation, .. } | Write::End { generation, .. } => {
                track.let_go = *generation;
            }
        }
        if left.state == State::Offline {
            self.channels[channel].ended.extend(left.session_id.clone());
        }
        self.settle_duties(now, channel, left);
    }

    fn acquired(&mut self, now: Time, channel: Channel, before: Option<&Item>, left: &Item) {
        let track = &mut self.channels[channel];
        let session = left.session_id.clone();
        if session
            .as_ref()
            .is_some_and(|session| track.ended.contains(session))
        {
            self.broken(now, Rule::OfflineStays, || {
                format!("channel {channel}: session {session:?} is back")
            });
            return;
        }
        let acquired = Acquired { at: now, session };
        track.acquired.insert(left.version.generation, acquired);
        let before = before.filter(|before| before.session_id == left.session_id);
        let former = before.and_then(|before| before.owner.as_ref());
        let dead = former
            .filter(|owner| self.fence_of(owner).is_some())
            .cloned();
        if dead.is_some() && left.owner != dead {
            self.figures.takeovers += 1;
            self.channels[channel].taken_from = dead;
        }
    }

    /// Never before the promised grace, counted from the last media.
    fn offline(&mut self, now: Time, channel: Channel, reason: EndReason, left: &Item) {
        let track = &self.channels[channel];
        let media = left
            .session_id
            .as_ref()
            .and_then(|session| track.session_media.get(session));
        let promised = media.map(|media| *media + track.grace);
        if reason == EndReason::Dropped && promised.is_some_and(|promised| now < promised) {
            self.broken(now, Rule::GraceIsKept, || {
                format!("channel {channel}: OFFLINE, promised not before {promised:?}")
            });
        }
    }

    /// A write on an edge's item was carried out.
    pub(crate) fn edge_written(&mut self, now: Time, write: &EdgeWrite, left: &Edge, by: By) {
        let key = (left.id.clone(), left.epoch);
        match write {
            EdgeWrite::Fence { .. } => {
                self.figures.fences += 1;
                self.fences.insert(key.clone(), Fence { by });
                self.unswept.insert(key, now);
                self.check_fence(now, left, by);
            }
            EdgeWrite::Swept { .. } => drop(self.unswept.remove(&key)),
            // What is left of an epoch that was fenced is its own edge's to sweep.
            EdgeWrite::Renew(_) => self.unswept.retain(|(id, _), _| *id != left.id),
            EdgeWrite::Boot(_) | EdgeWrite::Beat { .. } | EdgeWrite::Drain { .. } => {}
        }
        self.settle_takeover(now, left);
    }

    fn check_fence(&mut self, now: Time, left: &Edge, by: By) {
        // A drain ends with a fence of oneself.
        let other = by.process() != self.process(&left.id);
        let slot = self.slot_of(&left.id).filter(|_| other);
        if slot.is_some_and(|slot| self.was_spared(slot, Self::spared_since(now))) {
            self.figures.false_fences += 1;
            self.broken(now, Rule::NoFalseFence, || {
                format!("machine {slot:?} by {by:?}")
            });
        }
    }

    /// An edge is about to fence another, so long after its last reading that failed or was slow, and
    /// after it told that one that the store is away.
    pub(crate) fn fencing(&mut self, now: Time, name: &str, waited: Duration) {
        if waited < SILENCE {
            self.broken(now, Rule::FenceAfterSilence, || {
                format!("{name} fences after a silence of {waited:?}")
            });
        }
    }

    /// A dashboard shows something else now.
    pub(crate) fn shown(&mut self, now: Time, before: Option<Push>, after: Push) {
        let order = |push: &Push| (push.version, push.sample);
        if before.is_some_and(|before| order(&before) > order(&after)) {
            self.broken(now, Rule::ShownGrows, || {
                format!("{after:?} after {before:?}")
            });
        }
    }
}
