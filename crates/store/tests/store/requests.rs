//! Requests that come more than once, and how many key reports an address may send.

use std::time::Duration;

use domain::Timestamp;
use store::{Begun, KEEP_REQUESTS, REQUEST_ENDS_WITHIN, RepeatableRequest, Store};

use crate::channels::user;
use crate::database::{Database, Fault};
use crate::live::NOW;

fn request(attempt: &str) -> RepeatableRequest {
    RepeatableRequest {
        user_id: user("owner"),
        key_sha256: "0a".repeat(32),
        request_sha256: "0b".repeat(32),
        attempt: attempt.into(),
    }
}

async fn begin(store: &Store, request: &RepeatableRequest, now: Timestamp) -> Begun {
    let planned = format!("made by {}", request.attempt);
    let begun = store.begin_request(request, &planned, now).await;
    begun.expect("an answer")
}

#[tokio::test]
async fn a_repeated_request_is_given_what_the_first_one_made() {
    let database = Database::start().await;
    let store = &database.store;
    assert_eq!(begin(store, &request("a"), NOW).await, Begun::First);
    assert_eq!(begin(store, &request("b"), NOW).await, Begun::InFlight);
    store.finish_request(&request("a")).await.expect("finished");
    let later = NOW + KEEP_REQUESTS - Duration::from_millis(1);
    let made = Begun::Finished("made by a".into());
    assert_eq!(begin(store, &request("b"), later).await, made);
    let other = RepeatableRequest {
        request_sha256: "0c".repeat(32),
        ..request("b")
    };
    assert_eq!(begin(store, &other, later).await, Begun::Another);
    let stranger = RepeatableRequest {
        user_id: user("stranger"),
        ..request("b")
    };
    assert_eq!(begin(store, &stranger, later).await, Begun::First);
    let expired = NOW + KEEP_REQUESTS;
    assert_eq!(begin(store, &other, expired).await, Begun::First);
}

#[tokio::test]
async fn a_request_that_made_nothing_is_forgotten_by_itself_only() {
    let database = Database::start().await;
    let store = &database.store;
    assert_eq!(begin(store, &request("a"), NOW).await, Begun::First);
    store.forget_request(&request("b")).await.expect("no harm");
    assert_eq!(begin(store, &request("b"), NOW).await, Begun::InFlight);
    store
        .forget_request(&request("a"))
        .await
        .expect("forgotten");
    assert_eq!(begin(store, &request("b"), NOW).await, Begun::First);
}

#[tokio::test]
async fn one_of_those_who_find_an_unfinished_request_goes_on_with_it() {
    let database = Database::start().await;
    let store = &database.store;
    assert_eq!(begin(store, &request("a"), NOW).await, Begun::First);
    let abandoned = NOW + REQUEST_ENDS_WITHIN;
    let made = Begun::Unfinished("made by a".into());
    assert_eq!(begin(store, &request("b"), abandoned).await, made);
    assert_eq!(
        begin(store, &request("c"), abandoned).await,
        Begun::InFlight
    );
    // The first one lives after all: it has no say any more.
    store.finish_request(&request("a")).await.expect("no harm");
    assert_eq!(
        begin(store, &request("c"), abandoned).await,
        Begun::InFlight
    );
}

#[tokio::test]
async fn a_request_whose_answer_was_lost_is_still_the_first() {
    let database = Database::start().await;
    let store = &database.store;
    database.faults.add("PutItem", Fault::LoseAnswer);
    assert_eq!(begin(store, &request("a"), NOW).await, Begun::First);
}

#[tokio::test]
async fn of_sixteen_that_come_at_once_one_is_the_first() {
    let database = Database::start().await;
    let store = &database.store;
    let requests: Vec<_> = (0..16).map(|n| request(&n.to_string())).collect();
    let begun = requests.iter().map(|request| begin(store, request, NOW));
    let begun = futures_util::future::join_all(begun).await;
    let first = begun.iter().filter(|begun| **begun == Begun::First);
    assert_eq!(first.count(), 1, "{begun:?}");
}

#[tokio::test]
async fn key_reports_are_counted_by_address_and_minute() {
    let database = Database::start().await;
    let store = &database.store;
    let counted = async |address: &str, now| {
        let counted = store.count_key_report(address, 2, now).await;
        counted.expect("counted")
    };
    assert!(counted("192.0.2.1", NOW).await);
    assert!(counted("192.0.2.1", NOW).await);
    assert!(!counted("192.0.2.1", NOW).await);
    assert!(counted("192.0.2.2", NOW).await);
    assert!(counted("192.0.2.1", NOW + Duration::from_secs(60)).await);
}
