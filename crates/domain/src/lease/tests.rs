use super::*;
use crate::edge::{Edge, State, sample};

const START: Moment = Moment::from_micros(1_000_000_000);

fn id(number: u8) -> EdgeId {
    EdgeId::from_random([number; 16])
}

fn after(millis: u64) -> Moment {
    START + Duration::from_millis(millis)
}

fn up() -> Lease {
    let mut lease = Lease::new(id(1));
    lease.register(START);
    lease.registered();
    lease
}

fn beat(lease: &mut Lease, sent: Moment) {
    let heartbeat = lease.beat(sent).expect("up");
    lease.acknowledged(&heartbeat);
}

fn edge(number: u8, epoch: u64, heartbeat: u64) -> Edge {
    Edge {
        epoch,
        heartbeat,
        ..sample(number)
    }
}

fn silent(watch: &Watch, now: Moment) -> Vec<EdgeId> {
    watch.silent(now).map(|edge| edge.id.clone()).collect()
}

#[test]
fn an_edge_takes_nobody_before_its_registration_is_acknowledged() {
    let mut lease = Lease::new(id(1));
    lease.register(START);
    assert!(!lease.is_held(START) && lease.beat(START).is_none());
    lease.registered();
    assert!(lease.is_held(after(3_999)) && !lease.is_held(after(4_000)));
}

#[test]
fn the_deadline_counts_from_the_first_send_of_a_heartbeat() {
    let mut lease = up();
    let heartbeat = lease.beat(after(1_000)).expect("up");
    // The first answer was lost; the item shows the heartbeat when it is sent again.
    assert_eq!(lease.beat(after(1_900)), Some(heartbeat.clone()));
    lease.acknowledged(&heartbeat);
    assert_eq!(lease.deadline(), after(1_000) + LEASE);
}

#[test]
fn an_old_answer_acknowledges_nothing() {
    let mut lease = up();
    let first = lease.beat(after(1_000)).expect("up");
    lease.acknowledged(&first);
    lease.acknowledged(&first);
    assert_eq!(lease.beat(after(2_000)).map(|b| b.number), Some(2));
    assert_eq!(lease.deadline(), after(1_000) + LEASE);
}

#[test]
fn an_epoch_that_is_over_stays_over_and_the_next_begins_when_all_were_dropped() {
    let mut lease = up();
    assert!(!lease.expire(after(3_999)));
    assert!(lease.expire(after(4_000)));
    let late = Heartbeat {
        epoch: 1,
        number: 1,
    };
    lease.acknowledged(&late);
    assert!(!lease.is_held(after(4_000)) && lease.phase() == Phase::Over);
    lease.renew();
    assert_eq!(
        (lease.owner().epoch, lease.phase()),
        (2, Phase::Registering)
    );
    lease.rejected(1);
    lease.register(after(5_000));
    lease.registered();
    assert!(lease.is_held(after(5_001)));
}

#[test]
fn a_fenced_edge_is_over_at_once() {
    let mut lease = up();
    lease.rejected(1);
    assert!(lease.expire(after(1)));
}

#[test]
fn an_outage_that_all_others_confirm_prolongs_the_lease() {
    let mut lease = up();
    assert!(!lease.suspects_outage(after(1_999)));
    assert!(lease.suspects_outage(after(2_000)));
    lease.ask(after(2_000), [id(2), id(3)]);
    assert!(!lease.suspects_outage(after(2_999)));
    lease.agreed(&id(2), after(2_000), after(2_000));
    assert_eq!(lease.deadline(), START + LEASE);
    lease.agreed(&id(3), after(2_000), after(2_000));
    assert_eq!(lease.deadline(), after(2_000) + LEASE);
}

#[test]
fn one_missing_answer_and_the_ordinary_deadline_stands() {
    let mut lease = up();
    lease.ask(after(2_000), [id(2), id(3)]);
    lease.agreed(&id(2), after(2_000), after(2_000));
    // An answer to an earlier question says nothing about this one.
    lease.ask(after(3_000), [id(2), id(3)]);
    lease.agreed(&id(3), after(2_000), after(2_000));
    lease.agreed(&id(2), after(3_000), after(3_000));
    assert_eq!(lease.deadline(), START + LEASE);
}

#[test]
fn no_answer_and_no_question_brings_back_a_lease_whose_deadline_has_passed() {
    let mut lease = up();
    lease.ask(after(3_900), [id(2)]);
    lease.agreed(&id(2), after(3_900), after(4_000));
    assert!(!lease.is_held(after(4_000)));
    let mut alone = up();
    alone.ask(after(60_000), []);
    assert!(!alone.is_held(after(60_000)));
}

#[test]
fn an_epoch_that_was_fenced_before_its_registration_was_acknowledged_gives_way_to_the_next() {
    let mut lease = Lease::new(id(1));
    lease.register(START);
    // It registered, no answer came through, and the others saw it fall silent.
    lease.rejected(1);
    assert!(lease.expire(after(5_000)));
    lease.renew();
    lease.register(after(5_000));
    lease.registered();
    assert!(lease.owner().epoch == 2 && lease.is_held(after(5_001)));
}

#[test]
fn a_fleet_of_one_holds_through_an_outage_and_its_late_heartbeat_does_not_cut_it_short() {
    let mut lease = up();
    let heartbeat = lease.beat(after(1_000)).expect("up");
    for second in 2..60 {
        let now = after(second * 1_000);
        assert!(!lease.expire(now) && lease.suspects_outage(now), "{second}");
        lease.ask(now, []);
    }
    lease.acknowledged(&heartbeat);
    assert_eq!(lease.deadline(), after(59_000) + LEASE);
    assert!(
        lease.next_beat() < after(59_500),
        "the next one goes out at once"
    );
}

#[test]
fn an_edge_that_reaches_the_store_says_so() {
    let mut lease = up();
    beat(&mut lease, after(1_000));
    assert!(lease.reaches_store(after(2_999)));
    assert!(!lease.reaches_store(after(3_000)));
}

#[test]
fn a_silent_edge_is_fenced_after_longer_than_its_lease() {
    let mut watch = Watch::new(id(1));
    watch.received(START, START, vec![edge(1, 1, 0), edge(2, 1, 7)]);
    watch.received(after(500), after(510), vec![edge(2, 1, 7)]);
    let due = START + SILENCE;
    assert_eq!(watch.next_silence(), Some(due));
    assert!(silent(&watch, due - Duration::from_micros(1)).is_empty());
    assert_eq!(silent(&watch, due), [id(2)]);
    assert!(SILENCE > LEASE);
}

#[test]
fn a_heartbeat_a_later_epoch_and_an_outage_of_the_watcher_begin_the_wait_anew() {
    let due = START + SILENCE;
    let seen = |then: &dyn Fn(&mut Watch)| {
        let mut watch = Watch::new(id(1));
        watch.received(START, START, vec![edge(2, 1, 7)]);
        then(&mut watch);
        silent(&watch, due)
    };
    assert_eq!(seen(&|_| ()), [id(2)]);
    let quick = after(1_010);
    assert!(seen(&|w| w.received(after(1_000), quick, vec![edge(2, 1, 8)])).is_empty());
    assert!(seen(&|w| w.received(after(1_000), quick, vec![edge(2, 2, 7)])).is_empty());
    assert!(seen(&|w| w.received(after(1_000), after(1_501), vec![edge(2, 1, 7)])).is_empty());
    assert!(seen(&|w| w.missed(after(1_000))).is_empty());
    assert!(seen(&|w| w.wait_anew(&id(2), after(1_000))).is_empty());
}

#[test]
fn a_fenced_epoch_stays_dead_whatever_an_older_reading_says() {
    let mut watch = Watch::new(id(1));
    watch.received(START, START, vec![edge(2, 1, 7)]);
    let owner = edge(2, 1, 7).owner();
    assert_eq!(watch.is_dead(&owner), Some(false));
    watch.fenced(&owner, after(5_000));
    watch.received(after(4_990), after(5_010), vec![edge(2, 1, 7)]);
    assert_eq!(watch.is_dead(&owner), Some(true));
    assert_eq!(watch.heartbeat(&owner), None);
    let next = Owner { epoch: 2, ..owner };
    watch.received(after(6_000), after(6_010), vec![edge(2, 2, 0)]);
    assert_eq!(watch.is_dead(&next), Some(false));
    assert_eq!(watch.heartbeat(&next), Some(0));
}

#[test]
fn an_edge_that_was_not_read_yet_is_not_taken_for_dead() {
    let mut watch = Watch::new(id(1));
    watch.received(START, START, vec![edge(2, 1, 7)]);
    assert_eq!(watch.is_dead(&edge(3, 1, 0).owner()), None);
    assert_eq!(watch.is_dead(&edge(2, 2, 0).owner()), None);
}

#[test]
fn an_edge_that_has_read_nothing_does_not_take_itself_for_alone() {
    let mut watch = Watch::new(id(1));
    assert_eq!(watch.could_fence(), None);
    watch.received(START, START, vec![edge(1, 1, 0)]);
    assert_eq!(watch.could_fence(), Some(vec![]));
    let fenced = Edge {
        state: State::Fenced,
        ..edge(3, 1, 0)
    };
    watch.received(START, START, vec![edge(1, 1, 0), edge(2, 1, 0), fenced]);
    let others = watch.could_fence().map(|edges| edges.len());
    assert_eq!(
        others,
        Some(2),
        "a fenced one may have begun another epoch since"
    );
}

#[test]
fn the_others_sweep_what_the_fencer_left_two_seconds_later() {
    let mut watch = Watch::new(id(1));
    let fenced = Edge {
        state: State::Fenced,
        ..edge(2, 1, 7)
    };
    watch.received(START, START, vec![fenced.clone()]);
    assert_eq!(watch.unswept(after(1_999)).count(), 0);
    assert_eq!(watch.unswept(after(2_000)).count(), 1);
    let swept = Edge {
        swept: true,
        ..fenced
    };
    watch.received(after(2_000), after(2_010), vec![swept]);
    assert_eq!(watch.unswept(after(9_000)).count(), 0);
}
