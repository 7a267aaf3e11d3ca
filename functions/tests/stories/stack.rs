//! Everything around the functions, for one test.

mod dashboards;
mod description;
mod identity;
mod rights;

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::edge::{Edge, State};
use domain::live::{Acquire, Claim, Decision, Holder, Item, Write, Written, decide};
use domain::{AttemptId, ChannelId, ConnectionId, EdgeId, SessionId, Timestamp};
use functions::{Function, Keyring, Services, Settings};
use notify::Notifier;
use serde_json::{Value, json};
use store::Store;
use store::cache::Cache;
use tokio::net::TcpListener;

pub(crate) use self::dashboards::Dashboards;
pub(crate) use self::description::{Description, Operation};
use self::identity::Identity;
pub(crate) use self::identity::{AUDIENCE, ISSUER};
use self::rights::Rights;

/// Tests share their processors with builds: a slow answer must not look like a broken store.
const PATIENCE: Duration = Duration::from_secs(30);
/// The origin of the page.
pub(crate) const PAGE: &str = "https://page.example";

pub(crate) struct Stack {
    pub(crate) services: Services,
    pub(crate) api: Function,
    pub(crate) websocket: Function,
    pub(crate) status_fanout: Function,
    pub(crate) reaper: Function,
    pub(crate) dashboards: Dashboards,
    pub(crate) database_url: String,
    pub(crate) description: Description,
    identity: Identity,
    database: aws_sdk_dynamodb::Client,
}

/// An answer of the API, as API Gateway would send it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u64,
    pub(crate) headers: Value,
    pub(crate) body: Value,
}

impl Stack {
    pub(crate) async fn start() -> Self {
        let database = dynoxide::Database::memory().expect("a database");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = url_of(&listener);
        // Both servers end with the test's runtime.
        tokio::spawn(dynoxide::server::serve_on(listener, database));
        let stack = Self::on(&url).await;
        stack.services.store.create_tables().await.expect("tables");
        stack
    }

    /// A stack whose store nobody answers for.
    pub(crate) async fn without_a_store() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = url_of(&listener);
        drop(listener);
        Self::on(&url).await
    }

    async fn on(database_url: &str) -> Self {
        let sdk = sdk();
        let config = || {
            store::client::config_for(&sdk)
                .endpoint_url(database_url)
                .timeout_config(TimeoutConfig::builder().operation_timeout(PATIENCE).build())
        };
        let database = aws_sdk_dynamodb::Client::from_conf(config().build());
        let store = Store::new(database.clone(), "");
        let dashboards = Dashboards::start().await;
        let management = notify::client(&sdk, &dashboards.url);
        let identity = Identity::new();
        let services = Services {
            notifier: Notifier::new(management, store.clone()),
            store,
            cache: Cache::memory(),
            keyring: Keyring::from_bytes([7; 32]),
            authenticator: identity.authenticator(),
            settings: Settings {
                region: "local".into(),
                default_ingest_url: "rtmp://default.example/live".into(),
                default_grace: domain::channel::DEFAULT_GRACE,
                allowed_origins: vec![PAGE.into()],
            },
        };
        // What a function does it does with its own rights; what a test does, with all.
        let with_rights = |function: &str| {
            let config = config().interceptor(Rights::of(function)).build();
            let store = Store::new(aws_sdk_dynamodb::Client::from_conf(config), "");
            let management = notify::client(&sdk, &dashboards.url);
            Services {
                notifier: Notifier::new(management, store.clone()),
                store,
                ..services.clone()
            }
        };
        let api = functions::api(with_rights("api"));
        Self {
            description: Description::of(&api).await,
            api,
            websocket: functions::websocket(with_rights("websocket")),
            status_fanout: functions::status_fanout(with_rights("status-fanout")),
            reaper: functions::reaper(with_rights("reaper")),
            services,
            dashboards,
            database_url: database_url.to_owned(),
            identity,
            database,
        }
    }

    /// Calls the API as `user` with a JSON body, or none where it is null.
    pub(crate) async fn call(&self, user: &str, method: &str, path: &str, body: Value) -> Answer {
        let body = (!body.is_null()).then(|| body.to_string());
        let headers = json!({
            "authorization": self.identity.bearer(user),
            "content-type": "application/json",
        });
        self.send(method, path, headers, body.as_deref()).await
    }

    pub(crate) async fn get(&self, user: &str, path: &str) -> Answer {
        self.call(user, "GET", path, Value::Null).await
    }

    pub(crate) async fn post(&self, user: &str, path: &str, body: Value) -> Answer {
        self.call(user, "POST", path, body).await
    }

    /// Sends a request just as it is said, and holds the answer against the API's description.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: Value,
        body: Option<&str>,
    ) -> Answer {
        let answer = self.api.invoke(http_event(method, path, headers, body));
        let answer = Answer::of(&answer.await.expect("an answer"));
        self.description.check(method, path, &answer);
        answer
    }

    /// `Authorization` headers in the name of `user` that must open nothing, each with what is wrong.
    pub(crate) fn bad_headers(&self, user: &str) -> Vec<(&'static str, Option<String>)> {
        self.identity.bad_headers(user)
    }

    /// Where the identity provider's public keys are.
    pub(crate) async fn jwks_url(&self) -> String {
        self.identity.serve().await
    }

    pub(crate) fn bearer(&self, user: &str) -> String {
        self.identity.bearer(user)
    }

    /// A new channel of `user`.
    pub(crate) async fn channel(&self, user: &str) -> ChannelId {
        let answer = self
            .post(user, "/v1/channels", json!({ "name": "Show" }))
            .await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let id = answer.body["id"].as_str().expect("an id");
        ChannelId::parse(id).expect("an id")
    }

    /// Registers an edge that takes publishers.
    pub(crate) async fn edge(&self, number: u8) -> Edge {
        let edge = Edge {
            id: EdgeId::from_random([number; 16]),
            name: format!("edge-{number}"),
            epoch: 1,
            boot_id: format!("boot-{number}"),
            heartbeat: 0,
            state: State::Up,
            swept: false,
            region: "local".into(),
            rtmp_url: format!("rtmp://edge-{number}.example:1935/live"),
            rtmps_url: None,
            peer_address: None,
            publishers: 0,
            capacity: 10,
        };
        let boot = domain::edge::Write::Boot(edge.clone());
        let booted = self.services.store.write_edge(&boot).await;
        assert!(booted.expect("a write"), "booted");
        edge
    }

    /// A publisher takes the channel on this edge and sends media.
    pub(crate) async fn go_live(&self, channel_id: &ChannelId, edge: &Edge, at: Timestamp) -> Item {
        let acquire = self.acquisition(channel_id, edge, at).await;
        let (owner, generation) = (edge.owner(), acquire.generation());
        self.write(&Write::Acquire(acquire)).await;
        self.write(&Write::GoLive {
            channel_id: channel_id.clone(),
            owner,
            generation,
            now: at,
        })
        .await
    }

    pub(crate) async fn acquisition(
        &self,
        channel_id: &ChannelId,
        edge: &Edge,
        at: Timestamp,
    ) -> Acquire {
        let claim = Claim {
            channel_id: channel_id.clone(),
            owner: edge.owner(),
            attempt_id: AttemptId::from_random([1; 16]),
            connection_id: ConnectionId::from_random([1; 16]),
            session_id: SessionId::new(at, [1; 10]),
            key_version: 1,
            client_ip: "192.0.2.7".into(),
        };
        let found = self.live(channel_id).await;
        match decide(found.as_ref(), &claim, Holder::Unasked, at) {
            Decision::Acquire(acquire) => acquire,
            other => panic!("the channel is not free: {other:?}"),
        }
    }

    pub(crate) async fn write(&self, write: &Write) -> Item {
        match self
            .services
            .store
            .write_live(write)
            .await
            .expect("a write")
        {
            Written::Done(item) => item,
            Written::Rejected(found) => panic!("not taken on {found:?}"),
        }
    }

    pub(crate) async fn live(&self, channel_id: &ChannelId) -> Option<Item> {
        self.services.store.live(channel_id).await.expect("a read")
    }

    /// The live item as the change stream shows it.
    pub(crate) async fn image(&self, channel_id: &ChannelId) -> Value {
        let pk = AttributeValue::S(format!("lock:stream:{channel_id}"));
        let request = self.database.get_item().table_name("live").key("pk", pk);
        let found = request.send().await.expect("a read").item;
        image(&found.expect("an item"))
    }

    /// Every item of a table as the change stream shows it, in the order of their sort keys.
    pub(crate) async fn images(&self, table: &str) -> Vec<Value> {
        let request = self.database.scan().table_name(table);
        let scanned = request.send().await.expect("a read");
        let mut images: Vec<Value> = scanned.items().iter().map(image).collect();
        images.sort_by_key(|image| image["sk"]["S"].to_string());
        images
    }

    /// From now on every call to this table fails.
    pub(crate) async fn lose_table(&self, table: &str) {
        let request = self.database.delete_table().table_name(table);
        request.send().await.expect("deleted");
    }

    /// A dashboard of `user` connects; what the function answered.
    pub(crate) async fn connect(&self, id: &str, origin: Option<&str>, ticket: &str) -> u64 {
        let mut headers = json!({ "Host": "ws.example" });
        if let Some(origin) = origin {
            headers["Origin"] = origin.into();
        }
        let mut event = websocket_event(id, "$connect");
        event["headers"] = headers;
        event["queryStringParameters"] = json!({ "ticket": ticket });
        event["multiValueQueryStringParameters"] = json!({ "ticket": [ticket] });
        self.websocket(event).await
    }

    /// A dashboard that is in.
    pub(crate) async fn dashboard(&self, user: &str, id: &str) {
        let ticket = self.ticket(user).await;
        assert_eq!(self.connect(id, Some(PAGE), &ticket).await, 200);
    }

    pub(crate) async fn ticket(&self, user: &str) -> String {
        let answer = self.post(user, "/v1/websocket-tickets", Value::Null).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body["ticket"].as_str().expect("a ticket").to_owned()
    }

    /// A dashboard sends a message.
    pub(crate) async fn say(&self, id: &str, body: &str) -> u64 {
        let mut event = websocket_event(id, "$default");
        event["body"] = body.into();
        self.websocket(event).await
    }

    pub(crate) async fn disconnect(&self, id: &str) -> u64 {
        self.websocket(websocket_event(id, "$disconnect")).await
    }

    async fn websocket(&self, event: Value) -> u64 {
        let answer = self.websocket.invoke(event).await.expect("an answer");
        answer["statusCode"].as_u64().expect("a status")
    }
}

impl Answer {
    fn of(answer: &Value) -> Self {
        let text = answer["body"].as_str().unwrap_or_default();
        assert_eq!(answer["isBase64Encoded"], false);
        Self {
            status: answer["statusCode"].as_u64().expect("a status"),
            headers: answer["headers"].clone(),
            body: serde_json::from_str(text).unwrap_or(Value::Null),
        }
    }

    /// Checks that it is this problem, spelled as RFC 9457 wants it.
    pub(crate) fn is_problem(&self, status: u64, code: &str) {
        assert_eq!(
            (self.status, self.body["code"].as_str()),
            (status, Some(code)),
            "{self:?}"
        );
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["type"], "about:blank");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        for words in ["title", "detail"] {
            assert!(!self.body[words].as_str().unwrap_or_default().is_empty());
        }
    }

    pub(crate) fn text(&self, field: &str) -> String {
        self.body[field].as_str().expect(field).to_owned()
    }
}

fn image(item: &HashMap<String, AttributeValue>) -> Value {
    let attributes = item.iter();
    let shown = attributes.map(|(name, value)| (name.clone(), shown(value)));
    Value::Object(shown.collect())
}

fn shown(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(truth) => json!({ "BOOL": truth }),
        AttributeValue::L(values) => {
            json!({ "L": values.iter().map(shown).collect::<Vec<_>>() })
        }
        other => panic!("no table with a stream has {other:?}"),
    }
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::default() + since.expect("after 1970")
}

pub(crate) fn http_event(method: &str, path: &str, headers: Value, body: Option<&str>) -> Value {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut all = json!({
        "host": "api.example",
        "x-forwarded-for": "192.0.2.9",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    });
    for (name, value) in headers.as_object().expect("headers") {
        all[name] = value.clone();
    }
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": all,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "api",
            "domainName": "api.example",
            "domainPrefix": "api",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.9",
                "userAgent": "test",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "17/Mar/2030:17:46:40 +0000",
            "timeEpoch": 1_900_000_000_000_u64,
        },
        "isBase64Encoded": false,
    });
    if let Some(body) = body {
        event["body"] = body.into();
    }
    event
}

fn websocket_event(id: &str, route: &str) -> Value {
    let kind = match route {
        "$connect" => "CONNECT",
        "$disconnect" => "DISCONNECT",
        _ => "MESSAGE",
    };
    json!({
        "requestContext": {
            "routeKey": route,
            "eventType": kind,
            "extendedRequestId": "JKJaXmPLvHcESHA=",
            "requestTime": "17/Mar/2030:17:46:40 +0000",
            "messageDirection": "IN",
            "stage": "live",
            "connectedAt": 1_900_000_000_000_u64,
            "requestTimeEpoch": 1_900_000_000_000_u64,
            "identity": { "sourceIp": "192.0.2.9" },
            "requestId": "JKJaXmPLvHcESHA=",
            "domainName": "ws.example",
            "connectionId": id,
            "apiId": "ws",
        },
        "isBase64Encoded": false,
    })
}

fn url_of(listener: &TcpListener) -> String {
    format!("http://{}", listener.local_addr().expect("an address"))
}

fn sdk() -> SdkConfig {
    let credentials = Credentials::new("fake", "fake", None, None, "tests");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}
