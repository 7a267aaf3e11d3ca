//! Bodies of the HTTP API (`/v1`).

use domain::channel::{MAX_GRACE, MAX_HOLD, MAX_KEY_OVERLAP, MAX_NAME_CHARACTERS};
use domain::metrics::Metrics as Sample;
use domain::status::{Shown, Status as DomainStatus};
use domain::{ChannelId, EdgeId, SessionId, Timestamp, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::limits::{Limits, UpdateLimits};
use crate::reading;

/// Largest request body that any call takes, in bytes.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// What a channel's name is made of: no control characters, and one that is no blank.
const NAME: &str = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$";

/// `GET /v1/health`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
pub struct Health {
    /// The function runs. Nothing else is looked at.
    #[schemars(extend("const" = "ok"))]
    pub status: String,
    /// The version that runs.
    pub version: String,
}

/// `POST /v1/channels`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateChannel {
    /// What the owner calls it. Blanks around it are not kept.
    #[schemars(length(min = 1, max = MAX_NAME_CHARACTERS), pattern(NAME))]
    pub name: String,
    /// How long a dropped stream may come back as the same session, in seconds.
    #[schemars(range(min = 1, max = MAX_GRACE.as_secs()))]
    #[serde(
        default,
        deserialize_with = "reading::whole_or_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub grace_seconds: Option<u64>,
    /// What it may be published with; without limits where this is absent.
    #[serde(
        default,
        deserialize_with = "reading::object_or_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub limits: Option<Limits>,
}

/// `PATCH /v1/channels/{id}`: what is absent stays.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateChannel {
    /// A new name.
    #[schemars(length(min = 1, max = MAX_NAME_CHARACTERS), pattern(NAME))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A new grace, in seconds.
    #[schemars(range(min = 1, max = MAX_GRACE.as_secs()))]
    #[serde(
        default,
        deserialize_with = "reading::whole_or_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub grace_seconds: Option<u64>,
    /// Other limits; null lifts all of them. A stream that is live is judged by them at once.
    #[serde(
        default,
        deserialize_with = "reading::given_object_or_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub limits: Option<Option<UpdateLimits>>,
}

/// A channel and whether it is live.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// Its id.
    pub id: ChannelId,
    /// Its owner.
    pub user_id: UserId,
    /// What the owner calls it.
    pub name: String,
    /// How long a dropped stream may come back as the same session, in seconds.
    #[schemars(range(min = 1, max = MAX_GRACE.as_secs()))]
    pub grace_seconds: u64,
    /// What it may be published with; left out of snapshots, which go into one message.
    #[schemars(with = "Limits")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// The region whose store decides for it.
    pub region: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether it is LIVE now.
    pub is_live: bool,
    /// When media last began to flow.
    pub last_live_at: Option<Timestamp>,
    /// The edge that has it.
    pub ingest_server_id: Option<EdgeId>,
    /// Whether it has a stream key.
    pub has_stream_key: bool,
    /// Until when no publish is let in; null where there is no hold.
    pub hold_until: Option<Timestamp>,
}

/// One page of a list.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Pass it as `cursor` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A key, revealed: the answer to generate, reset and reveal.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamCredential {
    /// The channel's owner.
    pub user_id: UserId,
    /// The channel.
    pub channel_id: ChannelId,
    /// The key itself.
    #[schemars(pattern("^live[0-9A-Za-z]{36}$"))]
    pub stream_key: String,
    /// What goes into the encoder's server field.
    pub ingest_url: String,
    /// When the key was made.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for StreamCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamCredential")
            .field("channel_id", &self.channel_id)
            .finish_non_exhaustive()
    }
}

/// A key, masked: `GET /v1/channels/{id}/stream-key`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MaskedStreamCredential {
    /// The channel's owner.
    pub user_id: UserId,
    /// The channel.
    pub channel_id: ChannelId,
    /// `live`, dots, and an id that is no part of the key.
    pub masked_key: String,
    /// What goes into the encoder's server field.
    pub ingest_url: String,
    /// When the key was made.
    pub created_at: Timestamp,
    /// When it was reported as leaked: it starts no publish any more, and a reset gives a new one.
    pub retired_at: Option<Timestamp>,
}

/// `POST /v1/channels/{id}/disconnect`; an empty body means the default.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Disconnect {
    /// For how long no publish is let in, in seconds.
    #[schemars(range(min = 1, max = MAX_HOLD.as_secs()))]
    #[serde(deserialize_with = "reading::whole")]
    pub hold_seconds: u64,
}

impl Default for Disconnect {
    /// A minute: long enough to be noticed at an encoder that comes back by itself.
    fn default() -> Self {
        Self { hold_seconds: 60 }
    }
}

/// A channel that lets no publish in for a while.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// The channel.
    pub channel_id: ChannelId,
    /// Until when.
    pub hold_until: Timestamp,
}

/// `POST /v1/key-reports`: somebody found a stream key where it should not be.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyReport {
    /// The whole key.
    pub stream_key: String,
}

impl std::fmt::Debug for KeyReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyReport(..)")
    }
}

/// `POST /v1/channels/{id}/stream-key/reset`; an empty body means the defaults.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResetStreamKey {
    /// For how long the old key may go on starting publishes, in seconds.
    #[schemars(range(max = MAX_KEY_OVERLAP.as_secs()))]
    #[serde(default, deserialize_with = "reading::whole")]
    pub overlap_seconds: u64,
    /// Whether a live session is cut within 1 s; else it goes on until it drops.
    #[serde(default)]
    pub disconnect_live: bool,
}

/// Where an encoder may publish to.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IngestEndpoint {
    /// The edge's stable name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// `rtmp://host:port/app`.
    pub rtmp_url: String,
    /// `rtmps://host:port/app`, where the edge has it.
    pub rtmps_url: Option<String>,
    /// Publishers by capacity, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub load: f64,
}

/// `GET /ingests`: the shape that OBS reads from Twitch.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct Ingests {
    /// In the order to try.
    pub ingests: Vec<Ingest>,
}

/// One row of the list that OBS reads.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct Ingest {
    /// Shown in the encoder's list.
    pub name: String,
    /// `{stream_key}` stands where the key goes.
    pub url_template: String,
    /// The same over TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_template_secure: Option<String>,
}

/// The status that people see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StatusWord {
    /// Nobody is live.
    Offline,
    /// Media flows.
    Live,
    /// The publisher dropped and may come back.
    Grace,
}

/// What is shown of a channel; also the core of WebSocket messages.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The channel.
    pub channel_id: ChannelId,
    /// What is shown.
    pub status: StatusWord,
    /// Orders status changes, with `seq` inside it.
    #[serde(rename = "gen")]
    pub generation: u64,
    /// Orders status changes within one `gen`.
    #[serde(rename = "seq")]
    pub sequence: u64,
    /// Since when it is so; null where the channel was never live.
    pub since: Option<Timestamp>,
    /// The running session.
    pub session_id: Option<SessionId>,
    /// The edge that has it.
    pub edge_id: Option<EdgeId>,
    /// Until when the dropped publisher may come back.
    pub grace_until: Option<Timestamp>,
    /// The last sample, while LIVE.
    pub metrics: Option<Metrics>,
}

impl Status {
    /// Spells a status, with the last sample where it is of the same version.
    #[must_use]
    pub fn new(channel_id: ChannelId, status: DomainStatus, metrics: Option<Metrics>) -> Self {
        Self {
            channel_id,
            status: status.shown.into(),
            generation: status.version.generation,
            sequence: status.version.sequence,
            since: status.since,
            session_id: status.session_id,
            edge_id: status.edge_id,
            grace_until: status.grace_until,
            metrics: metrics.filter(|_| status.shown == Shown::Live),
        }
    }
}

impl From<Shown> for StatusWord {
    fn from(shown: Shown) -> Self {
        match shown {
            Shown::Offline => Self::Offline,
            Shown::Live => Self::Live,
            Shown::Grace => Self::Grace,
        }
    }
}

/// One sample of a live stream.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Media payload in kbit/s.
    pub bitrate_kbps: u32,
    /// Pixels across.
    pub width: Option<u32>,
    /// Pixels down.
    pub height: Option<u32>,
    /// Pictures a second.
    pub fps: Option<f64>,
    /// Time between the last two keyframes.
    pub keyframe_interval_ms: Option<u32>,
    /// `h264`, `hevc`, ...
    pub video_codec: Option<String>,
    /// `aac`, `opus`, ...
    pub audio_codec: Option<String>,
    /// When the sample was taken.
    pub at: Timestamp,
}

impl From<Sample> for Metrics {
    fn from(sample: Sample) -> Self {
        Self {
            bitrate_kbps: sample.bitrate_kbps,
            width: sample.width,
            height: sample.height,
            fps: sample.fps,
            keyframe_interval_ms: sample.keyframe_interval_ms,
            video_codec: sample.video_codec,
            audio_codec: sample.audio_codec,
            at: sample.at,
        }
    }
}

/// One broadcast of the history.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The channel.
    pub channel_id: ChannelId,
    /// Where the publisher came from.
    pub ip_address: String,
    /// What the encoder calls itself.
    pub encoder: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; null while it runs.
    pub ended_at: Option<Timestamp>,
    /// Mean bitrate.
    pub bitrate_kbps: u32,
    /// `640x360`.
    pub resolution: Option<String>,
    /// Frame rate.
    pub fps: Option<f64>,
    /// The edges it was on.
    pub edge_ids: Vec<EdgeId>,
    /// Why it ended.
    pub reason: Option<String>,
}

impl From<domain::session::Session> for Session {
    fn from(session: domain::session::Session) -> Self {
        Self {
            id: session.id,
            channel_id: session.channel_id,
            ip_address: session.ip_address,
            encoder: session.encoder,
            started_at: session.started_at,
            ended_at: session.ended_at,
            bitrate_kbps: session.mean.kbps(),
            resolution: session.resolution.map(|resolution| resolution.to_string()),
            fps: session.fps,
            edge_ids: session.edge_ids,
            reason: session.reason.map(|reason| reason.as_str().to_owned()),
        }
    }
}

/// `POST /v1/websocket-tickets`.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebsocketTicket {
    /// Single use; goes into the WebSocket's query string as `ticket`.
    pub ticket: String,
    /// When it stops being accepted.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for WebsocketTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebsocketTicket")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// `POST /dev/token`, only on the local stack.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DevTokenRequest {
    /// Whom the token is for.
    pub user_id: UserId,
}

/// The answer to [`DevTokenRequest`].
#[derive(Clone, Deserialize, Serialize)]
pub struct DevToken {
    /// A JWT.
    pub token: String,
}

impl std::fmt::Debug for DevToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DevToken(..)")
    }
}
