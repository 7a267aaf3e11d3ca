//! The dashboards' sockets.

use serde_json::{Value, json};

use crate::stack::{PAGE, Stack, now};

#[tokio::test]
async fn a_ticket_opens_one_socket_once() {
    let stack = Stack::start().await;
    let ticket = stack.ticket("alice").await;
    assert_eq!(stack.connect("one", Some(PAGE), &ticket).await, 200);
    assert_eq!(stack.connect("two", Some(PAGE), &ticket).await, 401);
    assert_eq!(stack.connect("two", Some(PAGE), "made-up").await, 401);
    assert_eq!(stack.connect("two", Some(PAGE), "").await, 401);
    let user = domain::UserId::parse("alice").expect("an id");
    let connections = stack.services.store.connections_of(&user).await;
    assert_eq!(connections.expect("a read"), ["one"]);
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
    let user = domain::UserId::parse("alice").expect("an id");
    let connections = stack.services.store.connections_of(&user).await;
    assert_eq!(connections.expect("a read"), [] as [&str; 0]);
    // A second word of it changes nothing, and the connection is nobody's any more.
    assert_eq!(stack.disconnect("page").await, 200);
    assert_eq!(stack.say("page", r#"{"action":"hello"}"#).await, 200);
    let messages = stack.dashboards.messages("page");
    assert_eq!(messages[0]["code"], "unknown_connection");
}
