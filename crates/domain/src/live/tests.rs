use super::*;
use crate::status::{Shown, Status};
use crate::{EdgeId, Refusal};

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const GRACE: Duration = Duration::from_secs(10);

mod attempts;

fn claim(edge: u8, attempt: u8) -> Claim {
    Claim {
        channel_id: ChannelId::from_random([1; 16]),
        owner: Owner {
            edge_id: EdgeId::from_random([edge; 16]),
            epoch: 1,
        },
        attempt_id: AttemptId::from_random([attempt; 16]),
        connection_id: ConnectionId::from_random([attempt; 16]),
        session_id: SessionId::new(NOW, [attempt; 10]),
        key_version: 1,
        client_ip: "192.0.2.1".into(),
    }
}

fn take(found: Option<&Item>, claim: &Claim) -> Item {
    let Decision::Acquire(acquire) = decide(found, claim, Holder::Unasked, NOW) else {
        panic!("the lock was free");
    };
    Write::Acquire(acquire).apply(found).expect("permitted")
}

fn go_live(item: &Item) -> Item {
    Write::GoLive {
        channel_id: item.channel_id.clone(),
        owner: item.owner.clone().expect("held"),
        generation: item.version.generation,
        now: NOW,
    }
    .apply(Some(item))
    .expect("permitted")
}

fn drop_publisher(item: &Item) -> Item {
    item.dropped(NOW, GRACE)
        .and_then(|write| write.apply(Some(item)))
        .expect("permitted")
}

#[test]
fn a_broadcast_runs_from_offline_through_live_and_grace_to_offline() {
    let starting = take(None, &claim(1, 1));
    assert_eq!(Status::of(Some(&starting), NOW).shown, Shown::Offline);
    let live = go_live(&starting);
    assert_eq!(Status::of(Some(&live), NOW).shown, Shown::Live);
    let grace = drop_publisher(&live);
    assert_eq!(Status::of(Some(&grace), NOW).shown, Shown::Grace);
    let offline = grace
        .offline(NOW, EndReason::Dropped)
        .and_then(|w| w.apply(Some(&grace)));
    let offline = offline.expect("permitted");
    assert_eq!(Status::of(Some(&offline), NOW).shown, Shown::Offline);
    assert_eq!(
        offline.version,
        Version {
            generation: 1,
            sequence: 3
        }
    );
    assert_eq!(
        (offline.owner, offline.reason),
        (None, Some(EndReason::Dropped))
    );
}

#[test]
fn a_lock_that_was_read_before_its_first_media_is_not_ended_for_want_of_it() {
    let starting = take(None, &claim(1, 1));
    let late = starting.dropped(NOW, GRACE).expect("something to write");
    assert!(late.permitted(Some(&starting)));
    assert!(!late.permitted(Some(&go_live(&starting))));
}

#[test]
fn a_second_publisher_is_refused_while_the_first_lives_and_asks_it_before() {
    for item in [take(None, &claim(1, 1)), go_live(&take(None, &claim(1, 1)))] {
        let decide = |holder| decide(Some(&item), &claim(2, 2), holder, NOW);
        assert_eq!(decide(Holder::Unasked), Decision::Ask(item.clone()));
        assert_eq!(decide(Holder::Lives), Decision::Refuse(item.already_live()));
    }
}

#[test]
fn a_reconnect_inside_the_grace_resumes_the_same_session_on_any_edge() {
    let first = claim(1, 1);
    let grace = drop_publisher(&go_live(&take(None, &first)));
    let resumed = take(Some(&grace), &claim(2, 2));
    assert_eq!(resumed.session_id, Some(first.session_id));
    assert_eq!(
        resumed.version,
        Version {
            generation: 2,
            sequence: 0
        }
    );
    assert_eq!(Status::of(Some(&resumed), NOW).shown, Shown::Grace);
}

#[test]
fn a_drop_before_media_returns_to_the_old_grace_and_cannot_prolong_it() {
    let grace = drop_publisher(&go_live(&take(None, &claim(1, 1))));
    let starting = take(Some(&grace), &claim(1, 2));
    let later = NOW + Duration::from_secs(5);
    let write = starting.dropped(later, GRACE).expect("held");
    let again = write.apply(Some(&starting)).expect("permitted");
    assert_eq!(
        (again.state, again.grace_until),
        (State::Grace, grace.grace_until)
    );
}

#[test]
fn a_publisher_that_never_sent_media_leaves_no_grace() {
    let starting = take(None, &claim(1, 1));
    let over = drop_publisher(&starting);
    assert_eq!(
        (over.state, over.reason),
        (State::Offline, Some(EndReason::NoMedia))
    );
}

#[test]
fn an_acquisition_that_saw_an_older_sequence_fails() {
    let grace = drop_publisher(&go_live(&take(None, &claim(1, 1))));
    let Decision::Acquire(late) = decide(Some(&grace), &claim(2, 2), Holder::Unasked, NOW) else {
        panic!("grace is free to resume");
    };
    let offline = grace
        .offline(NOW, EndReason::Dropped)
        .and_then(|w| w.apply(Some(&grace)));
    assert!(!Write::Acquire(late).permitted(offline.as_ref()));
}

#[test]
fn a_key_older_than_the_sessions_may_neither_resume_nor_preempt_it() {
    let newer = Claim {
        key_version: 2,
        ..claim(1, 1)
    };
    let live = go_live(&take(None, &newer));
    for item in [drop_publisher(&live), live] {
        for holder in [Holder::Unasked, Holder::Dead] {
            let decision = decide(Some(&item), &claim(1, 2), holder, NOW);
            assert_eq!(decision, Decision::Refuse(item.already_live()));
        }
    }
}

#[test]
fn an_abandoned_grace_is_ended_before_a_new_session_begins() {
    let grace = drop_publisher(&go_live(&take(None, &claim(1, 1))));
    let late = NOW + GRACE + ABANDONED_GRACE + Duration::from_millis(1);
    let decision = decide(Some(&grace), &claim(2, 2), Holder::Unasked, late);
    assert!(matches!(
        decision,
        Decision::EndFirst(Write::Offline { .. })
    ));
    assert_eq!(Status::of(Some(&grace), late).shown, Shown::Offline);
}

#[test]
fn who_comes_back_and_sends_no_media_does_not_keep_the_grace_on_show() {
    let grace = drop_publisher(&go_live(&take(None, &claim(1, 1))));
    let starting = take(Some(&grace), &claim(1, 2));
    let shown = |at| Status::of(Some(&starting), at).shown;
    assert_eq!(shown(NOW + GRACE), Shown::Grace);
    let late = NOW + GRACE + ABANDONED_GRACE + Duration::from_millis(1);
    assert_eq!(shown(late), Shown::Offline);
}

#[test]
fn a_dead_owners_session_is_put_into_grace_and_goes_on_elsewhere() {
    let live = go_live(&take(None, &claim(1, 1)));
    let decision = decide(Some(&live), &claim(2, 2), Holder::Dead, NOW);
    assert_eq!(decision, Decision::SweepFirst(live.clone()));
    let resumed = take(Some(&drop_publisher(&live)), &claim(2, 2));
    assert_eq!(resumed.session_id, live.session_id);
    assert_eq!(resumed.version.generation, 2);
    assert_eq!(Status::of(Some(&resumed), NOW).shown, Shown::Grace);
}

#[test]
fn only_the_holder_of_this_generation_can_change_its_session() {
    let live = go_live(&take(None, &claim(1, 1)));
    let stranger = Item {
        owner: Some(claim(2, 2).owner),
        ..live.clone()
    };
    let older = Item {
        version: Version {
            generation: 9,
            sequence: 0,
        },
        ..live.clone()
    };
    for other in [stranger, older] {
        let write = live.dropped(NOW, GRACE).expect("held");
        assert!(!write.permitted(Some(&other)));
        let write = live.end(NOW, EndReason::Unpublished).expect("held");
        assert!(!write.permitted(Some(&other)));
    }
}

#[test]
fn a_lost_answer_counts_as_done_only_for_the_very_write_that_was_made() {
    let mine = claim(1, 1);
    let Decision::Acquire(acquire) = decide(None, &mine, Holder::Unasked, NOW) else {
        panic!("never live");
    };
    let write = Write::Acquire(acquire);
    let item = write.apply(None).expect("permitted");
    assert!(write.left(&item));
    let another_attempt = take(None, &claim(1, 9));
    assert!(!write.left(&another_attempt));
    for (before, write) in [
        (
            item.clone(),
            item.end(NOW, EndReason::Unpublished).expect("held"),
        ),
        (
            go_live(&item),
            go_live(&item).dropped(NOW, GRACE).expect("held"),
        ),
    ] {
        let after = write.apply(Some(&before)).expect("permitted");
        assert!(write.left(&after) && !write.left(&before));
    }
}

#[test]
fn end_reasons_keep_their_words() {
    for reason in EndReason::ALL {
        assert_eq!(EndReason::parse(reason.as_str()), Some(reason));
    }
    assert_eq!(EndReason::parse("bored"), None);
}
