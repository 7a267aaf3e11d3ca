//! What a seed makes: how many edges, channels and encoders, what they do, and what goes wrong.

use std::time::Duration;

use crate::chance::Chance;
use crate::event::{Act, Channel, Signal, Slot};
use crate::fault::{Fault, Kind, Way};
use crate::time::Time;

/// Two clocks may run 0.4 % apart: each by half of it.
const DRIFT_PPM: i64 = 2_000;
/// Wall clocks are wrong by up to an hour, and jump by as much.
const SKEW_MILLIS: i64 = 3_600_000;
/// The lengths of a SIGSTOP, in seconds.
const PAUSES: [u64; 4] = [2, 7, 12, 60];
/// Before this nothing goes wrong: the first publishers are live.
const CALM: Time = Time::from_secs(8);
/// After the last fault so long is waited before the publishers stop; everything must be consistent
/// 5 s after it.
pub(crate) const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// A machine's clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    pub(crate) uptime: Duration,
    pub(crate) drift: i64,
    pub(crate) skew: i64,
    pub(crate) starts: Time,
}

/// Somebody with an encoder.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) channel: Channel,
    pub(crate) first_edge: usize,
    pub(crate) does: Vec<(Time, Signal)>,
}

/// A whole run's plan.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) machines: Vec<Machine>,
    /// Each channel's grace.
    pub(crate) channels: Vec<Duration>,
    pub(crate) people: Vec<Person>,
    pub(crate) acts: Vec<(Time, Channel, Act)>,
    pub(crate) faults: Vec<Fault>,
    /// When the last fault has ended.
    pub(crate) healed: Time,
    /// When every publisher stops.
    pub(crate) closing: Time,
    /// Then every edge is killed instead: only the reaper is left.
    pub(crate) ends_without_edges: bool,
}

impl Scenario {
    /// The plan of a run, from the first choices of its seed.
    pub(crate) fn new(chance: &mut Chance) -> Self {
        let machines: Vec<_> = (0..2 + chance.index(3)).map(|_| machine(chance)).collect();
        let channels: Vec<_> = (0..1 + chance.index(2)).map(|_| grace(chance)).collect();
        let healed = Time::from_secs(45 + chance.below(75));
        let people = people(chance, channels.len(), machines.len(), healed);
        let faults = faults(chance, machines.len(), people.len(), healed);
        let acts = acts(chance, channels.len(), healed);
        let closing = healed + SETTLED_AFTER + chance.millis(500, 6_000);
        Self {
            machines,
            channels,
            people,
            acts,
            faults,
            healed,
            closing,
            ends_without_edges: chance.percent(10),
        }
    }
}

fn machine(chance: &mut Chance) -> Machine {
    Machine {
        uptime: chance.millis(1_000, 10_000_000),
        drift: chance.number(-DRIFT_PPM, DRIFT_PPM),
        skew: chance.number(-SKEW_MILLIS, SKEW_MILLIS),
        starts: Time::ZERO + chance.millis(0, 2_000),
    }
}

fn grace(chance: &mut Chance) -> Duration {
    Duration::from_secs(if chance.percent(75) { 10 } else { 3 })
}

fn people(chance: &mut Chance, channels: usize, edges: usize, healed: Time) -> Vec<Person> {
    let mut people = Vec::new();
    for channel in 0..channels {
        for rival in 0..1 + chance.index(3) {
            let starts = Time::ZERO + chance.millis(1_000, if rival == 0 { 6_000 } else { 40_000 });
            let does = habits(chance, starts, healed);
            people.push(Person {
                channel,
                first_edge: chance.index(edges),
                does,
            });
        }
    }
    people
}

/// Starts, and then now and then stops, crashes, or loses the network.
fn habits(chance: &mut Chance, starts: Time, healed: Time) -> Vec<(Time, Signal)> {
    let mut does = vec![(starts, Signal::Start)];
    let mut at = starts;
    loop {
        at = at + chance.millis(3_000, 50_000);
        if at >= healed {
            return does;
        }
        let next = chance.pick(&[Signal::Stop, Signal::Crash, Signal::Crash, Signal::Vanish]);
        does.push((at, next));
        if matches!(next, Signal::Stop) {
            at = at + chance.millis(200, 15_000);
            does.push((at, Signal::Start));
        }
    }
}

fn acts(chance: &mut Chance, channels: usize, healed: Time) -> Vec<(Time, Channel, Act)> {
    let mut acts = Vec::new();
    let mut at = CALM;
    loop {
        at = at + chance.millis(2_000, 60_000);
        if at >= healed {
            return acts;
        }
        let act = match chance.below(3) {
            0 => Act::Hold(2 + chance.below(15)),
            overlap => Act::Reset {
                overlap: (overlap - 1) * (1 + chance.below(20)),
                disconnect: chance.percent(50),
            },
        };
        acts.push((at, chance.index(channels), act));
    }
}

/// Up to four groups of one or two faults. Of two the second comes while the first lasts or as it
/// ends, and rather often it hits the same edge.
fn faults(chance: &mut Chance, edges: usize, people: usize, healed: Time) -> Vec<Fault> {
    let mut faults = Vec::new();
    let room = u64::try_from(healed.since(CALM).as_millis()).unwrap_or(u64::MAX);
    for _ in 0..chance.index(5) {
        let slot = chance.index(edges);
        let from = CALM + chance.millis(0, room.saturating_sub(4_000));
        let first = fault(chance, (edges, slot), people, from, healed);
        faults.push(first);
        if chance.percent(60) {
            let same = chance.percent(60);
            let slot = if same { slot } else { chance.index(edges) };
            let from = second_of_a_pair(chance, &first).min(healed);
            faults.push(fault(chance, (edges, slot), people, from, healed));
        }
    }
    faults
}

fn second_of_a_pair(chance: &mut Chance, first: &Fault) -> Time {
    if chance.percent(35) {
        first.until.before(chance.millis(0, 100))
    } else {
        first.from + chance.millis(0, 8_000)
    }
}

fn fault(
    chance: &mut Chance,
    hit: (usize, Slot),
    people: usize,
    from: Time,
    healed: Time,
) -> Fault {
    let kind = kind(chance, hit, people);
    let longest = if chance.percent(50) { 6_000 } else { 40_000 };
    let until = match kind {
        Kind::Pause(_) => from + Duration::from_secs(chance.pick(&PAUSES)),
        Kind::Drift(..) | Kind::HalfOpen(_) => from,
        Kind::Kill(_) | Kind::Deploy(_) => from + chance.millis(200, 25_000),
        _ => from + chance.millis(300, longest),
    };
    Fault {
        kind,
        from,
        until: until.min(healed),
    }
}

fn kind(chance: &mut Chance, (edges, slot): (usize, Slot), people: usize) -> Kind {
    match chance.below(22) {
        0 | 1 => Kind::Pause(slot),
        2 | 3 => Kind::Kill(slot),
        4 | 5 => Kind::Deploy(slot),
        6 => Kind::StoreCut(slot, Way::Both),
        7 => Kind::StoreCut(slot, Way::Requests),
        8 | 9 => Kind::StoreCut(slot, Way::Answers),
        10 => Kind::PeerCut(slot, (slot + 1) % edges),
        11 => Kind::Throttle(chance.pick(&[1, 10, 100])),
        12 => Kind::Slow(slot),
        13 => Kind::Duplicates,
        14 => Kind::Late,
        15 | 16 => Kind::Outage,
        17 => Kind::WallJump(slot, chance.number(-SKEW_MILLIS, SKEW_MILLIS)),
        18 => Kind::Drift(slot, chance.number(-DRIFT_PPM, DRIFT_PPM)),
        19 => Kind::HalfOpen(chance.index(people)),
        20 => Kind::Flapping(chance.index(people)),
        _ => chance.pick(&[Kind::ControlLost, Kind::IndexLag]),
    }
}
