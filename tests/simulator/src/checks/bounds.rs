//! What must happen, by when.

use std::time::Duration;

use domain::Owner;
use domain::edge::{Edge, is_dead};
use domain::live::{Item, PARK, State};

use super::{By, Checks, Rule};
use crate::event::{Channel, Push, Slot};
use crate::fault::Fault;
use crate::store::Store;
use crate::time::Time;
use crate::world::status;

/// A lost edge's locks can be taken so soon after.
const TAKEOVER: Duration = Duration::from_secs(5);
/// A publish that came sooner after the loss waits for the fence.
const WAITED_SINCE: Duration = Duration::from_secs(3);
/// OFFLINE comes so soon after the grace of a drop.
const AFTER_GRACE: Duration = Duration::from_secs(2);
/// OFFLINE comes so soon after the grace where an edge was lost.
const AFTER_LOSS: Duration = Duration::from_secs(7);
/// An edge must have been well for so long before the cause of a bound: what was under way then is
/// answered, and all edges were read.
const WELL_BEFORE: Duration = Duration::from_secs(2);
/// No media for 15 s is a drop; the rest is the way of a batch and of the write.
const SILENCE_OF_A_PUBLISHER: Duration = Duration::from_millis(15_500);
/// An acquisition that is owed is repeated within a call and a pause, and then given back.
const CLAIMED_WITHIN: Duration = Duration::from_secs(3);
/// Queries at 0, 2 and 12 s, begun at once or after 2 s.
const SWEPT_WITHIN: Duration = Duration::from_secs(17);
/// The wait for a silent holder, and the calls and questions around it.
const ANSWERED_WITHIN: Duration = Duration::from_secs(PARK.as_secs() + 4);
/// Dashboards agree with the store so soon.
const AGREE_WITHIN: Duration = Duration::from_secs(5);

/// Something that must happen.
#[derive(Debug)]
pub(super) struct Duty {
    what: What,
    from: Time,
    due: Time,
}

#[derive(Debug)]
enum What {
    /// A publisher dropped at an edge that is well: OFFLINE or a newer generation.
    Dropped {
        channel: Channel,
        generation: u64,
        by: Slot,
    },
    /// An edge was lost: its epoch is over for all.
    Takeover { owner: Owner, slot: Slot },
    /// The same: its session is OFFLINE, or newer.
    Lost {
        channel: Channel,
        generation: u64,
        owner: Owner,
    },
}

/// What the observer looks at now and then.
pub(crate) struct Seen<'a> {
    pub(crate) store: &'a Store,
    /// Whether the living owner of a channel's lock answers for it; None where it has none.
    pub(crate) claimed: Vec<Option<bool>>,
    /// What each dashboard shows of each channel.
    pub(crate) shown: &'a [Vec<Option<Push>>],
}

impl Duty {
    /// The machine that alone must keep it.
    pub(super) const fn kept_by(&self) -> Option<Slot> {
        match self.what {
            What::Dropped { by, .. } => Some(by),
            What::Takeover { .. } | What::Lost { .. } => None,
        }
    }
}

impl Checks {
    // ---- Causes

    /// A publisher that was LIVE dropped, and its edge knows.
    pub(crate) fn dropped(&mut self, now: Time, channel: Channel, generation: u64, by: Slot) {
        let due = now + self.channels[channel].grace + AFTER_GRACE;
        let what = What::Dropped {
            channel,
            generation,
            by,
        };
        self.duties.push(Duty {
            what,
            from: now,
            due,
        });
    }

    /// A fault takes an edge away for longer than the others wait.
    pub(crate) fn lost(&mut self, now: Time, fault: &Fault, store: &Store) {
        let Some(slot) = fault.kind.loses_the_edge() else {
            return;
        };
        let for_good = matches!(fault.kind, crate::fault::Kind::Kill(_));
        if !for_good && fault.duration() < TAKEOVER + WELL_BEFORE {
            return;
        }
        let here = self
            .born
            .iter()
            .find(|born| born.alive && born.slot == slot);
        let Some(edge) = here.and_then(|born| store.edges.get(&born.id)) else {
            return;
        };
        if edge.lives_in(edge.epoch) {
            self.lost_owner(now, slot, edge.owner(), store);
        }
    }

    fn lost_owner(&mut self, from: Time, slot: Slot, owner: Owner, store: &Store) {
        for (channel, row) in store.rows.iter().enumerate() {
            let held = |item: &&Item| item.owner.as_ref() == Some(&owner);
            let Some(item) = row.item.as_ref().filter(held) else {
                continue;
            };
            let delay = sweep_delay(row.visible_from(&owner), from);
            let due = from + row.grace + AFTER_LOSS + delay;
            let generation = item.version.generation;
            let what = What::Lost {
                channel,
                generation,
                owner: owner.clone(),
            };
            self.duties.push(Duty { what, from, due });
        }
        let key = (owner.edge_id.clone(), owner.epoch);
        self.losses.insert(key, from);
        let what = What::Takeover { owner, slot };
        self.duties.push(Duty {
            what,
            from,
            due: from + TAKEOVER,
        });
    }

    // ---- What keeps a duty

    /// A live item changed.
    pub(super) fn settle_duties(&mut self, now: Time, channel: Channel, left: &Item) {
        let settled = |duty: &Duty| match &duty.what {
            What::Dropped {
                channel: of,
                generation,
                ..
            }
            | What::Lost {
                channel: of,
                generation,
                ..
            } => {
                let newer = left.version.generation > *generation;
                *of == channel && (newer || left.state == State::Offline)
            }
            What::Takeover { .. } => false,
        };
        self.keep(now, settled);
    }

    /// An edge's item changed: an epoch is over when it is fenced and when the next one begins.
    pub(super) fn settle_takeover(&mut self, now: Time, left: &Edge) {
        self.keep(
            now,
            |duty| matches!(&duty.what, What::Takeover { owner, .. } if owner.edge_id == left.id && is_dead(owner, Some(left))),
        );
    }

    fn keep(&mut self, now: Time, settled: impl Fn(&Duty) -> bool) {
        let (done, open) = std::mem::take(&mut self.duties)
            .into_iter()
            .partition(settled);
        self.duties = open;
        for duty in done {
            let duty: Duty = duty;
            self.judge(now, &duty);
        }
    }

    /// A duty was kept, or its time is over: late is broken, where those who keep it were well.
    fn judge(&mut self, now: Time, duty: &Duty) {
        let well = duty.from.before(WELL_BEFORE);
        let (rule, binding) = match &duty.what {
            What::Dropped { by, .. } => (Rule::DropIsShown, self.is_well_since(*by, well)),
            What::Takeover { slot, .. } => (Rule::Takeover, self.another_is_well(*slot, well)),
            What::Lost { owner, .. } => (Rule::LossIsShown, self.fencer_is_well_since(owner, well)),
        };
        if !binding {
            return;
        }
        self.figures.took(rule, now.since(duty.from));
        if now > duty.due {
            self.broken(now, rule, || {
                format!("due since {}: {:?}", duty.due, duty.what)
            });
        }
    }

    fn fencer_is_well_since(&self, owner: &Owner, since: Time) -> bool {
        let Some(By::Edge(fencer)) = self.fence_of(owner).map(|fence| fence.by) else {
            return false;
        };
        let born = &self.born[fencer];
        born.alive && born.id != owner.edge_id && self.is_well_since(born.slot, since)
    }

    /// A publish has the lock: one that waited for a lost owner has it soon after the loss.
    pub(crate) fn acquired_by(&mut self, now: Time, slot: Slot, channel: Channel, began: Time) {
        let Some(owner) = self.channels[channel].taken_from.take() else {
            return;
        };
        let Some(lost) = self.losses.get(&(owner.edge_id, owner.epoch)).copied() else {
            return;
        };
        let waited = began < lost + WAITED_SINCE && now > lost + WAITED_SINCE;
        if waited && self.is_well_since(slot, lost.before(WELL_BEFORE)) {
            self.figures.took(Rule::WaitingPublish, now.since(lost));
            if now > lost + TAKEOVER {
                self.broken(now, Rule::WaitingPublish, || format!("lost at {lost}"));
            }
        }
    }

    /// A publish was turned away, so long after it came.
    pub(crate) fn answered(&mut self, now: Time, slot: Slot, began: Time) {
        let late = now.since(began) > ANSWERED_WITHIN;
        if late && self.is_well_since(slot, began) {
            self.broken(now, Rule::PublishIsAnswered, || format!("asked at {began}"));
        }
    }

    // ---- Now and then

    pub(crate) fn inspect(&mut self, now: Time, seen: &Seen<'_>) {
        let (over, open) = std::mem::take(&mut self.duties)
            .into_iter()
            .partition(|duty| now > duty.due);
        self.duties = open;
        for duty in over {
            let duty: Duty = duty;
            self.judge(now, &duty);
        }
        for (channel, row) in seen.store.rows.iter().enumerate() {
            if let Some(item) = &row.item {
                self.inspect_claim(now, channel, item, seen.claimed[channel]);
                self.inspect_media(now, channel, item);
                self.inspect_shown(now, channel, item, seen.shown);
            }
        }
        self.inspect_swept(now);
    }

    fn inspect_claim(&mut self, now: Time, channel: Channel, item: &Item, claimed: Option<bool>) {
        let slot = item
            .owner
            .as_ref()
            .and_then(|owner| self.slot_of(&owner.edge_id));
        let well = slot.is_some_and(|slot| self.is_well_since(slot, now.before(CLAIMED_WITHIN)));
        let unclaimed = item.state.is_held() && claimed == Some(false);
        let track = &mut self.channels[channel];
        track.unclaimed = unclaimed.then(|| track.unclaimed.unwrap_or(now));
        let since = track.unclaimed.unwrap_or(now);
        if well && now.since(since) > CLAIMED_WITHIN {
            self.broken(now, Rule::LocksAreClaimed, || {
                format!("channel {channel}: not since {since}: {item:?}")
            });
        }
    }

    fn inspect_media(&mut self, now: Time, channel: Channel, item: &Item) {
        let track = &self.channels[channel];
        let since = track.last_media.max(track.changed);
        let slot = item
            .owner
            .as_ref()
            .and_then(|owner| self.slot_of(&owner.edge_id));
        let well = slot.is_some_and(|slot| self.is_well_since(slot, since.before(WELL_BEFORE)));
        let silent = item.state == State::Live && now.since(since) > SILENCE_OF_A_PUBLISHER;
        if silent && well {
            self.broken(now, Rule::SilenceIsADrop, || {
                format!("channel {channel}: none since {since}")
            });
        }
    }

    fn inspect_shown(
        &mut self,
        now: Time,
        channel: Channel,
        item: &Item,
        shown: &[Vec<Option<Push>>],
    ) {
        let changed = self.channels[channel].changed;
        if now.since(changed) <= AGREE_WITHIN {
            return;
        }
        // A grace that is abandoned is OFFLINE for whoever looks late enough, by a clock that may be
        // a second off.
        let then = status(channel, item, changed.wall());
        let later = status(channel, item, now.wall() + Duration::from_secs(1));
        let agrees = |push: Push| {
            push.version == then.version && [then.shown, later.shown].contains(&push.shown)
        };
        for dashboard in shown {
            let push = dashboard[channel];
            if !push.is_some_and(agrees) {
                self.broken(now, Rule::ReadersAgree, || {
                    format!("{push:?} and not {then:?}")
                });
            }
        }
    }

    fn inspect_swept(&mut self, now: Time) {
        let late = |at: &Time| {
            let well =
                (0..self.health.len()).any(|slot| self.is_well_since(slot, at.before(WELL_BEFORE)));
            now.since(*at) > SWEPT_WITHIN && well
        };
        let late = self
            .unswept
            .iter()
            .find(|(_, at)| late(at))
            .map(|(key, _)| key.clone());
        if let Some(key) = late {
            self.broken(now, Rule::DeadAreSwept, || format!("{key:?}"));
        }
    }
}

/// What the bound of a loss grows by where the index does not show the lock when it is first asked:
/// the fence comes 3 to 5 s after the loss, the queries 0, 2 and 12 s after the fence.
fn sweep_delay(visible: Option<Time>, lost: Time) -> Duration {
    let seconds = |seconds| Duration::from_secs(seconds);
    match visible {
        Some(visible) if visible <= lost + seconds(3) => seconds(0),
        Some(visible) if visible <= lost + seconds(5) => seconds(2),
        Some(_) | None => seconds(12),
    }
}
