//! One run: the actors, and what reaches them next.

use std::time::Duration;

use crate::chance::Chance;
use crate::checks::{Rule, Seen};
use crate::edge::Edge;
use crate::encoder::Encoder;
use crate::event::{Channel, Event, Input, Process, Push, Signal, Slot};
use crate::fault::{Fault, Kind};
use crate::functions::{self, REAP_EVERY, Reaper};
use crate::scenario::{SETTLED_AFTER, Scenario};
use crate::store::Row;
use crate::time::Time;
use crate::world::{DASHBOARDS, World};
use crate::{Options, Outcome};

/// Time between two looks of the observer.
const INSPECT_EVERY: Duration = Duration::from_millis(250);
/// After the last publisher has stopped, or the last edge, every channel is OFFLINE within this, be
/// it by the reaper.
const OFFLINE_WITHIN: Duration = Duration::from_secs(150);
/// A run goes on for so long after the last change: dashboards must agree by then.
const QUIET: Duration = Duration::from_secs(6);
/// What reaches a process that stands still waits in its sockets and timers, and comes in any order
/// within so many milliseconds.
const RESUME_MILLIS: u64 = 3;
/// An encoder that flaps stays for so many milliseconds.
const FLAP_MILLIS: (u64, u64) = (1_000, 15_000);
/// A wall clock that jumps stays for so many milliseconds.
const JUMP_MILLIS: (u64, u64) = (200, 1_500);
/// A container that ended starts anew so much later.
const RESTART_AFTER: Duration = Duration::from_millis(300);

/// A machine that an edge runs on.
#[derive(Default)]
struct Machine {
    edge: Option<Edge>,
    /// Until when its process stands still.
    paused: Time,
    /// Faults that keep a process from starting.
    down: u32,
    /// Processes that it has had.
    lives: u32,
}

/// All actors of a run.
pub(crate) struct Simulation {
    seed: u64,
    world: World,
    scenario: Scenario,
    machines: Vec<Machine>,
    encoders: Vec<Encoder>,
    reaper: Reaper,
    /// What each dashboard shows of each channel.
    shown: Vec<Vec<Option<Push>>>,
    processes: Process,
    changed: Time,
}

impl Simulation {
    pub(crate) fn new(seed: u64, options: Options) -> Self {
        let mut chance = Chance::new(seed);
        let scenario = Scenario::new(&mut chance);
        let mut world = World::new(&scenario, chance, options.plant, options.story);
        let reaper = Reaper::new(&mut world);
        let people = scenario.people.iter().enumerate();
        let encoders = people.map(|(number, p)| Encoder::new(number, p.channel, p.first_edge));
        let mut simulation = Self {
            seed,
            machines: scenario
                .machines
                .iter()
                .map(|_| Machine::default())
                .collect(),
            encoders: encoders.collect(),
            shown: vec![vec![None; scenario.channels.len()]; DASHBOARDS],
            world,
            scenario,
            reaper,
            processes: 0,
            changed: Time::ZERO,
        };
        simulation.plan();
        simulation
    }

    fn plan(&mut self) {
        let (scenario, world) = (&self.scenario, &mut self.world);
        let queue = &mut world.queue;
        for (slot, machine) in scenario.machines.iter().enumerate() {
            queue.plan(machine.starts, Event::Start(slot));
        }
        for (number, person) in scenario.people.iter().enumerate() {
            for (at, signal) in &person.does {
                queue.plan(*at, Event::Encoder(number, *signal));
            }
        }
        for (at, channel, act) in &scenario.acts {
            queue.plan(*at, Event::Owner(*channel, *act));
        }
        for (number, fault) in scenario.faults.iter().enumerate() {
            queue.plan(fault.from, Event::Strike(number));
            queue.plan(fault.until, Event::Mend(number));
        }
        queue.plan(scenario.healed + SETTLED_AFTER, Event::Healed);
        queue.plan(scenario.closing, Event::Closing);
        queue.plan(Time::ZERO + INSPECT_EVERY, Event::Inspect);
        let first = world.chance.millis(0, REAP_EVERY.as_secs() * 1_000);
        world.after(first, Event::Reap { again: false });
    }

    /// Runs to the end, or to the first broken promise.
    pub(crate) fn run(mut self) -> Outcome {
        while let Some((at, event)) = self.world.queue.next() {
            self.world.now = at;
            self.world.checks.figures.steps += 1;
            self.happen(event);
            if self.world.checks.violation.is_some() || self.is_over() {
                break;
            }
        }
        self.outcome()
    }

    fn outcome(self) -> Outcome {
        let mut world = self.world;
        let violation = world.checks.violation.take();
        if let Some(violation) = &violation {
            world.tell("BROKEN", |_| {
                format!("{:?}: {}", violation.rule, violation.what)
            });
        }
        let mut figures = std::mem::take(&mut world.checks.figures);
        figures.seeds = 1;
        figures.simulated = world.now.since(Time::ZERO);
        Outcome {
            seed: self.seed,
            figures,
            violation,
            story: world.story.into_lines(),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Edge(process, input) => self.reach(process, input),
            Event::Request(request) => self.world.arrived(*request),
            Event::Encoder(number, signal) => {
                let processes = self.processes();
                self.encoders[number].on(signal, &processes, &mut self.world);
            }
            Event::Push(dashboard, push) => self.show(dashboard, push),
            Event::Reap { again } => self.reaper.run(again, &mut self.world),
            Event::Owner(channel, act) => {
                functions::act(channel, act, &mut self.world);
                self.tell_people(channel);
            }
            Event::Tell(channel) => functions::tell(channel, &self.processes(), &mut self.world),
            Event::Strike(number) => self.strike(self.scenario.faults[number]),
            Event::Mend(number) => self.mend(self.scenario.faults[number]),
            Event::Jump(slot, millis) => self.world.clocks[slot].jump(millis),
            Event::Start(slot) => self.start(slot),
            Event::Exit(process) => self.exit(process),
            Event::Inspect => self.inspect(),
            Event::Healed => self.check_recovery(),
            Event::Closing => self.close(),
        }
    }

    /// A process that stands still is reached when it goes on, and one that is gone never.
    fn reach(&mut self, process: Process, input: Input) {
        let of =
            |machine: &&mut Machine| machine.edge.as_ref().is_some_and(|e| e.process == process);
        let Some(machine) = self.machines.iter_mut().find(of) else {
            return;
        };
        if machine.paused > self.world.now {
            let at = machine.paused + self.world.chance.millis(0, RESUME_MILLIS);
            self.world.queue.plan(at, Event::Edge(process, input));
        } else if let Some(edge) = &mut machine.edge {
            edge.on(input, &mut self.world);
        }
    }

    fn processes(&self) -> Vec<Option<Process>> {
        let process = |machine: &Machine| machine.edge.as_ref().map(|edge| edge.process);
        self.machines.iter().map(process).collect()
    }

    /// A dashboard drops what is lower than what it has.
    fn show(&mut self, dashboard: usize, push: Push) {
        let shown = &mut self.shown[dashboard][push.channel];
        let order = |push: &Push| (push.version, push.sample);
        if shown
            .as_ref()
            .is_none_or(|shown| order(&push) >= order(shown))
        {
            let before = shown.replace(push);
            self.world.checks.shown(self.world.now, before, push);
        }
    }

    /// Most people copy a new key sooner or later.
    fn tell_people(&mut self, channel: Channel) {
        let world = &mut self.world;
        let version = world.store.rows[channel].keys.len() as u64;
        for (number, encoder) in self.encoders.iter().enumerate() {
            if encoder.channel() == channel && world.chance.percent(75) {
                let delay = world.chance.millis(500, 20_000);
                world.after(delay, Event::Encoder(number, Signal::NewKey(version)));
            }
        }
    }

    // ---- Processes

    fn start(&mut self, slot: Slot) {
        let machine = &mut self.machines[slot];
        if machine.edge.is_some() || machine.down > 0 {
            return;
        }
        machine.lives += 1;
        machine.paused = Time::ZERO;
        let letter = char::from(b'A' + u8::try_from(slot).unwrap_or_default());
        let name = format!("{letter}{}", machine.lives);
        machine.edge = Some(Edge::start(slot, self.processes, name, &mut self.world));
        self.processes += 1;
    }

    /// The process is gone, and with it everything that it knew.
    fn kill(&mut self, slot: Slot) {
        if let Some(edge) = self.machines[slot].edge.take() {
            self.world.checks.died(edge.process);
            self.world.close_all(edge.process);
        }
    }

    fn exit(&mut self, process: Process) {
        let place = self
            .processes()
            .iter()
            .position(|here| *here == Some(process));
        if let Some(slot) = place {
            self.kill(slot);
            self.world.after(RESTART_AFTER, Event::Start(slot));
        }
    }

    // ---- Faults

    fn strike(&mut self, fault: Fault) {
        let world = &mut self.world;
        world.tell("FAULT", |_| fault.to_string());
        world.checks.figures.fault(fault.kind);
        world.checks.lost(world.now, &fault, &world.store);
        world.checks.fault(world.now, fault.kind, true);
        world.network.change(fault.kind, true);
        match fault.kind {
            Kind::Pause(slot) => {
                let machine = &mut self.machines[slot];
                machine.paused = machine.paused.max(fault.until);
            }
            Kind::Kill(slot) => {
                self.machines[slot].down += 1;
                self.kill(slot);
            }
            Kind::Deploy(slot) => {
                self.machines[slot].down += 1;
                if let Some(process) = self.processes()[slot] {
                    self.world
                        .after(Duration::ZERO, Event::Edge(process, Input::Terminate));
                }
            }
            Kind::WallJump(slot, millis) => self.jump(slot, millis, fault.until),
            Kind::Drift(slot, drift) => self.world.clocks[slot].set_drift(self.world.now, drift),
            Kind::HalfOpen(encoder) => {
                self.world
                    .after(Duration::ZERO, Event::Encoder(encoder, Signal::Vanish));
            }
            Kind::Flapping(encoder) => self.flap(encoder, fault.until),
            Kind::StoreCut(..)
            | Kind::PeerCut(..)
            | Kind::Throttle(_)
            | Kind::Slow(_)
            | Kind::Duplicates
            | Kind::Late
            | Kind::Outage
            | Kind::ControlLost
            | Kind::IndexLag => {}
        }
    }

    fn flap(&mut self, encoder: usize, until: Time) {
        let mut at = self.world.now;
        while at < until {
            self.world
                .queue
                .plan(at, Event::Encoder(encoder, Signal::Crash));
            at = at + self.world.chance.millis(FLAP_MILLIS.0, FLAP_MILLIS.1);
        }
    }

    /// To and fro, as of a machine with two sources of time.
    fn jump(&mut self, slot: Slot, millis: i64, until: Time) {
        let (mut at, mut millis) = (self.world.now, millis);
        while at <= until {
            self.world.queue.plan(at, Event::Jump(slot, millis));
            at = at + self.world.chance.millis(JUMP_MILLIS.0, JUMP_MILLIS.1);
            millis = -millis;
        }
    }

    fn mend(&mut self, fault: Fault) {
        let world = &mut self.world;
        world.tell("FAULT", |_| format!("over: {:?}", fault.kind));
        world.checks.fault(world.now, fault.kind, false);
        world.network.change(fault.kind, false);
        if let Kind::Kill(slot) | Kind::Deploy(slot) = fault.kind {
            self.machines[slot].down -= 1;
            self.start(slot);
        }
    }

    // ---- The observer

    fn inspect(&mut self) {
        let seen = Seen {
            store: &self.world.store,
            claimed: self.claimed(),
            shown: &self.shown,
        };
        self.world.checks.inspect(self.world.now, &seen);
        self.world.after(INSPECT_EVERY, Event::Inspect);
    }

    fn claimed(&self) -> Vec<Option<bool>> {
        let claimed = |(channel, row): (usize, &Row)| {
            let item = row.item.as_ref()?;
            let owner = item.owner.as_ref()?;
            let edges = self
                .machines
                .iter()
                .filter_map(|machine| machine.edge.as_ref());
            let edge = edges.into_iter().find(|edge| edge.owner() == owner)?;
            let up = edge.is_up(&self.world);
            up.then(|| edge.claims(channel, item.version.generation))
        };
        self.world
            .store
            .rows
            .iter()
            .enumerate()
            .map(claimed)
            .collect()
    }

    fn check_recovery(&mut self) {
        for (slot, machine) in self.machines.iter().enumerate() {
            let up = machine
                .edge
                .as_ref()
                .is_some_and(|edge| edge.is_up(&self.world));
            if !up {
                self.world
                    .checks
                    .broken(self.world.now, Rule::EdgesRecover, || {
                        format!("machine {slot}")
                    });
            }
        }
    }

    /// Every edge is killed for good, or every publisher stops: some say goodbye, some crash, some
    /// vanish.
    fn close(&mut self) {
        if self.scenario.ends_without_edges {
            self.world.tell("FAULT", |_| "no edge is left".to_owned());
            for slot in 0..self.machines.len() {
                self.machines[slot].down += 1;
                self.kill(slot);
            }
        }
        self.world.tell("people", |_| "all stop".to_owned());
        let processes = self.processes();
        for encoder in &mut self.encoders {
            encoder.stopped = true;
            let how = self
                .world
                .chance
                .pick(&[Signal::Stop, Signal::Crash, Signal::Vanish]);
            encoder.on(how, &processes, &mut self.world);
            // Those that did not stream, or wait for their next try.
            encoder.give_up(&mut self.world);
        }
    }

    fn is_over(&mut self) -> bool {
        let (world, closing) = (&mut self.world, self.scenario.closing);
        if world.now <= closing {
            return false;
        }
        let offline = world.store.rows.iter().all(Row::is_offline);
        if !offline {
            self.changed = world.now;
            if world.now > closing + OFFLINE_WITHIN {
                let rows = world.store.rows.iter();
                let items: Vec<_> = rows
                    .map(|row| world.story.item(row.item.as_ref()))
                    .collect();
                world
                    .checks
                    .broken(world.now, Rule::EndsOffline, || format!("{items:?}"));
            }
        }
        let over = offline && world.now > self.changed.max(closing) + QUIET;
        if over {
            let took = self.changed.since(closing);
            world.checks.figures.took(Rule::EndsOffline, took);
        }
        over
    }
}
