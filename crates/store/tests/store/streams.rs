//! Records of change streams, as they are read.

use domain::attempt::Attempt;
use domain::live::State;
use domain::{Refusal, Timestamp};
use serde_json::{Value, json};
use store::{Error, StreamChange};

use crate::database::Database;
use crate::live::{channel, owner};

fn live(state: &str, sequence: &str) -> Value {
    json!({
        "pk": {"S": format!("lock:stream:{}", channel(1))}, "st": {"S": state}, "gen": {"N": "3"},
        "seq": {"N": sequence}, "owner": {"S": owner(1).to_string()},
        "attemptId": {"S": "a"}, "connectionId": {"S": "c"}, "sessionId": {"S": "s"},
        "keyVersion": {"N": "2"}, "clientIp": {"S": "192.0.2.1"},
        "startedAt": {"N": "1900000000000"}, "lastLiveAt": {"N": "1900000000500"},
    })
}

#[tokio::test]
async fn a_live_item_is_read_as_it_is_and_as_it_was() {
    let database = Database::without_tables().await;
    let read = |new: &Value, old: Option<&Value>| {
        let stream = database.stream_of("live");
        database.store.stream_change(&stream, new, old)
    };
    let (starting, live) = (live("STARTING", "0"), live("LIVE", "1"));
    let Ok(StreamChange::Live { item, before }) = read(&live, Some(&starting)) else {
        panic!("a live item");
    };
    assert_eq!((item.state, item.version.generation), (State::Live, 3));
    assert_eq!((item.channel_id, item.owner), (channel(1), Some(owner(1))));
    assert_eq!(before.map(|before| before.state), Some(State::Starting));
    for old in [None, Some(&json!({ "st": {"S": "DANCING"} }))] {
        let Ok(StreamChange::Live { before: None, .. }) = read(&live, old) else {
            panic!("what it was cannot be read, what it is can");
        };
    }
    let Err(Error::Corrupt { table, what }) = read(&json!({}), None) else {
        panic!("an empty image is no item");
    };
    assert_eq!((table, what), ("live", "pk"));
}

#[tokio::test]
async fn of_coalesced_attempts_the_first_is_told_from_the_others() {
    let database = Database::start().await;
    let attempt = |at| Attempt {
        channel_id: channel(1),
        refusal: Refusal::Unauthorized,
        ip_address: "2001:db8::1".into(),
        encoder: None,
        at: Timestamp::from_millis(at),
    };
    let mut images = Vec::new();
    for at in [60_000, 61_000] {
        let recorded = database.store.record_attempt(&attempt(at)).await;
        recorded.expect("noted");
        images.extend(database.images("attempts").await);
    }
    let stream = database.stream_of("attempts");
    for (new, old, first, times) in [
        (&images[0], None, true, 1),
        (&images[1], Some(&images[0]), false, 2),
    ] {
        let read = database.store.stream_change(&stream, new, old);
        let Ok(StreamChange::Attempt {
            channel_id,
            attempt,
            is_first,
        }) = read
        else {
            panic!("{read:?}");
        };
        assert_eq!((channel_id, is_first), (channel(1), first));
        assert_eq!(
            (attempt.reason.as_str(), attempt.count),
            ("unauthorized", times)
        );
        assert_eq!(attempt.first_at.millis(), 60_000);
    }
}

#[tokio::test]
async fn a_record_of_a_table_that_nobody_follows_is_none() {
    let database = Database::without_tables().await;
    let foreign = database.stream_of("live").replace("test-", "other-");
    for source in ["", "arn", &database.stream_of("channels"), &foreign] {
        let read = database
            .store
            .stream_change(source, &live("LIVE", "1"), None);
        assert!(matches!(read, Err(Error::Corrupt { .. })), "{source}");
    }
    let followed = database.store.streamed_tables();
    let expected = ["live", "attempts", "audit"].map(|name| database.table(name));
    assert_eq!(followed, expected);
}
