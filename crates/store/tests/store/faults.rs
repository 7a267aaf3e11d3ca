//! The tables themselves, and what a store in trouble looks like to its callers.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{ProjectionType, StreamViewType, TimeToLiveStatus};
use domain::StreamKey;
use store::client::{ATTEMPT_TIMEOUT, MAX_ATTEMPTS, OPERATION_TIMEOUT};
use store::{Error, Store};

use crate::database::{Database, Fault};
use crate::live::channel;

#[tokio::test]
async fn tables_are_created_once_with_their_stream_index_and_expiry() {
    let database = Database::start().await;
    database.store.create_tables().await.expect("repeated");
    let client = &database.client;
    let described = client.describe_table().table_name("test-live").send().await;
    let live = described.expect("described").table.expect("there");
    let stream = live.stream_specification.expect("a stream");
    assert_eq!(
        stream.stream_view_type,
        Some(StreamViewType::NewAndOldImages)
    );
    let index = live.global_secondary_indexes.expect("an index").remove(0);
    assert_eq!(index.index_name.as_deref(), Some("byOwner"));
    let projection = index.projection.expect("a projection").projection_type;
    assert_eq!(projection, Some(ProjectionType::KeysOnly));
    for (table, expires) in [
        ("live", false),
        ("channels", false),
        ("sessions", false),
        ("attempts", true),
        ("connections", true),
        ("tickets", true),
        ("idempotency", true),
    ] {
        let request = client.describe_time_to_live();
        let answer = request.table_name(format!("test-{table}")).send().await;
        let description = answer.expect("described").time_to_live_description;
        let status = description.and_then(|description| description.time_to_live_status);
        let enabled = status == Some(TimeToLiveStatus::Enabled);
        assert_eq!(enabled, expires, "{table}");
    }
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
