//! The audit log: sessions and refused attempts.

use domain::attempt::Attempt;
use domain::live::EndReason;
use domain::session::{MeanBitrate, Resolution, Session};
use domain::{EdgeId, Refusal, SessionId, Timestamp};
use store::{Error, SessionEnd};

use crate::database::Database;
use crate::live::{NOW, channel};

fn session(began: u64, generation: u64) -> Session {
    let started_at = Timestamp::from_millis(NOW.millis() + began);
    Session {
        id: SessionId::new(started_at, [7; 10]),
        channel_id: channel(1),
        generation,
        ip_address: "192.0.2.1".into(),
        encoder: Some("obs-output module".into()),
        started_at,
        ended_at: None,
        mean: MeanBitrate::default(),
        resolution: None,
        fps: None,
        edge_ids: vec![EdgeId::from_random([1; 16])],
        reason: None,
    }
}

#[tokio::test]
async fn a_session_is_read_as_it_was_written_running_and_ended() {
    let database = Database::start().await;
    let store = &database.store;
    let running = session(0, 1);
    let ended = Session {
        generation: 2,
        ended_at: Some(NOW),
        mean: MeanBitrate {
            media_bytes: 1_500_000,
            millis: 6_000,
        },
        resolution: Resolution::parse("640x360"),
        fps: Some(29.97),
        edge_ids: [1, 2].map(|edge| EdgeId::from_random([edge; 16])).to_vec(),
        reason: Some(EndReason::Unpublished),
        encoder: None,
        ..session(0, 1)
    };
    for written in [running, ended] {
        assert!(store.put_session(&written).await.expect("available"));
        let read = store.session(&written.channel_id, &written.id).await;
        assert_eq!(read.expect("read"), Some(written));
    }
}

#[tokio::test]
async fn a_late_writer_of_an_older_generation_changes_nothing() {
    let database = Database::start().await;
    let store = &database.store;
    let newer = session(0, 3);
    assert!(store.put_session(&newer).await.expect("available"));
    assert!(store.put_session(&newer).await.expect("the same again"));
    assert!(!store.put_session(&session(0, 2)).await.expect("available"));
    let read = store.session(&newer.channel_id, &newer.id).await;
    assert_eq!(read.expect("read"), Some(newer));
}

#[tokio::test]
async fn ending_a_record_from_outside_keeps_what_its_edge_wrote_meanwhile() {
    let database = Database::start().await;
    let store = &database.store;
    let open = session(0, 1);
    let end = SessionEnd {
        id: open.id.clone(),
        channel_id: open.channel_id.clone(),
        generation: 1,
        ended_at: NOW,
        reason: EndReason::Dropped,
    };
    assert!(!store.end_session(&end).await.expect("no record to end"));
    // The edge's last figures arrive between the reader's look and its write.
    let mean = MeanBitrate {
        media_bytes: 1_500_000,
        millis: 6_000,
    };
    store
        .put_session(&Session {
            mean,
            ..open.clone()
        })
        .await
        .expect("written");
    assert!(store.end_session(&end).await.expect("available"));
    assert!(!store.end_session(&end).await.expect("ended already"));
    let read = store
        .session(&open.channel_id, &open.id)
        .await
        .expect("read");
    let ended = Session {
        mean,
        ended_at: Some(NOW),
        reason: Some(EndReason::Dropped),
        ..open
    };
    assert_eq!(read, Some(ended));
}

#[tokio::test]
async fn sessions_are_listed_newest_first_page_by_page() {
    let database = Database::start().await;
    let store = &database.store;
    for began in [3_000, 1_000, 2_000] {
        store
            .put_session(&session(began, 1))
            .await
            .expect("written");
    }
    let first = store.sessions(&channel(1), 2, None).await.expect("read");
    assert_eq!(first.items, [session(3_000, 1), session(2_000, 1)]);
    let cursor = first.cursor.expect("more");
    let second = store.sessions(&channel(1), 2, Some(&cursor)).await;
    let second = second.expect("read");
    assert_eq!(
        (second.items, second.cursor),
        (vec![session(1_000, 1)], None)
    );
    let limited = store.sessions(&channel(1), 0, None).await.expect("read");
    assert_eq!(limited.items.len(), 1, "a limit of none is one");
}

#[tokio::test]
async fn a_log_that_cannot_be_read_says_which_attribute_and_never_what_it_holds() {
    let database = Database::start().await;
    let written = session(0, 1);
    database.store.put_session(&written).await.expect("written");
    let spoil = database
        .client
        .update_item()
        .table_name(database.table("sessions"))
        .key(
            "pk",
            aws_sdk_dynamodb::types::AttributeValue::S(format!("CH#{}", channel(1))),
        )
        .key(
            "sk",
            aws_sdk_dynamodb::types::AttributeValue::S(written.id.to_string()),
        )
        .update_expression("SET startedAt = :wrong")
        .expression_attribute_values(
            ":wrong",
            aws_sdk_dynamodb::types::AttributeValue::S("SPOILED".into()),
        );
    spoil.send().await.expect("spoiled");
    let read = database
        .store
        .session(&written.channel_id, &written.id)
        .await;
    let Err(error @ Error::Corrupt { .. }) = read else {
        panic!("{read:?}");
    };
    let said = format!("{error} {error:?}");
    assert!(
        said.contains("startedAt") && !said.contains("SPOILED"),
        "{said}"
    );
}

fn attempt(at: u64, encoder: Option<&str>) -> Attempt {
    Attempt {
        channel_id: channel(1),
        refusal: Refusal::Unauthorized,
        ip_address: "2001:db8::1".into(),
        encoder: encoder.map(str::to_owned),
        at: Timestamp::from_millis(at),
    }
}

#[tokio::test]
async fn refused_attempts_of_a_minute_are_one_record_that_counts() {
    let database = Database::start().await;
    let store = &database.store;
    for (at, encoder) in [
        (60_000, None),
        (60_500, Some("obs")),
        (119_000, Some("obs")),
    ] {
        store
            .record_attempt(&attempt(at, encoder))
            .await
            .expect("noted");
    }
    store
        .record_attempt(&attempt(120_000, None))
        .await
        .expect("noted");
    let listed = store.attempts(&channel(1), 10, None).await.expect("read");
    let [newer, older] = listed.items.as_slice() else {
        panic!("{listed:?}");
    };
    assert_eq!((newer.count, newer.encoder.as_deref()), (1, None));
    assert_eq!((older.count, older.encoder.as_deref()), (3, Some("obs")));
    assert_eq!(
        (older.first_at.millis(), older.last_at.millis()),
        (60_000, 119_000)
    );
    assert_eq!(older.reason, "unauthorized");
    assert!(older.detail.ends_with('.') && older.ip_address == "2001:db8::1");
}

#[tokio::test]
async fn a_record_that_was_left_open_is_ended_once_and_nothing_else_of_it_changes() {
    let database = Database::start().await;
    let store = &database.store;
    let open = session(0, 2);
    let end = |generation| SessionEnd {
        id: open.id.clone(),
        channel_id: open.channel_id.clone(),
        generation,
        ended_at: NOW,
        reason: EndReason::Dropped,
    };
    let missing = store.end_session(&end(2)).await;
    assert!(!missing.expect("available"), "an end makes no record");
    assert!(store.put_session(&open).await.expect("available"));
    let older = store.end_session(&end(1)).await;
    assert!(!older.expect("available"), "a later generation wrote it");
    for ended in [true, false] {
        let done = store.end_session(&end(3)).await;
        assert_eq!(done.expect("available"), ended);
    }
    let read = store.session(&open.channel_id, &open.id).await;
    let expected = Session {
        generation: 3,
        ended_at: Some(NOW),
        reason: Some(EndReason::Dropped),
        ..open
    };
    assert_eq!(read.expect("read"), Some(expected));
}
