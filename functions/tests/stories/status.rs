//! The status of a channel and its session log.

use std::time::Duration;

use domain::live::EndReason;
use domain::metrics::Metrics;
use domain::session::{MeanBitrate, Resolution, Session};
use domain::{SessionId, UserId};
use serde_json::json;
use store::cache::StatusHint;

use crate::stack::{Stack, now};

#[tokio::test]
async fn the_status_says_what_the_live_item_says_now() {
    let stack = Stack::start().await;
    let (id, edge) = (stack.channel("alice").await, stack.edge(1).await);
    let path = format!("/v1/channels/{id}/status");
    let never = stack.get("alice", &path).await;
    let expected = json!({
        "channelId": id, "status": "OFFLINE", "gen": 0, "seq": 0, "since": null,
        "sessionId": null, "edgeId": null, "graceUntil": null, "metrics": null,
    });
    assert_eq!(never.body, expected);

    let began = now();
    let live = stack.go_live(&id, &edge, began).await;
    let shown = stack.get("alice", &path).await.body;
    assert_eq!(
        (&shown["status"], &shown["gen"], &shown["seq"]),
        (&json!("LIVE"), &json!(1), &json!(1))
    );
    assert_eq!(shown["since"], json!(began));
    assert_eq!(shown["sessionId"], json!(live.session_id));
    assert_eq!(shown["edgeId"], json!(edge.id));

    let grace = Duration::from_secs(10);
    let dropped = live.dropped(now(), grace).expect("held");
    let dropped = stack.write(&dropped).await;
    let shown = stack.get("alice", &path).await.body;
    assert_eq!(
        (&shown["status"], &shown["seq"]),
        (&json!("GRACE"), &json!(2))
    );
    assert_eq!(shown["graceUntil"], json!(dropped.grace_until));

    let over = dropped
        .offline(now(), EndReason::Dropped)
        .expect("in grace");
    stack.write(&over).await;
    let shown = stack.get("alice", &path).await.body;
    assert_eq!(
        (&shown["status"], &shown["seq"]),
        (&json!("OFFLINE"), &json!(3))
    );
    assert_eq!(shown["sessionId"], json!(null));
}

#[tokio::test]
async fn a_sample_is_shown_only_with_the_status_it_belongs_to() {
    let stack = Stack::start().await;
    let (id, edge) = (stack.channel("alice").await, stack.edge(1).await);
    let path = format!("/v1/channels/{id}/status");
    stack.go_live(&id, &edge, now()).await;
    let user = UserId::parse("alice").expect("an id");
    let hint = |sequence, bitrate_kbps| StatusHint {
        channel_id: id.clone(),
        generation: 1,
        sequence,
        n: 1,
        live: true,
        metrics: Some(Metrics {
            bitrate_kbps,
            width: Some(640),
            height: Some(360),
            fps: Some(30.0),
            keyframe_interval_ms: Some(2_000),
            video_codec: Some("h264".into()),
            audio_codec: Some("aac".into()),
            at: now(),
        }),
    };
    let cache = &stack.services.cache;
    cache.publish_status(&user, &hint(0, 1_000)).await;
    let shown = stack.get("alice", &path).await.body;
    assert_eq!(shown["metrics"], json!(null), "of an older status");
    cache.publish_status(&user, &hint(1, 2_500)).await;
    let shown = stack.get("alice", &path).await.body;
    assert_eq!(shown["metrics"]["bitrateKbps"], 2_500);
    assert_eq!(shown["metrics"]["width"], 640);
}

#[tokio::test]
async fn the_session_log_comes_newest_first_in_pages() {
    let stack = Stack::start().await;
    let id = stack.channel("alice").await;
    let session = |number: u8| {
        let started_at = now() + Duration::from_secs(number.into());
        Session {
            id: SessionId::new(started_at, [number; 10]),
            channel_id: id.clone(),
            generation: number.into(),
            ip_address: "192.0.2.7".into(),
            encoder: Some("OBS".into()),
            started_at,
            ended_at: None,
            mean: MeanBitrate {
                media_bytes: 1_000_000,
                millis: 4_000,
            },
            resolution: Resolution::parse("640x360"),
            fps: Some(30.0),
            edge_ids: Vec::new(),
            reason: None,
        }
    };
    let store = &stack.services.store;
    let sessions = [session(1), session(2), session(3)];
    for session in &sessions {
        assert!(store.put_session(session).await.expect("a write"));
    }
    let path = format!("/v1/channels/{id}/sessions?limit=2");
    let first = stack.get("alice", &path).await.body;
    let newest = &first["items"][0];
    assert_eq!(newest["id"], json!(sessions[2].id));
    assert_eq!(newest["bitrateKbps"], 2_000);
    assert_eq!(newest["resolution"], "640x360");
    assert_eq!(newest["endedAt"], json!(null));
    let cursor = first["cursor"].as_str().expect("more");
    let last = stack
        .get("alice", &format!("{path}&cursor={cursor}"))
        .await
        .body;
    assert_eq!(last["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(last["cursor"], json!(null));
}
