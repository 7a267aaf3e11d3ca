//! Channels: whose they are, what may be set, how many there may be.

use domain::live::EndReason;
use serde_json::{Value, json};

use crate::stack::{Stack, now};

#[tokio::test]
async fn a_channel_is_made_read_changed_and_removed() {
    let stack = Stack::start().await;
    let made = stack
        .post(
            "alice",
            "/v1/channels",
            json!({ "name": " Saturday show " }),
        )
        .await;
    assert_eq!(made.status, 201);
    assert_eq!(made.text("name"), "Saturday show");
    assert_eq!(made.text("region"), "local");
    assert_eq!(made.body["graceSeconds"], 10);
    assert_eq!(made.body["isLive"], false);
    assert_eq!(made.body["hasStreamKey"], false);
    let path = made.headers["location"]
        .as_str()
        .expect("a place")
        .to_owned();
    assert_eq!(stack.get("alice", &path).await.body, made.body);

    let change = json!({ "name": "Sunday show", "graceSeconds": 30 });
    let changed = stack.call("alice", "PATCH", &path, change).await;
    assert_eq!(changed.status, 200);
    assert_eq!(changed.text("name"), "Sunday show");
    let nothing = stack.call("alice", "PATCH", &path, json!({})).await;
    assert_eq!(nothing.body["graceSeconds"], 30);

    let removed = stack.call("alice", "DELETE", &path, Value::Null).await;
    assert_eq!((removed.status, removed.body), (204, Value::Null));
    stack.get("alice", &path).await.is_problem(404, "not_found");
    let list = stack.get("alice", "/v1/channels").await;
    assert_eq!(list.body, json!({ "items": [] }));
}

#[tokio::test]
async fn a_user_has_at_most_twenty_channels() {
    let stack = Stack::start().await;
    for _ in 0..20 {
        stack.channel("alice").await;
    }
    let one_more = stack
        .post("alice", "/v1/channels", json!({ "name": "One more" }))
        .await;
    one_more.is_problem(409, "too_many_channels");
    stack.channel("bob").await;
}

#[tokio::test]
async fn channels_come_in_pages() {
    let stack = Stack::start().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(stack.channel("alice").await.to_string());
    }
    let mut seen = Vec::new();
    let mut path = "/v1/channels?limit=2".to_owned();
    loop {
        let page = stack.get("alice", &path).await;
        let items = page.body["items"].as_array().expect("items");
        assert!((1..=2).contains(&items.len()));
        seen.extend(
            items
                .iter()
                .map(|one| one["id"].as_str().expect("an id").to_owned()),
        );
        let Some(cursor) = page.body["cursor"].as_str() else {
            break;
        };
        path = format!("/v1/channels?limit=2&cursor={cursor}");
    }
    made.sort();
    seen.sort();
    assert_eq!(seen, made);
}

#[tokio::test]
async fn a_channel_that_is_live_or_may_come_back_cannot_be_removed() {
    let stack = Stack::start().await;
    let (id, edge) = (stack.channel("alice").await, stack.edge(1).await);
    let path = format!("/v1/channels/{id}");
    let live = stack.go_live(&id, &edge, now()).await;
    let shown = stack.get("alice", &path).await;
    assert_eq!(shown.body["isLive"], true);
    assert_eq!(shown.text("ingestServerId"), edge.id.as_str());
    let removed = stack.call("alice", "DELETE", &path, Value::Null).await;
    removed.is_problem(409, "channel_is_live");

    let dropped = live.dropped(now(), std::time::Duration::from_secs(10));
    let grace = stack.write(&dropped.expect("held")).await;
    let removed = stack.call("alice", "DELETE", &path, Value::Null).await;
    removed.is_problem(409, "channel_is_live");

    let over = grace.offline(now(), EndReason::Dropped).expect("in grace");
    stack.write(&over).await;
    let removed = stack.call("alice", "DELETE", &path, Value::Null).await;
    assert_eq!(removed.status, 204);
}

#[tokio::test]
async fn a_removed_channels_key_opens_nothing() {
    let stack = Stack::start().await;
    let id = stack.channel("alice").await;
    let path = format!("/v1/channels/{id}");
    let key = stack
        .post("alice", &format!("{path}/stream-key"), Value::Null)
        .await;
    let key = domain::StreamKey::parse(&key.text("streamKey")).expect("a key");
    let removed = stack.call("alice", "DELETE", &path, Value::Null).await;
    assert_eq!(removed.status, 204);
    let found = stack.services.store.key(&key.hash()).await.expect("a read");
    assert_eq!(found, None);
}

#[tokio::test]
async fn limits_are_set_changed_one_by_one_and_lifted() {
    let stack = Stack::start().await;
    let limits = json!({
        "allowedNetworks": [" 10.1.2.3/8", "2001:db8::1"],
        "maximumBitrateKbps": 6_000,
    });
    let made = json!({ "name": "Show", "limits": limits });
    let made = stack.post("alice", "/v1/channels", made).await;
    assert_eq!(made.status, 201);
    let mut expected = json!({
        "allowedNetworks": ["10.0.0.0/8", "2001:db8::1/128"],
        "maximumBitrateKbps": 6_000,
        "maximumResolution": null,
    });
    assert_eq!(made.body["limits"], expected);
    let path = format!("/v1/channels/{}", made.text("id"));
    let id = domain::ChannelId::parse(made.text("id")).expect("an id");
    let mut controls = stack.services.cache.controls();
    let change = async |limits: Value| {
        let change = json!({ "limits": limits });
        let changed = stack.call("alice", "PATCH", &path, change).await;
        assert_eq!(changed.status, 200);
        assert_eq!(stack.get("alice", &path).await.body, changed.body);
        changed.body["limits"].clone()
    };
    expected["maximumResolution"] = json!("1920x1080");
    expected["allowedNetworks"] = json!([]);
    let some = json!({ "maximumResolution": "1920x1080", "allowedNetworks": null });
    assert_eq!(change(some).await, expected);
    let told = controls.try_recv().expect("the edges are told");
    let gate = stack.services.store.gate(&id).await.expect("a read");
    assert_eq!(
        (told.channel_id, told.auth_version),
        (id, gate.auth_version)
    );
    assert_eq!(change(json!({})).await, expected);
    assert!(controls.try_recv().is_err(), "nothing changed");
    let none = json!({
        "allowedNetworks": [],
        "maximumBitrateKbps": null,
        "maximumResolution": null,
    });
    assert_eq!(change(Value::Null).await, none);
}

#[tokio::test]
async fn limits_out_of_their_bounds_are_refused_and_named() {
    let stack = Stack::start().await;
    let path = format!("/v1/channels/{}", stack.channel("alice").await);
    let many = vec!["10.0.0.0/8"; 33];
    for (limits, field) in [
        (json!({ "allowedNetworks": ["office"] }), "allowedNetworks"),
        (json!({ "allowedNetworks": many }), "allowedNetworks"),
        (json!({ "maximumBitrateKbps": 99 }), "maximumBitrateKbps"),
        (json!({ "maximumResolution": "1080p" }), "maximumResolution"),
    ] {
        let change = json!({ "limits": limits });
        for answer in [
            stack.call("alice", "PATCH", &path, change.clone()).await,
            stack
                .post(
                    "alice",
                    "/v1/channels",
                    json!({ "name": "Show", "limits": limits }),
                )
                .await,
        ] {
            answer.is_problem(422, "invalid_value");
            assert_eq!(answer.text("field"), format!("limits.{field}"));
        }
    }
    for limits in [json!({ "colour": 1 }), json!({ "maximumBitrateKbps": -1 })] {
        let change = json!({ "limits": limits });
        let answer = stack.call("alice", "PATCH", &path, change).await;
        answer.is_problem(400, "malformed_body");
    }
    let unchanged = stack.get("alice", &path).await;
    assert_eq!(unchanged.body["limits"]["allowedNetworks"], json!([]));
}
