//! Stream keys: generate, reset, reveal, and the masked view.

use std::time::Duration;

use domain::authorization::Answer as Known;
use domain::edge::Write;
use domain::{ChannelId, StreamKey, Timestamp};
use serde_json::{Value, json};
use store::cache::Control;

use crate::stack::{Stack, now};

struct Keys {
    stack: Stack,
    channel_id: ChannelId,
    path: String,
}

impl Keys {
    async fn of_a_new_channel() -> Self {
        let stack = Stack::start().await;
        let channel_id = stack.channel("alice").await;
        let path = format!("/v1/channels/{channel_id}/stream-key");
        Self {
            stack,
            channel_id,
            path,
        }
    }

    async fn generate(&self) -> StreamKey {
        let answer = self.stack.post("alice", &self.path, Value::Null).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        StreamKey::parse(&answer.text("streamKey")).expect("a key")
    }

    async fn reset(&self, request: Value) -> StreamKey {
        let path = format!("{}/reset", self.path);
        let answer = self.stack.post("alice", &path, request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        StreamKey::parse(&answer.text("streamKey")).expect("a key")
    }

    /// Whether the key may start a publish at a moment, by what an edge reads.
    async fn opens(&self, key: &StreamKey, at: Timestamp) -> bool {
        let found = self.stack.services.store.key(&key.hash()).await;
        let found = found.expect("a read").expect("a key that was ours");
        assert_eq!(found.channel_id, self.channel_id);
        found.is_valid(at)
    }
}

#[tokio::test]
async fn a_key_is_generated_once_and_then_masked_until_it_is_revealed() {
    let keys = Keys::of_a_new_channel().await;
    let stack = &keys.stack;
    stack
        .get("alice", &keys.path)
        .await
        .is_problem(409, "no_stream_key");
    let reveal = format!("{}/reveal", keys.path);
    let early = stack.post("alice", &reveal, Value::Null).await;
    early.is_problem(409, "no_stream_key");

    let generated = stack.post("alice", &keys.path, Value::Null).await;
    assert_eq!(generated.status, 201);
    assert_eq!(generated.text("userId"), "alice");
    assert_eq!(generated.text("channelId"), keys.channel_id.as_str());
    let key = generated.text("streamKey");
    assert!(StreamKey::parse(&key).is_ok());
    let again = stack.post("alice", &keys.path, Value::Null).await;
    again.is_problem(409, "stream_key_exists");

    let masked = stack.get("alice", &keys.path).await;
    assert_eq!(masked.status, 200);
    assert!(masked.text("maskedKey").starts_with("live\u{2022}"));
    assert!(!masked.body.to_string().contains(&key[4..]));
    assert_eq!(masked.text("createdAt"), generated.text("createdAt"));

    let revealed = stack.post("alice", &reveal, Value::Null).await;
    assert_eq!((revealed.status, &revealed.body), (200, &generated.body));
    let channel = stack
        .get("alice", &format!("/v1/channels/{}", keys.channel_id))
        .await;
    assert_eq!(channel.body["hasStreamKey"], true);
}

#[tokio::test]
async fn a_reset_without_overlap_retires_the_old_key_at_once() {
    let keys = Keys::of_a_new_channel().await;
    let services = &keys.stack.services;
    let old = keys.generate().await;
    let mut controls = services.cache.controls();
    // An empty body means the defaults: no overlap, no cut.
    let new = keys.reset(Value::Null).await;
    assert_ne!(old, new);
    assert!(!keys.opens(&old, now()).await);
    assert!(keys.opens(&new, now()).await);

    let gate = services.store.gate(&keys.channel_id).await.expect("a gate");
    assert_eq!(gate.cut_before, 0, "what runs goes on");
    let auth_version = gate.auth_version;
    let cached = services.cache.answer(&old.hash()).await;
    assert_eq!(cached, Some(Known::Revoked { auth_version }));
    assert_eq!(services.cache.answer(&new.hash()).await, None);
    let control = controls.recv().await.expect("word of it");
    let channel_id = keys.channel_id.clone();
    assert_eq!(
        control,
        Control {
            channel_id,
            auth_version
        }
    );

    let reveal = format!("{}/reveal", keys.path);
    let revealed = keys.stack.post("alice", &reveal, Value::Null).await;
    assert_eq!(revealed.text("streamKey"), new.expose());
}

#[tokio::test]
async fn a_reset_with_overlap_lets_the_old_key_start_publishes_until_its_end() {
    let keys = Keys::of_a_new_channel().await;
    let old = keys.generate().await;
    let new = keys.reset(json!({ "overlapSeconds": 3_600 })).await;
    let minute = Duration::from_secs(60);
    assert!(keys.opens(&old, now() + 59 * minute).await);
    assert!(!keys.opens(&old, now() + 60 * minute).await);
    assert_eq!(keys.stack.services.cache.answer(&old.hash()).await, None);

    // A second reset ends the first overlap: at most two keys are valid.
    let newest = keys.reset(json!({ "overlapSeconds": 3_600 })).await;
    assert!(!keys.opens(&old, now()).await);
    assert!(keys.opens(&new, now()).await);
    assert!(keys.opens(&newest, now()).await);
    let cached = keys.stack.services.cache.answer(&old.hash()).await;
    assert!(matches!(cached, Some(Known::Revoked { .. })));
}

#[tokio::test]
async fn a_reset_that_disconnects_cuts_what_was_admitted_before_it() {
    let keys = Keys::of_a_new_channel().await;
    keys.generate().await;
    let store = &keys.stack.services.store;
    let edge = keys.stack.edge(1).await;
    keys.stack.go_live(&keys.channel_id, &edge, now()).await;
    let before = store.gate(&keys.channel_id).await.expect("a gate");
    keys.reset(json!({ "disconnectLive": true })).await;
    let after = store.gate(&keys.channel_id).await.expect("a gate");
    assert!(domain::authorization::is_cut(before.auth_version, &after));
    assert!(!domain::authorization::is_cut(after.auth_version, &after));
}

#[tokio::test]
async fn a_reset_without_a_key_or_out_of_bounds_changes_nothing() {
    let keys = Keys::of_a_new_channel().await;
    let path = format!("{}/reset", keys.path);
    let early = keys.stack.post("alice", &path, json!({})).await;
    early.is_problem(409, "no_stream_key");
    let key = keys.generate().await;
    for (request, status, code) in [
        (json!({ "overlapSeconds": 86_401 }), 422, "invalid_value"),
        (json!({ "overlapSeconds": -1 }), 400, "malformed_body"),
        (json!({ "overlap": 1 }), 400, "malformed_body"),
        (json!({ "disconnectLive": "yes" }), 400, "malformed_body"),
    ] {
        let answer = keys.stack.post("alice", &path, request).await;
        answer.is_problem(status, code);
    }
    assert!(keys.opens(&key, now()).await);
}

#[tokio::test]
async fn the_ingest_url_is_the_nearest_edges_or_the_default() {
    let keys = Keys::of_a_new_channel().await;
    let generated = keys.stack.post("alice", &keys.path, Value::Null).await;
    assert_eq!(generated.text("ingestUrl"), "rtmp://default.example/live");
    let edge = keys.stack.edge(1).await;
    let masked = keys.stack.get("alice", &keys.path).await;
    assert_eq!(masked.text("ingestUrl"), edge.rtmp_url);

    let endpoints = keys.stack.get("alice", "/v1/ingest-endpoints").await;
    let expected = json!([{
        "name": "edge-1",
        "region": "local",
        "rtmpUrl": edge.rtmp_url,
        "rtmpsUrl": null,
        "load": 0.0,
    }]);
    assert_eq!(endpoints.body["items"], expected);
    let shape = keys.stack.send("GET", "/ingests", json!({}), None).await;
    let expected = json!({ "ingests": [{
        "name": "local: edge-1",
        "url_template": format!("{}/{{stream_key}}", edge.rtmp_url),
    }] });
    assert_eq!((shape.status, shape.body), (200, expected));

    let drain = Write::Drain {
        owner: edge.owner(),
    };
    let drained = keys.stack.services.store.write_edge(&drain).await;
    assert!(drained.expect("a write"));
    let endpoints = keys.stack.get("alice", "/v1/ingest-endpoints").await;
    assert_eq!(endpoints.body["items"], json!([]));
}
