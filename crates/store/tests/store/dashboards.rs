//! Dashboards: connections and tickets.

use std::time::Duration;

use domain::Timestamp;
use store::{Connection, Store, Ticket};

use crate::channels::user;
use crate::database::{Database, Fault};
use crate::live::NOW;

const HOUR: Duration = Duration::from_secs(3_600);

fn connection(user_name: &str, id: &str) -> Connection {
    Connection {
        id: id.to_owned(),
        user_id: user(user_name),
        connected_at: NOW,
        expires_at: NOW + HOUR,
    }
}

async fn open_at(store: &Store, user_name: &str, now: Timestamp) -> Vec<String> {
    let listed = store.connections_of(&user(user_name), now).await;
    let ids = listed.expect("read").into_iter();
    ids.map(|connection| connection.id).collect()
}

#[tokio::test]
async fn a_connection_is_found_by_its_user_and_by_itself_until_it_is_removed() {
    let database = Database::start().await;
    let store = &database.store;
    for id in ["Zx1=", "Zx2="] {
        let added = store.add_connection(&connection("owner", id)).await;
        added.expect("added");
    }
    let listed = store.connections_of(&user("owner"), NOW).await;
    let expected = ["Zx1=", "Zx2="].map(|id| connection("owner", id));
    assert_eq!(listed.expect("read"), expected);
    let found = store.connection("Zx1=").await.expect("read");
    assert_eq!(found, Some(connection("owner", "Zx1=")));
    for _ in 0..2 {
        store
            .remove_connection(&user("owner"), "Zx1=")
            .await
            .expect("removed");
    }
    assert_eq!(open_at(store, "owner", NOW).await, ["Zx2="]);
    assert_eq!(store.connection("Zx1=").await.expect("read"), None);
    assert_eq!(open_at(store, "stranger", NOW).await, [] as [&str; 0]);
}

#[tokio::test]
async fn a_connection_that_has_expired_is_not_listed_whether_it_was_deleted_or_not() {
    let database = Database::start().await;
    let store = &database.store;
    for (id, expires_at) in [("short", NOW + HOUR / 2), ("long", NOW + HOUR)] {
        let connection = Connection {
            expires_at,
            ..connection("owner", id)
        };
        store.add_connection(&connection).await.expect("added");
    }
    let moment = |millis| NOW + HOUR / 2 + Duration::from_millis(millis);
    assert_eq!(open_at(store, "owner", NOW).await, ["long", "short"]);
    assert_eq!(open_at(store, "owner", moment(0)).await, ["long"]);
    let before = Timestamp::from_millis(moment(0).millis() - 1);
    assert_eq!(open_at(store, "owner", before).await, ["long", "short"]);
    assert_eq!(open_at(store, "owner", NOW + HOUR).await, [] as [&str; 0]);
    // Whoever it was is still known, so that it can be closed.
    assert!(store.connection("short").await.expect("read").is_some());
}

#[tokio::test]
async fn a_users_connections_are_bounded_and_expired_ones_do_not_count() {
    let database = Database::start().await;
    let store = &database.store;
    for number in 0..store::MAX_CONNECTIONS + 20 {
        let expired = Connection {
            expires_at: NOW,
            ..connection("owner", &format!("a{number:03}"))
        };
        store.add_connection(&expired).await.expect("added");
    }
    for number in 0..store::MAX_CONNECTIONS + 1 {
        let open = connection("owner", &format!("b{number:03}"));
        store.add_connection(&open).await.expect("added");
    }
    let listed = open_at(store, "owner", NOW).await;
    assert_eq!(listed.len(), store::MAX_CONNECTIONS);
    assert!(listed.iter().all(|id| id.starts_with('b')), "{listed:?}");
}

fn ticket() -> Ticket {
    Ticket {
        user_id: user("owner"),
        expires_at: NOW + Duration::from_secs(30),
        session_expires_at: NOW + Duration::from_secs(3_600),
    }
}

#[tokio::test]
async fn a_ticket_is_used_once() {
    let database = Database::start().await;
    let store = &database.store;
    store.put_ticket("00ff", &ticket()).await.expect("kept");
    assert_eq!(store.take_ticket("0000", NOW).await.expect("read"), None);
    let taken = store.take_ticket("00ff", NOW).await.expect("read");
    assert_eq!(taken, Some(ticket()));
    assert_eq!(store.take_ticket("00ff", NOW).await.expect("read"), None);
}

#[tokio::test]
async fn of_two_uses_at_once_one_gets_the_ticket() {
    let database = Database::start().await;
    let store = &database.store;
    store.put_ticket("00ff", &ticket()).await.expect("kept");
    let (first, second) = tokio::join!(
        store.take_ticket("00ff", NOW),
        store.take_ticket("00ff", NOW)
    );
    let taken = [first, second].map(|taken| taken.expect("read"));
    assert_eq!(taken.iter().flatten().count(), 1);
}

#[tokio::test]
async fn an_expired_ticket_opens_nothing() {
    let database = Database::start().await;
    let store = &database.store;
    store.put_ticket("00ff", &ticket()).await.expect("kept");
    let late = store.take_ticket("00ff", ticket().expires_at).await;
    assert_eq!(late.expect("read"), None);
}

#[tokio::test]
async fn a_ticket_whose_use_was_not_answered_counts_as_used() {
    let database = Database::start().await;
    let store = &database.store;
    store.put_ticket("00ff", &ticket()).await.expect("kept");
    database.faults.add("DeleteItem", Fault::LoseAnswer);
    assert_eq!(store.take_ticket("00ff", NOW).await.expect("read"), None);
    assert_eq!(database.faults.left(), 0);
}
