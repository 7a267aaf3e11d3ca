//! A publish, from its encoder's connection to the end.

use domain::authorization::admit;
use domain::channel::{Gate, Key};
use domain::live::{Attempt, Item, Write, Yield};

use crate::decisions::{self, Next, Told, View, go_on};
use crate::kept::{Keep as _, Kept};
use crate::state::{Parting, Publish, Stage, State};
use crate::{Bounds, Plant, names};

/// No other edge is looked at.
const ALONE: View = View {
    holder: None,
    abandoned: false,
};

impl State {
    pub(super) fn begin(&mut self, bounds: &Bounds, publish: usize, key: u8, view: View) {
        let edge = bounds.edge_of(publish);
        let epoch = self.nodes[edge].lease.epoch;
        let attempt = decisions::begin(publish, edge, epoch, key);
        self.publishes[publish].key = key;
        self.go_on(bounds, publish, attempt, Told::Found(self.item), view);
    }

    pub(super) fn read(&mut self, bounds: &Bounds, publish: usize, view: View) {
        if let Stage::Reading(attempt) = self.publishes[publish].stage {
            self.go_on(bounds, publish, attempt, Told::Found(self.item), view);
        }
    }

    pub(super) fn learn(&mut self, bounds: &Bounds, publish: usize, view: View) {
        if let Stage::Learning(attempt, item) = self.publishes[publish].stage {
            let owner = item.owner.as_ref().expect("it is held");
            let found = self.nodes[names::edge_of(owner)].item;
            let told = Told::Learned(decisions::is_dead(owner, found));
            self.go_on(bounds, publish, attempt, told, view);
        }
    }

    pub(super) fn answer(&mut self, bounds: &Bounds, publish: usize, answer: Yield, view: View) {
        if let Stage::Asking(attempt, _) = self.publishes[publish].stage {
            self.go_on(bounds, publish, attempt, Told::Answered(answer), view);
        }
    }

    pub(super) fn look(&mut self, bounds: &Bounds, publish: usize, view: View) {
        if let Stage::Parked(attempt, _) = self.publishes[publish].stage {
            self.go_on(bounds, publish, attempt, Told::Read, view);
        }
    }

    pub(super) fn give_up(&mut self, bounds: &Bounds, publish: usize) {
        if let Stage::Parked(attempt, _) = self.publishes[publish].stage {
            self.go_on(bounds, publish, attempt, Told::Waited, ALONE);
        }
    }

    fn go_on(
        &mut self,
        bounds: &Bounds,
        publish: usize,
        attempt: Kept<Attempt>,
        told: Told,
        view: View,
    ) {
        let edge = bounds.edge_of(publish);
        let (attempt, next) = go_on(publish, edge, attempt, told, view);
        let asked = match self.publishes[publish].stage {
            Stage::Asking(_, item) | Stage::Parked(_, item) => Some(item),
            _ => None,
        };
        self.publishes[publish].parked |= next == Next::Park;
        let stage = match next {
            Next::Read => Stage::Reading(attempt),
            Next::Write(write) => Stage::Writing(attempt, write),
            Next::Learn(item) => Stage::Learning(attempt, item),
            Next::Ask(item) => Stage::Asking(attempt, item),
            Next::Park => Stage::Parked(attempt, asked.expect("it asked before it waits")),
            Next::Acquired(item) => Stage::Confirming(item),
            Next::Refused => Stage::Gone,
        };
        self.set_stage(publish, stage);
    }

    pub(super) fn set_stage(&mut self, publish: usize, stage: Stage) {
        if stage.is_here() {
            self.publishes[publish].stage = stage;
        } else {
            // Nothing else of it matters any more.
            self.publishes[publish] = Publish {
                stage,
                ..Publish::GONE
            };
        }
    }

    pub(super) fn send_unheard(&mut self, bounds: &Bounds, publish: usize) {
        let stage = self.publishes[publish].stage;
        if let Some(write) = stage.write() {
            self.write(bounds, write);
        }
        if !stage.is_here() {
            self.set_stage(publish, Stage::Gone);
        }
    }

    pub(super) fn send_twice(&mut self, bounds: &Bounds, publish: usize, view: View) {
        self.copy = self.publishes[publish].stage.write();
        self.copies_left -= 1;
        self.send_heard(bounds, publish, view);
    }

    pub(super) fn send_heard(&mut self, bounds: &Bounds, publish: usize, view: View) {
        let stage = self.publishes[publish].stage;
        let Some(write) = stage.write() else { return };
        let told = self.write(bounds, write);
        let done = match told {
            Told::Done(item) => Some(item),
            _ => None,
        };
        let stage = match stage {
            Stage::Writing(attempt, _) => return self.go_on(bounds, publish, attempt, told, view),
            // Nobody is there to publish: what was taken is given back.
            Stage::Owed(_) => done.map_or(Stage::Gone, |item| match *write {
                Write::Acquire(_) => self.parted(bounds, publish, item, Parting::Drops),
                _ => Stage::Gone,
            }),
            Stage::GoingLive(_, Parting::Stays) => done.map_or(Stage::Gone, Stage::Live),
            Stage::GoingLive(_, parting) => done.map_or(Stage::Gone, |item| {
                self.parted(bounds, publish, item, parting)
            }),
            _ => Stage::Gone,
        };
        self.set_stage(publish, stage);
    }

    pub(super) fn confirm(&mut self, bounds: &Bounds, publish: usize) {
        if let Stage::Confirming(item) = self.publishes[publish].stage {
            let admitted = self.admits(publish) || bounds.breaks(Plant::AuthorizationOnlyBefore);
            let stage = if admitted {
                Stage::Starting(item)
            } else {
                self.parted(bounds, publish, item, Parting::Drops)
            };
            self.set_stage(publish, stage);
        }
    }

    /// What a strongly consistent read of key and gate says of a publish's key, now.
    fn admits(&self, publish: usize) -> bool {
        let version = u64::from(self.publishes[publish].key);
        let now = names::clock_of(publish);
        let retired = self.retired && version == 1;
        let key = Key {
            channel_id: names::channel(),
            user_id: names::user(),
            version,
            not_after: retired.then_some(now),
        };
        let gate = Gate {
            auth_version: u64::from(self.retired),
            ..Gate::default()
        };
        admit(Some(&key), &gate, now).is_ok()
    }

    pub(super) fn first_media(&mut self, publish: usize) {
        if let Stage::Starting(item) = self.publishes[publish].stage {
            let write = decisions::go_live(publish, item);
            self.set_stage(publish, Stage::GoingLive(write, Parting::Stays));
        }
    }

    pub(super) fn leave(&mut self, bounds: &Bounds, publish: usize, parting: Parting) {
        let stage = match self.publishes[publish].stage {
            Stage::Writing(_, write) if bounds.breaks(Plant::NoOwedAcquire) => Stage::Adrift(write),
            Stage::Writing(_, write) => Stage::Owed(write),
            // What the write says is answered first: what is to be written next depends on it.
            Stage::GoingLive(write, _) => Stage::GoingLive(write, parting),
            Stage::Confirming(item) | Stage::Starting(item) | Stage::Live(item) => {
                self.parted(bounds, publish, item, parting)
            }
            _ => Stage::Gone,
        };
        self.set_stage(publish, stage);
    }

    fn parted(&self, bounds: &Bounds, publish: usize, item: Kept<Item>, parting: Parting) -> Stage {
        let write = decisions::part(publish, item, parting);
        write.map_or(Stage::Gone, |write| {
            Stage::Leaving(as_written(bounds, publish, write))
        })
    }
}

/// What a publisher that drops writes, or the wrong thing.
fn as_written(bounds: &Bounds, publish: usize, write: Kept<Write>) -> Kept<Write> {
    if !bounds.breaks(Plant::FreshGrace) {
        return write;
    }
    let mut fresh = (*write).clone();
    if let Write::Grace { grace_until, .. } = &mut fresh {
        *grace_until = names::clock_of(publish) + names::GRACE;
    }
    fresh.keep()
}
