//! Disconnect and hold, and keys that were reported as leaked.

use std::time::Duration;

use domain::authorization::{Answer as Known, admit, is_cut};
use domain::{Refusal, StreamKey};
use serde_json::{Value, json};

use crate::stack::{Stack, now};

#[tokio::test]
async fn a_disconnect_cuts_the_publisher_and_holds_the_channel_until_it_is_lifted() {
    let stack = Stack::start().await;
    let channel = stack.channel("alice").await;
    let path = format!("/v1/channels/{channel}");
    let mut controls = stack.services.cache.controls();

    let disconnect = format!("{path}/disconnect");
    let held = stack
        .post("alice", &disconnect, json!({ "holdSeconds": 600 }))
        .await;
    assert_eq!(held.status, 200, "{held:?}");
    let gate = stack.services.store.gate(&channel).await.expect("a gate");
    let until = gate.held(now()).expect("held");
    assert!(until > now() + Duration::from_secs(590));
    assert_eq!(held.text("holdUntil"), until.to_string());
    assert!(is_cut(gate.auth_version - 1, &gate), "what runs is cut");
    let told = controls.recv().await.expect("word of it");
    assert_eq!(
        (&told.channel_id, told.auth_version),
        (&channel, gate.auth_version)
    );
    let shown = stack.get("alice", &path).await;
    assert_eq!(shown.body["holdUntil"], held.body["holdUntil"]);

    let lift = format!("{path}/hold");
    for _ in 0..2 {
        let lifted = stack.call("alice", "DELETE", &lift, Value::Null).await;
        assert_eq!(lifted.status, 204, "{lifted:?}");
    }
    let told = controls.recv().await.expect("word of it");
    assert_eq!(told.auth_version, gate.auth_version + 1);
    assert!(
        controls.try_recv().is_err(),
        "nothing was there to lift twice"
    );
    let shown = stack.get("alice", &path).await;
    assert_eq!(shown.body["holdUntil"], Value::Null);
}

#[tokio::test]
async fn a_hold_has_bounds_and_is_the_owners_alone() {
    let stack = Stack::start().await;
    let channel = stack.channel("alice").await;
    let disconnect = format!("/v1/channels/{channel}/disconnect");
    for seconds in [0, 86_401] {
        let answer = stack
            .post("alice", &disconnect, json!({ "holdSeconds": seconds }))
            .await;
        answer.is_problem(422, "invalid_value");
        assert_eq!(answer.body["field"], "holdSeconds");
    }
    let stranger = stack.post("bob", &disconnect, Value::Null).await;
    stranger.is_problem(404, "not_found");
    let hold = format!("/v1/channels/{channel}/hold");
    let stranger = stack.call("bob", "DELETE", &hold, Value::Null).await;
    stranger.is_problem(404, "not_found");
    let gate = stack.services.store.gate(&channel).await.expect("a gate");
    assert_eq!((gate.auth_version, gate.hold_until), (0, None));
}

async fn report(stack: &Stack, key: &str) -> u64 {
    let body = json!({ "streamKey": key }).to_string();
    let headers = json!({ "content-type": "application/json" });
    let answer = stack
        .send("POST", "/v1/key-reports", headers, Some(&body))
        .await;
    if answer.status == 429 {
        answer.is_problem(429, "too_many_requests");
        assert_eq!(answer.headers["retry-after"], "60");
    } else {
        assert_eq!(answer.body, Value::Null, "it says nothing of the key");
    }
    answer.status
}

#[tokio::test]
async fn a_reported_key_is_dead_at_once_and_its_owner_is_told_to_reset_it() {
    let stack = Stack::start().await;
    let channel = stack.channel("alice").await;
    let path = format!("/v1/channels/{channel}/stream-key");
    let generated = stack.post("alice", &path, Value::Null).await;
    let key = StreamKey::parse(&generated.text("streamKey")).expect("a key");
    let mut controls = stack.services.cache.controls();

    // In the form of a key or not, known or not: the answer is the same.
    let unknown = StreamKey::generate(|bytes| bytes.fill(7));
    for text in ["", "live", "\u{0}", unknown.expose()] {
        assert_eq!(report(&stack, text).await, 202);
    }
    assert_eq!(report(&stack, key.expose()).await, 202);
    let store = &stack.services.store;
    let gate = store.gate(&channel).await.expect("a gate");
    let found = store.key(&key.hash()).await.expect("read");
    assert_eq!(
        admit(found.as_ref(), &gate, now()),
        Err(Refusal::Unauthorized)
    );
    assert!(!is_cut(gate.auth_version - 1, &gate), "what runs goes on");
    let auth_version = gate.auth_version;
    let cached = stack.services.cache.answer(&key.hash()).await;
    assert_eq!(cached, Some(Known::Revoked { auth_version }));
    let told = controls.recv().await.expect("word of it");
    assert_eq!(
        (told.channel_id, told.auth_version),
        (channel.clone(), auth_version)
    );

    let masked = stack.get("alice", &path).await;
    assert!(masked.body["retiredAt"].is_string(), "{masked:?}");
    let reveal = stack
        .post("alice", &format!("{path}/reveal"), Value::Null)
        .await;
    reveal.is_problem(409, "stream_key_retired");
    // Once more changes nothing, and an overlap does not bring it back.
    assert_eq!(report(&stack, key.expose()).await, 202);
    let reset = json!({ "overlapSeconds": 60 });
    let reset = stack.post("alice", &format!("{path}/reset"), reset).await;
    assert_eq!(reset.status, 200, "{reset:?}");
    let found = store.key(&key.hash()).await.expect("read").expect("known");
    assert!(!found.is_valid(now()));
    let masked = stack.get("alice", &path).await;
    assert_eq!(masked.body["retiredAt"], Value::Null);
}

#[tokio::test]
async fn an_address_reports_ten_keys_a_minute() {
    let stack = Stack::start().await;
    let mut answers = Vec::new();
    // The minute may end in between, once.
    for _ in 0..21 {
        answers.push(report(&stack, "live").await);
    }
    let taken = answers.iter().filter(|status| **status == 202).count();
    assert!(taken == 10 || taken == 20, "{answers:?}");
    assert_eq!(
        answers.iter().filter(|status| **status == 429).count(),
        21 - taken
    );
}
