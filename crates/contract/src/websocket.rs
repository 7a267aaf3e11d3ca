//! Messages on the dashboard's WebSocket.

use domain::{ChannelId, Timestamp, diagnosis};
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::http::{Channel, Metrics, Status};

/// Where an owner is told to look in the encoder, or why a publish was turned away: at most this
/// many bytes of JSON go into one message (API Gateway takes 128 KiB; we stay far below).
pub const MAX_MESSAGE_BYTES: usize = 32 * 1024;

/// What the page sends. `action` selects the route.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "action", rename_all = "camelCase")]
pub enum ClientMessage {
    /// Asks for a snapshot: the first message on every connection.
    Hello,
    /// Keeps the connection alive; answered with `pong`.
    Ping,
}

/// What the page is sent.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum ServerMessage {
    /// Everything there is to show, as of now.
    Snapshot(Snapshot),
    /// A channel's status changed.
    Status(StatusMessage),
    /// New samples of a live channel.
    Metrics(MetricsMessage),
    /// An attempt to publish was turned away.
    Refused(Refused),
    /// What is wrong with a live channel's stream.
    Diagnosis(DiagnosisMessage),
    /// Something was appended to a channel's event log.
    Event(EventMessage),
    /// The answer to `ping`.
    Pong,
    /// The message could not be understood.
    Error {
        /// Stable.
        code: String,
        /// What is wrong.
        detail: String,
    },
}

/// All channels of the user with their status.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Every channel.
    pub channels: Vec<ChannelSnapshot>,
    /// When it was taken.
    pub at: Timestamp,
}

/// One channel of a [`Snapshot`].
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelSnapshot {
    /// Its settings.
    pub channel: Channel,
    /// Its status.
    pub status: Status,
}

/// A status, and when it was sent. Ordered by `(gen, seq)`: a receiver drops what is lower.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusMessage {
    /// The status.
    #[serde(flatten)]
    pub status: Status,
    /// When it was sent.
    pub at: Timestamp,
}

/// Samples, oldest first. Ordered by `(gen, seq, n)`; `n` is the last sample's number.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricsMessage {
    /// The channel.
    pub channel_id: ChannelId,
    /// Of which status they are.
    #[serde(rename = "gen")]
    pub generation: u64,
    /// Of which status they are.
    #[serde(rename = "seq")]
    pub sequence: u64,
    /// Counts samples within one `(gen, seq)`, from 1.
    pub n: u64,
    /// The samples.
    pub samples: Vec<Metrics>,
    /// When it was sent.
    pub at: Timestamp,
}

/// An attempt that was turned away. De-duplicated by `id`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// Names the attempt.
    pub id: String,
    /// The channel that was tried.
    pub channel_id: ChannelId,
    /// Stable code of the refusal.
    pub reason: String,
    /// The same in plain words, with what to do.
    pub detail: String,
    /// Who tried.
    pub ip_address: String,
    /// With what.
    pub encoder: Option<String>,
    /// About how many seconds after `at` the encoder tries again by itself; null where it does not,
    /// or where that is not known.
    pub retry_after_seconds: Option<u64>,
    /// When.
    pub at: Timestamp,
}

/// Everything that is wrong with a live channel's stream; nothing any more where `findings` is empty.
///
/// It is sent when a finding is raised or cleared, and while there is one again about each ten seconds
/// ([`domain::diagnosis::TELL_AGAIN_AFTER`]): a page that was opened meanwhile has it then, without the
/// snapshot having to know. A receiver that does not hear of a finding again forgets it. Ordered by
/// `(gen, seq, n)`, since the whole list replaces the one before.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiagnosisMessage {
    /// The channel.
    pub channel_id: ChannelId,
    /// Of which status it is.
    #[serde(rename = "gen")]
    pub generation: u64,
    /// Of which status it is.
    #[serde(rename = "seq")]
    pub sequence: u64,
    /// Counts these messages within one `(gen, seq)`, with gaps.
    pub n: u64,
    /// What is wrong; each code once.
    pub findings: Vec<Finding>,
    /// When it was sent.
    pub at: Timestamp,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Stable: `keyframe-interval-long`, `keyframes-missing`, `frame-rate-low`, `bitrate-dropped`,
    /// `video-missing`, `audio-missing`, `audio-video-drift`, `timestamps-jump`.
    pub code: String,
    /// The same in plain words, with what to do.
    pub detail: String,
    /// Since when it is told.
    pub since: Timestamp,
}

impl From<diagnosis::Finding> for Finding {
    fn from(finding: diagnosis::Finding) -> Self {
        Self {
            code: finding.code.as_str().to_owned(),
            detail: finding.detail,
            since: finding.since,
        }
    }
}

/// An event of a channel's log. De-duplicated by its `id`; a number that is skipped is to be read
/// again from the API.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventMessage {
    /// The channel.
    pub channel_id: ChannelId,
    /// The event.
    pub event: Event,
    /// When it was sent.
    pub at: Timestamp,
}
