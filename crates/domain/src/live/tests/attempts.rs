//! A publish's way to the lock, told as scripts of what the store and the holder's edge answer.

use super::*;
use crate::Moment;
use crate::edge::{Edge, State as EdgeState, sample};
use crate::lease::Watch;

const AT: Moment = Moment::from_micros(50_000_000);

/// The fleet as the edge of `claim(2, _)` sees it, with one other edge.
fn fleet(heartbeat: u64, state: EdgeState) -> Watch {
    let mut watch = Watch::new(claim(2, 2).owner.edge_id);
    let edge = Edge {
        heartbeat,
        state,
        ..sample(1)
    };
    assert_eq!(edge.owner(), claim(1, 1).owner);
    watch.received(AT, AT, vec![edge]);
    watch
}

fn live() -> Item {
    go_live(&take(None, &claim(1, 1)))
}

/// An attempt of the second edge that has found `item`.
fn find(item: Option<Item>, fleet: &Watch) -> (Attempt, Step) {
    let mut attempt = Attempt::new(claim(2, 2));
    let step = attempt.found(item, fleet, NOW);
    (attempt, step)
}

/// One whose question found no answer.
fn parked(fleet: &Watch) -> (Attempt, Step) {
    let (mut attempt, _) = find(Some(live()), fleet);
    let step = attempt.answered(Yield::Silent, fleet, AT);
    (attempt, step)
}

#[test]
fn a_free_lock_is_taken_by_one_write() {
    let fleet = fleet(1, EdgeState::Up);
    let (mut attempt, step) = find(None, &fleet);
    let Step::Write(write) = step else {
        panic!("{step:?}");
    };
    let item = write.apply(None).expect("permitted");
    let step = attempt.written(Written::Done(item.clone()), &fleet, NOW);
    assert_eq!(step, Step::Acquired(item));
}

#[test]
fn media_that_flows_keeps_the_lock() {
    let fleet = fleet(1, EdgeState::Up);
    let (mut attempt, step) = find(Some(live()), &fleet);
    assert_eq!(step, Step::Ask(live()));
    let step = attempt.answered(Yield::MediaFlows, &fleet, AT);
    assert_eq!(step, Step::Refuse(live().already_live()));
}

#[test]
fn a_holder_that_yields_leaves_a_session_to_resume() {
    let fleet = fleet(1, EdgeState::Up);
    let (mut attempt, _) = find(Some(live()), &fleet);
    assert_eq!(attempt.answered(Yield::Yielded, &fleet, AT), Step::Read);
    let step = attempt.found(Some(drop_publisher(&live())), &fleet, NOW);
    assert!(matches!(step, Step::Write(Write::Acquire(a)) if a.resumes()));
}

#[test]
fn a_silent_holder_that_beats_on_keeps_the_lock() {
    let (mut attempt, step) = parked(&fleet(1, EdgeState::Up));
    let until = AT + PARK;
    assert_eq!(step, Step::Park { until });
    assert_eq!(attempt.look(&fleet(1, EdgeState::Up), AT), step);
    let beaten = fleet(2, EdgeState::Up);
    assert_eq!(attempt.look(&beaten, AT), Step::Read);
    let step = attempt.found(Some(live()), &beaten, NOW);
    assert_eq!(step, Step::Refuse(live().already_live()));
}

#[test]
fn a_silent_holder_that_dies_is_swept_and_its_session_resumed() {
    let (mut attempt, _) = parked(&fleet(1, EdgeState::Up));
    let dead = fleet(1, EdgeState::Fenced);
    assert_eq!(attempt.look(&dead, AT), Step::Read);
    assert_eq!(attempt.found(Some(live()), &dead, NOW), Step::Sweep(live()));
    let swept = drop_publisher(&live());
    let step = attempt.written(Written::Done(swept), &dead, NOW);
    assert!(matches!(step, Step::Write(Write::Acquire(a)) if a.resumes()));
}

#[test]
fn a_holder_of_whom_nothing_is_heard_is_waited_for_once_and_not_for_ever() {
    let fleet = fleet(1, EdgeState::Up);
    let (mut attempt, _) = parked(&fleet);
    let later = AT + PARK - Duration::from_micros(1);
    assert_eq!(
        attempt.answered(Yield::Silent, &fleet, later),
        Step::Park { until: AT + PARK }
    );
    let step = attempt.look(&fleet, AT + PARK);
    assert_eq!(step, Step::Refuse(Refusal::ServiceUnavailable));
}

#[test]
fn an_owner_that_was_not_read_yet_is_looked_up_and_not_taken_for_dead() {
    let fleet = Watch::new(claim(2, 2).owner.edge_id);
    let (mut attempt, step) = find(Some(live()), &fleet);
    assert_eq!(step, Step::Learn(claim(1, 1).owner));
    let mut other = attempt.clone();
    assert_eq!(attempt.learned(false, &fleet, NOW), Step::Ask(live()));
    assert_eq!(other.learned(true, &fleet, NOW), Step::Sweep(live()));
}

#[test]
fn a_holder_that_was_not_known_yet_is_asked_again_as_soon_as_it_is() {
    let unread = Watch::new(claim(2, 2).owner.edge_id);
    let (mut attempt, _) = find(Some(live()), &unread);
    attempt.learned(false, &unread, NOW);
    let park = Step::Park { until: AT + PARK };
    assert_eq!(attempt.answered(Yield::Silent, &unread, AT), park);
    assert_eq!(attempt.look(&unread, AT), park);
    let read = fleet(1, EdgeState::Up);
    assert_eq!(attempt.look(&read, AT), Step::Read);
    assert_eq!(attempt.found(Some(live()), &read, NOW), Step::Ask(live()));
    // Silent still: from now on it is waited for its next heartbeat.
    assert_eq!(attempt.answered(Yield::Silent, &read, AT), park);
    assert_eq!(attempt.look(&read, AT), park);
    assert_eq!(attempt.look(&fleet(2, EdgeState::Up), AT), Step::Read);
}

#[test]
fn an_earlier_epoch_of_this_very_edge_is_dead() {
    let fleet = Watch::new(claim(1, 1).owner.edge_id);
    let mut owner = claim(1, 1).owner;
    owner.epoch += 1;
    let mut attempt = Attempt::new(Claim {
        owner,
        ..claim(1, 2)
    });
    let step = attempt.found(Some(live()), &fleet, NOW);
    assert_eq!(step, Step::Sweep(live()));
}

#[test]
fn a_lock_that_changes_hands_all_the_time_ends_in_a_refusal() {
    let fleet = fleet(1, EdgeState::Up);
    let (mut attempt, mut step) = find(None, &fleet);
    let mut writes = 0;
    while let Step::Write(_) = step {
        writes += 1;
        step = attempt.written(Written::Rejected(None), &fleet, NOW);
    }
    assert_eq!(step, Step::Refuse(Refusal::ServiceUnavailable));
    assert_eq!(writes, REJECTIONS);
}

#[test]
fn a_lock_that_goes_from_hand_to_hand_is_not_followed_for_ever() {
    let fleet = fleet(1, EdgeState::Up);
    let (mut attempt, mut step) = find(Some(live()), &fleet);
    let mut asked = 0;
    while let Step::Ask(_) = step {
        asked += 1;
        assert_eq!(attempt.answered(Yield::Yielded, &fleet, AT), Step::Read);
        step = attempt.found(Some(live()), &fleet, NOW);
    }
    assert_eq!(step, Step::Refuse(Refusal::ServiceUnavailable));
    assert_eq!(asked, LOOKS);
}
