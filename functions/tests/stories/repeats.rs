//! Requests that come more than once with an `Idempotency-Key`.

use serde_json::{Value, json};

use crate::stack::{Answer, Stack};

async fn repeatable(stack: &Stack, user: &str, path: &str, key: &str, body: &Value) -> Answer {
    let headers = json!({
        "authorization": stack.bearer(user),
        "content-type": "application/json",
        "idempotency-key": key,
    });
    let body = (!body.is_null()).then(|| body.to_string());
    stack.send("POST", path, headers, body.as_deref()).await
}

#[tokio::test]
async fn a_repeated_creation_makes_one_channel() {
    let stack = Stack::start().await;
    let create = json!({ "name": "Saturday show" });
    let first = repeatable(&stack, "alice", "/v1/channels", "once", &create).await;
    assert_eq!(first.status, 201, "{first:?}");
    let again = repeatable(&stack, "alice", "/v1/channels", "once", &create).await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.headers["location"], first.headers["location"]);
    let listed = stack.get("alice", "/v1/channels").await;
    assert_eq!(listed.body["items"].as_array().map(Vec::len), Some(1));

    // What is asked for is compared, not how it is written; and keys are each user's own.
    let other = json!({ "name": "Sunday show" });
    let another = repeatable(&stack, "alice", "/v1/channels", "once", &other).await;
    another.is_problem(422, "idempotency_key_reused");
    let elsewhere = repeatable(&stack, "bob", "/v1/channels", "once", &other).await;
    assert_eq!(elsewhere.status, 201, "{elsewhere:?}");
}

#[tokio::test]
async fn a_repeated_reset_gives_the_same_key_and_never_one_that_was_replaced() {
    let stack = Stack::start().await;
    let channel = stack.channel("alice").await;
    let path = format!("/v1/channels/{channel}/stream-key");
    let generated = repeatable(&stack, "alice", &path, "first", &Value::Null).await;
    assert_eq!(generated.status, 201, "{generated:?}");
    let again = repeatable(&stack, "alice", &path, "first", &Value::Null).await;
    assert_eq!((again.status, &again.body), (201, &generated.body));

    let path = format!("{path}/reset");
    let reset = repeatable(&stack, "alice", &path, "second", &Value::Null).await;
    assert_eq!(reset.status, 200, "{reset:?}");
    assert_ne!(reset.text("streamKey"), generated.text("streamKey"));
    // The defaults, spelled out, are the same request.
    let spelled = json!({ "disconnectLive": false, "overlapSeconds": 0 });
    let again = repeatable(&stack, "alice", &path, "second", &spelled).await;
    assert_eq!((again.status, &again.body), (200, &reset.body));

    let third = repeatable(&stack, "alice", &path, "third", &Value::Null).await;
    assert_eq!(third.status, 200, "{third:?}");
    let late = repeatable(&stack, "alice", &path, "second", &Value::Null).await;
    late.is_problem(409, "conflict");
}

#[tokio::test]
async fn a_request_that_failed_may_be_sent_again_under_its_key() {
    let stack = Stack::start().await;
    let channel = stack.channel("alice").await;
    let path = format!("/v1/channels/{channel}/stream-key/reset");
    let early = repeatable(&stack, "alice", &path, "once", &Value::Null).await;
    early.is_problem(409, "no_stream_key");
    let generate = format!("/v1/channels/{channel}/stream-key");
    assert_eq!(
        stack.post("alice", &generate, Value::Null).await.status,
        201
    );
    let reset = repeatable(&stack, "alice", &path, "once", &Value::Null).await;
    assert_eq!(reset.status, 200, "{reset:?}");
}

#[tokio::test]
async fn a_malformed_idempotency_key_is_refused_before_anything_is_made() {
    let stack = Stack::start().await;
    for key in ["", "two words", &"x".repeat(256)] {
        let create = json!({ "name": "Saturday show" });
        let answer = repeatable(&stack, "alice", "/v1/channels", key, &create).await;
        answer.is_problem(400, "malformed_request");
        assert_eq!(answer.body["field"], "idempotency-key");
    }
    let listed = stack.get("alice", "/v1/channels").await;
    assert_eq!(listed.body["items"], json!([]));
}
