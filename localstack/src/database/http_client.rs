//! An HTTP client for the SDK that has no socket: it hands each request to the embedded database.
//!
//! The SDK goes its whole way (serializing, signing, retrying, timing out); only the last step, which
//! would send bytes, calls a function. The database is synchronous and locks itself, so calls run
//! where blocking is allowed, a bounded number at a time.
//!
//! Absent on purpose: checking signatures, and operations that no part of stream-sync calls.

use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

/// Calls inside the database at once. It runs one at a time: more threads would only wait on its
/// lock, and they are the threads that file access needs too.
const MAX_CALLS: usize = 8;

/// The header that names the operation, as `Service_Version.Operation`.
const TARGET: &str = "x-amz-target";

/// The SDK's HTTP client for one embedded database. Cheap to clone.
#[derive(Clone)]
pub(super) struct InProcess {
    database: Database,
    calls: Arc<Semaphore>,
}

impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InProcess")
    }
}

impl InProcess {
    pub(super) fn new(database: Database) -> Self {
        Self {
            database,
            calls: Arc::new(Semaphore::new(MAX_CALLS)),
        }
    }

    async fn answer(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let operation = operation(&request)?;
        let body = request
            .body()
            .bytes()
            .ok_or_else(|| ConnectorError::user("the request's body is a stream".into()))?
            .to_vec();
        let permit = self
            .calls
            .acquire_owned()
            .await
            .map_err(|closed| ConnectorError::other(closed.into(), None))?;
        // The permit goes into the closure: a caller that gives up does not stop the call.
        let called = tokio::task::spawn_blocking(move || {
            let answer = call(&self.database, &operation, &body);
            drop(permit);
            answer
        });
        let answer = called
            .await
            .map_err(|failed| ConnectorError::other(failed.into(), None))?;
        Ok(response(answer))
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().answer(request))
    }
}

impl HttpClient for InProcess {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// The operation's name, without the service in front of it.
fn operation(request: &HttpRequest) -> Result<String, ConnectorError> {
    request
        .headers()
        .get(TARGET)
        .and_then(|target| target.split_once('.'))
        .map(|(_service, operation)| operation.to_owned())
        .ok_or_else(|| ConnectorError::user("the request names no DynamoDB operation".into()))
}

fn response(answer: Result<Vec<u8>, DynoxideError>) -> HttpResponse {
    let (status, body) = match answer {
        Ok(body) => (200, body),
        Err(error) => (error.status_code(), error.to_json().into_bytes()),
    };
    let status = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::BAD_REQUEST);
    let mut response = HttpResponse::new(status.into(), SdkBody::from(body));
    response
        .headers_mut()
        .insert("content-type", "application/x-amz-json-1.0");
    response
}

/// Runs one operation.
fn call(database: &Database, operation: &str, body: &[u8]) -> Result<Vec<u8>, DynoxideError> {
    match operation {
        "BatchGetItem" => run(body, |request| database.batch_get_item(request)),
        "BatchWriteItem" => run(body, |request| database.batch_write_item(request)),
        "CreateTable" => run(body, |request| database.create_table(request)),
        "DeleteItem" => run(body, |request| database.delete_item(request)),
        "DeleteTable" => run(body, |request| database.delete_table(request)),
        "DescribeStream" => run(body, |request| database.describe_stream(request)),
        "DescribeTable" => run(body, |request| database.describe_table(request)),
        "DescribeTimeToLive" => run(body, |request| database.describe_time_to_live(request)),
        "GetItem" => run(body, |request| database.get_item(request)),
        "GetRecords" => run(body, |request| database.get_records(request)),
        "GetShardIterator" => run(body, |request| database.get_shard_iterator(request)),
        "ListStreams" => run(body, |request| database.list_streams(request)),
        "ListTables" => run(body, |request| database.list_tables(request)),
        "PutItem" => run(body, |request| database.put_item(request)),
        "Query" => run(body, |request| database.query(request)),
        "Scan" => run(body, |request| database.scan(request)),
        "TransactGetItems" => run(body, |request| database.transact_get_items(request)),
        "TransactWriteItems" => run(body, |request| database.transact_write_items(request)),
        "UpdateItem" => run(body, |request| database.update_item(request)),
        "UpdateTable" => run(body, |request| database.update_table(request)),
        "UpdateTimeToLive" => run(body, |request| database.update_time_to_live(request)),
        other => Err(DynoxideError::UnsupportedCapability(format!(
            "{other} is not called by any part of stream-sync"
        ))),
    }
}

fn run<Request: DeserializeOwned, Response: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Request) -> Result<Response, DynoxideError>,
) -> Result<Vec<u8>, DynoxideError> {
    let request = serde_json::from_slice(body)
        .map_err(|error| DynoxideError::ValidationException(error.to_string()))?;
    let response = operation(request)?;
    serde_json::to_vec(&response)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

#[cfg(test)]
pub(super) mod tests {
    use aws_sdk_dynamodb::Client;
    use aws_sdk_dynamodb::error::SdkError;
    use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
    use aws_sdk_dynamodb::types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, Put,
        ReturnValuesOnConditionCheckFailure, ScalarAttributeType, TransactWriteItem,
    };

    const TABLE: &str = "things";

    async fn client() -> Client {
        let database = super::super::Database::embedded(None).await.unwrap();
        let client = Client::new(&database.sdk_config().await);
        create_table(&client).await;
        client
    }

    pub(in super::super) async fn create_table(client: &Client) {
        let key = KeySchemaElement::builder()
            .attribute_name("pk")
            .key_type(KeyType::Hash);
        let attribute = AttributeDefinition::builder()
            .attribute_name("pk")
            .attribute_type(ScalarAttributeType::S);
        client
            .create_table()
            .table_name(TABLE)
            .key_schema(key.build().unwrap())
            .attribute_definitions(attribute.build().unwrap())
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await
            .unwrap();
    }

    pub(in super::super) async fn put(client: &Client, pk: &str, value: &str) {
        client
            .put_item()
            .table_name(TABLE)
            .item("pk", AttributeValue::S(pk.into()))
            .item("v", AttributeValue::S(value.into()))
            .send()
            .await
            .unwrap();
    }

    pub(in super::super) async fn get(client: &Client, pk: &str) -> Option<String> {
        let found = client
            .get_item()
            .table_name(TABLE)
            .key("pk", AttributeValue::S(pk.into()))
            .consistent_read(true)
            .send()
            .await
            .unwrap();
        found.item?.get("v")?.as_s().ok().cloned()
    }

    #[tokio::test]
    async fn the_ordinary_client_reads_what_it_wrote() {
        let client = client().await;
        assert_eq!(get(&client, "a").await, None);
        put(&client, "a", "1").await;
        assert_eq!(get(&client, "a").await.as_deref(), Some("1"));
    }

    #[tokio::test]
    async fn a_failed_condition_returns_the_item_that_failed_it() {
        let client = client().await;
        put(&client, "a", "1").await;
        let refused = client
            .update_item()
            .table_name(TABLE)
            .key("pk", AttributeValue::S("a".into()))
            .update_expression("SET v = :new")
            .condition_expression("v = :seen")
            .expression_attribute_values(":new", AttributeValue::S("3".into()))
            .expression_attribute_values(":seen", AttributeValue::S("2".into()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await
            .unwrap_err();
        let SdkError::ServiceError(refused) = refused else {
            panic!("{refused:?}")
        };
        let UpdateItemError::ConditionalCheckFailedException(refused) = refused.into_err() else {
            panic!("another error")
        };
        let item = refused.item.unwrap();
        assert_eq!(item["v"], AttributeValue::S("1".into()));
        assert_eq!(get(&client, "a").await.as_deref(), Some("1"));
    }

    #[tokio::test]
    async fn a_transaction_that_is_cancelled_writes_nothing_and_says_which_part_failed() {
        let client = client().await;
        put(&client, "a", "1").await;
        let part = |pk: &str| {
            let put = Put::builder()
                .table_name(TABLE)
                .item("pk", AttributeValue::S(pk.into()))
                .condition_expression("attribute_not_exists(pk)");
            TransactWriteItem::builder()
                .put(put.build().unwrap())
                .build()
        };
        let cancelled = client
            .transact_write_items()
            .transact_items(part("b"))
            .transact_items(part("a"))
            .send()
            .await
            .unwrap_err()
            .into_service_error();
        let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(cancelled) =
            cancelled
        else {
            panic!("{cancelled:?}")
        };
        let codes: Vec<_> = cancelled
            .cancellation_reasons()
            .iter()
            .map(|reason| reason.code().unwrap_or_default())
            .collect();
        assert_eq!(codes, ["None", "ConditionalCheckFailed"]);
        assert_eq!(get(&client, "b").await, None);
    }

    #[tokio::test]
    async fn a_table_that_is_not_there_is_the_error_that_dynamodb_gives() {
        let client = client().await;
        let missing = client
            .get_item()
            .table_name("nothing")
            .key("pk", AttributeValue::S("a".into()))
            .send()
            .await
            .unwrap_err();
        assert!(
            missing
                .into_service_error()
                .is_resource_not_found_exception()
        );
    }

    #[tokio::test]
    async fn more_callers_than_the_database_takes_at_once_are_all_answered() {
        let client = client().await;
        let mut writes = tokio::task::JoinSet::new();
        for n in 0..super::MAX_CALLS * 4 {
            let client = client.clone();
            writes.spawn(async move { put(&client, &n.to_string(), "x").await });
        }
        while let Some(written) = writes.join_next().await {
            written.unwrap();
        }
        let found = client.scan().table_name(TABLE).send().await.unwrap();
        assert_eq!(found.count, i32::try_from(super::MAX_CALLS * 4).unwrap());
    }
}
