//! The promises of a push, held against a gateway that answers, has forgotten, fails or hangs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use contract::websocket::{MAX_MESSAGE_BYTES, ServerMessage};
use domain::{Timestamp, UserId};
use notify::{
    Error, MAX_POSTS_OF_A_PUSH, Notifier, OPENING, POST_TIMEOUT, PUSH_TIMEOUT, Pushed, Reach,
};
use store::{Connection, Store};
use tokio::net::TcpListener;

const SECOND: Duration = Duration::from_secs(1);
/// Room for a busy machine above a bound that is promised.
const SLACK: Duration = Duration::from_secs(3);

/// What the gateway was sent, by connection, and how many posts it had under way at most.
#[derive(Clone, Default)]
struct Gateway(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    messages: BTreeMap<String, Vec<String>>,
    closed: Vec<String>,
    under_way: usize,
    most: usize,
}

impl Gateway {
    fn seen<T>(&self, read: impl FnOnce(&mut Seen) -> T) -> T {
        read(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whoever got a message, and how many.
    fn received(&self) -> BTreeMap<String, usize> {
        self.seen(|seen| {
            let counts = seen.messages.iter();
            counts.map(|(id, all)| (id.clone(), all.len())).collect()
        })
    }
}

/// The connection's name says how it behaves.
async fn take(State(gateway): State<Gateway>, Path(id): Path<String>, body: String) -> Response {
    gateway.seen(|seen| {
        seen.under_way += 1;
        seen.most = seen.most.max(seen.under_way);
    });
    if id.starts_with("hang") {
        std::future::pending::<()>().await;
    }
    // Others get a chance to be counted as under way at the same time.
    tokio::task::yield_now().await;
    gateway.seen(|seen| seen.under_way -= 1);
    if id.starts_with("gone-silent") {
        return StatusCode::GONE.into_response();
    }
    if id.starts_with("gone") {
        let kind = [("x-amzn-errortype", "GoneException")];
        return (StatusCode::GONE, kind, r#"{"message":null}"#).into_response();
    }
    if id.starts_with("broken") {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    gateway.seen(|seen| seen.messages.entry(id).or_default().push(body));
    StatusCode::OK.into_response()
}

async fn close(State(gateway): State<Gateway>, Path(id): Path<String>) -> StatusCode {
    if id.starts_with("gone") {
        return StatusCode::GONE;
    }
    if id.starts_with("broken") {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    gateway.seen(|seen| seen.closed.push(id));
    StatusCode::NO_CONTENT
}

struct Stage {
    gateway: Gateway,
    notifier: Notifier,
    store: Store,
}

fn sdk(endpoint: Option<&str>) -> aws_config::SdkConfig {
    let credentials = Credentials::new("fake", "fake", None, None, "test");
    let mut builder = aws_config::SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("local"))
        .credentials_provider(SharedCredentialsProvider::new(credentials));
    builder.set_endpoint_url(endpoint.map(str::to_owned));
    builder.build()
}

async fn store() -> Store {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let embedded = dynoxide::Database::memory().expect("memory");
    tokio::spawn(dynoxide::server::serve_on(listener, embedded));
    let config = store::client::config_for(&sdk(Some(&url))).build();
    let store = Store::new(aws_sdk_dynamodb::Client::from_conf(config), "");
    store.create_tables().await.expect("tables");
    store
}

/// A gateway, and a user who has these connections.
async fn stage(connections: &[&str]) -> Stage {
    let gateway = Gateway::default();
    let routes = Router::new()
        .route("/dev/@connections/{id}", post(take).delete(close))
        .with_state(gateway.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/dev", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let store = store().await;
    for id in connections {
        add(&store, id).await;
    }
    let management = notify::client(&sdk(None), &url);
    Stage {
        gateway,
        notifier: Notifier::new(management, store.clone()),
        store,
    }
}

fn owner() -> UserId {
    UserId::parse("owner").expect("valid")
}

const NOW: Timestamp = Timestamp::from_millis(1_900_000_000_000);
const LATER: Timestamp = Timestamp::from_millis(1_900_000_060_000);
const LONG_AGO: Timestamp = Timestamp::from_millis(1_899_999_000_000);

async fn add(store: &Store, connection_id: &str) {
    add_until(store, owner(), connection_id, LATER).await;
}

async fn add_until(store: &Store, user_id: UserId, id: &str, expires_at: Timestamp) {
    let connection = Connection {
        id: id.to_owned(),
        user_id,
        connected_at: LONG_AGO,
        expires_at,
    };
    store.add_connection(&connection).await.expect("added");
}

/// The owner's connections that are left.
async fn left(store: &Store) -> Vec<String> {
    let listed = store.connections_of(&owner(), NOW).await;
    let left = listed.expect("read").into_iter();
    left.map(|connection| connection.id).collect()
}

fn pushed(sent: usize, gone: usize, failed: usize) -> Pushed {
    Pushed { sent, gone, failed }
}

#[tokio::test]
async fn a_push_reaches_every_dashboard_of_its_user_and_nobody_elses() {
    let stage = stage(&["L0SM9cOFvHcCIhw=", "b"]).await;
    let stranger = UserId::parse("stranger").expect("valid");
    add_until(&stage.store, stranger, "c", LATER).await;
    let done = stage
        .notifier
        .push(&owner(), &ServerMessage::Pong, Reach::Fresh, NOW)
        .await;
    assert_eq!(done, pushed(2, 0, 0));
    let bodies = stage.gateway.seen(|seen| seen.messages.clone());
    let names: Vec<_> = bodies.keys().map(String::as_str).collect();
    assert_eq!(names, ["L0SM9cOFvHcCIhw=", "b"]);
    assert_eq!(bodies["b"], [r#"{"type":"pong"}"#]);
}

#[tokio::test]
async fn a_connection_that_is_gone_is_forgotten() {
    let stage = stage(&["gone", "gone-silently", "here"]).await;
    for (reach, expected) in [
        (Reach::Fresh, pushed(1, 2, 0)),
        (Reach::Recent, pushed(1, 0, 0)),
    ] {
        let done = stage
            .notifier
            .push(&owner(), &ServerMessage::Pong, reach, NOW)
            .await;
        assert_eq!(done, expected, "{reach:?}");
    }
    assert_eq!(left(&stage.store).await, ["here"]);
}

#[tokio::test]
async fn a_connection_that_may_not_be_open_yet_is_not_forgotten() {
    let stage = stage(&[]).await;
    let opening = Connection {
        id: "gone-until-it-is-open".into(),
        user_id: owner(),
        connected_at: NOW,
        expires_at: LATER,
    };
    stage.store.add_connection(&opening).await.expect("added");
    let open = NOW + OPENING;
    let before = Timestamp::from_millis(open.millis() - 1);
    for (now, still_there) in [(NOW, true), (before, true), (open, false)] {
        let done = stage
            .notifier
            .push(&owner(), &ServerMessage::Pong, Reach::Fresh, now)
            .await;
        assert_eq!(done, pushed(0, 1, 0));
        assert_eq!(!left(&stage.store).await.is_empty(), still_there, "{now:?}");
    }
}

#[tokio::test]
async fn nothing_is_pushed_to_a_connection_from_its_end_on() {
    let stage = stage(&["long"]).await;
    let (before, end) = (Timestamp::from_millis(NOW.millis() + 999), NOW + SECOND);
    add_until(&stage.store, owner(), "short", end).await;
    let push = async |reach, now| {
        stage
            .notifier
            .push(&owner(), &ServerMessage::Pong, reach, now)
            .await
    };
    assert_eq!(push(Reach::Fresh, before).await, pushed(2, 0, 0));
    // Neither by a list that was read before, nor by one that is read now.
    assert_eq!(push(Reach::Recent, end).await, pushed(1, 0, 0));
    assert_eq!(push(Reach::Fresh, end).await, pushed(1, 0, 0));
    assert_eq!(push(Reach::Fresh, LATER).await, pushed(0, 0, 0));
    assert_eq!(stage.gateway.received()["short"], 1);
}

#[tokio::test]
async fn a_connection_is_closed_once_and_one_that_is_gone_counts_as_closed() {
    let stage = stage(&[]).await;
    for id in ["L0SM9cOFvHcCIhw=", "gone"] {
        stage.notifier.close(id).await.expect("closed");
    }
    let failed = stage.notifier.close("broken").await;
    assert!(matches!(failed, Err(Error::Failed(_))), "{failed:?}");
    let closed = stage.gateway.seen(|seen| seen.closed.clone());
    assert_eq!(closed, ["L0SM9cOFvHcCIhw="]);
}

#[tokio::test]
async fn a_dashboard_that_hangs_or_fails_costs_a_bounded_wait_and_is_kept() {
    let stage = stage(&["broken", "hanging", "here"]).await;
    let began = Instant::now();
    let done = stage
        .notifier
        .push(&owner(), &ServerMessage::Pong, Reach::Fresh, NOW)
        .await;
    let took = began.elapsed();
    assert_eq!(done, pushed(1, 0, 2));
    assert!(took < POST_TIMEOUT + SLACK, "{took:?}");
    assert_eq!(left(&stage.store).await.len(), 3);
}

#[tokio::test]
async fn many_dashboards_that_hang_end_with_the_push_and_never_crowd_the_gateway() {
    let names: Vec<String> = (0..80).map(|number| format!("hang-{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stage = stage(&names).await;
    let began = Instant::now();
    let done = stage
        .notifier
        .push(&owner(), &ServerMessage::Pong, Reach::Fresh, NOW)
        .await;
    let took = began.elapsed();
    assert_eq!(done, pushed(0, 0, 80));
    assert!(took < PUSH_TIMEOUT + SLACK, "{took:?}");
}

#[tokio::test]
async fn one_push_has_a_bounded_number_of_posts_under_way() {
    let names: Vec<String> = (0..90).map(|number| format!("c{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stage = stage(&names).await;
    let done = stage
        .notifier
        .push(&owner(), &ServerMessage::Pong, Reach::Fresh, NOW)
        .await;
    assert_eq!(done, pushed(90, 0, 0));
    let most = stage.gateway.seen(|seen| seen.most);
    assert!((2..=MAX_POSTS_OF_A_PUSH).contains(&most), "{most}");
}

#[tokio::test]
async fn samples_go_by_a_list_that_a_fresh_push_renews() {
    let stage = stage(&["first"]).await;
    let push = async |reach| {
        stage
            .notifier
            .push(&owner(), &ServerMessage::Pong, reach, NOW)
            .await
    };
    assert_eq!(push(Reach::Recent).await, pushed(1, 0, 0));
    let listed = Instant::now();
    add(&stage.store, "second").await;
    let recent = push(Reach::Recent).await;
    if listed.elapsed() < Duration::from_secs(2) {
        assert_eq!(recent, pushed(1, 0, 0), "the list is not read again");
    }
    assert_eq!(push(Reach::Fresh).await, pushed(2, 0, 0));
    assert_eq!(push(Reach::Recent).await, pushed(2, 0, 0));
    // The list is read again by itself, in two seconds at most.
    add(&stage.store, "third").await;
    let began = Instant::now();
    while push(Reach::Recent).await.sent < 3 {
        assert!(began.elapsed() < Duration::from_secs(2) + SLACK);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_is_not_sent() {
    let stage = stage(&["here"]).await;
    let of_size = |bytes: usize| ServerMessage::Error {
        code: String::new(),
        detail: "x".repeat(bytes - r#"{"type":"error","code":"","detail":""}"#.len()),
    };
    let large = of_size(MAX_MESSAGE_BYTES + 1);
    let done = stage
        .notifier
        .push(&owner(), &large, Reach::Fresh, NOW)
        .await;
    assert_eq!(done, Pushed::default());
    let posted = stage.notifier.post("here", &large).await;
    assert!(matches!(posted, Err(Error::TooLarge)), "{posted:?}");
    assert_eq!(stage.gateway.received(), BTreeMap::new());
    let posted = stage
        .notifier
        .post("here", &of_size(MAX_MESSAGE_BYTES))
        .await;
    posted.expect("just small enough");
}

#[tokio::test]
async fn a_post_says_what_became_of_it() {
    let stage = stage(&[]).await;
    let post = async |id| stage.notifier.post(id, &ServerMessage::Pong).await;
    assert!(matches!(post("here").await, Ok(())));
    for gone in ["gone", "gone-silently"] {
        assert!(matches!(post(gone).await, Err(Error::Gone)), "{gone}");
    }
    for failing in ["broken", "hanging"] {
        let posted = post(failing).await;
        assert!(matches!(posted, Err(Error::Failed(_))), "{posted:?}");
    }
}

#[tokio::test]
async fn a_gateway_or_a_store_that_is_away_fails_nobody() {
    let nowhere = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        format!("http://{}", listener.local_addr().expect("bound"))
    };
    let with_connection = store().await;
    add(&with_connection, "here").await;
    let no_gateway = Notifier::new(notify::client(&sdk(None), &nowhere), with_connection);
    let done = no_gateway
        .push(&owner(), &ServerMessage::Pong, Reach::Fresh, NOW)
        .await;
    assert_eq!(done, pushed(0, 0, 1));
    let config = store::client::config_for(&sdk(Some(&nowhere))).build();
    let no_store = Store::new(aws_sdk_dynamodb::Client::from_conf(config), "");
    let no_store = Notifier::new(notify::client(&sdk(None), &nowhere), no_store);
    for reach in [Reach::Fresh, Reach::Recent] {
        let done = no_store
            .push(&owner(), &ServerMessage::Pong, reach, NOW)
            .await;
        assert_eq!(done, Pushed::default());
    }
}
