//! Edges: registration, heartbeat, fence, epochs.

use domain::edge::{Edge, State, Write};
use domain::lease::Heartbeat;
use domain::{EdgeId, Owner};

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

/// The heartbeat of this number, of the first edge's epoch.
fn beat(epoch: u64, number: u64, publishers: u32) -> Write {
    Write::Beat {
        edge_id: edge(1).id,
        heartbeat: Heartbeat { epoch, number },
        publishers,
    }
}

fn drain() -> Write {
    Write::Drain {
        owner: edge(1).owner(),
    }
}

fn swept(epoch: u64) -> Write {
    let owner = edge(1).owner();
    Write::Swept {
        owner: Owner { epoch, ..owner },
    }
}

impl Database {
    /// Whether the write was done.
    async fn makes(&self, write: &Write) -> bool {
        self.store.write_edge(write).await.expect("available")
    }

    async fn boots(&self, edge: Edge) -> bool {
        self.makes(&Write::Boot(edge)).await
    }

    async fn only_edge(&self) -> Edge {
        let mut edges = self.store.edges().await.expect("available");
        assert_eq!(edges.len(), 1);
        edges.remove(0)
    }
}

#[tokio::test]
async fn a_registered_edge_is_listed_as_it_was_registered() {
    let database = Database::start().await;
    for number in [1, 2] {
        assert!(database.boots(edge(number)).await);
    }
    let mut edges = database.store.edges().await.expect("available");
    edges.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(edges, [edge(1), edge(2)]);
    let found = database.store.edge(&edge(2).id).await.expect("available");
    assert_eq!(found, Some(edge(2)));
    let found = database.store.edge(&edge(3).id).await.expect("available");
    assert_eq!(found, None);
}

#[tokio::test]
async fn a_repeated_boot_is_fine_and_another_process_cannot_take_the_id() {
    let database = Database::start().await;
    database.faults.add("PutItem", Fault::LoseAnswer);
    assert!(database.boots(edge(1)).await);
    assert_eq!(database.faults.left(), 0);
    let thief = Edge {
        boot_id: "boot-other".into(),
        ..edge(1)
    };
    assert!(!database.boots(thief).await);
}

#[tokio::test]
async fn a_heartbeat_counts_once_even_where_its_answer_was_lost() {
    let database = Database::start().await;
    assert!(database.boots(edge(1)).await);
    assert!(database.makes(&beat(1, 1, 3)).await);
    database.faults.add("UpdateItem", Fault::LoseAnswer);
    assert!(database.makes(&beat(1, 2, 4)).await);
    assert_eq!(database.faults.left(), 0);
    let seen = database.only_edge().await;
    assert_eq!((seen.heartbeat, seen.publishers), (2, 4));
    assert!(!database.makes(&beat(1, 9, 0)).await);
    assert!(!database.makes(&beat(2, 3, 0)).await);
}

#[tokio::test]
async fn an_edge_that_is_not_registered_cannot_beat() {
    let database = Database::start().await;
    assert!(!database.makes(&beat(1, 1, 0)).await);
}

#[tokio::test]
async fn a_fenced_edge_cannot_beat_and_an_edge_that_beats_cannot_be_fenced() {
    let database = Database::start().await;
    let observed = edge(1);
    assert!(database.boots(observed.clone()).await);
    assert!(database.makes(&beat(1, 1, 0)).await);
    assert!(!database.makes(&observed.fence()).await);
    let observed = database.only_edge().await;
    database.faults.add("UpdateItem", Fault::LoseAnswer);
    assert!(database.makes(&observed.fence()).await);
    assert!(!database.makes(&beat(1, 2, 0)).await);
    assert!(!database.makes(&drain()).await);
    let fenced = database.only_edge().await;
    assert_eq!((fenced.state, fenced.swept), (State::Fenced, false));
}

#[tokio::test]
async fn of_a_heartbeat_and_a_fence_at_once_one_is_done() {
    let database = Database::start().await;
    for round in 0..20 {
        let observed = edge(round);
        assert!(database.boots(observed.clone()).await);
        let next = Write::Beat {
            edge_id: observed.id.clone(),
            heartbeat: Heartbeat {
                epoch: 1,
                number: 1,
            },
            publishers: 0,
        };
        let fence = observed.fence();
        let (beaten, fenced) = tokio::join!(database.makes(&next), database.makes(&fence));
        assert!(beaten != fenced, "round {round}: {beaten} {fenced}");
    }
}

#[tokio::test]
async fn a_draining_edge_goes_on_beating_and_fences_itself_at_last() {
    let database = Database::start().await;
    assert!(database.boots(edge(1)).await);
    for _ in 0..2 {
        assert!(database.makes(&drain()).await);
    }
    assert!(database.makes(&beat(1, 1, 0)).await);
    let seen = database.only_edge().await;
    assert_eq!(seen.state, State::Draining);
    assert!(database.makes(&seen.fence()).await);
}

#[tokio::test]
async fn the_next_epoch_begins_once_and_cannot_be_fenced_in_the_name_of_the_last() {
    let database = Database::start().await;
    assert!(database.boots(edge(1)).await);
    assert!(database.makes(&edge(1).fence()).await);
    let next = Edge {
        epoch: 2,
        boot_id: "boot-second".into(),
        ..edge(1)
    };
    database.faults.add("PutItem", Fault::LoseAnswer);
    assert!(database.makes(&Write::Renew(next.clone())).await);
    assert_eq!(database.faults.left(), 0);
    let other = Edge {
        boot_id: "boot-third".into(),
        ..next.clone()
    };
    assert!(!database.makes(&Write::Renew(other)).await);
    assert!(!database.makes(&edge(1).fence()).await);
    assert_eq!(database.only_edge().await, next);
}

#[tokio::test]
async fn only_a_fenced_and_swept_edge_is_forgotten() {
    let database = Database::start().await;
    let store = &database.store;
    let mine = edge(1);
    assert!(database.boots(mine.clone()).await);
    assert!(!database.makes(&swept(1)).await);
    assert!(database.makes(&mine.fence()).await);
    assert!(!store.forget_edge(&mine).await.expect("available"));
    assert!(!database.makes(&swept(2)).await);
    assert!(database.makes(&swept(1)).await);
    assert!(store.forget_edge(&mine).await.expect("available"));
    assert_eq!(store.edges().await.expect("available"), []);
}

/// Every write that one of two epochs of an edge might make.
fn writes(number: u8) -> [Write; 11] {
    let first = edge(number);
    let renewed = |boot: &str| Edge {
        epoch: 2,
        boot_id: boot.into(),
        ..first.clone()
    };
    let beat = |epoch, number| Write::Beat {
        edge_id: first.id.clone(),
        heartbeat: Heartbeat { epoch, number },
        publishers: 3,
    };
    let owner = |epoch| Owner {
        epoch,
        ..first.owner()
    };
    [
        Write::Boot(first.clone()),
        beat(1, 1),
        beat(1, 2),
        beat(2, 1),
        Write::Drain { owner: owner(1) },
        first.fence(),
        renewed("boot-a").fence(),
        Write::Swept { owner: owner(1) },
        Write::Swept { owner: owner(2) },
        Write::Renew(renewed("boot-a")),
        Write::Renew(renewed("boot-b")),
    ]
}

#[tokio::test]
async fn the_store_permits_and_leaves_of_an_edge_what_the_domain_says() {
    let database = Database::start().await;
    let count = writes(0).len();
    for (number, (first, second)) in (0..count)
        .flat_map(|first| (0..count).map(move |second| (first, second)))
        .enumerate()
    {
        let number = u8::try_from(number).expect("few");
        let made = writes(number);
        let mut expected = None;
        for write in [&made[0], &made[first], &made[second]] {
            let left = write.apply(expected.as_ref());
            let done = left.is_some() || expected.as_ref().is_some_and(|e| write.left(e));
            assert_eq!(
                database.makes(write).await,
                done,
                "{first} {second} {write:?}"
            );
            expected = left.or(expected);
            let found = database.store.edge(write.edge_id()).await;
            assert_eq!(found.expect("available"), expected);
        }
    }
}
