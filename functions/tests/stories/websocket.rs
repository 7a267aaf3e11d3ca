//! The dashboards' sockets.

use std::time::Duration;

use contract::websocket::ServerMessage;
use domain::{Timestamp, UserId};
use notify::Reach;
use serde_json::{Value, json};
use store::Connection;

use crate::stack::{PAGE, Stack, now};

fn alice() -> UserId {
    UserId::parse("alice").expect("an id")
}

/// Alice's open connections.
async fn connected(stack: &Stack) -> Vec<String> {
    let listed = stack.services.store.connections_of(&alice(), now()).await;
    let open = listed.expect("a read").into_iter();
    open.map(|connection| connection.id).collect()
}

#[tokio::test]
async fn a_ticket_opens_one_socket_once() {
    let stack = Stack::start().await;
    let ticket = stack.ticket("alice").await;
    assert_eq!(stack.connect("one", Some(PAGE), &ticket).await, 200);
    assert_eq!(stack.connect("two", Some(PAGE), &ticket).await, 401);
    assert_eq!(stack.connect("two", Some(PAGE), "made-up").await, 401);
    assert_eq!(stack.connect("two", Some(PAGE), "").await, 401);
    assert_eq!(connected(&stack).await, ["one"]);
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_and_does_not_use_up_the_ticket() {
    let stack = Stack::start().await;
    let ticket = stack.ticket("alice").await;
    for origin in ["https://evil.example", "null", "https://page.example.evil"] {
        assert_eq!(stack.connect("one", Some(origin), &ticket).await, 403);
    }
    assert_eq!(stack.connect("one", Some(PAGE), &ticket).await, 200);
    // What sends no origin is no browser; it has a ticket all the same.
    let ticket = stack.ticket("alice").await;
    assert_eq!(stack.connect("two", None, &ticket).await, 200);
}

#[tokio::test]
async fn hello_is_answered_with_everything_there_is_to_show() {
    let stack = Stack::start().await;
    let (live, quiet) = (stack.channel("alice").await, stack.channel("alice").await);
    stack.channel("bob").await;
    let edge = stack.edge(1).await;
    stack.go_live(&live, &edge, now()).await;
    stack.dashboard("alice", "page").await;
    assert_eq!(stack.dashboards.messages("page"), [] as [Value; 0]);

    assert_eq!(stack.say("page", r#"{"action":"hello"}"#).await, 200);
    let messages = stack.dashboards.messages("page");
    let [snapshot] = messages.as_slice() else {
        panic!("one answer, not {messages:?}");
    };
    assert_eq!(snapshot["type"], "snapshot");
    let channels = snapshot["channels"].as_array().expect("channels");
    assert_eq!(channels.len(), 2);
    for one in channels {
        let is_live = one["channel"]["id"] == live.as_str();
        assert!(is_live || one["channel"]["id"] == quiet.as_str());
        assert_eq!(one["channel"]["isLive"], is_live);
        let status = if is_live { "LIVE" } else { "OFFLINE" };
        assert_eq!(one["status"]["status"], status);
        let version = if is_live { (1, 1) } else { (0, 0) };
        assert_eq!(one["status"]["gen"], version.0);
        assert_eq!(one["status"]["seq"], version.1);
    }
}

#[tokio::test]
async fn as_many_channels_with_as_much_to_them_as_may_be_fit_into_one_snapshot() {
    let stack = Stack::start().await;
    let longest = "1111:2222:3333:4444:5555:6666:7777:8888/128";
    let edge = stack.edge(1).await;
    for _ in 0..20 {
        let channel = json!({
            "name": "\u{1f3a5}".repeat(100),
            "limits": { "allowedNetworks": vec![longest; 32] },
        });
        let made = stack.post("alice", "/v1/channels", channel).await;
        assert_eq!(made.status, 201, "{made:?}");
        let id = domain::ChannelId::parse(made.text("id")).expect("an id");
        stack.go_live(&id, &edge, now()).await;
    }
    stack.dashboard("alice", "page").await;
    assert_eq!(stack.say("page", r#"{"action":"hello"}"#).await, 200);
    let messages = stack.dashboards.messages("page");
    let shown = messages[0]["channels"].as_array().map(Vec::len);
    assert_eq!(shown, Some(20), "{}", messages[0]["type"]);
}

#[tokio::test]
async fn ping_is_answered_with_pong_and_anything_else_with_an_error() {
    let stack = Stack::start().await;
    stack.dashboard("alice", "page").await;
    assert_eq!(stack.say("page", r#"{"action":"ping"}"#).await, 200);
    assert_eq!(
        stack.dashboards.messages("page"),
        [json!({ "type": "pong" })]
    );
    for body in ["", "{", "[]", r#"{"action":"dance"}"#, r#"{"action":1}"#] {
        assert_eq!(stack.say("page", body).await, 200);
        let messages = stack.dashboards.messages("page");
        assert_eq!(messages.len(), 1, "{body}");
        assert_eq!(messages[0]["type"], "error");
        assert_eq!(messages[0]["code"], "unknown_action");
    }
}

#[tokio::test]
async fn a_dashboard_that_leaves_is_forgotten() {
    let stack = Stack::start().await;
    stack.dashboard("alice", "page").await;
    assert_eq!(stack.disconnect("page").await, 200);
    assert_eq!(connected(&stack).await, [] as [&str; 0]);
    // A second word of it changes nothing, and the connection is nobody's any more.
    assert_eq!(stack.disconnect("page").await, 200);
    assert_eq!(stack.say("page", r#"{"action":"hello"}"#).await, 200);
    let messages = stack.dashboards.messages("page");
    assert_eq!(messages[0]["code"], "unknown_connection");
}

#[tokio::test]
async fn a_socket_ends_when_its_token_would() {
    let stack = Stack::start().await;
    let store = &stack.services.store;
    // The tokens of these stories are good for an hour.
    let hour = Duration::from_secs(3_600);
    let earliest = Timestamp::from_millis(now().millis() / 1_000 * 1_000) + hour;
    stack.dashboard("alice", "page").await;
    let latest = now() + hour;
    let connection = store.connection("page").await.expect("a read");
    let connection = connection.expect("it is known");
    assert!((earliest..=latest).contains(&connection.expires_at));

    let push = async |now| {
        let (notifier, owner) = (&stack.services.notifier, alice());
        let pushed = notifier.push(&owner, &ServerMessage::Pong, Reach::Fresh, now);
        pushed.await.sent
    };
    let last = Timestamp::from_millis(connection.expires_at.millis() - 1);
    assert_eq!(push(last).await, 1);
    assert_eq!(push(connection.expires_at).await, 0);
    stack.dashboards.messages("page");

    // The same an hour later.
    let ended = Connection {
        expires_at: now(),
        ..connection
    };
    store.add_connection(&ended).await.expect("a write");
    for action in ["hello", "ping", "anything"] {
        let message = json!({ "action": action }).to_string();
        assert_eq!(stack.say("page", &message).await, 200);
    }
    assert_eq!(stack.dashboards.messages("page"), [] as [Value; 0]);
    assert_eq!(stack.dashboards.closed(), ["page", "page", "page"]);
    // The gateway tells of the end, and then nothing of it is left.
    assert_eq!(stack.disconnect("page").await, 200);
    assert_eq!(store.connection("page").await.expect("a read"), None);
}

#[tokio::test]
async fn a_user_has_a_bounded_number_of_dashboards_and_ended_ones_do_not_count() {
    let stack = Stack::start().await;
    let add = async |id: String, expires_at| {
        let user_id = alice();
        let connection = Connection {
            id,
            user_id,
            connected_at: now(),
            expires_at,
        };
        let added = stack.services.store.add_connection(&connection).await;
        added.expect("a write");
    };
    let later = now() + Duration::from_secs(600);
    for number in 1..store::MAX_CONNECTIONS {
        add(format!("open-{number}"), later).await;
    }
    add("ended".into(), now()).await;
    stack.dashboard("alice", "last").await;
    let ticket = stack.ticket("alice").await;
    assert_eq!(stack.connect("more", Some(PAGE), &ticket).await, 429);
    stack.dashboard("bob", "another").await;
    assert_eq!(stack.disconnect("last").await, 200);
    stack.dashboard("alice", "again").await;
}

#[tokio::test]
async fn a_ping_is_answered_while_the_store_is_away() {
    let stack = Stack::without_a_store().await;
    assert_eq!(stack.say("page", r#"{"action":"ping"}"#).await, 200);
    let messages = stack.dashboards.messages("page");
    assert_eq!(messages, [json!({ "type": "pong" })]);
    assert_eq!(stack.say("page", r#"{"action":"hello"}"#).await, 503);
}
