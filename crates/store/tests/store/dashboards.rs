//! Dashboards: connections and tickets.

use std::time::Duration;

use store::Ticket;

use crate::channels::user;
use crate::database::{Database, Fault};
use crate::live::NOW;

#[tokio::test]
async fn a_connection_is_found_by_its_user_and_by_itself_until_it_is_removed() {
    let database = Database::start().await;
    let store = &database.store;
    for id in ["Zx1=", "Zx2="] {
        store
            .add_connection(&user("owner"), id, NOW)
            .await
            .expect("added");
    }
    let listed = store.connections_of(&user("owner")).await;
    assert_eq!(listed.expect("read"), ["Zx1=", "Zx2="]);
    let owner = store.connection_owner("Zx1=").await.expect("read");
    assert_eq!(owner, Some(user("owner")));
    for _ in 0..2 {
        store
            .remove_connection(&user("owner"), "Zx1=")
            .await
            .expect("removed");
    }
    let listed = store.connections_of(&user("owner")).await;
    assert_eq!(listed.expect("read"), ["Zx2="]);
    assert_eq!(store.connection_owner("Zx1=").await.expect("read"), None);
    let stranger = store.connections_of(&user("stranger")).await;
    assert_eq!(stranger.expect("read"), Vec::<String>::new());
}

#[tokio::test]
async fn a_users_connections_are_bounded() {
    let database = Database::start().await;
    let store = &database.store;
    for number in 0..store::MAX_CONNECTIONS + 1 {
        store
            .add_connection(&user("owner"), &format!("c{number}"), NOW)
            .await
            .expect("added");
    }
    let listed = store.connections_of(&user("owner")).await.expect("read");
    assert_eq!(listed.len(), store::MAX_CONNECTIONS);
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
