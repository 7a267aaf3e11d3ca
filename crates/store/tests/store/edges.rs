//! Edges: registration, heartbeat, fence, epochs.

use domain::EdgeId;
use domain::edge::{Edge, State};
use store::Booted;

use crate::database::{Database, Fault};

fn edge(number: u8) -> Edge {
    Edge {
        id: EdgeId::from_random([number; 16]),
        name: format!("edge-{number}"),
        epoch: 1,
        boot_id: format!("boot-{number}"),
        heartbeat: 0,
        state: State::Up,
        swept: false,
        region: "local".into(),
        rtmp_url: "rtmp://127.0.0.1:1935/live".into(),
        rtmps_url: None,
        peer_address: Some("127.0.0.1:9091".into()),
        publishers: 0,
        capacity: 1_000,
    }
}

#[tokio::test]
async fn a_registered_edge_is_listed_as_it_was_registered() {
    let database = Database::start().await;
    for number in [1, 2] {
        let booted = database.store.boot_edge(&edge(number)).await;
        assert_eq!(booted.expect("available"), Booted::Registered);
    }
    let mut edges = database.store.edges().await.expect("available");
    edges.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(edges, [edge(1), edge(2)]);
}

#[tokio::test]
async fn a_repeated_boot_is_fine_and_another_process_cannot_take_the_id() {
    let database = Database::start().await;
    database.faults.add("PutItem", Fault::LoseAnswer);
    let booted = database.store.boot_edge(&edge(1)).await;
    assert_eq!(booted.expect("available"), Booted::Registered);
    assert_eq!(database.faults.left(), 0);
    let thief = Edge {
        boot_id: "boot-other".into(),
        ..edge(1)
    };
    let booted = database.store.boot_edge(&thief).await;
    assert_eq!(booted.expect("available"), Booted::Taken);
}

#[tokio::test]
async fn a_heartbeat_counts_once_even_where_its_answer_was_lost() {
    let database = Database::start().await;
    let store = &database.store;
    let mine = edge(1);
    store.boot_edge(&mine).await.expect("available");
    assert!(store.beat(&mine.id, 1, 1, 3).await.expect("available"));
    database.faults.add("UpdateItem", Fault::LoseAnswer);
    assert!(store.beat(&mine.id, 1, 2, 4).await.expect("available"));
    assert_eq!(database.faults.left(), 0);
    let seen = store.edges().await.expect("available").remove(0);
    assert_eq!((seen.heartbeat, seen.publishers), (2, 4));
    assert!(!store.beat(&mine.id, 1, 9, 0).await.expect("available"));
    assert!(!store.beat(&mine.id, 2, 3, 0).await.expect("available"));
    assert!(!store.beat(&edge(2).id, 1, 1, 0).await.expect("available"));
}

#[tokio::test]
async fn a_fenced_edge_cannot_beat_and_an_edge_that_beats_cannot_be_fenced() {
    let database = Database::start().await;
    let store = &database.store;
    let observed = edge(1);
    store.boot_edge(&observed).await.expect("available");
    assert!(store.beat(&observed.id, 1, 1, 0).await.expect("available"));
    assert!(!store.fence_edge(&observed).await.expect("available"));
    let observed = store.edges().await.expect("available").remove(0);
    database.faults.add("UpdateItem", Fault::LoseAnswer);
    assert!(store.fence_edge(&observed).await.expect("available"));
    assert!(!store.beat(&observed.id, 1, 2, 0).await.expect("available"));
    assert!(!store.drain_edge(&observed).await.expect("available"));
    let fenced = store.edges().await.expect("available").remove(0);
    assert_eq!((fenced.state, fenced.swept), (State::Fenced, false));
}

#[tokio::test]
async fn a_draining_edge_goes_on_beating_and_fences_itself_at_last() {
    let database = Database::start().await;
    let store = &database.store;
    store.boot_edge(&edge(1)).await.expect("available");
    for _ in 0..2 {
        assert!(store.drain_edge(&edge(1)).await.expect("available"));
    }
    assert!(store.beat(&edge(1).id, 1, 1, 0).await.expect("available"));
    let seen = store.edges().await.expect("available").remove(0);
    assert_eq!(seen.state, State::Draining);
    assert!(store.fence_edge(&seen).await.expect("available"));
}

#[tokio::test]
async fn the_next_epoch_begins_once_and_cannot_be_fenced_in_the_name_of_the_last() {
    let database = Database::start().await;
    let store = &database.store;
    store.boot_edge(&edge(1)).await.expect("available");
    assert!(store.fence_edge(&edge(1)).await.expect("available"));
    let next = Edge {
        epoch: 2,
        boot_id: "boot-second".into(),
        ..edge(1)
    };
    database.faults.add("PutItem", Fault::LoseAnswer);
    assert!(store.renew_edge(&next).await.expect("available"));
    assert_eq!(database.faults.left(), 0);
    let other = Edge {
        boot_id: "boot-third".into(),
        ..next.clone()
    };
    assert!(!store.renew_edge(&other).await.expect("available"));
    assert!(!store.fence_edge(&edge(1)).await.expect("available"));
    assert_eq!(store.edges().await.expect("available"), [next]);
}

#[tokio::test]
async fn only_a_fenced_and_swept_edge_is_forgotten() {
    let database = Database::start().await;
    let store = &database.store;
    let mine = edge(1);
    store.boot_edge(&mine).await.expect("available");
    assert!(!store.mark_swept(&mine.id, 1).await.expect("available"));
    assert!(store.fence_edge(&mine).await.expect("available"));
    assert!(!store.forget_edge(&mine).await.expect("available"));
    assert!(!store.mark_swept(&mine.id, 2).await.expect("available"));
    assert!(store.mark_swept(&mine.id, 1).await.expect("available"));
    assert!(store.forget_edge(&mine).await.expect("available"));
    assert_eq!(store.edges().await.expect("available"), []);
}
