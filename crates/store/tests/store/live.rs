//! The live item: the store's conditions against the domain's.

use std::collections::HashSet;
use std::time::Duration;

use domain::channel::DEFAULT_GRACE;
use domain::live::{
    self, Acquire, Claim, Decision, EndReason, Holder, Item, State, Version, Write, Written,
};
use domain::{AttemptId, ChannelId, ConnectionId, EdgeId, Owner, SessionId, Timestamp};
use store::Store;

use crate::database::{Database, Fault};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_900_000_000_000);
const GRACE: Duration = Duration::from_secs(10);

pub(crate) fn channel(number: u16) -> ChannelId {
    let [high, low] = number.to_be_bytes();
    ChannelId::from_random([high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
}

pub(crate) fn owner(edge: u8) -> Owner {
    Owner {
        edge_id: EdgeId::from_random([edge; 16]),
        epoch: 1,
    }
}

pub(crate) fn claim(channel_id: &ChannelId, edge: u8) -> Claim {
    Claim {
        channel_id: channel_id.clone(),
        owner: owner(edge),
        attempt_id: AttemptId::from_random([edge; 16]),
        connection_id: ConnectionId::from_random([edge; 16]),
        session_id: SessionId::new(NOW, [edge; 10]),
        key_version: 1,
        client_ip: "192.0.2.1".into(),
    }
}

pub(crate) fn acquire(found: Option<&Item>, claim: &Claim) -> Write {
    match live::decide(found, claim, Holder::Dead, NOW) {
        Decision::Acquire(acquire) => Write::Acquire(acquire),
        Decision::SweepFirst(item) => item.dropped(NOW, DEFAULT_GRACE).expect("it is held"),
        other => panic!("every lock is free or its owner dead: {other:?}"),
    }
}

/// Writes that two edges make sooner or later, given what one of them last saw.
fn writes(channel_id: &ChannelId, seen: Option<&Item>) -> Vec<Write> {
    let mut writes = Vec::new();
    for edge in [1, 2] {
        writes.push(acquire(seen, &claim(channel_id, edge)));
        let generation = seen.map_or(0, |item| item.version.generation);
        for generation in [generation, generation + 1] {
            writes.push(Write::GoLive {
                channel_id: channel_id.clone(),
                owner: owner(edge),
                generation,
                now: NOW,
            });
            writes.push(Write::Grace {
                channel_id: channel_id.clone(),
                owner: owner(edge),
                generation,
                now: NOW,
                grace_until: NOW + GRACE,
            });
            writes.push(Write::End {
                channel_id: channel_id.clone(),
                owner: owner(edge),
                generation,
                now: NOW,
                reason: EndReason::Unpublished,
            });
        }
    }
    let seen = seen.map_or(Version::default(), |item| item.version);
    for seen in [seen, seen.next()] {
        writes.push(Write::Offline {
            channel_id: channel_id.clone(),
            seen,
            now: NOW,
            reason: EndReason::Dropped,
        });
    }
    writes
}

/// Every way of at most `depth` writes that leads to an item no shorter way leads to.
fn ways(channel_id: &ChannelId, depth: usize) -> Vec<(Vec<Write>, Option<Item>)> {
    let mut ways: Vec<(Vec<Write>, Option<Item>)> = vec![(Vec::new(), None)];
    let mut known = HashSet::from([format!("{:?}", None::<Item>)]);
    let mut place = 0;
    while place < ways.len() {
        let (way, item) = ways[place].clone();
        place += 1;
        if way.len() == depth {
            continue;
        }
        for write in writes(channel_id, item.as_ref()) {
            let Some(left) = write.apply(item.as_ref()) else {
                continue;
            };
            if known.insert(format!("{left:?}")) {
                let mut longer = way.clone();
                longer.push(write);
                ways.push((longer, Some(left)));
            }
        }
    }
    ways
}

pub(crate) async fn must(store: &Store, write: &Write) -> Item {
    match store.write_live(write).await.expect("available") {
        Written::Done(item) => item,
        Written::Rejected(found) => panic!("rejected {write:?} on {found:?}"),
    }
}

/// Holds one write on one item against the domain.
async fn check(store: &Store, write: &Write, found: Option<&Item>) {
    let expected = match (write.apply(found), found) {
        (Some(left), _) => Written::Done(left),
        (None, Some(item)) if write.left(item) => Written::Done(item.clone()),
        (None, found) => Written::Rejected(found.cloned()),
    };
    let written = store.write_live(write).await.expect("available");
    assert_eq!(written, expected, "{write:?} on {found:?}");
    let stored = store.live(write.channel_id()).await.expect("available");
    let left = match expected {
        Written::Done(item) => Some(item),
        Written::Rejected(found) => found,
    };
    assert_eq!(stored, left, "{write:?} on {found:?}");
}

#[tokio::test]
async fn the_stores_conditions_are_the_domains_on_every_item_that_four_writes_reach() {
    let database = Database::start().await;
    let reached = ways(&channel(0), 4);
    let states: HashSet<_> = reached
        .iter()
        .map(|(_, item)| item.as_ref().map(|item| item.state))
        .collect();
    assert_eq!(states.len(), 5, "every state is reached, and none");
    let mut channels = (1..).map(channel);
    let (mut made, mut rejected) = (0, 0);
    for (way, _) in &reached {
        // A rejected write leaves the item alone, so that the next one may be tried on it.
        let shared = channels.next().expect("channels");
        let found = walk(&database.store, &shared, way).await;
        for (number, write) in tries(&shared, way).into_iter().enumerate() {
            if write.permitted(found.as_ref()) {
                let fresh = channels.next().expect("channels");
                let found = walk(&database.store, &fresh, way).await;
                let write = tries(&fresh, way).swap_remove(number);
                check(&database.store, &write, found.as_ref()).await;
                made += 1;
            } else {
                check(&database.store, &write, found.as_ref()).await;
                rejected += 1;
            }
        }
    }
    assert!(
        made > 50 && rejected > 500,
        "{made} made, {rejected} rejected"
    );
}

/// Takes a way on a channel and gives the item it leads to.
async fn walk(store: &Store, channel_id: &ChannelId, way: &[Write]) -> Option<Item> {
    for step in retarget(channel_id, way) {
        must(store, &step).await;
    }
    replay(channel_id, way)
}

/// What an edge may try at the end of a way: it saw the last item, or the one before it.
fn tries(channel_id: &ChannelId, way: &[Write]) -> Vec<Write> {
    let before = way.len().saturating_sub(1);
    let seen = [way, &way[..before]].map(|way| replay(channel_id, way));
    let mut tries: Vec<Write> = Vec::new();
    for write in seen
        .iter()
        .flat_map(|seen| writes(channel_id, seen.as_ref()))
    {
        if !tries.contains(&write) {
            tries.push(write);
        }
    }
    tries
}

fn replay(channel_id: &ChannelId, way: &[Write]) -> Option<Item> {
    retarget(channel_id, way).iter().fold(None, |item, write| {
        Some(write.apply(item.as_ref()).expect("a way is permitted"))
    })
}

/// The same writes on another channel.
fn retarget(to: &ChannelId, way: &[Write]) -> Vec<Write> {
    let mut way = way.to_vec();
    for write in &mut way {
        match write {
            Write::Acquire(acquire) => acquire.claim.channel_id = to.clone(),
            Write::GoLive { channel_id, .. }
            | Write::Grace { channel_id, .. }
            | Write::Offline { channel_id, .. }
            | Write::End { channel_id, .. } => *channel_id = to.clone(),
        }
    }
    way
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_counts_as_done_once() {
    let database = Database::start().await;
    let id = channel(1);
    let mut item = None;
    let steps: [fn(&ChannelId, Option<&Item>) -> Write; 4] = [
        |id, item| acquire(item, &claim(id, 1)),
        |id, item| Write::GoLive {
            channel_id: id.clone(),
            owner: owner(1),
            generation: item.map_or(0, |item| item.version.generation),
            now: NOW,
        },
        |_, item| {
            item.and_then(|item| item.dropped(NOW, GRACE))
                .expect("held")
        },
        |_, item| {
            item.and_then(|item| item.offline(NOW, EndReason::Dropped))
                .expect("in grace")
        },
    ];
    for step in steps {
        let write = step(&id, item.as_ref());
        let left = write.apply(item.as_ref());
        database.faults.add("UpdateItem", Fault::LoseAnswer);
        let written = must(&database.store, &write).await;
        assert_eq!(database.faults.left(), 0, "the fault was met");
        assert_eq!(Some(&written), left.as_ref());
        item = left;
    }
}

#[tokio::test]
async fn of_two_edges_that_saw_the_same_item_one_gets_the_lock() {
    let database = Database::start().await;
    for number in 0..20 {
        let id = channel(number);
        let writes = [1, 2].map(|edge| acquire(None, &claim(&id, edge)));
        let (first, second) = tokio::join!(
            database.store.write_live(&writes[0]),
            database.store.write_live(&writes[1]),
        );
        let done = [first, second].map(|written| written.expect("available"));
        let winners = done
            .iter()
            .filter(|written| matches!(written, Written::Done(_)));
        assert_eq!(winners.count(), 1, "{done:?}");
    }
}

#[tokio::test]
async fn an_owners_locks_are_found_until_they_are_given_back() {
    let database = Database::start().await;
    let store = &database.store;
    let mut items = Vec::new();
    for number in 0..3 {
        let id = channel(number);
        items.push(must(store, &acquire(None, &claim(&id, 1))).await);
    }
    must(store, &acquire(None, &claim(&channel(9), 2))).await;
    let end = items[1].end(NOW, EndReason::Unpublished).expect("held");
    must(store, &end).await;
    let mut held = store.held_by(&owner(1)).await.expect("available");
    held.sort();
    assert_eq!(held, [channel(0), channel(2)]);
    let mut unfinished: Vec<_> = store.unfinished().await.expect("available");
    unfinished.sort_by(|a, b| a.channel_id.cmp(&b.channel_id));
    let ids: Vec<_> = unfinished.iter().map(|item| &item.channel_id).collect();
    assert_eq!(ids, [&channel(0), &channel(2), &channel(9)]);
    assert!(unfinished.iter().all(|item| item.state == State::Starting));
}

#[tokio::test]
async fn a_channel_that_was_never_live_has_no_item() {
    let database = Database::start().await;
    let found = database.store.live(&channel(1)).await;
    assert_eq!(found.expect("available"), None);
}

#[tokio::test]
async fn a_takeover_that_saw_an_older_generation_is_rejected_with_what_is_there() {
    let database = Database::start().await;
    let id = channel(1);
    let first = must(&database.store, &acquire(None, &claim(&id, 1))).await;
    let second = must(&database.store, &acquire(Some(&first), &claim(&id, 2))).await;
    let late = Write::Acquire(Acquire {
        seen: Some(first.version),
        claim: Claim {
            attempt_id: AttemptId::from_random([7; 16]),
            ..claim(&id, 1)
        },
        session_id: SessionId::new(NOW, [7; 10]),
        started_at: NOW,
    });
    let written = database.store.write_live(&late).await.expect("available");
    assert_eq!(written, Written::Rejected(Some(second)));
}
