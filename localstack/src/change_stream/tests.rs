//! The change stream of a real table in the embedded database.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType, StreamSpecification, StreamViewType,
};
use futures_util::FutureExt as _;
use tokio::sync::mpsc;

use super::*;
use crate::database::Database;

const TABLE: &str = "live";
const DEADLINE: Duration = Duration::from_secs(10);

/// A database with one table that has a stream.
async fn database() -> Database {
    let database = Database::embedded(None).await.unwrap();
    let key = KeySchemaElement::builder()
        .attribute_name("pk")
        .key_type(KeyType::Hash);
    let attribute = AttributeDefinition::builder()
        .attribute_name("pk")
        .attribute_type(ScalarAttributeType::S);
    let stream = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::NewAndOldImages);
    aws_sdk_dynamodb::Client::new(&database.sdk_config().await)
        .create_table()
        .table_name(TABLE)
        .key_schema(key.build().unwrap())
        .attribute_definitions(attribute.build().unwrap())
        .stream_specification(stream.build().unwrap())
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
    database
}

async fn put(database: &Database, pk: &str, n: u32) {
    aws_sdk_dynamodb::Client::new(&database.sdk_config().await)
        .put_item()
        .table_name(TABLE)
        .item("pk", AttributeValue::S(pk.into()))
        .item("n", AttributeValue::N(n.to_string()))
        .send()
        .await
        .unwrap();
}

type Answer = fn(&Value) -> Result<Value, String>;

/// A function that gives these answers in turn and then takes everything.
fn function(answers: Vec<Answer>) -> (Function, mpsc::UnboundedReceiver<Value>) {
    let (sender, events) = mpsc::unbounded_channel();
    let answers = Arc::new(Mutex::new(answers.into_iter()));
    let function = Function::new("status-fanout", move |event| {
        let next = answers.lock().unwrap().next();
        let answer = next.map_or(Ok(Value::Null), |answer| answer(&event));
        sender.send(event).unwrap();
        async move { Ok(answer?) }.boxed()
    });
    (function, events)
}

async fn stream(database: &Database, function: Function, positions: Positions) -> ChangeStream {
    let client = Client::new(&database.sdk_config().await);
    ChangeStream::new(client, TABLE.into(), function, positions, Start::Oldest)
}

async fn next(events: &mut mpsc::UnboundedReceiver<Value>) -> Value {
    tokio::time::timeout(DEADLINE, events.recv())
        .await
        .unwrap()
        .unwrap()
}

fn numbers(event: &Value) -> Vec<&str> {
    event["Records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["dynamodb"]["NewImage"]["n"]["N"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_change_arrives_as_the_event_that_dynamodb_sends() {
    let database = database().await;
    put(&database, "a", 1).await;
    put(&database, "a", 2).await;
    let (function, mut events) = function(Vec::new());
    let shutdown = CancellationToken::new();
    let stream = stream(&database, function, Positions::default()).await;
    let running = tokio::spawn(stream.run(shutdown.clone()));
    let mut event = next(&mut events).await;
    shutdown.cancel();
    running.await.unwrap();
    for record in event["Records"].as_array_mut().unwrap() {
        assert!(record["dynamodb"]["ApproximateCreationDateTime"].is_u64());
        assert!(
            record["eventSourceARN"]
                .as_str()
                .unwrap()
                .contains("table/live/stream/")
        );
        record["dynamodb"]["ApproximateCreationDateTime"] = 1_900_000_000.into();
        record["eventSourceARN"] = "arn".into();
        record["dynamodb"]["SequenceNumber"] = "100000000000000000001".into();
        record["eventID"] = "id".into();
    }
    insta::assert_json_snapshot!(event);
}

#[tokio::test]
async fn a_batch_that_failed_is_handed_on_again_before_what_comes_after() {
    let database = database().await;
    for n in 1..=3 {
        put(&database, "a", n).await;
    }
    let (function, mut events) = function(vec![|_event| Err("not now".into())]);
    let shutdown = CancellationToken::new();
    let stream = stream(&database, function, Positions::default()).await;
    let running = tokio::spawn(stream.run(shutdown.clone()));
    assert_eq!(numbers(&next(&mut events).await), ["1", "2", "3"]);
    put(&database, "a", 4).await;
    assert_eq!(numbers(&next(&mut events).await), ["1", "2", "3"]);
    assert_eq!(numbers(&next(&mut events).await), ["4"]);
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn only_what_the_function_did_not_take_is_handed_on_again() {
    let database = database().await;
    for n in 1..=3 {
        put(&database, "a", n).await;
    }
    let (function, mut events) = function(vec![|event| {
        let second = &event["Records"][1]["dynamodb"]["SequenceNumber"];
        Ok(json!({"batchItemFailures": [{"itemIdentifier": second}]}))
    }]);
    let shutdown = CancellationToken::new();
    let stream = stream(&database, function, Positions::default()).await;
    let running = tokio::spawn(stream.run(shutdown.clone()));
    assert_eq!(numbers(&next(&mut events).await), ["1", "2", "3"]);
    assert_eq!(numbers(&next(&mut events).await), ["2", "3"]);
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn what_was_not_taken_until_the_end_is_handed_on_by_the_next_start() {
    let database = database().await;
    let state = tempfile::tempdir().unwrap();
    for n in 1..=2 {
        put(&database, "a", n).await;
    }
    let second_fails: Answer = |event| {
        let last = &event["Records"].as_array().unwrap().last().unwrap()["dynamodb"];
        Ok(json!({"batchItemFailures": [{"itemIdentifier": last["SequenceNumber"]}]}))
    };
    // Stopped before it began: it tries once, and once more.
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    let (away, mut events) = function(vec![second_fails, |_event| Err("away".into())]);
    let positions = Positions::open(Some(state.path()), TABLE);
    let mut first = stream(&database, away, positions).await;
    assert!(first.follow(Start::Oldest, &shutdown).await.is_err());
    assert_eq!(numbers(&next(&mut events).await), ["1", "2"]);
    assert_eq!(numbers(&next(&mut events).await), ["2"]);

    let (back, mut events) = function(Vec::new());
    let positions = Positions::open(Some(state.path()), TABLE);
    let mut second = stream(&database, back, positions).await;
    second.follow(Start::Oldest, &shutdown).await.unwrap();
    assert_eq!(numbers(&next(&mut events).await), ["2"]);
    assert!(events.try_recv().is_err());
}

#[tokio::test]
async fn what_was_handed_on_before_a_restart_is_not_handed_on_again() {
    let database = database().await;
    let state = tempfile::tempdir().unwrap();
    for n in 1..=2 {
        put(&database, "a", n).await;
        let (function, mut events) = function(Vec::new());
        // Stopped before it began: it still hands on what is there.
        let shutdown = CancellationToken::new();
        let positions = Positions::open(Some(state.path()), TABLE);
        let stream = stream(&database, function, positions).await;
        let running = tokio::spawn(stream.run(shutdown.clone()));
        assert_eq!(numbers(&next(&mut events).await), [n.to_string()]);
        shutdown.cancel();
        running.await.unwrap();
        assert!(events.try_recv().is_err());
    }
}

#[tokio::test]
async fn what_was_written_until_the_end_is_handed_on_at_the_end() {
    let database = database().await;
    let (function, mut events) = function(Vec::new());
    let shutdown = CancellationToken::new();
    let stream = stream(&database, function, Positions::default()).await;
    let running = tokio::spawn(stream.run(shutdown.clone()));
    put(&database, "a", 1).await;
    next(&mut events).await;
    put(&database, "a", 2).await;
    shutdown.cancel();
    running.await.unwrap();
    assert_eq!(numbers(&events.try_recv().unwrap()), ["2"]);
}
