//! A path through the states, told for a reader: who did what, and the live item after it.

use std::fmt::Write as _;

use domain::lease::Phase;
use domain::live::{Item, State as Lock, Write, Yield};
use domain::status::{Shown, Status};

use crate::action::Action;
use crate::state::{Parting, Stage, State};
use crate::{Bounds, names};

/// Tells the path. The first state has no action before it.
#[must_use]
pub(crate) fn tell(bounds: &Bounds, path: &[(State, Option<Action>)]) -> String {
    let mut story = String::new();
    for (number, steps) in path.windows(2).enumerate() {
        let [(before, Some(action)), (after, _)] = steps else {
            continue;
        };
        let teller = Teller { bounds, before };
        let _ = writeln!(story, "{:>3}. {}", number + 1, teller.tell(*action));
        let _ = writeln!(story, "       {}", item(after));
    }
    story
}

struct Teller<'a> {
    bounds: &'a Bounds,
    before: &'a State,
}

impl Teller<'_> {
    fn tell(&self, action: Action) -> String {
        self.of_deciding(action)
            .or_else(|| self.of_publishing(action))
            .or_else(|| self.of_edges(action))
            .unwrap_or_else(|| self.of_others(action))
    }

    fn of_deciding(&self, action: Action) -> Option<String> {
        let told = match action {
            Action::Connect(publish, key, _) => {
                let who = self.who(publish);
                format!("{who} connects with key {key}; its edge reads the live item and decides")
            }
            Action::Read(publish, _) => {
                format!(
                    "{} reads the live item again and decides",
                    self.who(publish)
                )
            }
            Action::Learn(publish, _) => format!(
                "{} learns from the store whether the holder is dead",
                self.who(publish)
            ),
            Action::Answer(publish, Yield::Silent, _) => {
                format!(
                    "{} gets no answer from the holder's edge",
                    self.who(publish)
                )
            }
            Action::Answer(publish, Yield::MediaFlows, _) => {
                format!("{} is told that media flows", self.who(publish))
            }
            Action::Answer(publish, Yield::Yielded, _) => {
                format!("{} is told that the holder yielded", self.who(publish))
            }
            Action::Look(publish, _) => format!(
                "{} sees in a new reading of the edges that its wait is over",
                self.who(publish)
            ),
            Action::GiveUp(publish) => format!("{} has waited long enough", self.who(publish)),
            _ => return None,
        };
        Some(told)
    }

    fn of_publishing(&self, action: Action) -> Option<String> {
        let told = match action {
            Action::Write(publish, _) => {
                format!(
                    "{}'s {} is answered",
                    self.who(publish),
                    self.writes(publish)
                )
            }
            Action::WriteTwice(publish, _) => format!(
                "{}'s {} is answered, and a copy of it stays under way",
                self.who(publish),
                self.writes(publish)
            ),
            Action::WriteUnheard(publish) => format!(
                "{}'s {} is made, and nobody hears the answer",
                self.who(publish),
                self.writes(publish)
            ),
            Action::Confirm(publish) => {
                format!("{} has key and gate read again", self.who(publish))
            }
            Action::FirstMedia(publish) => {
                format!("{} sends its first media", self.who(publish))
            }
            Action::Leave(publish, Parting::Unpublishes) => {
                format!("{} says that it stops; media stops", self.who(publish))
            }
            Action::Leave(publish, _) => format!("{} is gone; media stops", self.who(publish)),
            Action::Lose(publish) => {
                format!("{}'s {} is lost", self.who(publish), self.writes(publish))
            }
            _ => return None,
        };
        Some(told)
    }

    fn of_edges(&self, action: Action) -> Option<String> {
        let (number, told) = of_edges(action)?;
        let sent = match (action, self.before.nodes[number].lease.phase) {
            (Action::Beaten(_) | Action::BeatenUnheard(_) | Action::BeatenLate(_), phase) => {
                if phase == Phase::Registering {
                    " registration"
                } else {
                    " heartbeat"
                }
            }
            _ => "",
        };
        Some(format!("edge {} {told}{sent}", edge(number)))
    }

    fn of_others(&self, action: Action) -> String {
        match action {
            Action::TakeChore => {
                "a timer, a sweeper or the reaper reads the item and decides".to_owned()
            }
            Action::DoChore(number) => {
                let write = self.before.chores[number];
                format!(
                    "its {} reaches the store",
                    write.map_or("write", |it| kind(&it))
                )
            }
            Action::CopyArrives => {
                let write = self.before.copy;
                format!(
                    "the copy of the {} reaches the store",
                    write.map_or("write", |it| kind(&it))
                )
            }
            Action::Reset => "the owner resets the key: the gate is written".to_owned(),
            Action::Push => "the status is pushed to the page".to_owned(),
            Action::Show => "the push arrives".to_owned(),
            Action::Sample(publish) => format!("a sample of {} arrives", self.who(publish)),
            other => format!("{other:?}"),
        }
    }

    fn who(&self, publish: usize) -> String {
        let edge = edge(self.bounds.edge_of(publish));
        format!("publisher {} on edge {edge}", publish + 1)
    }

    fn writes(&self, publish: usize) -> &'static str {
        let stage = self.before.publishes[publish].stage;
        match (stage, stage.write()) {
            (Stage::Owed(_), _) => "owed ACQUIRE",
            (_, Some(write)) => kind(&write),
            (_, None) => "write",
        }
    }
}

fn of_edges(action: Action) -> Option<(usize, &'static str)> {
    let told = match action {
        Action::Beat(number) => (number, "sends a heartbeat"),
        Action::Beaten(number) => (number, "hears the answer to its"),
        Action::BeatenUnheard(number) => (number, "hears no answer, though the store made its"),
        Action::BeatenLate(number) => (number, "hears a late answer to its"),
        Action::Register(number) => (number, "registers its next epoch"),
        Action::Elapse(number) => (number, "has sent nothing for a whole lease"),
        Action::Expire(number) => (number, "finds that its epoch is over"),
        Action::Kill(number) => (number, "is killed"),
        Action::Restart(number) => (number, "is started again under its old id"),
        Action::Fence(number) => (number, "is fenced by a watcher"),
        _ => return None,
    };
    Some(told)
}

fn edge(number: usize) -> char {
    ['A', 'B', 'C'][number]
}

/// The name that the design gives a write.
fn kind(write: &Write) -> &'static str {
    match write {
        Write::Acquire(_) => "ACQUIRE",
        Write::GoLive { .. } => "GO LIVE",
        Write::Grace { .. } => "GRACE",
        Write::Offline { .. } => "OFFLINE",
        Write::End { .. } => "END",
    }
}

fn item(state: &State) -> String {
    let Some(item) = state.item else {
        return "no item".to_owned();
    };
    let shown = match Status::of(Some(&item), names::janitors_clock()).shown {
        Shown::Offline => "OFFLINE",
        Shown::Live => "LIVE",
        Shown::Grace => "GRACE",
    };
    let (generation, sequence) = (item.version.generation, item.version.sequence);
    format!(
        "{} ({generation}, {sequence}){}, shown {shown}",
        lock(&item),
        holder(&item)
    )
}

fn lock(item: &Item) -> &'static str {
    match item.state {
        Lock::Offline => "OFFLINE",
        Lock::Starting => "STARTING",
        Lock::Live => "LIVE",
        Lock::Grace => "GRACE",
    }
}

fn holder(item: &Item) -> String {
    let owner = item.owner.as_ref().map_or(String::new(), |owner| {
        format!(" of {}#{}", edge(names::edge_of(owner)), owner.epoch)
    });
    let session = item.session_id.as_ref().map(names::session_of);
    session.map_or(owner.clone(), |session| {
        format!("{owner}, session {}", session + 1)
    })
}
