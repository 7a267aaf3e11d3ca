//! An edge process: its heartbeats, the end of its epoch, and who ends it from outside.

use domain::edge::Write;
use domain::lease::{Heartbeat, Phase, SILENCE};

use crate::decisions::watching;
use crate::holder::Age;
use crate::kept::Keep as _;
use crate::names::{self, NOW};
use crate::properties::Broken;
use crate::state::{Stage, State};
use crate::{Bounds, Plant};

impl State {
    pub(super) fn beat(&mut self, bounds: &Bounds, edge: usize) {
        self.heartbeats_left -= 1;
        let node = &mut self.nodes[edge];
        node.first_sent = Some(Age::Fresh);
        if !bounds.breaks(Plant::DeadlineFromReply) {
            node.lease.tell(edge, |lease| lease.beat(NOW));
        }
    }

    /// The heartbeat or registration under way, as it is sent and sent again.
    pub(crate) fn beat_of(&self, bounds: &Bounds, edge: usize) -> Write {
        let lease = &self.nodes[edge].lease;
        if lease.phase == Phase::Registering {
            return Write::Renew(names::edge_item(edge, u64::from(lease.epoch)));
        }
        let publishes = bounds.publishes_of(edge);
        let under_way = publishes.filter(|it| self.publishes[*it].stage.is_under_way());
        Write::Beat {
            edge_id: names::edge_id(edge),
            heartbeat: Heartbeat {
                epoch: u64::from(lease.epoch),
                number: u64::from(lease.number) + 1,
            },
            publishers: u32::from(under_way.count() > 0),
        }
    }

    pub(super) fn beaten_unheard(&mut self, bounds: &Bounds, edge: usize) {
        let write = self.beat_of(bounds, edge);
        let node = &mut self.nodes[edge];
        if let Some(left) = write.apply(Some(&node.item)) {
            node.item = left.keep();
            node.shown = node.first_sent.unwrap_or(Age::Lapsed);
        }
    }

    pub(super) fn beaten(&mut self, bounds: &Bounds, edge: usize) {
        let write = self.beat_of(bounds, edge);
        let permitted = write.permitted(Some(&self.nodes[edge].item));
        self.beaten_unheard(bounds, edge);
        if permitted || self.counts_as_beaten(bounds, edge, &write) {
            self.acknowledged(edge);
        } else {
            self.rejected(edge);
        }
    }

    fn counts_as_beaten(&self, bounds: &Bounds, edge: usize, write: &Write) -> bool {
        let node = &self.nodes[edge];
        match bounds.plant {
            Some(Plant::LostReplyDrops) => false,
            Some(Plant::IdempotenceByOwner) => node.item.epoch == u64::from(node.lease.epoch),
            Some(_) | None => write.left(&node.item),
        }
    }

    pub(super) fn acknowledged(&mut self, edge: usize) {
        let node = &mut self.nodes[edge];
        node.first_sent = None;
        let registers = node.lease.phase == Phase::Registering;
        node.lease.tell(edge, |lease| {
            if registers {
                lease.registered();
            } else if let Some(heartbeat) = lease.beat(NOW) {
                // It is under way already: this only says which one it is.
                lease.acknowledged(&heartbeat);
            }
        });
    }

    fn rejected(&mut self, edge: usize) {
        let node = &mut self.nodes[edge];
        let epoch = u64::from(node.lease.epoch);
        node.first_sent = None;
        node.lease.tell(edge, |lease| lease.rejected(epoch));
        if node.item.lives_in(epoch) {
            self.seen.broken = self.seen.broken.or(Some(Broken::DroppedByALostReply));
        }
    }

    pub(super) fn register(&mut self, edge: usize) {
        let node = &mut self.nodes[edge];
        node.first_sent = Some(Age::Fresh);
        node.lease.tell(edge, |lease| {
            lease.renew();
            lease.register(NOW);
        });
    }

    pub(super) fn elapse(&mut self, edge: usize) {
        let node = &mut self.nodes[edge];
        node.lease.elapse();
        node.first_sent = node.first_sent.map(|_| Age::Lapsed);
        node.shown = Age::Lapsed;
    }

    pub(crate) fn expire(&mut self, bounds: &Bounds, edge: usize) {
        let node = &mut self.nodes[edge];
        node.first_sent = None;
        node.lease.tell(edge, |lease| lease.expire(NOW));
        if !bounds.breaks(Plant::RenewBeforeDrop) {
            self.drop_all(bounds, edge);
        }
    }

    pub(super) fn kill(&mut self, bounds: &Bounds, edge: usize) {
        self.drop_all(bounds, edge);
        for publish in bounds.publishes_of(edge) {
            if self.publishes[publish].stage == Stage::Idle {
                self.set_stage(publish, Stage::Gone);
            }
        }
        self.kills_left -= 1;
        self.nodes[edge] = self.nodes[edge].killed();
    }

    fn drop_all(&mut self, bounds: &Bounds, edge: usize) {
        for publish in bounds.publishes_of(edge) {
            let stage = self.publishes[publish].stage;
            if stage.is_under_way() {
                self.set_stage(publish, stage.dropped());
            }
        }
    }

    pub(super) fn restart(&mut self, edge: usize) {
        let node = &mut self.nodes[edge];
        node.item = names::edge_item(edge, node.item.epoch + 1).keep();
        node.shown = Age::Fresh;
    }

    /// A watcher found it silent and fences it. The write compares the heartbeat that was seen, so
    /// one that arrives late is either one that is sent now, or does nothing.
    pub(super) fn fence(&mut self, bounds: &Bounds, edge: usize) {
        let watcher = (edge + 1) % bounds.edges.max(2);
        let node = &mut self.nodes[edge];
        let watch = watching(watcher, Some(node.item), NOW);
        let silent = watch.silent(NOW + SILENCE).next();
        let left = silent.and_then(|edge| edge.fence().apply(Some(&node.item)));
        if let Some(left) = left {
            node.item = left.keep();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::lease::LEASE;

    /// Clocks of two machines run so far apart at most, in thousandths.
    const DRIFT: u32 = 4;
    /// Timers fire so much late or early at most.
    const ROUNDING: Duration = Duration::from_millis(50);

    #[test]
    fn a_watcher_waits_longer_than_a_holder_acts_whatever_their_clocks() {
        let longest = LEASE + LEASE * DRIFT / 1_000 + ROUNDING;
        assert!(super::SILENCE >= longest);
    }
}
