//! What the functions do: the owner's resets and holds, and the reaper.
//!
//! They work on the store at once: their own network is no part of this.

use std::time::Duration;

use domain::edge::{Edge, is_dead};
use domain::lease::{SILENCE, Watch};
use domain::live::{EndReason, GRACE_MARGIN, Item, State, Write};
use domain::{EdgeId, Moment, Timestamp};

use crate::checks::By;
use crate::event::{Act, Channel, Event, Input, Process};
use crate::plant::Plant;
use crate::time::Time;
use crate::world::World;

/// Time between two runs of the reaper.
pub(crate) const REAP_EVERY: Duration = Duration::from_secs(60);
/// An act that finds the store away is repeated so much later.
const ACT_AGAIN: Duration = Duration::from_secs(1);
/// The reaper's second look is so much later than a silence.
const REAP_SLACK: Duration = Duration::from_millis(50);
/// Clocks that the store corrects may be wrong by its Date header's second.
const DOUBT: Duration = Duration::from_millis(1_200);
/// A key that is retired at once is past its end on every clock.
const LONG_AGO: Timestamp = Timestamp::from_millis(0);

/// The owner resets the key or holds the channel: the gate is written first.
pub(crate) fn act(channel: Channel, act: Act, world: &mut World) {
    if world.network.store_is_away() {
        world.after(ACT_AGAIN, Event::Owner(channel, act));
        return;
    }
    world.tell("owner", |_| format!("channel {channel}: {act:?}"));
    world.store.rows[channel].gate.auth_version += 1;
    let cuts = match act {
        Act::Reset {
            overlap,
            disconnect,
        } => {
            reset(channel, overlap, world);
            disconnect
        }
        Act::Hold(seconds) => {
            hold(channel, Duration::from_secs(seconds), world);
            true
        }
    };
    if cuts {
        let gate = &mut world.store.rows[channel].gate;
        gate.cut_before = gate.auth_version;
        let before = gate.cut_before;
        world.checks.cut(channel, world.now, before);
        let delay = world.chance.millis(5, 50);
        world.after(delay, Event::Tell(channel));
    }
}

fn reset(channel: Channel, overlap: u64, world: &mut World) {
    let (now, overlap) = (world.now, Duration::from_secs(overlap));
    let at_once = if world.has(Plant::RetiredByClock) {
        now.wall()
    } else {
        LONG_AGO
    };
    let keys = &mut world.store.rows[channel].keys;
    let current = keys.len();
    for (place, key) in keys.iter_mut().enumerate() {
        let overlaps = place + 1 == current && !overlap.is_zero();
        let doubt = if overlaps { DOUBT } else { Duration::ZERO };
        *key = Some(if overlaps {
            now.wall() + overlap
        } else {
            at_once
        });
        let from = if overlaps { now + overlap } else { now };
        world.checks.retired(channel, place as u64 + 1, from, doubt);
    }
    keys.push(None);
}

fn hold(channel: Channel, time: Duration, world: &mut World) {
    let now = world.now;
    world.store.rows[channel].gate.hold_until = Some(now.wall() + time);
    world
        .checks
        .put_on_hold(channel, now, (now + time).before(DOUBT));
}

/// After the gate the function reads the live item: whoever took the lock before is told.
pub(crate) fn tell(channel: Channel, processes: &[Option<Process>], world: &mut World) {
    let item = world.store.rows[channel].item.as_ref();
    if item.is_none_or(|item| item.state == State::Offline) || world.network.is_deaf() {
        return;
    }
    world.checks.told(channel);
    for process in processes.iter().flatten() {
        let delay = world.chance.millis(5, 100);
        world.after(delay, Event::Edge(*process, Input::Control(channel)));
    }
}

/// The reaper's watch over one run.
#[derive(Debug)]
pub(crate) struct Reaper {
    watch: Watch,
}

impl Reaper {
    pub(crate) fn new(world: &mut World) -> Self {
        let me = EdgeId::from_random(world.chance.bytes());
        Self {
            watch: Watch::new(me),
        }
    }

    /// A run's first look at the edges, or the second one after a silence, and then the items.
    pub(crate) fn run(&mut self, again: bool, world: &mut World) {
        if !again {
            world.after(REAP_EVERY, Event::Reap { again: false });
        }
        if world.network.store_is_away() || world.network.turns_away(&mut world.chance) {
            self.watch.missed(moment(world.now));
            return;
        }
        let edges: Vec<Edge> = world.store.edges.values().cloned().collect();
        let now = moment(world.now);
        self.watch.received(now, now, edges);
        if again {
            self.fence(world);
            finish_all(world);
        } else {
            world.after(SILENCE + REAP_SLACK, Event::Reap { again: true });
        }
    }

    fn fence(&self, world: &mut World) {
        let silent: Vec<_> = self
            .watch
            .silent(moment(world.now))
            .map(Edge::fence)
            .collect();
        for write in silent {
            // One that beat meanwhile lives.
            drop(world.write_edge(&write, world.now.wall(), By::Reaper));
        }
    }
}

fn finish_all(world: &mut World) {
    for channel in 0..world.store.rows.len() {
        let row = &world.store.rows[channel];
        let Some(item) = &row.item else { continue };
        let owner = item.owner.as_ref();
        let dead = owner.is_none_or(|owner| is_dead(owner, world.store.edges.get(&owner.edge_id)));
        if let Some(write) = due(item, dead, row.grace, world.now.wall()) {
            drop(world.write_live(channel, &write, By::Reaper));
        }
    }
}

/// The write that is due on an item, as the reaper function has it.
fn due(item: &Item, dead: bool, grace: Duration, now: Timestamp) -> Option<Write> {
    let past = item
        .grace_until
        .is_none_or(|until| now >= until + GRACE_MARGIN);
    match item.state {
        State::Offline => None,
        State::Grace if item.is_abandoned(now) || (dead && past) => {
            item.offline(now, EndReason::Dropped)
        }
        State::Starting | State::Live if dead => item.dropped(now, grace),
        State::Grace | State::Starting | State::Live => None,
    }
}

fn moment(now: Time) -> Moment {
    Moment::from_micros(u64::try_from(now.since(Time::ZERO).as_micros()).unwrap_or(u64::MAX))
}
