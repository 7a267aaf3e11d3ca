//! A channel's event log: `GET /v1/channels/{id}/events`, and the WebSocket's `event` messages.

use domain::event::{Logged, What};
use domain::{ChannelId, EdgeId, SessionId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One event. The numbers of a channel begin at 1 and have no gap; one that is missing can be read
/// again with `after=`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its place in the channel's log: the order in which events arrived.
    pub number: u64,
    /// Names what it tells of: the same thing is told once.
    pub id: String,
    /// The channel.
    pub channel_id: ChannelId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened, and what there is to say about it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(
    tag = "type",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum EventKind {
    /// A new session is LIVE.
    WentLive {
        /// The session.
        session_id: SessionId,
        /// The edge that has it.
        edge_id: Option<EdgeId>,
        /// The publisher's address.
        ip_address: Option<String>,
    },
    /// The publisher dropped: GRACE.
    SignalLost {
        /// The session.
        session_id: SessionId,
        /// The edge that it was lost on.
        edge_id: Option<EdgeId>,
        /// Until when it may come back.
        grace_until: Option<Timestamp>,
    },
    /// Another edge took up a session that waited; no media has come there yet.
    Moved {
        /// The session.
        session_id: SessionId,
        /// The edge that has it now.
        edge_id: EdgeId,
        /// The edge that had it.
        from_edge_id: EdgeId,
    },
    /// A session that waited is LIVE again.
    Resumed {
        /// The session.
        session_id: SessionId,
        /// The edge that has it.
        edge_id: Option<EdgeId>,
        /// The publisher's address.
        ip_address: Option<String>,
    },
    /// A session is over: OFFLINE.
    Ended {
        /// The session.
        session_id: SessionId,
        /// Why: the words of the session log.
        reason: Option<String>,
    },
    /// An encoder was turned away; the first of its kind, from its address, in a minute.
    Refused {
        /// Stable code of the refusal.
        reason: String,
        /// The same in plain words.
        detail: String,
        /// Who tried.
        ip_address: String,
        /// With what.
        encoder: Option<String>,
    },
    /// The channel got its first stream key.
    KeyGenerated,
    /// The channel got another stream key.
    KeyReset {
        /// Until when the old one may start publishes; null where it was dead at once.
        overlap_until: Option<Timestamp>,
        /// Whether a running session was to be cut.
        disconnect_live: bool,
    },
    /// The stream key was shown.
    KeyRevealed,
    /// The stream key was reported as leaked, and retired.
    KeyReported,
    /// The channel takes no publisher for a while.
    Held {
        /// Until when.
        until: Timestamp,
    },
    /// The channel takes publishers again.
    HoldLifted,
    /// Settings of the channel were changed.
    SettingsChanged {
        /// Which, by the names of their fields.
        settings: Vec<String>,
    },
}

impl From<Logged> for Event {
    fn from(Logged { number, event }: Logged) -> Self {
        Self {
            number,
            id: event.id,
            channel_id: event.channel_id,
            at: event.at,
            kind: event.what.into(),
        }
    }
}

impl From<What> for EventKind {
    fn from(what: What) -> Self {
        match what {
            What::WentLive {
                session_id,
                edge_id,
                ip_address,
            } => Self::WentLive {
                session_id,
                edge_id,
                ip_address,
            },
            What::SignalLost {
                session_id,
                edge_id,
                grace_until,
            } => Self::SignalLost {
                session_id,
                edge_id,
                grace_until,
            },
            What::Moved {
                session_id,
                edge_id,
                from_edge_id,
            } => Self::Moved {
                session_id,
                edge_id,
                from_edge_id,
            },
            What::Resumed {
                session_id,
                edge_id,
                ip_address,
            } => Self::Resumed {
                session_id,
                edge_id,
                ip_address,
            },
            What::Ended { session_id, reason } => Self::Ended {
                session_id,
                reason: reason.map(|reason| reason.as_str().to_owned()),
            },
            What::Refused {
                reason,
                detail,
                ip_address,
                encoder,
            } => Self::Refused {
                reason,
                detail,
                ip_address,
                encoder,
            },
            What::KeyGenerated => Self::KeyGenerated,
            What::KeyReset {
                overlap_until,
                disconnect_live,
            } => Self::KeyReset {
                overlap_until,
                disconnect_live,
            },
            What::KeyRevealed => Self::KeyRevealed,
            What::KeyReported => Self::KeyReported,
            What::Held { until } => Self::Held { until },
            What::HoldLifted => Self::HoldLifted,
            What::SettingsChanged { settings } => Self::SettingsChanged { settings },
        }
    }
}
