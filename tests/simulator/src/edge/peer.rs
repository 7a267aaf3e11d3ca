//! What other edges ask, and what they answer.

use std::time::Duration;

use domain::EdgeId;
use domain::lease::Phase;
use domain::live::{Item, Yield};

use super::Edge;
use super::settle::{Asker, Ground};
use crate::event::{Message, Slot};
use crate::world::World;

/// A publisher that has sent nothing for so long yields to another.
const QUIET: Duration = Duration::from_millis(1_500);

impl Edge {
    pub(super) fn on_message(&mut self, from: Slot, message: Message, world: &mut World) {
        match message {
            Message::Ask(id, seek, question, item) => {
                let asker = Asker {
                    slot: from,
                    id,
                    seek,
                    question,
                };
                self.on_asked(asker, &item, world);
            }
            Message::Answer(seek, question, answer) => {
                self.on_holder_answered(seek, question, answer, world);
            }
            Message::Question(asker, asked) => self.on_question(from, asker, asked, world),
            Message::Away(other, asked) => self.on_away(&other, asked, world),
        }
    }

    /// Another publish wants this lock.
    fn on_asked(&mut self, asker: Asker, item: &Item, world: &mut World) {
        let Some(channel) = world.store.place(&item.channel_id) else {
            return;
        };
        let generation = item.version.generation;
        let publisher = self
            .publishers
            .iter()
            .find(|(_, p)| p.is_of(channel, generation));
        if let Some((id, publisher)) = publisher {
            let quiet = self.now(world).since(publisher.last_media) >= QUIET;
            match (publisher.is_ending(), quiet) {
                (true, _) => {}
                (false, false) => self.say_that_media_flows(&asker, world),
                (false, true) => self.drop_publisher(*id, Some(asker), world),
            }
        } else if !self.claims(channel, generation) && self.answers_for(item) {
            self.give_back(channel, item, Ground::Own(Some(asker)), world);
        }
    }

    fn answers_for(&self, item: &Item) -> bool {
        let of = |id: &EdgeId| *id == self.id;
        let mine = item.owner.as_ref().is_some_and(|owner| of(&owner.edge_id));
        mine && self.lease.phase() == Phase::Up
    }

    fn say_that_media_flows(&self, asker: &Asker, world: &mut World) {
        let answer = Message::Answer(asker.seek, asker.question, Yield::MediaFlows);
        world.say(self.slot, asker.slot, asker.id.clone(), answer);
    }
}
