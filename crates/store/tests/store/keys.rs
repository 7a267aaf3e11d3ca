//! Stream keys: at most two are valid, each change is one transaction, a retired key stays known.

use std::time::Duration;

use domain::authorization::{admit, is_cut};
use domain::channel::Channel;
use domain::{Refusal, StreamKey, Timestamp};
use store::{EncryptedKey, Error, NewKey, Reset, Store};

use crate::channels::channel;
use crate::database::{Database, Fault};
use crate::live::NOW;

fn new_key(version: u64) -> NewKey {
    let fill = u8::try_from(version).expect("small");
    NewKey {
        hash: StreamKey::generate(|bytes| bytes.fill(fill)).hash(),
        public_id: format!("id{version:02}"),
        created_at: NOW,
        encrypted: EncryptedKey {
            version,
            ciphertext: vec![fill; 60],
        },
    }
}

const DEAD_NOW: Reset = Reset {
    overlap_until: None,
    now: NOW,
    disconnect_live: false,
};

fn overlap(until: Timestamp) -> Reset {
    Reset {
        overlap_until: Some(until),
        ..DEAD_NOW
    }
}

async fn with_first_key(store: &Store) -> Channel {
    store.create_channel(&channel(1)).await.expect("made");
    let version = store.add_first_key(&channel(1), &new_key(1)).await;
    assert_eq!(version.expect("added"), 1);
    read(store).await
}

async fn read(store: &Store) -> Channel {
    let found = store.channel(&channel(1).id).await.expect("read");
    found.expect("it is there")
}

/// Which of the first keys may start a publish at `now`.
async fn valid(store: &Store, now: Timestamp) -> Vec<u64> {
    let gate = store.gate(&channel(1).id).await.expect("read");
    let mut valid = Vec::new();
    for version in 1..=4 {
        let key = store.key(&new_key(version).hash).await.expect("read");
        if let Ok(admission) = admit(key.as_ref(), &gate, now) {
            assert_eq!(admission.key_version, version);
            valid.push(version);
        }
    }
    valid
}

#[tokio::test]
async fn a_first_key_opens_its_channel_and_can_be_revealed() {
    let database = Database::start().await;
    let store = &database.store;
    let seen = with_first_key(store).await;
    let key = store
        .key(&new_key(1).hash)
        .await
        .expect("read")
        .expect("known");
    assert_eq!((&key.channel_id, &key.user_id), (&seen.id, &seen.user_id));
    assert_eq!(valid(store, NOW).await, [1]);
    assert_eq!(
        (seen.key_version, seen.key_public_id, seen.key_created_at),
        (1, Some("id01".into()), Some(NOW))
    );
    let kept = store.encrypted_key(&seen.id).await.expect("read");
    assert_eq!(kept, Some(new_key(1).encrypted));
    assert_eq!(store.key(&new_key(2).hash).await.expect("read"), None);
}

#[tokio::test]
async fn a_channel_gets_one_first_key() {
    let database = Database::start().await;
    let store = &database.store;
    with_first_key(store).await;
    let other = NewKey {
        hash: new_key(9).hash,
        ..new_key(1)
    };
    let second = store.add_first_key(&channel(1), &other).await;
    assert!(matches!(second, Err(Error::Conflict)), "{second:?}");
    assert_eq!(store.key(&other.hash).await.expect("read"), None);
    let again = store.add_first_key(&channel(1), &new_key(1)).await;
    assert_eq!(again.expect("the same one"), 1);
}

#[tokio::test]
async fn a_reset_ends_the_old_key_at_once_and_keeps_it_known() {
    let database = Database::start().await;
    let store = &database.store;
    let seen = with_first_key(store).await;
    let version = store.reset_key(&seen, &new_key(2), &DEAD_NOW).await;
    assert_eq!(version.expect("reset"), 2);
    assert_eq!(valid(store, NOW).await, [2]);
    let retired = store.key(&new_key(1).hash).await.expect("read");
    let retired = retired.expect("still known");
    assert_eq!(
        (retired.channel_id, retired.not_after),
        (seen.id, Some(Timestamp::default()))
    );
    let kept = store.encrypted_key(&channel(1).id).await.expect("read");
    assert_eq!(kept, Some(new_key(2).encrypted));
}

#[tokio::test]
async fn an_overlap_keeps_two_keys_valid_and_a_second_reset_ends_it() {
    let database = Database::start().await;
    let store = &database.store;
    let until = NOW + Duration::from_secs(3_600);
    let seen = with_first_key(store).await;
    store
        .reset_key(&seen, &new_key(2), &overlap(until))
        .await
        .expect("reset");
    assert_eq!(valid(store, NOW).await, [1, 2]);
    assert_eq!(valid(store, until).await, [2]);
    let seen = read(store).await;
    store
        .reset_key(&seen, &new_key(3), &overlap(until))
        .await
        .expect("reset");
    assert_eq!(valid(store, NOW).await, [2, 3]);
}

#[tokio::test]
async fn a_key_that_ended_keeps_its_end_through_later_resets() {
    let database = Database::start().await;
    let store = &database.store;
    let seen = with_first_key(store).await;
    let end = NOW + Duration::from_secs(30);
    store
        .reset_key(&seen, &new_key(2), &overlap(end))
        .await
        .expect("reset");
    let later = Reset {
        now: NOW + Duration::from_secs(60),
        ..DEAD_NOW
    };
    let seen = read(store).await;
    store
        .reset_key(&seen, &new_key(3), &later)
        .await
        .expect("reset");
    let first = store.key(&new_key(1).hash).await.expect("read");
    assert_eq!(first.expect("known").not_after, Some(end));
    assert_eq!(
        valid(store, NOW).await,
        [1, 3],
        "clocks that lag see no more than two"
    );
}

#[tokio::test]
async fn a_reset_cuts_a_running_session_only_where_asked() {
    let database = Database::start().await;
    let store = &database.store;
    let seen = with_first_key(store).await;
    store
        .reset_key(&seen, &new_key(2), &DEAD_NOW)
        .await
        .expect("reset");
    let gate = store.gate(&seen.id).await.expect("read");
    assert!(!is_cut(1, &gate));
    let cutting = Reset {
        disconnect_live: true,
        ..DEAD_NOW
    };
    let seen = read(store).await;
    let version = store.reset_key(&seen, &new_key(3), &cutting).await;
    let version = version.expect("reset");
    let gate = store.gate(&seen.id).await.expect("read");
    assert!(is_cut(version - 1, &gate) && !is_cut(version, &gate));
}

#[tokio::test]
async fn a_hold_cuts_what_is_live_and_lets_nobody_in_until_it_is_over_or_lifted() {
    let database = Database::start().await;
    let store = &database.store;
    let seen = with_first_key(store).await;
    let key = store.key(&new_key(1).hash).await.expect("read");
    let until = NOW + Duration::from_secs(60);
    database.faults.add("TransactWriteItems", Fault::LoseAnswer);
    let version = store.hold(&seen.id, until, NOW).await.expect("held");
    let gate = store.gate(&seen.id).await.expect("read");
    assert!(is_cut(1, &gate) && !is_cut(version, &gate));
    assert_eq!(
        admit(key.as_ref(), &gate, NOW),
        Err(Refusal::OnHold { until })
    );
    assert!(admit(key.as_ref(), &gate, until).is_ok());

    let lifted = store.lift_hold(&seen.id, NOW).await.expect("lifted");
    assert!(lifted > version, "caches let the newer answer win");
    let gate = store.gate(&seen.id).await.expect("read");
    assert!(admit(key.as_ref(), &gate, NOW).is_ok());
    assert!(is_cut(1, &gate), "what was cut stays so");
    let nowhere = channel(7).id;
    let nowhere = store.hold(&nowhere, until, NOW).await;
    assert!(matches!(nowhere, Err(Error::Conflict)));
}

#[tokio::test]
async fn a_retired_key_is_dead_for_every_clock_and_no_reset_brings_it_back() {
    let database = Database::start().await;
    let store = &database.store;
    let stale = with_first_key(store).await;
    let hash = new_key(1).hash;
    let key = store.key(&hash).await.expect("read").expect("known");
    database.faults.add("TransactWriteItems", Fault::LoseAnswer);
    let version = store.retire_key(&hash, &key, NOW).await;
    assert_eq!(version.expect("retired"), Some(2));
    assert_eq!(valid(store, Timestamp::default()).await, Vec::<u64>::new());
    assert_eq!(read(store).await.key_retired_at, Some(NOW));
    let again = store.retire_key(&hash, &key, NOW).await;
    assert_eq!(again.expect("nothing to do"), None);

    let until = NOW + Duration::from_secs(60);
    let unaware = store.reset_key(&stale, &new_key(2), &overlap(until)).await;
    assert!(matches!(unaware, Err(Error::Conflict)), "{unaware:?}");
    let seen = read(store).await;
    let reset = store.reset_key(&seen, &new_key(2), &overlap(until)).await;
    assert_eq!(reset.expect("reset"), 3);
    assert_eq!(valid(store, NOW).await, [2]);
    assert_eq!(read(store).await.key_retired_at, None);
}

#[tokio::test]
async fn a_key_in_its_overlap_is_retired_alone() {
    let database = Database::start().await;
    let store = &database.store;
    let seen = with_first_key(store).await;
    let until = NOW + Duration::from_secs(60);
    let reset = store.reset_key(&seen, &new_key(2), &overlap(until)).await;
    reset.expect("reset");
    let hash = new_key(1).hash;
    let key = store.key(&hash).await.expect("read").expect("known");
    let version = store.retire_key(&hash, &key, NOW).await;
    assert_eq!(version.expect("retired"), Some(3));
    assert_eq!(valid(store, NOW).await, [2]);
    assert_eq!(read(store).await.key_retired_at, None);
}

#[tokio::test]
async fn of_two_resets_from_the_same_view_one_is_a_conflict() {
    let database = Database::start().await;
    let store = &database.store;
    let seen = with_first_key(store).await;
    store
        .reset_key(&seen, &new_key(2), &DEAD_NOW)
        .await
        .expect("reset");
    let other = NewKey {
        hash: new_key(9).hash,
        ..new_key(2)
    };
    let late = store.reset_key(&seen, &other, &DEAD_NOW).await;
    assert!(matches!(late, Err(Error::Conflict)), "{late:?}");
    assert_eq!(store.key(&other.hash).await.expect("read"), None);
    assert_eq!(valid(store, NOW).await, [2]);
    let bare = store.reset_key(&channel(1), &new_key(1), &DEAD_NOW).await;
    assert!(matches!(bare, Err(Error::Conflict)), "{bare:?}");
}

#[tokio::test]
async fn of_two_resets_at_once_one_is_made_whole_and_nothing_of_the_other() {
    let database = Database::start().await;
    let store = &database.store;
    let mut seen = with_first_key(store).await;
    for round in 1..10 {
        let [one, other] = [2 * round, 2 * round + 1].map(|fill| NewKey {
            hash: new_key(fill).hash,
            ..new_key(seen.key_version + 1)
        });
        let (first, second) = tokio::join!(
            store.reset_key(&seen, &one, &DEAD_NOW),
            store.reset_key(&seen, &other, &DEAD_NOW)
        );
        let lost = match (&first, &second) {
            (Ok(_), Err(Error::Conflict)) => &other,
            (Err(Error::Conflict), Ok(_)) => &one,
            both => panic!("round {round}: {both:?}"),
        };
        let left = store.key(&lost.hash).await.expect("read");
        assert_eq!(left, None, "round {round}");
        seen = read(store).await;
        assert_eq!(seen.key_version, round + 1);
    }
}

#[tokio::test]
async fn a_reset_whose_answer_was_lost_is_made_once() {
    let database = Database::start().await;
    let store = &database.store;
    let seen = with_first_key(store).await;
    database.faults.add("TransactWriteItems", Fault::LoseAnswer);
    let version = store.reset_key(&seen, &new_key(2), &DEAD_NOW).await;
    assert_eq!(version.expect("reset"), 2);
    assert_eq!(database.faults.left(), 0);
    let repeated = store.reset_key(&seen, &new_key(2), &DEAD_NOW).await;
    assert_eq!(repeated.expect("the same reset"), 2);
}

fn canceled(codes: [&str; 5]) -> Fault {
    let reasons = codes.map(|code| serde_json::json!({ "Code": code }));
    let body = serde_json::json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled",
        "CancellationReasons": reasons,
    });
    Fault::Answer(400, body.to_string())
}

#[tokio::test]
async fn a_reset_that_meets_another_transaction_is_tried_again() {
    let database = Database::start().await;
    let seen = with_first_key(&database.store).await;
    for _ in 0..2 {
        let conflict = canceled(["None", "TransactionConflict", "None", "None", "None"]);
        database.faults.add("TransactWriteItems", conflict);
    }
    let version = database
        .store
        .reset_key(&seen, &new_key(2), &DEAD_NOW)
        .await;
    assert_eq!(version.expect("reset at last"), 2);
    assert_eq!(database.faults.left(), 0);
}

#[tokio::test]
async fn a_reset_that_never_gets_through_is_unavailable_and_changes_nothing() {
    let database = Database::start().await;
    let seen = with_first_key(&database.store).await;
    for _ in 0..4 {
        let conflict = canceled(["None", "None", "TransactionConflict", "None", "None"]);
        database.faults.add("TransactWriteItems", conflict);
    }
    let reset = database
        .store
        .reset_key(&seen, &new_key(2), &DEAD_NOW)
        .await;
    assert!(matches!(reset, Err(Error::Unavailable(_))), "{reset:?}");
    assert_eq!(database.faults.left(), 0, "tried four times and no more");
    assert_eq!(read(&database.store).await, seen);
}

#[tokio::test]
async fn a_gate_that_moved_meanwhile_is_read_again() {
    let database = Database::start().await;
    let seen = with_first_key(&database.store).await;
    let moved = canceled(["None", "ConditionalCheckFailed", "None", "None", "None"]);
    database.faults.add("TransactWriteItems", moved);
    let version = database
        .store
        .reset_key(&seen, &new_key(2), &DEAD_NOW)
        .await;
    assert_eq!(version.expect("reset"), 2);
    assert_eq!(database.faults.left(), 0);
}

#[tokio::test]
async fn a_removed_channels_keys_open_nothing() {
    let database = Database::start().await;
    let store = &database.store;
    let seen = with_first_key(store).await;
    let until = NOW + Duration::from_secs(3_600);
    store
        .reset_key(&seen, &new_key(2), &overlap(until))
        .await
        .expect("reset");
    let stale = store.delete_channel(&seen).await;
    assert!(matches!(stale, Err(Error::Conflict)), "{stale:?}");
    store
        .delete_channel(&read(store).await)
        .await
        .expect("removed");
    assert_eq!(valid(store, NOW).await, Vec::<u64>::new());
    let kept = store.encrypted_key(&seen.id).await.expect("read");
    assert_eq!(kept, None);
    let gate = store.gate(&seen.id).await.expect("read");
    assert!(is_cut(2, &gate), "{gate:?}");
}
