//! Every JSON shape that pages, scripts and other processes rely on, held by a snapshot: a changed
//! name or type fails here before it reaches anybody.

use contract::endpoints::{self, Endpoints};
use contract::event::{Event, EventKind};
use contract::http::{
    Channel, CreateChannel, DevToken, DevTokenRequest, Disconnect, Health, Hold, Ingest,
    IngestEndpoint, Ingests, KeyReport, Limits, MaskedStreamCredential, Metrics, Page,
    ResetStreamKey, Session, Status, StatusWord, StreamCredential, UpdateChannel, UpdateLimits,
    WebsocketTicket,
};
use contract::peer::{HolderWord, OutageAnswer, OutageRequest, YieldAnswer, YieldRequest};
use contract::problem::{Code, Problem};
use contract::websocket::{
    ChannelSnapshot, ClientMessage, DiagnosisMessage, EventMessage, Finding, MetricsMessage,
    Refused, ServerMessage, Snapshot, StatusMessage,
};
use domain::{ChannelId, EdgeId, SessionId, Timestamp, UserId};
use insta::assert_json_snapshot;
use serde::Serialize;
use serde::de::DeserializeOwned;

const MOMENT: Timestamp = Timestamp::from_millis(1_900_000_000_123);

fn user() -> UserId {
    UserId::parse("a-user").unwrap()
}

fn channel_id() -> ChannelId {
    ChannelId::from_random([1; 16])
}

fn edge_id() -> EdgeId {
    EdgeId::from_random([2; 16])
}

fn session_id() -> SessionId {
    SessionId::new(MOMENT, [3; 10])
}

fn channel() -> Channel {
    Channel {
        id: channel_id(),
        user_id: user(),
        name: "Saturday show".into(),
        grace_seconds: 10,
        limits: Some(Limits {
            allowed_networks: vec!["192.0.2.0/24".into()],
            maximum_bitrate_kbps: Some(6_000),
            maximum_resolution: None,
        }),
        region: "local".into(),
        created_at: MOMENT,
        is_live: true,
        last_live_at: Some(MOMENT),
        ingest_server_id: Some(edge_id()),
        has_stream_key: true,
        hold_until: None,
    }
}

fn metrics() -> Metrics {
    Metrics {
        bitrate_kbps: 2_500,
        width: Some(1_280),
        height: Some(720),
        fps: Some(29.97),
        keyframe_interval_ms: Some(2_000),
        video_codec: Some("h264".into()),
        audio_codec: Some("aac".into()),
        at: MOMENT,
    }
}

fn status() -> Status {
    Status {
        channel_id: channel_id(),
        status: StatusWord::Live,
        generation: 3,
        sequence: 1,
        since: Some(MOMENT),
        session_id: Some(session_id()),
        edge_id: Some(edge_id()),
        grace_until: None,
        metrics: Some(metrics()),
    }
}

/// What is written is also read, and means the same.
#[track_caller]
fn survives<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value);
}

#[test]
fn the_shape_of_a_channel() {
    survives(&channel());
    assert_json_snapshot!(channel());
    let items = vec![channel()];
    let cursor = Some("opaque".to_owned());
    assert_json_snapshot!("a_page", Page { items, cursor });
}

#[test]
fn the_shape_of_a_status() {
    survives(&status());
    assert_json_snapshot!(status());
    let words = [StatusWord::Offline, StatusWord::Live, StatusWord::Grace];
    assert_json_snapshot!("status_words", words);
}

#[test]
fn the_shape_of_a_stream_credential() {
    assert_json_snapshot!(StreamCredential {
        user_id: user(),
        channel_id: channel_id(),
        stream_key: "live-not-a-real-key".into(),
        ingest_url: "rtmp://127.0.0.1:1935/live".into(),
        created_at: MOMENT,
    });
    let masked = MaskedStreamCredential {
        user_id: user(),
        channel_id: channel_id(),
        masked_key: domain::stream_key::masked("a1B2"),
        ingest_url: "rtmp://127.0.0.1:1935/live".into(),
        created_at: MOMENT,
        retired_at: None,
    };
    survives(&masked);
    assert_json_snapshot!("a_masked_stream_credential", masked);
}

#[test]
fn the_shape_of_a_session() {
    let session = Session {
        id: session_id(),
        channel_id: channel_id(),
        ip_address: "192.0.2.1".into(),
        encoder: Some("obs-output module (libobs version 29.1.3)".into()),
        started_at: MOMENT,
        ended_at: None,
        bitrate_kbps: 2_480,
        resolution: Some("1280x720".into()),
        fps: Some(30.0),
        edge_ids: vec![edge_id()],
        reason: None,
    };
    survives(&session);
    assert_json_snapshot!(session);
}

fn event(kind: EventKind) -> Event {
    Event {
        number: 7,
        id: "live.3.1".into(),
        channel_id: channel_id(),
        at: MOMENT,
        kind,
    }
}

#[test]
fn the_shape_of_events() {
    let session_id = session_id();
    let kinds = [
        EventKind::WentLive {
            session_id: session_id.clone(),
            edge_id: Some(edge_id()),
            ip_address: Some("192.0.2.1".into()),
        },
        EventKind::SignalLost {
            session_id: session_id.clone(),
            edge_id: None,
            grace_until: Some(MOMENT),
        },
        EventKind::Moved {
            session_id: session_id.clone(),
            edge_id: edge_id(),
            from_edge_id: edge_id(),
        },
        EventKind::Resumed {
            session_id: session_id.clone(),
            edge_id: Some(edge_id()),
            ip_address: None,
        },
        EventKind::Ended {
            session_id,
            reason: Some("dropped".into()),
        },
        EventKind::Refused {
            reason: "already_live".into(),
            detail: "Somebody is already live on this channel.".into(),
            ip_address: "192.0.2.1".into(),
            encoder: None,
        },
        EventKind::KeyGenerated,
        EventKind::KeyReset {
            overlap_until: None,
            disconnect_live: true,
        },
        EventKind::KeyRevealed,
        EventKind::KeyReported,
        EventKind::Held { until: MOMENT },
        EventKind::HoldLifted,
        EventKind::SettingsChanged {
            settings: vec!["graceSeconds".into()],
        },
    ];
    let events = kinds.map(event);
    for event in &events {
        survives(event);
    }
    assert_json_snapshot!("events", events);
}

#[test]
fn the_shape_of_ingest_endpoints() {
    let endpoint = IngestEndpoint {
        name: "edge-1".into(),
        region: "local".into(),
        rtmp_url: "rtmp://127.0.0.1:1935/live".into(),
        rtmps_url: None,
        load: 0.25,
    };
    survives(&endpoint);
    assert_json_snapshot!(endpoint);
    let ingest = |secure: Option<&str>| Ingest {
        name: "edge-1".into(),
        url_template: "rtmp://127.0.0.1:1935/live/{stream_key}".into(),
        url_template_secure: secure.map(str::to_owned),
    };
    let secure = Some("rtmps://edge.example.com/live/{stream_key}");
    let ingests = vec![ingest(None), ingest(secure)];
    assert_json_snapshot!("as_obs_reads_it", Ingests { ingests });
}

#[test]
fn the_shape_of_health() {
    let health = Health {
        status: "ok".into(),
        version: "0.1.0".into(),
    };
    survives(&health);
    assert_json_snapshot!(health);
}

#[test]
fn the_shape_of_requests() {
    let create = CreateChannel {
        name: "Saturday show".into(),
        grace_seconds: Some(10),
        limits: None,
    };
    assert_json_snapshot!("create_channel", create);
    assert_json_snapshot!("update_nothing", UpdateChannel::default());
    assert_json_snapshot!("reset_stream_key", ResetStreamKey::default());
    assert_json_snapshot!("disconnect", Disconnect::default());
    let hold = Hold {
        channel_id: channel_id(),
        hold_until: MOMENT,
    };
    survives(&hold);
    assert_json_snapshot!("hold", hold);
    let stream_key = "live-not-a-real-key".to_owned();
    assert_json_snapshot!("key_report", KeyReport { stream_key });
    assert_json_snapshot!("dev_token_request", DevTokenRequest { user_id: user() });
    let token = "not.a.token".to_owned();
    assert_json_snapshot!("dev_token", DevToken { token });
    let ticket = WebsocketTicket {
        ticket: "not-a-ticket".into(),
        expires_at: MOMENT,
    };
    assert_json_snapshot!("websocket_ticket", ticket);
}

#[test]
fn a_request_with_a_field_that_nobody_knows_is_refused() {
    for body in [
        r#"{"name":"a","colour":"red"}"#,
        r#"{"name":"a","grace_seconds":10}"#,
    ] {
        assert!(
            serde_json::from_str::<CreateChannel>(body).is_err(),
            "{body}"
        );
    }
    assert!(serde_json::from_str::<UpdateChannel>(r#"{"userId":"x"}"#).is_err());
    assert!(serde_json::from_str::<ResetStreamKey>(r#"{"streamKey":"x"}"#).is_err());
    assert!(serde_json::from_str::<Disconnect>(r#"{"hold":1}"#).is_err());
}

#[test]
fn a_change_tells_what_stays_from_what_is_cleared() {
    let read = |body: &str| serde_json::from_str::<UpdateChannel>(body).unwrap().limits;
    assert_eq!(read("{}"), None);
    assert_eq!(read(r#"{"limits":null}"#), Some(None));
    assert_eq!(
        read(r#"{"limits":{}}"#),
        Some(Some(UpdateLimits::default()))
    );
    let cleared = r#"{"limits":{"allowedNetworks":null,"maximumBitrateKbps":6000}}"#;
    let expected = UpdateLimits {
        allowed_networks: Some(None),
        maximum_bitrate_kbps: Some(Some(6_000)),
        maximum_resolution: None,
    };
    assert_eq!(read(cleared), Some(Some(expected.clone())));
    let update = UpdateChannel {
        limits: Some(Some(expected)),
        ..UpdateChannel::default()
    };
    assert_eq!(serde_json::to_string(&update).unwrap(), cleared);
}

#[test]
fn the_shape_of_messages_to_the_page() {
    let snapshot = ServerMessage::Snapshot(Snapshot {
        channels: vec![ChannelSnapshot {
            channel: Channel {
                limits: None,
                ..channel()
            },
            status: status(),
        }],
        at: MOMENT,
    });
    let changed = ServerMessage::Status(StatusMessage {
        status: Status {
            status: StatusWord::Grace,
            grace_until: Some(MOMENT),
            metrics: None,
            ..status()
        },
        at: MOMENT,
    });
    let samples = ServerMessage::Metrics(MetricsMessage {
        channel_id: channel_id(),
        generation: 3,
        sequence: 1,
        n: 7,
        samples: vec![metrics()],
        at: MOMENT,
    });
    let refused = ServerMessage::Refused(Refused {
        id: "an-attempt".into(),
        channel_id: channel_id(),
        reason: "already_live".into(),
        detail: "Somebody is already live on this channel. Stop that stream first.".into(),
        ip_address: "192.0.2.1".into(),
        encoder: None,
        retry_after_seconds: Some(3),
        at: MOMENT,
    });
    let found = ServerMessage::Diagnosis(DiagnosisMessage {
        channel_id: channel_id(),
        generation: 3,
        sequence: 1,
        n: 2,
        findings: vec![Finding {
            code: "keyframe-interval-long".into(),
            detail: "Your keyframe interval is 8.3 s, set it to 2 s.".into(),
            since: MOMENT,
        }],
        at: MOMENT,
    });
    let told = ServerMessage::Event(EventMessage {
        channel_id: channel_id(),
        event: event(EventKind::KeyRevealed),
        at: MOMENT,
    });
    let error = ServerMessage::Error {
        code: "malformed_message".into(),
        detail: "send JSON with an action".into(),
    };
    for message in [
        &snapshot,
        &changed,
        &samples,
        &refused,
        &found,
        &told,
        &ServerMessage::Pong,
        &error,
    ] {
        survives(message);
    }
    assert_json_snapshot!("snapshot", snapshot);
    assert_json_snapshot!("status", changed);
    assert_json_snapshot!("metrics", samples);
    assert_json_snapshot!("refused", refused);
    assert_json_snapshot!("diagnosis", found);
    assert_json_snapshot!("event", told);
    assert_json_snapshot!("pong", ServerMessage::Pong);
    assert_json_snapshot!("error", error);
}

#[test]
fn the_shape_of_messages_from_the_page() {
    assert_json_snapshot!([ClientMessage::Hello, ClientMessage::Ping]);
}

#[test]
fn the_shape_of_a_problem() {
    let problem = Problem::new(Code::InvalidValue, "graceSeconds must be 1 to 60");
    let problem = problem.in_field("graceSeconds");
    survives(&problem);
    assert_json_snapshot!(problem);
}

#[test]
fn the_shape_of_endpoints_json() {
    let endpoints = Endpoints {
        schema: endpoints::SCHEMA,
        http: "http://127.0.0.1:8080".into(),
        websocket: "ws://127.0.0.1:8080/websocket".into(),
        management: "http://127.0.0.1:8080/management".into(),
        dynamodb: None,
        redis: Some("redis://127.0.0.1:6379".into()),
        edges: vec![endpoints::Edge {
            id: edge_id(),
            rtmp: "rtmp://127.0.0.1:1935/live".into(),
            rtmps: None,
            admin: "http://127.0.0.1:9090".into(),
        }],
        demo: Some(endpoints::Demo {
            user_id: user(),
            channel_id: channel_id(),
        }),
    };
    survives(&endpoints);
    assert_json_snapshot!(endpoints);
}

#[test]
fn the_shape_of_what_edges_ask_each_other() {
    let asked = YieldRequest {
        channel_id: channel_id(),
        generation: 3,
    };
    survives(&asked);
    assert_json_snapshot!("yield_request", asked);
    let answers = [
        HolderWord::MediaFlows,
        HolderWord::Yielded,
        HolderWord::Undecided,
    ];
    assert_json_snapshot!(
        "yield_answers",
        answers.map(|holder| YieldAnswer { holder })
    );
    let asked = OutageRequest { edge_id: edge_id() };
    survives(&asked);
    assert_json_snapshot!("outage_request", asked);
    assert_json_snapshot!(
        "outage_answer",
        OutageAnswer {
            reaches_store: false
        }
    );
}
