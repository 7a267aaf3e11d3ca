//! An embedded DynamoDB on a loopback port for each test, and a client whose requests can be made
//! to fail on cue.
//!
//! With `DYNAMODB_URL` the same stories run on the DynamoDB at that address, each with tables of
//! its own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::{Response, StatusCode};
use aws_smithy_runtime_api::shared::IntoShared as _;
use store::Store;

/// What happens to a request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// None: it is carried out and answered.
    Pass,
    /// It is carried out and its answer is lost.
    LoseAnswer,
    /// It is never answered.
    Hang,
    /// It is not carried out; this status and body are answered.
    Answer(u16, String),
}

/// Which requests fail: the next of an operation, in order. An operation that is not named works.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Arc<Mutex<VecDeque<(&'static str, Fault)>>>);

impl Faults {
    /// The next request of `operation` meets `fault`.
    pub(crate) fn add(&self, operation: &'static str, fault: Fault) {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.push_back((operation, fault));
    }

    /// How many faults were not met.
    pub(crate) fn left(&self) -> usize {
        let faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.len()
    }

    fn take(&self, request: &HttpRequest) -> Option<Fault> {
        let target = request.headers().get("x-amz-target")?;
        let operation = target.rsplit('.').next()?;
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = faults.iter().position(|(name, _)| *name == operation)?;
        faults.remove(place).map(|(_, fault)| fault)
    }
}

/// A store on an embedded DynamoDB of its own. The server ends with the test's runtime.
pub(crate) struct Database {
    pub(crate) store: Store,
    prefix: String,
    pub(crate) client: aws_sdk_dynamodb::Client,
    pub(crate) streams: aws_sdk_dynamodbstreams::Client,
    pub(crate) faults: Faults,
}

impl Database {
    /// With its tables.
    pub(crate) async fn start() -> Self {
        let database = Self::without_tables().await;
        database.store.create_tables().await.expect("tables");
        database
    }

    pub(crate) async fn without_tables() -> Self {
        if let Ok(url) = std::env::var("DYNAMODB_URL") {
            return Self::at(&url);
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        let embedded = dynoxide::Database::memory().expect("memory");
        tokio::spawn(dynoxide::server::serve_on(listener, embedded));
        Self::at(&format!("http://{address}"))
    }

    /// The whole name of a table.
    pub(crate) fn table(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// What the database says of a table.
    pub(crate) async fn describe(&self, name: &str) -> aws_sdk_dynamodb::types::TableDescription {
        let request = self.client.describe_table().table_name(self.table(name));
        let described = request.send().await.expect("described");
        described.table.expect("a table")
    }

    /// All items of a table, as the change stream shows them.
    pub(crate) async fn images(&self, name: &str) -> Vec<serde_json::Value> {
        let request = self.client.scan().table_name(self.table(name));
        let scanned = request.consistent_read(true).send().await.expect("read");
        let items = scanned.items().iter();
        items
            .map(|item| {
                let attributes = item.iter();
                attributes
                    .map(|(name, value)| (name.clone(), image(value)))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            })
            .collect()
    }

    /// The change stream of a table.
    pub(crate) fn stream_of(&self, name: &str) -> String {
        let table = self.table(name);
        format!("arn:aws:dynamodb:us-east-1:000000000000:table/{table}/stream/1")
    }

    /// A client of the DynamoDB at `url`.
    pub(crate) fn at(url: &str) -> Self {
        let faults = Faults::default();
        let http = SharedHttpClient::new(FaultyClient {
            inner: Builder::new().build_http(),
            faults: faults.clone(),
        });
        let credentials = Credentials::new("fake", "fake", None, None, "test");
        let sdk = aws_config::SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(url)
            .http_client(http)
            .build();
        let config = store::client::config_for(&sdk).build();
        let client = aws_sdk_dynamodb::Client::from_conf(config);
        let prefix = format!("test-{:016x}-", rand::random::<u64>());
        Self {
            store: Store::new(client.clone(), &prefix),
            prefix,
            client,
            streams: aws_sdk_dynamodbstreams::Client::new(&sdk),
            faults,
        }
    }
}

fn image(value: &AttributeValue) -> serde_json::Value {
    use serde_json::json;
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(truth) => json!({ "BOOL": truth }),
        AttributeValue::L(values) => {
            json!({ "L": values.iter().map(image).collect::<Vec<_>>() })
        }
        other => panic!("no table with a stream has {other:?}"),
    }
}

#[derive(Debug)]
struct FaultyClient {
    inner: SharedHttpClient,
    faults: Faults,
}

impl HttpClient for FaultyClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        FaultyConnector {
            inner: self.inner.http_connector(settings, components),
            faults: self.faults.clone(),
        }
        .into_shared()
    }
}

#[derive(Debug)]
struct FaultyConnector {
    inner: SharedHttpConnector,
    faults: Faults,
}

impl HttpConnector for FaultyConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let fault = self.faults.take(&request);
        let inner = self.inner.clone();
        HttpConnectorFuture::new(async move {
            match fault {
                None | Some(Fault::Pass) => inner.call(request).await,
                Some(Fault::LoseAnswer) => {
                    inner.call(request).await?;
                    Err(ConnectorError::io("the answer was lost".into()))
                }
                Some(Fault::Hang) => std::future::pending().await,
                Some(Fault::Answer(status, body)) => {
                    let status = StatusCode::try_from(status).expect("a status");
                    Ok(Response::new(status, body.into()))
                }
            }
        })
    }
}
