//! What follows from a change of a live item; the events of it are in `events`.

use std::time::Duration;

use domain::live::{EndReason, Item, Write};
use domain::session::{MeanBitrate, Session};
use domain::{ChannelId, Timestamp};
use serde_json::{Value, json};

use crate::stack::{Stack, now};

fn batch(images: &[(&str, Value, Value)]) -> Value {
    batch_of("live", images)
}

/// An event of the change stream of a table: sequence numbers with images before and after.
pub(crate) fn batch_of(table: &str, images: &[(&str, Value, Value)]) -> Value {
    let source = format!("arn:aws:dynamodb:us-east-1:000000000000:table/{table}/stream/1");
    let records = images.iter().map(|(number, old, new)| {
        let mut change = json!({
            "ApproximateCreationDateTime": 1_900_000_000,
            "Keys": { "pk": new["pk"] },
            "NewImage": new,
            "SequenceNumber": number,
            "SizeBytes": 300,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        });
        if !old.is_null() {
            change["OldImage"] = old.clone();
        }
        json!({
            "eventID": number,
            "eventName": if old.is_null() { "INSERT" } else { "MODIFY" },
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": change,
            "eventSourceARN": source,
        })
    });
    json!({ "Records": records.collect::<Vec<_>>() })
}

/// A change of one item, from one image to the next.
async fn follow(stack: &Stack, old: Value, new: Value) {
    let answer = stack.status_fanout.invoke(batch(&[("1", old, new)])).await;
    assert_eq!(
        answer.expect("an answer"),
        json!({ "batchItemFailures": [] })
    );
}

/// A broadcast that its edge ended, with the images before and after the end.
struct Ended {
    stack: Stack,
    channel_id: ChannelId,
    live: Item,
    offline: Item,
    before: Value,
    after: Value,
}

impl Ended {
    async fn new(reason: EndReason) -> Self {
        let stack = Stack::start().await;
        let (channel_id, edge) = (stack.channel("alice").await, stack.edge(1).await);
        let live = stack.go_live(&channel_id, &edge, now()).await;
        let before = stack.image(&channel_id).await;
        let offline = stack.write(&live.end(now(), reason).expect("held")).await;
        let after = stack.image(&channel_id).await;
        Self {
            stack,
            channel_id,
            live,
            offline,
            before,
            after,
        }
    }

    fn record(&self, ended_at: Option<Timestamp>) -> Session {
        Session {
            id: self.live.session_id.clone().expect("a session"),
            channel_id: self.channel_id.clone(),
            generation: 1,
            ip_address: "192.0.2.7".into(),
            encoder: Some("OBS".into()),
            started_at: self.live.started_at.expect("a start"),
            ended_at,
            mean: MeanBitrate::default(),
            resolution: None,
            fps: None,
            edge_ids: vec![self.live.owner.clone().expect("an owner").edge_id],
            reason: ended_at.map(|_| EndReason::Shutdown),
        }
    }

    async fn put(&self, session: &Session) {
        let put = self.stack.services.store.put_session(session).await;
        assert!(put.expect("a write"));
    }

    async fn logged(&self) -> Option<Session> {
        let id = self.live.session_id.as_ref().expect("a session");
        let read = self.stack.services.store.session(&self.channel_id, id);
        read.await.expect("a read")
    }

    async fn follow(&self) {
        follow(&self.stack, self.before.clone(), self.after.clone()).await;
    }
}

#[tokio::test]
async fn a_change_is_pushed_again_to_the_owners_dashboards_only() {
    let stack = Stack::start().await;
    let (id, edge) = (stack.channel("alice").await, stack.edge(1).await);
    for (user, page) in [("alice", "one"), ("alice", "two"), ("bob", "other")] {
        stack.dashboard(user, page).await;
    }
    stack.go_live(&id, &edge, now()).await;
    follow(&stack, Value::Null, stack.image(&id).await).await;
    for page in ["one", "two"] {
        let messages = stack.dashboards.messages(page);
        // The status comes first, and then what is told of it.
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert_eq!(messages[1]["type"], "event");
        assert_eq!(messages[0]["type"], "status");
        assert_eq!(messages[0]["status"], "LIVE");
        assert_eq!(messages[0]["channelId"], id.as_str());
        assert_eq!(
            (&messages[0]["gen"], &messages[0]["seq"]),
            (&json!(1), &json!(1))
        );
    }
    assert_eq!(stack.dashboards.messages("other"), [] as [Value; 0]);
}

#[tokio::test]
async fn a_publisher_that_has_sent_no_media_is_no_news() {
    let stack = Stack::start().await;
    let (id, edge) = (stack.channel("alice").await, stack.edge(1).await);
    stack.dashboard("alice", "page").await;
    let acquire = stack.acquisition(&id, &edge, now()).await;
    stack.write(&Write::Acquire(acquire)).await;
    follow(&stack, Value::Null, stack.image(&id).await).await;
    assert_eq!(stack.dashboards.messages("page"), [] as [Value; 0]);
}

#[tokio::test]
async fn a_session_record_that_its_edge_left_open_is_closed_once() {
    let broadcast = Ended::new(EndReason::Unpublished).await;
    broadcast.put(&broadcast.record(None)).await;
    broadcast.follow().await;
    let logged = broadcast.logged().await.expect("a record");
    assert_eq!(logged.ended_at, broadcast.offline.ended_at);
    assert_eq!(logged.reason, Some(EndReason::Unpublished));
    assert_eq!(logged.encoder.as_deref(), Some("OBS"), "the rest is kept");
    broadcast.follow().await;
    assert_eq!(broadcast.logged().await, Some(logged));
}

#[tokio::test]
async fn a_session_record_that_its_edge_closed_is_left_alone() {
    let broadcast = Ended::new(EndReason::Unpublished).await;
    let closed = broadcast.record(Some(now() + Duration::from_secs(1)));
    broadcast.put(&closed).await;
    broadcast.follow().await;
    assert_eq!(broadcast.logged().await, Some(closed));
}

#[tokio::test]
async fn a_broadcast_whose_edge_died_before_its_record_is_on_record_all_the_same() {
    let broadcast = Ended::new(EndReason::Dropped).await;
    broadcast.follow().await;
    let logged = broadcast.logged().await.expect("a record");
    assert_eq!(Some(logged.started_at), broadcast.live.started_at);
    assert_eq!(logged.ip_address, "192.0.2.7");
    assert_eq!(logged.edge_ids, broadcast.record(None).edge_ids);
    assert_eq!(logged.reason, Some(EndReason::Dropped));
}

#[tokio::test]
async fn a_publisher_that_never_sent_media_leaves_no_record() {
    let stack = Stack::start().await;
    let (id, edge) = (stack.channel("alice").await, stack.edge(1).await);
    let acquire = stack.acquisition(&id, &edge, now()).await;
    let starting = stack.write(&Write::Acquire(acquire)).await;
    let before = stack.image(&id).await;
    let ended = starting.dropped(now(), Duration::from_secs(10));
    stack.write(&ended.expect("held")).await;
    follow(&stack, before, stack.image(&id).await).await;
    let log = stack.services.store.sessions(&id, 10, None).await;
    assert_eq!(log.expect("a read").items, []);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_does_not_hold_up_those_after_it() {
    let stack = Stack::start().await;
    let (id, edge) = (stack.channel("alice").await, stack.edge(1).await);
    stack.dashboard("alice", "page").await;
    stack.go_live(&id, &edge, now()).await;
    let good = stack.image(&id).await;
    let bad = json!({ "pk": { "S": "lock:stream:x" }, "st": { "S": "DANCING" } });
    let event = batch(&[("1", Value::Null, bad), ("2", Value::Null, good)]);
    let answer = stack.status_fanout.invoke(event).await.expect("an answer");
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    assert_eq!(stack.dashboards.messages("page")[0]["status"], "LIVE");
}

#[tokio::test]
async fn a_batch_goes_on_from_the_record_that_the_store_gave_no_answer_for() {
    let stack = Stack::start().await;
    let (id, edge) = (stack.channel("alice").await, stack.edge(1).await);
    stack.go_live(&id, &edge, now()).await;
    let image = stack.image(&id).await;
    let event = batch(&[("7", Value::Null, image.clone()), ("8", Value::Null, image)]);
    let away = Stack::without_a_store().await;
    let answer = away.status_fanout.invoke(event).await.expect("an answer");
    let expected = json!({ "batchItemFailures": [{ "itemIdentifier": "7" }] });
    assert_eq!(answer, expected);
}
