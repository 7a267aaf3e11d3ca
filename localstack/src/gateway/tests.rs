//! The gateway as its clients see it, in front of functions that are closures here.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_apigatewaymanagement::Client as Management;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::websocket::{IDLE, MAX_AGE, MAX_FRAME_BYTES, MAX_MESSAGE_BYTES};
use super::*;

/// Longer than anything here takes; only a hang reaches it.
const DEADLINE: Duration = Duration::from_secs(10);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A gateway on a port of its own. Its functions note what they were given; `websocket` refuses a
/// connection whose ticket is not `good`.
struct Stand {
    address: SocketAddr,
    gateway: Gateway,
    events: Arc<Mutex<Vec<Value>>>,
    shutdown: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

impl Stand {
    async fn start() -> Self {
        Self::with_room_for(MAX_CONNECTIONS).await
    }

    async fn with_room_for(connections: usize) -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let api = Function::new("api", |event| {
            let text = event["rawPath"].as_str().unwrap_or_default().to_owned();
            async move { Ok(json!({"statusCode": 200, "body": text})) }.boxed()
        });
        let noted = events.clone();
        let websocket = Function::new("websocket", move |event| {
            noted.lock().unwrap().push(event.clone());
            async move { Ok(answer(&event)?) }.boxed()
        });
        let gateway = Gateway::with_room_for(connections, api, websocket);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let routes = gateway.routes().merge(gateway.management_routes());
        let served = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { serve(listener, routes, "stack.example", shutdown).await }
        });
        Self {
            address,
            gateway,
            events,
            shutdown,
            served,
        }
    }

    async fn connect(&self, ticket: &str) -> Result<Socket, SocketError> {
        let url = format!("ws://{}/ws?ticket={ticket}", self.address);
        connect_async(url).await.map(|(socket, _response)| socket)
    }

    fn management(&self) -> Management {
        let config =
            aws_sdk_apigatewaymanagement::config::Builder::from(&crate::database::local_config())
                .endpoint_url(format!("http://{}{MANAGEMENT_PATH}", self.address));
        Management::from_conf(config.build())
    }

    /// The first event of this route, once it came.
    async fn event(&self, route: &str) -> Value {
        let found = async {
            loop {
                let seen = self.events.lock().unwrap().iter().find_map(|event| {
                    (event["requestContext"]["routeKey"] == route).then(|| event.clone())
                });
                match seen {
                    Some(event) => return event,
                    None => tokio::task::yield_now().await,
                }
            }
        };
        tokio::time::timeout(DEADLINE, found).await.unwrap()
    }

    /// Sends a message, and waits until the function has it.
    async fn say(&self, socket: &mut Socket) {
        let messages = || {
            let events = self.events.lock().unwrap();
            let default = events.iter();
            default
                .filter(|event| event["requestContext"]["routeKey"] == "$default")
                .count()
        };
        let before = messages();
        socket.send("anything".into()).await.unwrap();
        let heard = async {
            while messages() == before {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, heard).await.unwrap();
    }

    async fn stop(self) {
        self.gateway.close_sockets().await;
        self.shutdown.cancel();
        self.served.await.unwrap();
    }
}

fn answer(event: &Value) -> Result<Value, String> {
    match event["requestContext"]["routeKey"].as_str() {
        Some("$connect") if event["queryStringParameters"]["ticket"] != "good" => {
            Ok(json!({"statusCode": 401}))
        }
        Some("ping") => Err("out of order".into()),
        _ => Ok(json!({"statusCode": 200})),
    }
}

fn id_of(event: &Value) -> String {
    event["requestContext"]["connectionId"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn next(socket: &mut Socket) -> Option<Message> {
    let message = tokio::time::timeout(DEADLINE, socket.next()).await.unwrap();
    message.and_then(Result::ok)
}

async fn close_code(socket: &mut Socket) -> Option<CloseCode> {
    loop {
        match next(socket).await? {
            Message::Close(frame) => return frame.map(|frame| frame.code),
            _other => {}
        }
    }
}

async fn get(stand: &Stand, path: &str, host: &str) -> (u16, String) {
    let response = reqwest::Client::new()
        .get(format!("http://{}{path}", stand.address))
        .header("host", host)
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn a_request_reaches_the_function_and_its_answer_the_caller() {
    let stand = Stand::start().await;
    let host = stand.address.to_string();
    let answered = get(&stand, "/v1/channels/x", &host).await;
    assert_eq!(answered, (200, "/v1/channels/x".into()));
    stand.stop().await;
}

#[tokio::test]
async fn only_host_names_that_are_ours_are_answered() {
    let stand = Stand::start().await;
    for host in [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1:8080",
        "[::1]:8080",
        "[::1]",
        "stack.example:1",
    ] {
        assert_eq!(get(&stand, "/ingests", host).await.0, 200, "{host}");
    }
    for host in [
        "attacker.example",
        "127.0.0.1.attacker.example:8080",
        "",
        "[::2]",
    ] {
        assert_eq!(get(&stand, "/ingests", host).await.0, 421, "{host}");
    }
    stand.stop().await;
}

#[tokio::test]
async fn a_connection_that_the_function_refuses_is_not_opened() {
    let stand = Stand::start().await;
    let refused = stand.connect("bad").await.unwrap_err();
    let SocketError::Http(response) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(response.status(), 401);
    let id = id_of(&stand.event("$connect").await);
    assert!(stand.gateway.sockets.connections.find(&id).is_none());
    stand.stop().await;
}

#[tokio::test]
async fn messages_go_by_their_action_and_the_end_is_told() {
    let stand = Stand::start().await;
    let mut socket = stand.connect("good").await.unwrap();
    socket.send(r#"{"action":"hello"}"#.into()).await.unwrap();
    socket.send("anything".into()).await.unwrap();
    let hello = stand.event("hello").await;
    assert_eq!(hello["body"], r#"{"action":"hello"}"#);
    assert_eq!(stand.event("$default").await["body"], "anything");
    socket.close(None).await.unwrap();
    let disconnect = stand.event("$disconnect").await;
    assert_eq!(id_of(&disconnect), id_of(&hello));
    stand.stop().await;
}

#[tokio::test]
async fn a_function_that_fails_is_told_to_the_client_without_its_words() {
    let stand = Stand::start().await;
    let mut socket = stand.connect("good").await.unwrap();
    socket.send(r#"{"action":"ping"}"#.into()).await.unwrap();
    let text = next(&mut socket).await.unwrap().into_text().unwrap();
    assert!(text.contains("Internal server error"), "{text}");
    assert!(!text.contains("out of order"), "{text}");
    stand.stop().await;
}

#[tokio::test]
async fn the_management_client_sends_to_a_connection_and_looks_at_it() {
    let stand = Stand::start().await;
    let mut socket = stand.connect("good").await.unwrap();
    let id = id_of(&stand.event("$connect").await);
    let management = stand.management();
    let post = management.post_to_connection().connection_id(&id);
    post.data(Blob::new("news")).send().await.unwrap();
    assert_eq!(next(&mut socket).await, Some(Message::text("news")));
    let seen = management
        .get_connection()
        .connection_id(&id)
        .send()
        .await
        .unwrap();
    assert_eq!(seen.identity().unwrap().source_ip(), Some("127.0.0.1"));
    assert!(seen.connected_at().is_some() && seen.last_active_at().is_some());
    stand.stop().await;
}

#[tokio::test]
async fn the_management_client_closes_a_connection() {
    let stand = Stand::start().await;
    let mut socket = stand.connect("good").await.unwrap();
    let id = id_of(&stand.event("$connect").await);
    let management = stand.management();
    management
        .delete_connection()
        .connection_id(&id)
        .send()
        .await
        .unwrap();
    assert_eq!(close_code(&mut socket).await, Some(CloseCode::Normal));
    stand.event("$disconnect").await;
    stand.stop().await;
}

#[tokio::test]
async fn a_connection_that_is_not_there_is_gone() {
    let stand = Stand::start().await;
    let management = stand.management();
    let post = management
        .post_to_connection()
        .connection_id("L0SM9cOFvHcCIhw=");
    let posted = post.data(Blob::new("news")).send().await.unwrap_err();
    assert!(posted.into_service_error().is_gone_exception());
    let looked = management
        .get_connection()
        .connection_id("x")
        .send()
        .await
        .unwrap_err();
    assert!(looked.into_service_error().is_gone_exception());
    let closed = management
        .delete_connection()
        .connection_id("x")
        .send()
        .await
        .unwrap_err();
    assert!(closed.into_service_error().is_gone_exception());
    stand.stop().await;
}

#[tokio::test]
async fn a_message_past_the_limits_is_refused_in_both_directions() {
    let stand = Stand::start().await;
    let mut socket = stand.connect("good").await.unwrap();
    let id = id_of(&stand.event("$connect").await);
    let management = stand.management();
    let post = |bytes| {
        let post = management.post_to_connection().connection_id(&id);
        post.data(Blob::new(vec![b'x'; bytes])).send()
    };
    post(management::MAX_MESSAGE_BYTES).await.unwrap();
    let refused = post(management::MAX_MESSAGE_BYTES + 1).await.unwrap_err();
    assert!(
        refused
            .into_service_error()
            .is_payload_too_large_exception()
    );
    let too_large = "y".repeat(MAX_FRAME_BYTES + 1);
    socket.send(too_large.into()).await.unwrap();
    assert_eq!(close_code(&mut socket).await, Some(CloseCode::Size));
    stand.stop().await;
}

/// A text message in frames of the largest size.
fn frames(bytes: usize) -> Vec<Message> {
    let text = vec![b'x'; bytes];
    let parts: Vec<_> = text.chunks(MAX_FRAME_BYTES).collect();
    let frame = |(place, part): (usize, &&[u8])| {
        let kind = if place == 0 {
            Data::Text
        } else {
            Data::Continue
        };
        let is_last = place + 1 == parts.len();
        Message::Frame(Frame::message(part.to_vec(), OpCode::Data(kind), is_last))
    };
    parts.iter().enumerate().map(frame).collect()
}

#[tokio::test]
async fn a_message_of_several_frames_has_a_limit_of_its_own() {
    let stand = Stand::start().await;
    let mut socket = stand.connect("good").await.unwrap();
    for frame in frames(MAX_MESSAGE_BYTES) {
        socket.send(frame).await.unwrap();
    }
    let body = stand.event("$default").await["body"].take();
    assert_eq!(body.as_str().map(str::len), Some(MAX_MESSAGE_BYTES));
    for frame in frames(MAX_MESSAGE_BYTES + 1) {
        // The gateway may have closed before it was sent everything.
        drop(socket.send(frame).await);
    }
    assert_eq!(close_code(&mut socket).await, Some(CloseCode::Size));
    stand.stop().await;
}

/// Lets time pass at once. Only in between time stands still, so that sockets have theirs.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_connection_without_messages_ends_after_ten_minutes() {
    let almost = IDLE - Duration::from_secs(10);
    let stand = Stand::start().await;
    let mut socket = stand.connect("good").await.unwrap();
    stand.event("$connect").await;
    for _ in 0..2 {
        pass(almost).await;
        stand.say(&mut socket).await;
    }
    // What is sent to it counts as much as what it sends.
    pass(almost).await;
    let id = id_of(&stand.event("$connect").await);
    let post = stand.management().post_to_connection().connection_id(&id);
    post.data(Blob::new("news")).send().await.unwrap();
    assert_eq!(next(&mut socket).await, Some(Message::text("news")));
    pass(almost).await;
    stand.say(&mut socket).await;
    pass(IDLE).await;
    assert_eq!(close_code(&mut socket).await, Some(CloseCode::Away));
    stand.event("$disconnect").await;
    stand.stop().await;
}

#[tokio::test]
async fn a_busy_connection_ends_after_two_hours() {
    let stand = Stand::start().await;
    let mut socket = stand.connect("good").await.unwrap();
    stand.event("$connect").await;
    let step = IDLE / 2;
    let mut passed = step;
    while passed < MAX_AGE {
        pass(step).await;
        stand.say(&mut socket).await;
        passed += step;
    }
    pass(step).await;
    assert_eq!(close_code(&mut socket).await, Some(CloseCode::Away));
    stand.event("$disconnect").await;
    stand.stop().await;
}

#[tokio::test]
async fn no_more_connections_are_open_than_there_is_room_for() {
    let stand = Stand::with_room_for(2).await;
    stand.connect("bad").await.unwrap_err();
    let mut first = stand.connect("good").await.unwrap();
    let _second = stand.connect("good").await.unwrap();
    let refused = stand.connect("good").await.unwrap_err();
    let SocketError::Http(response) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(response.status(), 429);
    first.close(None).await.unwrap();
    stand.event("$disconnect").await;
    stand.connect("good").await.unwrap();
    stand.stop().await;
}

#[tokio::test]
async fn an_unsigned_call_of_the_management_api_is_refused() {
    let stand = Stand::start().await;
    let socket = stand.connect("good").await.unwrap();
    let id = id_of(&stand.event("$connect").await);
    let path = format!("{MANAGEMENT_PATH}/@connections/{id}");
    assert_eq!(get(&stand, &path, "localhost").await.0, 403);
    drop(socket);
    stand.stop().await;
}

#[tokio::test]
async fn a_gateway_that_stops_tells_every_connection_and_the_function() {
    let stand = Stand::start().await;
    let mut socket = stand.connect("good").await.unwrap();
    let events = stand.events.clone();
    let stopped = tokio::spawn(stand.stop());
    assert_eq!(close_code(&mut socket).await, Some(CloseCode::Away));
    stopped.await.unwrap();
    let last = events.lock().unwrap().last().unwrap().clone();
    assert_eq!(last["requestContext"]["eventType"], "DISCONNECT");
}
