//! What no edge is left to finish.

use std::time::Duration;

use domain::ChannelId;
use domain::edge::{self, Edge};
use domain::lease::{HEARTBEAT, Heartbeat, SILENCE};
use domain::live::{EndReason, Item, State, Write};
use serde_json::{Value, json};

use crate::stack::{Stack, now};

const GRACE: Duration = Duration::from_secs(10);

/// One run; what it counted.
async fn reap(stack: &Stack) -> Value {
    let event = json!({
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": "2030-03-17T17:46:40Z",
        "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:000000000000:rule/reaper"],
        "detail": {},
    });
    stack.reaper.invoke(event).await.expect("an answer")
}

/// What a run counts that fenced nobody and forgot nobody.
fn counted(seen: usize, ended: usize, dropped: usize) -> Value {
    json!({
        "seen": seen, "ended": ended, "dropped": dropped,
        "outrun": 0, "failed": 0, "fenced": 0, "forgotten": 0,
    })
}

/// Keeps an edge alive while `then` runs: its heartbeat grows every second.
async fn beating<T>(stack: &Stack, edge: &Edge, then: impl Future<Output = T>) -> T {
    let beat = async {
        for number in 1.. {
            let beat = edge::Write::Beat {
                edge_id: edge.id.clone(),
                heartbeat: Heartbeat { epoch: 1, number },
                publishers: 0,
            };
            let beaten = stack.services.store.write_edge(&beat).await;
            assert!(beaten.expect("a write"), "it was fenced");
            tokio::time::sleep(HEARTBEAT).await;
        }
    };
    tokio::select! {
        () = beat => unreachable!("it beats for ever"),
        done = then => done,
    }
}

async fn fence(stack: &Stack, edge: &Edge) {
    let store = &stack.services.store;
    assert!(store.write_edge(&edge.fence()).await.expect("a write"));
}

async fn found(stack: &Stack, id: &ChannelId) -> Item {
    stack.live(id).await.expect("an item")
}

/// A broadcast that dropped this long ago, with the grace it was promised.
async fn dropped(stack: &Stack, edge: &Edge, ago: Duration) -> ChannelId {
    let id = stack.channel("alice").await;
    let live = stack.go_live(&id, edge, now() - ago).await;
    let write = live.dropped(now() - ago, GRACE).expect("held");
    stack.write(&write).await;
    id
}

#[tokio::test]
async fn an_edge_that_nobody_is_left_to_watch_is_fenced_when_it_falls_silent() {
    let stack = Stack::start().await;
    let (silent, alive) = (stack.edge(1).await, stack.edge(2).await);
    let id = stack.channel("alice").await;
    stack.go_live(&id, &silent, now()).await;
    let promised = now() + GRACE + SILENCE;
    let reaped = beating(&stack, &alive, reap(&stack)).await;
    assert_eq!(
        (&reaped["fenced"], &reaped["dropped"]),
        (&json!(1), &json!(1))
    );
    let grace = found(&stack, &id).await;
    assert_eq!(grace.state, State::Grace);
    assert!(
        grace.grace_until.is_some_and(|until| until >= promised),
        "the grace begins when it is written"
    );
    let edges = stack.services.store.edges().await.expect("a read");
    assert_eq!(
        edges.len(),
        2,
        "one that still has a session is not forgotten"
    );
}

#[tokio::test]
async fn an_edge_that_is_over_and_holds_nothing_is_forgotten() {
    let stack = Stack::start().await;
    let (over, alive) = (stack.edge(1).await, stack.edge(2).await);
    fence(&stack, &over).await;
    assert_eq!(reap(&stack).await["forgotten"], 1);
    let edges = stack.services.store.edges().await.expect("a read");
    assert_eq!(edges, [alive]);
}

#[tokio::test]
async fn what_a_living_edge_has_is_left_to_it() {
    let stack = Stack::start().await;
    let edge = stack.edge(1).await;
    let id = stack.channel("alice").await;
    let live = stack
        .go_live(&id, &edge, now() - Duration::from_secs(3_600))
        .await;
    let grace = dropped(&stack, &edge, GRACE + Duration::from_secs(2)).await;
    let reaped = beating(&stack, &edge, reap(&stack)).await;
    assert_eq!(reaped, counted(2, 0, 0));
    assert_eq!(found(&stack, &id).await, live);
    assert_eq!(found(&stack, &grace).await.state, State::Grace);
}

#[tokio::test]
async fn a_dead_edges_broadcast_gets_the_grace_that_any_drop_gets() {
    let stack = Stack::start().await;
    let edge = stack.edge(1).await;
    let id = stack.channel("alice").await;
    let change = json!({ "graceSeconds": 30 });
    let path = format!("/v1/channels/{id}");
    assert_eq!(
        stack.call("alice", "PATCH", &path, change).await.status,
        200
    );
    let live = stack.go_live(&id, &edge, now()).await;
    fence(&stack, &edge).await;
    let earliest = now() + Duration::from_secs(30);
    assert_eq!(reap(&stack).await, counted(1, 0, 1));
    let grace = found(&stack, &id).await;
    assert_eq!(
        (grace.state, grace.version),
        (State::Grace, live.version.next())
    );
    assert!(grace.grace_until.is_some_and(|until| until >= earliest));
    // Its grace is not over yet: the next run leaves it.
    assert_eq!(reap(&stack).await, counted(1, 0, 0));
}

#[tokio::test]
async fn a_lost_edges_publishers_are_all_given_back_in_one_run() {
    const PUBLISHERS: usize = 20;
    let stack = Stack::start().await;
    let edge = stack.edge(1).await;
    for _ in 0..PUBLISHERS {
        let id = stack.channel("alice").await;
        stack.go_live(&id, &edge, now()).await;
    }
    fence(&stack, &edge).await;
    assert_eq!(reap(&stack).await, counted(PUBLISHERS, 0, PUBLISHERS));
    let held = stack.services.store.unfinished().await.expect("a read");
    assert!(held.iter().all(|item| item.state == State::Grace));
}

#[tokio::test]
async fn a_dead_edges_publisher_without_media_leaves_nothing_behind() {
    let stack = Stack::start().await;
    let edge = stack.edge(1).await;
    let id = stack.channel("alice").await;
    let acquire = stack.acquisition(&id, &edge, now()).await;
    stack.write(&Write::Acquire(acquire)).await;
    fence(&stack, &edge).await;
    assert_eq!(reap(&stack).await, counted(1, 1, 0));
    let over = found(&stack, &id).await;
    assert_eq!(
        (over.state, over.reason),
        (State::Offline, Some(EndReason::NoMedia))
    );
}

#[tokio::test]
async fn a_dead_edges_grace_ends_when_it_is_over_and_not_before() {
    let stack = Stack::start().await;
    let edge = stack.edge(1).await;
    let over = dropped(&stack, &edge, GRACE + Duration::from_secs(2)).await;
    let running = dropped(&stack, &edge, Duration::from_secs(1)).await;
    fence(&stack, &edge).await;
    assert_eq!(reap(&stack).await, counted(2, 1, 0));
    let ended = found(&stack, &over).await;
    assert_eq!(
        (ended.state, ended.reason),
        (State::Offline, Some(EndReason::Dropped))
    );
    assert_eq!(found(&stack, &running).await.state, State::Grace);
    assert_eq!(reap(&stack).await, counted(1, 0, 0));
}

#[tokio::test]
async fn a_grace_long_past_due_is_ended_whoever_was_to_do_it() {
    let stack = Stack::start().await;
    let edge = stack.edge(1).await;
    let id = dropped(&stack, &edge, GRACE + Duration::from_secs(6)).await;
    assert_eq!(reap(&stack).await, counted(1, 1, 0));
    assert_eq!(found(&stack, &id).await.state, State::Offline);
}

#[tokio::test]
async fn an_edge_that_is_not_registered_is_dead() {
    let stack = Stack::start().await;
    let edge = stack.edge(1).await;
    let id = stack.channel("alice").await;
    let unregistered = Edge {
        id: domain::EdgeId::from_random([9; 16]),
        ..edge
    };
    stack.go_live(&id, &unregistered, now()).await;
    assert_eq!(reap(&stack).await, counted(1, 0, 1));
    assert_eq!(found(&stack, &id).await.state, State::Grace);
}

#[tokio::test]
async fn a_run_that_cannot_read_is_an_error_of_the_function() {
    let stack = Stack::without_a_store().await;
    let answer = stack.reaper.invoke(json!({})).await;
    assert!(matches!(answer, Err(functions::Error::Store(_))));
}
