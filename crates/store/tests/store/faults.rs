//! The tables themselves, and what a store in trouble looks like to its callers.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ProjectionType,
    ScalarAttributeType, StreamViewType, TimeToLiveStatus,
};
use domain::StreamKey;
use store::client::{ATTEMPT_TIMEOUT, MAX_ATTEMPTS, OPERATION_TIMEOUT};
use store::{Error, Store};

use crate::channels::channel as a_channel;
use crate::database::{Database, Fault};
use crate::live::channel;

#[tokio::test]
async fn tables_are_created_once_with_their_stream_index_and_expiry() {
    let database = Database::start().await;
    database.store.create_tables().await.expect("repeated");
    let client = &database.client;
    for (table, has_stream) in [
        ("live", true),
        ("attempts", true),
        ("audit", true),
        ("channels", false),
        ("events", false),
    ] {
        let stream = database.describe(table).await.stream_specification;
        let view = stream.and_then(|stream| stream.stream_view_type);
        let both = has_stream.then_some(StreamViewType::NewAndOldImages);
        assert_eq!(view, both, "{table}");
    }
    let live = database.describe("live").await;
    let index = live.global_secondary_indexes.expect("an index").remove(0);
    assert_eq!(index.index_name.as_deref(), Some("byOwner"));
    let projection = index.projection.expect("a projection").projection_type;
    assert_eq!(projection, Some(ProjectionType::KeysOnly));
    for (table, expires) in [
        ("live", false),
        ("channels", false),
        ("sessions", false),
        ("attempts", true),
        ("audit", true),
        ("events", true),
        ("connections", true),
        ("tickets", true),
        ("idempotency", true),
    ] {
        let request = client.describe_time_to_live();
        let answer = request.table_name(database.table(table)).send().await;
        let description = answer.expect("described").time_to_live_description;
        let status = description.and_then(|description| description.time_to_live_status);
        let enabled = status == Some(TimeToLiveStatus::Enabled);
        assert_eq!(enabled, expires, "{table}");
    }
}

#[tokio::test]
async fn a_table_of_an_earlier_release_gets_its_change_stream() {
    let database = Database::without_tables().await;
    let key = KeySchemaElement::builder()
        .attribute_name("pk")
        .key_type(KeyType::Hash);
    let sort = KeySchemaElement::builder()
        .attribute_name("sk")
        .key_type(KeyType::Range);
    let attribute = |name| {
        let attribute = AttributeDefinition::builder().attribute_name(name);
        attribute.attribute_type(ScalarAttributeType::S).build()
    };
    let created = database
        .client
        .create_table()
        .table_name(database.table("attempts"))
        .key_schema(key.build().expect("whole"))
        .key_schema(sort.build().expect("whole"))
        .attribute_definitions(attribute("pk").expect("whole"))
        .attribute_definitions(attribute("sk").expect("whole"))
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await;
    created.expect("made");
    assert_eq!(
        database.describe("attempts").await.stream_specification,
        None
    );
    for _ in 0..2 {
        database.store.create_tables().await.expect("made or kept");
    }
    let stream = database.describe("attempts").await.stream_specification;
    let view = stream.and_then(|stream| stream.stream_view_type);
    assert_eq!(view, Some(StreamViewType::NewAndOldImages));
}

#[tokio::test]
async fn a_store_that_hangs_is_unavailable_within_the_operations_bound() {
    let database = Database::start().await;
    for _ in 0..MAX_ATTEMPTS {
        database.faults.add("GetItem", Fault::Hang);
    }
    let began = Instant::now();
    let read = database.store.live(&channel(1)).await;
    let took = began.elapsed();
    assert!(matches!(read, Err(Error::Unavailable(_))), "{read:?}");
    assert!(took >= ATTEMPT_TIMEOUT, "{took:?}");
    assert!(
        took < OPERATION_TIMEOUT + Duration::from_secs(2),
        "{took:?}"
    );
}

#[tokio::test]
async fn one_attempt_that_hangs_or_is_throttled_is_made_good_by_the_next() {
    let throttled = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}"#;
    for fault in [
        Fault::Hang,
        Fault::Answer(400, throttled.into()),
        Fault::Answer(500, "{}".into()),
    ] {
        let database = Database::start().await;
        database.faults.add("GetItem", fault.clone());
        let read = database.store.live(&channel(1)).await;
        assert!(matches!(read, Ok(None)), "{fault:?}: {read:?}");
        assert_eq!(database.faults.left(), 0);
    }
}

#[tokio::test]
async fn a_store_that_throttles_every_attempt_is_unavailable() {
    let database = Database::start().await;
    let body =
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}"#;
    for _ in 0..MAX_ATTEMPTS {
        let throttled = Fault::Answer(400, body.into());
        database.faults.add("GetItem", throttled);
    }
    let read = database.store.live(&channel(1)).await;
    assert!(matches!(read, Err(Error::Unavailable(_))), "{read:?}");
    assert_eq!(database.faults.left(), 0, "every attempt was used");
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let database = Database::at(&format!("http://{address}"));
    let read = database.store.edges().await;
    assert!(matches!(read, Err(Error::Unavailable(_))), "{read:?}");
}

/// A page of a list as the service answers it, with more to come after `after`.
fn page(items: &[serde_json::Value], after: Option<serde_json::Value>) -> Fault {
    let mut body = serde_json::json!({ "Items": items, "Count": items.len() });
    if let Some(after) = after {
        body["LastEvaluatedKey"] = after;
    }
    Fault::Answer(200, body.to_string())
}

fn lock(number: u16) -> serde_json::Value {
    serde_json::json!({
        "pk": {"S": format!("lock:stream:{}", channel(number))}, "st": {"S": "LIVE"},
        "gen": {"N": "1"}, "seq": {"N": "1"}, "keyVersion": {"N": "1"}, "owner": {"S": "edge#1"},
    })
}

#[tokio::test]
async fn a_list_that_comes_in_pages_is_read_whole() {
    let database = Database::start().await;
    let after = serde_json::json!({"pk": {"S": "lock:stream:x"}});
    for operation in ["Scan", "Query"] {
        // An empty page is not the end.
        for (items, after) in [
            (vec![lock(1)], Some(after.clone())),
            (vec![], Some(after.clone())),
            (vec![lock(2)], None),
        ] {
            database.faults.add(operation, page(&items, after));
        }
    }
    let unfinished = database.store.unfinished().await.expect("read");
    let ids: Vec<_> = unfinished.into_iter().map(|item| item.channel_id).collect();
    assert_eq!(ids, [channel(1), channel(2)]);
    let owner = domain::Owner::parse("edge#1").expect("valid");
    let held = database.store.held_by(&owner).await.expect("read");
    assert_eq!(held, [channel(1), channel(2)]);
    assert_eq!(database.faults.left(), 0);
}

#[tokio::test]
async fn channels_that_a_busy_store_left_out_are_asked_for_again() {
    let database = Database::start().await;
    for number in 0..3 {
        let made = database.store.create_channel(&a_channel(number)).await;
        made.expect("made");
    }
    let key = |number| {
        serde_json::json!({
            "pk": {"S": format!("CH#{}", channel(number))}, "sk": {"S": "META"},
        })
    };
    let table = database.table("channels");
    let partly = serde_json::json!({
        "Responses": {},
        "UnprocessedKeys": {table: {"Keys": [key(2), key(0)], "ConsistentRead": true}},
    });
    let busy = Fault::Answer(200, partly.to_string());
    database.faults.add("BatchGetItem", busy.clone());
    let owner = a_channel(0).user_id;
    let listed = database.store.channels_of(&owner, 10, None).await;
    let ids: Vec<_> = listed
        .expect("read")
        .items
        .into_iter()
        .map(|channel| channel.id)
        .collect();
    assert_eq!(ids, [channel(0), channel(2)], "what was asked for again");
    for _ in 0..4 {
        database.faults.add("BatchGetItem", busy.clone());
    }
    let listed = database.store.channels_of(&owner, 10, None).await;
    assert!(matches!(listed, Err(Error::Unavailable(_))), "{listed:?}");
    assert_eq!(database.faults.left(), 0);
}

#[tokio::test]
async fn a_missing_table_is_a_fault_that_repeating_does_not_mend() {
    let database = Database::without_tables().await;
    let read = database.store.live(&channel(1)).await;
    let Err(error @ Error::Refused(_)) = read else {
        panic!("{read:?}");
    };
    let trouble = std::error::Error::source(&error).expect("for the operator");
    assert!(
        trouble.to_string().contains("ResourceNotFoundException"),
        "{trouble}"
    );
}

#[tokio::test]
async fn no_error_says_a_keys_hash_even_where_the_store_quotes_it() {
    let database = Database::start().await;
    let hash = StreamKey::generate(|bytes| bytes.fill(3)).hash();
    let quoting = serde_json::json!({
        "__type": "com.amazon.coral.validate#ValidationException",
        "message": format!("the key KEY#{} is not valid", hash.to_hex()),
    });
    database
        .faults
        .add("GetItem", Fault::Answer(400, quoting.to_string()));
    let Err(error) = database.store.key(&hash).await else {
        panic!("it was refused");
    };
    let source = std::error::Error::source(&error).map(|source| format!("{source} {source:?}"));
    let said = format!("{error} {error:?} {source:?}");
    assert!(said.contains("ValidationException"), "{said}");
    assert!(!said.contains(&hash.to_hex()), "{said}");
}

#[test]
fn calls_can_be_made_from_any_task() {
    fn assert_send<T: Send>(_: impl FnOnce(&'static Store) -> T) {}
    assert_send(|store| store.unfinished());
    assert_send(|store| store.create_tables());
}
