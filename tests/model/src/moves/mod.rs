//! What becomes of a state when something happens in it.

mod edge;
mod others;
mod publish;

use crate::Bounds;
use crate::action::Action;
use crate::properties::Broken;
use crate::state::{Stage, State};

impl State {
    /// The state after this.
    #[must_use]
    pub(crate) fn after(&self, bounds: &Bounds, action: Action) -> Self {
        let mut next = self.clone();
        next.happen(bounds, action);
        next.listen(bounds);
        next.reduce(bounds);
        next
    }

    fn happen(&mut self, bounds: &Bounds, action: Action) {
        match action {
            Action::Connect(publish, key, view) => self.begin(bounds, publish, key, view),
            Action::Read(publish, view) => self.read(bounds, publish, view),
            Action::Learn(publish, view) => self.learn(bounds, publish, view),
            Action::Answer(publish, answer, view) => self.answer(bounds, publish, answer, view),
            Action::Look(publish, view) => self.look(bounds, publish, view),
            Action::GiveUp(publish) => self.give_up(bounds, publish),
            Action::Write(publish, view) => self.send_heard(bounds, publish, view),
            Action::WriteTwice(publish, view) => self.send_twice(bounds, publish, view),
            Action::WriteUnheard(publish) => self.send_unheard(bounds, publish),
            Action::Confirm(publish) => self.confirm(bounds, publish),
            Action::FirstMedia(publish) => self.first_media(publish),
            Action::Leave(publish, parting) => self.leave(bounds, publish, parting),
            Action::Beat(edge) => self.beat(bounds, edge),
            Action::Beaten(edge) => self.beaten(bounds, edge),
            Action::BeatenUnheard(edge) => self.beaten_unheard(bounds, edge),
            Action::BeatenLate(edge) => self.acknowledged(edge),
            Action::Register(edge) => self.register(edge),
            Action::Elapse(edge) => self.elapse(edge),
            Action::Expire(edge) => self.expire(bounds, edge),
            Action::Kill(edge) => self.kill(bounds, edge),
            Action::Lose(publish) => self.set_stage(publish, Stage::Gone),
            Action::Restart(edge) => self.restart(edge),
            Action::Fence(edge) => self.fence(bounds, edge),
            Action::TakeChore => self.take_chore(bounds),
            Action::DoChore(number) => self.do_chore(bounds, number),
            Action::CopyArrives => self.copy_arrives(bounds),
            Action::Reset => self.retired = true,
            Action::Push => self.push(),
            Action::Show => self.show(),
            Action::Sample(publish) => self.sample(publish),
        }
    }

    /// Who may hand media on is taken to do so at once: the observer hears every generation as soon
    /// as it can be heard.
    fn listen(&mut self, bounds: &Bounds) {
        let mut heard = self.seen.heard;
        for publish in 0..bounds.publishes() {
            let Some(generation) = self.hands_on(bounds, publish) else {
                continue;
            };
            let broken = if generation < self.seen.heard {
                Some(Broken::MediaOfAnOlderGeneration)
            } else if self.publishes[publish].late {
                Some(Broken::MediaOnARetiredKey)
            } else {
                None
            };
            self.seen.broken = self.seen.broken.or(broken);
            heard = heard.max(generation);
        }
        self.seen.heard = heard;
    }
}
