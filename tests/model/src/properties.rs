//! What must hold in every state, and what must happen in some so that the rest means anything.

use domain::lease::Phase;
use domain::live::State as Lock;
use stateright::Property;

use crate::page::Message;
use crate::state::{Stage, State};
use crate::{Bounds, World, names};

/// A promise that was broken by a step.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Broken {
    /// Media was accepted after media of a newer generation.
    MediaOfAnOlderGeneration,
    /// Media was accepted of a publish that took the lock when its key was retired already.
    MediaOnARetiredKey,
    /// A version of the item that does not follow the one before.
    History,
    /// A session that was shown as OFFLINE for good is back.
    EndedSessionCameBack,
    /// STARTING changed what is shown.
    StartingShown,
    /// A drop before media moved the end of the grace.
    GraceProlonged,
    /// An epoch that lives was ended because a heartbeat's answer was lost.
    DroppedByALostReply,
}

/// Every property.
#[must_use]
pub(crate) fn properties() -> Vec<Property<World>> {
    let mut all = promises();
    all.extend(happenings());
    all
}

fn promises() -> Vec<Property<World>> {
    vec![
        Property::always(
            "media of one publisher at a time",
            |world: &World, state: &State| {
                let bounds = world.bounds();
                let accepted = |publish: &usize| state.hands_on(bounds, *publish).is_some();
                (0..bounds.publishes()).filter(accepted).count() <= 1
            },
        ),
        Property::always(
            "no media after media of a newer generation",
            |_, state: &State| unbroken(state, Broken::MediaOfAnOlderGeneration),
        ),
        Property::always(
            "every version follows the one before",
            |_, state: &State| unbroken(state, Broken::History),
        ),
        Property::always("a session that ended stays ended", |_, state: &State| {
            unbroken(state, Broken::EndedSessionCameBack)
        }),
        Property::always(
            "no media on a key that was retired before the lock",
            |_, state: &State| unbroken(state, Broken::MediaOnARetiredKey),
        ),
        Property::always(
            "STARTING changes nothing that is shown",
            |_, state: &State| unbroken(state, Broken::StartingShown),
        ),
        Property::always("nothing prolongs a grace but media", |_, state: &State| {
            unbroken(state, Broken::GraceProlonged)
        }),
        Property::always(
            "a lost reply to a heartbeat ends no epoch",
            |_, state: &State| unbroken(state, Broken::DroppedByALostReply),
        ),
        Property::always(
            "at rest only an encoder that is there holds the lock",
            |world: &World, state: &State| {
                let bounds = world.bounds();
                is_rightly_held(state) || !state.is_at_rest(bounds)
            },
        ),
        Property::always(
            "at rest the page shows what the store has",
            |world: &World, state: &State| {
                let agrees = |shows: Message| shows == Message::of(state.item);
                state.page.is_none_or(|page| agrees(page.shows))
                    || !state.is_at_rest(world.bounds())
            },
        ),
        Property::always(
            "at rest every edge that runs may go on",
            |world: &World, state: &State| {
                let bounds = world.bounds();
                state.no_registration_is_stuck(bounds) || !state.is_at_rest(bounds)
            },
        ),
    ]
}

/// Each of these happens in some state of every exploration that is large enough.
fn happenings() -> Vec<Property<World>> {
    vec![
        Property::sometimes(
            "a session is resumed under a new generation",
            |_, state: &State| {
                live(state).is_some_and(|(generation, resumed)| generation > 1 && resumed)
            },
        ),
        Property::sometimes(
            "a new session follows one that ended",
            |_, state: &State| {
                live(state).is_some_and(|(generation, resumed)| generation > 1 && !resumed)
            },
        ),
        Property::sometimes("a holder is fenced", |_, state: &State| {
            let owner = state.item.and_then(|item| item.owner.clone());
            owner.is_some_and(|owner| {
                let item = state.nodes[names::edge_of(&owner)].item;
                state.item.is_some_and(|item| item.state == Lock::Live)
                    && domain::edge::is_dead(&owner, Some(&item))
            })
        }),
        Property::sometimes("a publish waits for a silent holder", |_, state: &State| {
            let parked = |stage| matches!(stage, Stage::Parked(..));
            state.publishes.iter().any(|publish| parked(publish.stage))
        }),
        Property::sometimes("an acquisition is owed", |_, state: &State| {
            let owed = |stage| matches!(stage, Stage::Owed(_));
            state.publishes.iter().any(|publish| owed(publish.stage))
        }),
    ]
}

fn unbroken(state: &State, promise: Broken) -> bool {
    state.seen.broken != Some(promise)
}

/// The generation that is live, and whether another publish began its session.
fn live(state: &State) -> Option<(u64, bool)> {
    let item = state.item.filter(|item| item.state == Lock::Live)?;
    let publish = names::publish_of(item.attempt_id.as_ref()?);
    let began = names::session_of(item.session_id.as_ref()?);
    Some((item.version.generation, began != publish))
}

/// Whether nobody holds the lock or waits to resume, or an encoder that is there holds it.
fn is_rightly_held(state: &State) -> bool {
    let Some(item) = state.item.filter(|item| item.state != Lock::Offline) else {
        return true;
    };
    let holder = item.attempt_id.as_ref().map(names::publish_of);
    holder.is_some_and(|holder| match state.publishes[holder].stage {
        Stage::Starting(held) | Stage::Live(held) => {
            held.version == item.version && item.state.is_held()
        }
        _ => false,
    })
}

impl State {
    /// Whether nothing more happens unless an encoder, an owner or misfortune does something.
    #[must_use]
    pub(crate) fn is_at_rest(&self, bounds: &Bounds) -> bool {
        let mut actions = Vec::new();
        self.actions(bounds, &mut actions);
        self.seen.broken.is_none() && !actions.iter().any(|action| action.is_bound_to_happen(self))
    }

    /// Whether no edge that runs waits for a registration that nothing will ever answer.
    fn no_registration_is_stuck(&self, bounds: &Bounds) -> bool {
        let stuck = |edge: usize| {
            let node = &self.nodes[edge];
            node.runs && node.lease.phase == Phase::Registering && node.first_sent.is_none()
        };
        !(0..bounds.edges).any(stuck)
    }
}
