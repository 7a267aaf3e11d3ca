//! What may happen in a state.

use domain::lease::Phase;
use domain::live::{Item, State as Lock, Write, Yield};

use crate::decisions::{Next, Told, View, go_on, is_dead};
use crate::holder::Age;
use crate::kept::{Keep as _, Kept};
use crate::state::{Node, Parting, Stage, State};
use crate::{Bounds, Plant, names};

/// One thing that happens.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// An encoder connects with a key of this version, and its edge reads the live item.
    Connect(usize, u8, View),
    /// A publish reads the live item again.
    Read(usize, View),
    /// A publish learns from the store whether the holder is dead.
    Learn(usize, View),
    /// The holder's edge answers a publish that asked it to yield.
    Answer(usize, Yield, View),
    /// A publish that waits for a silent holder sees what its edge has read since.
    Look(usize, View),
    /// It has waited long enough.
    GiveUp(usize),
    /// The store gets a publish's write, and the answer arrives.
    Write(usize, View),
    /// The same, and a copy of the write stays under way.
    WriteTwice(usize, View),
    /// The store gets a publish's write, and the answer is lost: it will be sent again.
    WriteUnheard(usize),
    /// A publish that has the lock reads key and gate again.
    Confirm(usize),
    /// The first media of a publish arrives.
    FirstMedia(usize),
    /// An encoder leaves, or its edge lets it go.
    Leave(usize, Parting),
    /// An edge sends its next heartbeat.
    Beat(usize),
    /// The store gets an edge's heartbeat or registration, and the answer arrives.
    Beaten(usize),
    /// The same, and the answer is lost: it will be sent again.
    BeatenUnheard(usize),
    /// The answer to a heartbeat or registration arrives late, when the epoch was fenced meanwhile.
    BeatenLate(usize),
    /// An edge that dropped everything registers its next epoch.
    Register(usize),
    /// A whole lease passes since all that an edge has sent so far.
    Elapse(usize),
    /// An edge finds that its epoch is over and drops its publishers. Their writes stay under way.
    Expire(usize),
    /// An edge is killed. The writes of its publishers stay under way.
    Kill(usize),
    /// An edge's process is started again under its old id, while the old one runs.
    Restart(usize),
    /// A watcher, or the reaper, fences an edge.
    Fence(usize),
    /// A timer, a sweeping edge or the reaper decides on what it reads.
    TakeChore,
    /// Its write reaches the store.
    DoChore(usize),
    /// The write of a publish that is over is lost.
    Lose(usize),
    /// A copy of a write that was answered reaches the store.
    CopyArrives,
    /// The owner resets the key: the gate is written.
    Reset,
    /// The status is pushed to the page.
    Push,
    /// The push arrives.
    Show,
    /// A sample of a live publish arrives at the page.
    Sample(usize),
}

impl Action {
    /// Whether it happens some time where nothing prevents it. The rest are up to encoders, owners
    /// and misfortune: nothing may depend on them.
    #[must_use]
    pub fn is_bound_to_happen(&self, state: &State) -> bool {
        match self {
            Self::Connect(..)
            | Self::WriteTwice(..)
            | Self::WriteUnheard(_)
            | Self::FirstMedia(_)
            | Self::Leave(..)
            | Self::Beat(_)
            | Self::BeatenUnheard(_)
            | Self::BeatenLate(_)
            | Self::Kill(_)
            | Self::Restart(_)
            | Self::Reset
            | Self::Sample(_) => false,
            // An edge that is up beats before its lease has passed.
            Self::Elapse(edge) => {
                let node = &state.nodes[*edge];
                !node.runs || node.lease.phase == Phase::Over
            }
            Self::Read(..)
            | Self::Learn(..)
            | Self::Answer(..)
            | Self::Look(..)
            | Self::GiveUp(_)
            | Self::Write(..)
            | Self::Confirm(_)
            | Self::Beaten(_)
            | Self::Register(_)
            | Self::Expire(_)
            | Self::Lose(_)
            | Self::Fence(_)
            | Self::TakeChore
            | Self::DoChore(_)
            | Self::CopyArrives
            | Self::Push
            | Self::Show => true,
        }
    }
}

/// No other edge is looked at.
const ALONE: View = View {
    holder: None,
    abandoned: false,
};

impl State {
    /// Everything that may happen now.
    pub(crate) fn actions(&self, bounds: &Bounds, actions: &mut Vec<Action>) {
        if self.seen.broken.is_some() {
            return;
        }
        for publish in 0..bounds.publishes() {
            self.actions_of_publish(bounds, publish, actions);
        }
        for edge in 0..bounds.edges {
            self.actions_of_edge(bounds, edge, actions);
        }
        self.actions_of_others(bounds, actions);
    }

    fn actions_of_publish(&self, bounds: &Bounds, publish: usize, actions: &mut Vec<Action>) {
        let edge = bounds.edge_of(publish);
        let held = self.nodes[edge].runs && self.nodes[edge].lease.is_held(edge);
        match self.publishes[publish].stage {
            Stage::Idle if held && self.may_begin(bounds, publish) => {
                self.connect(bounds, publish, actions);
            }
            Stage::Idle | Stage::Gone => {}
            Stage::Adrift(_) => {
                self.write_unheard(bounds, publish, actions);
                actions.push(Action::Lose(publish));
            }
            // What an edge would let a publish do without a lease, it may as well do before that ran
            // out, or when there is one again; if there is none it is dropped.
            _ if !held && bounds.reduced => self.write_unheard(bounds, publish, actions),
            stage if stage.decides() => self.actions_of_decider(bounds, publish, held, actions),
            _ => self.actions_of_holder(bounds, publish, held, actions),
        }
    }

    /// An edge looks at its lease before it lets a publish decide: one that is over drops it.
    fn actions_of_decider(
        &self,
        bounds: &Bounds,
        publish: usize,
        held: bool,
        actions: &mut Vec<Action>,
    ) {
        if !held {
            return self.write_unheard(bounds, publish, actions);
        }
        let edge = bounds.edge_of(publish);
        let leaves = Action::Leave(publish, Parting::Drops);
        match self.publishes[publish].stage {
            Stage::Reading(_) => {
                let views = self.views(bounds, publish, self.item);
                actions.extend(views.map(|view| Action::Read(publish, view)));
                actions.push(leaves);
            }
            Stage::Learning(_, item) => {
                actions.push(Action::Learn(publish, self.view_now(edge, item)));
                actions.push(leaves);
            }
            Stage::Asking(_, item) => {
                self.ask(bounds, publish, item, actions);
                actions.push(leaves);
            }
            Stage::Parked(attempt, item) => {
                let view = self.view_now(edge, item);
                // A reading that says nothing new changes nothing.
                let (_, next) = go_on(publish, edge, attempt, Told::Read, view);
                actions.extend((next == Next::Read).then_some(Action::Look(publish, view)));
                actions.push(Action::GiveUp(publish));
            }
            Stage::Writing(_, write) => {
                self.send(bounds, publish, write, actions);
                actions.push(leaves);
            }
            _ => {}
        }
    }

    /// A publish that has the lock, or may have it.
    fn actions_of_holder(
        &self,
        bounds: &Bounds,
        publish: usize,
        held: bool,
        actions: &mut Vec<Action>,
    ) {
        let drops = Action::Leave(publish, Parting::Drops);
        let leaves = [drops, Action::Leave(publish, Parting::Unpublishes)];
        match self.publishes[publish].stage {
            Stage::Owed(write) | Stage::Leaving(write) => {
                self.send(bounds, publish, write, actions);
            }
            Stage::GoingLive(write, parting) => {
                self.send(bounds, publish, write, actions);
                let stays = parting == Parting::Stays;
                actions.extend(leaves.into_iter().filter(|_| stays));
            }
            Stage::Confirming(_) => {
                actions.extend(held.then_some(Action::Confirm(publish)));
                actions.push(drops);
            }
            Stage::Starting(_) => {
                actions.extend(held.then_some(Action::FirstMedia(publish)));
                actions.extend(leaves);
            }
            Stage::Live(_) => {
                actions.extend(leaves);
                let samples = bounds.page && bounds.breaks(Plant::MetricsInSequence);
                actions.extend(samples.then_some(Action::Sample(publish)));
            }
            _ => {}
        }
    }

    /// Publishes and edges differ in nothing but their names: they begin in the order of these.
    fn may_begin(&self, bounds: &Bounds, publish: usize) -> bool {
        let edge = bounds.edge_of(publish);
        let first = bounds.publishes_of(edge).start;
        let before = if publish > first {
            Some(publish - 1)
        } else {
            edge.checked_sub(1)
                .map(|edge| bounds.publishes_of(edge).start)
        };
        before.is_none_or(|before| self.publishes[before].stage != Stage::Idle)
    }

    fn connect(&self, bounds: &Bounds, publish: usize, actions: &mut Vec<Action>) {
        // A look-up before the lock may only refuse; it may also be of a moment ago.
        let old = !self.retired || !bounds.breaks(Plant::AuthorizationOnlyBefore);
        let keys = [(1, old), (2, self.retired)];
        for (key, _) in keys.into_iter().filter(|(_, opens)| *opens) {
            let views = self.views(bounds, publish, self.item);
            actions.extend(views.map(|view| Action::Connect(publish, key, view)));
        }
    }

    fn ask(&self, bounds: &Bounds, publish: usize, item: Kept<Item>, actions: &mut Vec<Action>) {
        let view = self.view_now(bounds.edge_of(publish), item);
        let mut answer = |answer| actions.push(Action::Answer(publish, answer, view));
        answer(Yield::Silent);
        if self.media_flows(bounds, &item) {
            answer(Yield::MediaFlows);
        }
        let same_holder = |now: Kept<Item>| {
            now.state.is_held() && now.version.generation == item.version.generation
        };
        if !self.item.is_some_and(same_holder) {
            answer(Yield::Yielded);
        }
    }

    fn media_flows(&self, bounds: &Bounds, item: &Item) -> bool {
        let attempt = item.attempt_id.as_ref().expect("it is held");
        let holder = names::publish_of(attempt);
        let stage = self.publishes[holder].stage;
        matches!(stage, Stage::Live(_) | Stage::GoingLive(_, Parting::Stays))
            && self.hands_on(bounds, holder).is_some()
    }

    fn send(&self, bounds: &Bounds, publish: usize, write: Kept<Write>, actions: &mut Vec<Action>) {
        self.write_unheard(bounds, publish, actions);
        let left = self.permits(bounds, write);
        let decides_again = matches!(self.publishes[publish].stage, Stage::Writing(..))
            && !(left.is_some() && matches!(*write, Write::Acquire(_)));
        let found = left.or(self.item).filter(|_| decides_again);
        let copies = self.copies_left > 0 && self.copy.is_none();
        for view in self.views(bounds, publish, found) {
            actions.push(Action::Write(publish, view));
            if copies {
                actions.push(Action::WriteTwice(publish, view));
            }
        }
    }

    /// An answer that says nothing was done is lost without a difference to anybody.
    fn write_unheard(&self, bounds: &Bounds, publish: usize, actions: &mut Vec<Action>) {
        let write = self.publishes[publish].stage.write();
        let made = write.is_some_and(|write| self.permits(bounds, write).is_some());
        actions.extend(made.then_some(Action::WriteUnheard(publish)));
    }

    /// How a publish's edge may see the world when it decides on this item. A reading that is older
    /// than the holder's death shows it alive; one that is older than the holder does not show it.
    fn views(
        &self,
        bounds: &Bounds,
        publish: usize,
        item: Option<Kept<Item>>,
    ) -> impl Iterator<Item = View> + use<> {
        let me = bounds.edge_of(publish);
        let mut views = [None; 3];
        match item {
            Some(item) if item.state == Lock::Grace => {
                views[0] = Some(ALONE);
                views[1] = Some(View {
                    abandoned: true,
                    ..ALONE
                });
            }
            Some(item) if item.state.is_held() => {
                let now = self.view_now(me, item);
                views[0] = Some(now);
                if now != ALONE && !self.publishes[publish].parked {
                    views[1] = self.view_before_death(&item);
                    views[2] = bounds.unread.then_some(ALONE);
                }
            }
            Some(_) | None => views[0] = Some(ALONE),
        }
        views.into_iter().flatten()
    }

    fn view_now(&self, me: usize, item: Kept<Item>) -> View {
        let holder = names::edge_of(item.owner.as_ref().expect("it is held"));
        View {
            holder: (holder != me).then(|| self.nodes[holder].item),
            ..ALONE
        }
    }

    fn view_before_death(&self, item: &Item) -> Option<View> {
        let owner = item.owner.as_ref().expect("it is held");
        let holder = names::edge_of(owner);
        is_dead(owner, self.nodes[holder].item).then(|| View {
            holder: Some(names::edge_item(holder, owner.epoch).keep()),
            ..ALONE
        })
    }

    fn actions_of_edge(&self, bounds: &Bounds, edge: usize, actions: &mut Vec<Action>) {
        let node = &self.nodes[edge];
        if node.runs {
            self.actions_of_process(bounds, edge, actions);
        }
        // What nothing depends on may as well not happen.
        if !self.has_business(bounds, edge) {
            return;
        }
        actions.extend(node.is_fresh().then_some(Action::Elapse(edge)));
        let killed = self.kills_left > 0 && node.runs && self.any_here(bounds, edge);
        actions.extend(killed.then_some(Action::Kill(edge)));
        let silent = node.shown == Age::Lapsed || bounds.breaks(Plant::WallClockExpiry);
        actions.extend((node.lives() && silent).then_some(Action::Fence(edge)));
        let restarts = bounds.breaks(Plant::RestartOverwrites) && node.item.epoch == 1;
        actions.extend(restarts.then_some(Action::Restart(edge)));
    }

    fn actions_of_process(&self, bounds: &Bounds, edge: usize, actions: &mut Vec<Action>) {
        let node = &self.nodes[edge];
        let drops_nobody = !self.any_here(bounds, edge);
        let over = match node.lease.phase {
            Phase::Registering => false,
            Phase::Up => !node.lease.is_held(edge),
            Phase::Over => !drops_nobody,
        };
        actions.extend(over.then_some(Action::Expire(edge)));
        if node.first_sent.is_some() {
            self.beat_under_way(bounds, edge, actions);
        } else if node.lease.phase == Phase::Up {
            // While the last one is fresh another makes no difference: an edge that has not looked at
            // its clock yet may send it after a lease, and everything that can come of it comes then.
            let due = !bounds.reduced || node.lease.acknowledged == Age::Lapsed;
            let beats = due && self.heartbeats_left > 0 && self.has_business(bounds, edge);
            actions.extend(beats.then_some(Action::Beat(edge)));
        }
        let early = bounds.breaks(Plant::RenewBeforeDrop);
        let registers = node.lease.phase == Phase::Over
            && node.lease.epoch < bounds.epochs
            && (drops_nobody || early)
            && (self.any_to_come(bounds, edge) || !bounds.reduced);
        actions.extend(registers.then_some(Action::Register(edge)));
    }

    fn beat_under_way(&self, bounds: &Bounds, edge: usize, actions: &mut Vec<Action>) {
        let node = &self.nodes[edge];
        if node.lease.phase == Phase::Over {
            return;
        }
        actions.push(Action::Beaten(edge));
        let write = self.beat_of(bounds, edge);
        if write.permitted(Some(&node.item)) {
            actions.push(Action::BeatenUnheard(edge));
        }
        if !node.lives() && node.shows_under_way() {
            actions.push(Action::BeatenLate(edge));
        }
    }

    fn any_here(&self, bounds: &Bounds, edge: usize) -> bool {
        let here = |publish: usize| self.publishes[publish].stage.is_here();
        bounds.publishes_of(edge).any(here)
    }

    fn any_to_come(&self, bounds: &Bounds, edge: usize) -> bool {
        let to_come = |publish: usize| self.publishes[publish].stage == Stage::Idle;
        bounds.publishes_of(edge).any(to_come)
    }

    fn actions_of_others(&self, bounds: &Bounds, actions: &mut Vec<Action>) {
        if self.chore_to_take(bounds).is_some() {
            actions.push(Action::TakeChore);
        }
        let taken = self.chores.iter().enumerate();
        let taken = taken.filter(|(_, chore)| chore.is_some());
        actions.extend(taken.map(|(number, _)| Action::DoChore(number)));
        actions.extend(self.copy.map(|_| Action::CopyArrives));
        actions.extend((bounds.reset && !self.retired).then_some(Action::Reset));
        let Some(page) = self.page else { return };
        let newer = self
            .item
            .is_some_and(|item| item.version > page.shows.version);
        let pushes = newer && page.push.is_none();
        actions.extend(pushes.then_some(Action::Push));
        actions.extend(page.push.map(|_| Action::Show));
    }
}

impl Node {
    /// Whether anything was sent less than a lease ago.
    fn is_fresh(&self) -> bool {
        let up = self.runs && self.lease.phase == Phase::Up;
        self.shown == Age::Fresh
            || self.first_sent == Some(Age::Fresh)
            || (up && self.lease.acknowledged == Age::Fresh)
    }

    /// Whether its item shows the heartbeat or registration under way: it was made.
    fn shows_under_way(&self) -> bool {
        let number = match self.lease.phase {
            Phase::Registering => 0,
            Phase::Up | Phase::Over => u64::from(self.lease.number) + 1,
        };
        self.item.epoch == u64::from(self.lease.epoch) && self.item.heartbeat == number
    }
}
