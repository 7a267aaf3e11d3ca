//! The event log: numbers without a gap, each event once, whoever appends.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::attempt::Attempt;
use domain::event::{Event, Logged, What};
use domain::live::EndReason;
use domain::{EdgeId, Refusal, SessionId, Timestamp};
use store::client::MAX_ATTEMPTS;
use store::{Error, Store};

use crate::channels::channel as a_channel;
use crate::database::{Database, Fault};
use crate::live::{NOW, channel};

fn event(id: &str) -> Event {
    Event {
        channel_id: channel(1),
        id: id.to_owned(),
        at: NOW,
        what: What::KeyRevealed,
    }
}

async fn append(store: &Store, id: &str) -> u64 {
    let appended = store.append_event(&event(id), NOW).await;
    appended.expect("appended").number
}

/// Appends as the change stream has it done: again and again, until it was.
async fn append_until_done(store: &Store, id: &str) -> u64 {
    loop {
        match store.append_event(&event(id), NOW).await {
            Ok(logged) => return logged.number,
            Err(Error::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// The whole log, as one who reads it from the beginning has it.
async fn replay(store: &Store) -> Vec<Logged> {
    let mut log: Vec<Logged> = Vec::new();
    loop {
        let last = log.last().map_or(0, |last| last.number);
        let page = store.events_after(&channel(1), last, 7).await;
        let page = page.expect("read");
        if page.is_empty() {
            return log;
        }
        log.extend(page);
    }
}

/// Checks that the log is these events, each once, numbered from 1 without a gap.
async fn holds(store: &Store, ids: &BTreeSet<String>) {
    let log = replay(store).await;
    let numbers: Vec<u64> = log.iter().map(|logged| logged.number).collect();
    let whole: Vec<u64> = (1..).take(ids.len()).collect();
    assert_eq!(numbers, whole);
    let found: BTreeSet<String> = log.into_iter().map(|logged| logged.event.id).collect();
    assert_eq!(&found, ids);
}

fn every_kind() -> Vec<What> {
    let session_id = SessionId::new(NOW, [1; 10]);
    let (one, two) = (EdgeId::from_random([1; 16]), EdgeId::from_random([2; 16]));
    let later = NOW + Duration::from_secs(10);
    vec![
        What::WentLive {
            session_id: session_id.clone(),
            edge_id: Some(one.clone()),
            ip_address: Some("192.0.2.1".into()),
        },
        What::SignalLost {
            session_id: session_id.clone(),
            edge_id: None,
            grace_until: Some(later),
        },
        What::Moved {
            session_id: session_id.clone(),
            edge_id: two.clone(),
            from_edge_id: one,
        },
        What::Resumed {
            session_id: session_id.clone(),
            edge_id: Some(two),
            ip_address: None,
        },
        What::Ended {
            session_id: session_id.clone(),
            reason: Some(EndReason::Dropped),
        },
        What::Ended {
            session_id,
            reason: None,
        },
        What::Refused {
            reason: "on_hold".into(),
            detail: "This channel is on hold.".into(),
            ip_address: "2001:db8::1".into(),
            encoder: Some("obs".into()),
        },
        What::KeyGenerated,
        What::KeyReset {
            overlap_until: Some(later),
            disconnect_live: true,
        },
        What::KeyReset {
            overlap_until: None,
            disconnect_live: false,
        },
        What::KeyRevealed,
        What::KeyReported,
        What::Held { until: later },
        What::HoldLifted,
        What::SettingsChanged {
            settings: vec!["name".into(), "graceSeconds".into()],
        },
    ]
}

#[tokio::test]
async fn events_are_read_as_they_were_appended_in_both_directions() {
    let database = Database::start().await;
    let store = &database.store;
    let mut appended = Vec::new();
    for (number, what) in (1..).zip(every_kind()) {
        let event = Event {
            what,
            ..event(&format!("e{number}"))
        };
        let logged = store.append_event(&event, NOW).await.expect("appended");
        assert_eq!(logged, Logged { number, event });
        appended.push(logged);
    }
    assert_eq!(replay(store).await, appended);
    let mut newest_first = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = store.events(&channel(1), 4, cursor.as_deref()).await;
        let page = page.expect("read");
        newest_first.extend(page.items);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    newest_first.reverse();
    assert_eq!(newest_first, appended);
}

#[tokio::test]
async fn a_cursor_of_another_log_or_an_invented_one_is_refused() {
    let database = Database::start().await;
    let store = &database.store;
    for id in ["a", "b"] {
        append(store, id).await;
    }
    let page = store.events(&channel(1), 1, None).await.expect("read");
    let cursor = page.cursor.expect("more");
    let other = store.events(&channel(2), 1, Some(&cursor)).await;
    assert!(matches!(other, Err(Error::InvalidCursor)), "{other:?}");
    for at in [0, 60_000] {
        let attempt = Attempt {
            channel_id: channel(1),
            refusal: Refusal::Unauthorized,
            ip_address: "192.0.2.1".into(),
            encoder: None,
            at: Timestamp::from_millis(at),
        };
        store.record_attempt(&attempt).await.expect("noted");
    }
    let page = store.attempts(&channel(1), 1, None).await.expect("read");
    let cursor = page.cursor.expect("more");
    let attempts = store.events(&channel(1), 1, Some(&cursor)).await;
    assert!(
        matches!(attempts, Err(Error::InvalidCursor)),
        "{attempts:?}"
    );
}

#[tokio::test]
async fn sixteen_that_append_at_once_leave_no_gap_and_no_double() {
    let database = Database::start().await;
    let racers = (0..16).map(|racer| {
        let store = database.store.clone();
        tokio::spawn(async move {
            for turn in 0..4 {
                append_until_done(&store, &format!("r{racer}.{turn}")).await;
            }
        })
    });
    for racer in racers.collect::<Vec<_>>() {
        racer.await.expect("no panic");
    }
    let ids = (0..16).flat_map(|racer| (0..4).map(move |turn| format!("r{racer}.{turn}")));
    holds(&database.store, &ids.collect()).await;
}

#[tokio::test]
async fn sixteen_that_append_the_same_events_at_once_append_each_once() {
    let database = Database::start().await;
    // Each begins elsewhere in the same batch, as invocations do that are repeated half-way.
    let racers = (0..16).map(|racer| {
        let store = database.store.clone();
        tokio::spawn(async move {
            let mut places = Vec::new();
            for turn in 0..8 {
                let id = format!("e{}", (racer + turn) % 8);
                let place = append_until_done(&store, &id).await;
                places.push((id, place));
            }
            places
        })
    });
    let mut told = BTreeSet::new();
    for racer in racers.collect::<Vec<_>>() {
        told.extend(racer.await.expect("no panic"));
    }
    assert_eq!(told.len(), 8, "all are told the same place: {told:?}");
    holds(
        &database.store,
        &(0..8).map(|id| format!("e{id}")).collect(),
    )
    .await;
}

#[tokio::test]
async fn an_event_that_is_told_again_is_where_it_was() {
    let database = Database::start().await;
    let store = &database.store;
    assert_eq!(append(store, "first").await, 1);
    for number in 2..=20 {
        assert_eq!(append(store, &format!("e{number}")).await, number);
    }
    assert_eq!(append(store, "first").await, 1);
    assert_eq!(append(store, "e20").await, 20);
    assert_eq!(append(store, "next").await, 21);
}

#[tokio::test]
async fn an_append_that_was_broken_off_is_taken_up_behind_what_came_meanwhile() {
    let database = Database::start().await;
    let store = &database.store;
    append(store, "before").await;
    // Its place is noted; then the store is away.
    database.faults.add("PutItem", Fault::Pass);
    for _ in 0..MAX_ATTEMPTS {
        let away = Fault::Answer(500, "{}".into());
        database.faults.add("PutItem", away);
    }
    let broken = store.append_event(&event("broken"), NOW).await;
    assert!(matches!(broken, Err(Error::Unavailable(_))), "{broken:?}");
    assert_eq!(database.faults.left(), 0);
    // Others go past its place, by more than one page.
    for number in 0..120 {
        append(store, &format!("e{number}")).await;
    }
    for _ in 0..2 {
        assert_eq!(append(store, "broken").await, 122);
    }
    let ids = (0..120).map(|number| format!("e{number}"));
    let ids = ids.chain(["before".to_owned(), "broken".to_owned()]);
    holds(store, &ids.collect()).await;
}

#[tokio::test]
async fn an_append_whose_answers_were_lost_is_made_once() {
    let database = Database::start().await;
    let store = &database.store;
    for id in ["a", "b", "c"] {
        for _ in 0..2 {
            database.faults.add("PutItem", Fault::LoseAnswer);
        }
        append(store, id).await;
    }
    assert_eq!(database.faults.left(), 0);
    holds(store, &["a", "b", "c"].map(str::to_owned).into()).await;
}

#[tokio::test]
async fn channels_have_logs_of_their_own() {
    let database = Database::start().await;
    let store = &database.store;
    append(store, "same").await;
    let other = Event {
        channel_id: channel(2),
        ..event("same")
    };
    let logged = store.append_event(&other, NOW).await.expect("appended");
    assert_eq!(logged.number, 1);
    assert_eq!(append(store, "next").await, 2);
}

/// What the audit table has of the first channel, by id.
async fn audited(database: &Database) -> Vec<Event> {
    let stream = database.stream_of("audit");
    let images = database.images("audit").await;
    let mut events: Vec<Event> = images
        .iter()
        .map(
            |image| match database.store.stream_change(&stream, image, None) {
                Ok(store::StreamChange::Audit(event)) => event,
                other => panic!("{other:?}"),
            },
        )
        .collect();
    events.sort_by(|one, other| one.id.cmp(&other.id));
    events
}

#[tokio::test]
async fn what_an_owner_does_is_on_record_with_what_it_did() {
    let database = Database::start().await;
    let store = &database.store;
    let new = a_channel(1);
    store.create_channel(&new).await.expect("made");
    let renamed = domain::channel::Channel {
        name: "Sunday show".into(),
        ..new.clone()
    };
    let changed = store.update_channel(&new, &renamed, NOW).await;
    changed.expect("changed");
    let later = NOW + Duration::from_secs(60);
    store.hold(&new.id, later, NOW).await.expect("held");
    store.lift_hold(&new.id, later).await.expect("lifted");
    store
        .record_audit(&event("reveal.1"))
        .await
        .expect("on record");
    // What failed is not on record.
    let stale = store.update_channel(&new, &a_channel(1), NOW).await;
    assert!(matches!(stale, Err(Error::Conflict)), "{stale:?}");
    let events = audited(&database).await;
    let what: Vec<(&str, Timestamp, &What)> = events
        .iter()
        .map(|event| (event.id.as_str(), event.at, &event.what))
        .collect();
    let settings = vec!["name".to_owned()];
    assert_eq!(
        what,
        [
            ("gate.1", NOW, &What::Held { until: later }),
            ("gate.2", later, &What::HoldLifted),
            ("reveal.1", NOW, &What::KeyRevealed),
            (
                events[3].id.as_str(),
                NOW,
                &What::SettingsChanged { settings }
            ),
        ]
    );
    assert!(events[3].id.starts_with("settings."));
}
