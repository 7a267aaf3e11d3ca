//! `endpoints.json`: where a running local stack listens. No key is ever in it.

use domain::{ChannelId, EdgeId, UserId};
use serde::{Deserialize, Serialize};

/// The version of this shape.
pub const SCHEMA: u32 = 1;

/// The whole file. All addresses are whole URLs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    /// [`SCHEMA`].
    pub schema: u32,
    /// API and page.
    pub http: String,
    /// The dashboard's WebSocket.
    pub websocket: String,
    /// The `@connections` API.
    pub management: String,
    /// The embedded DynamoDB, where it has a socket, or the other one that is used.
    pub dynamodb: Option<String>,
    /// The shared cache, where there is one.
    pub redis: Option<String>,
    /// The edges, in the order of their ports.
    pub edges: Vec<Edge>,
    /// The demo channel; none where an identity provider says who users are.
    pub demo: Option<Demo>,
}

/// One edge.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Edge {
    /// Its id.
    pub id: EdgeId,
    /// `rtmp://host:port/live`.
    pub rtmp: String,
    /// The same over TLS.
    pub rtmps: Option<String>,
    /// Health and metrics.
    pub admin: String,
}

/// The demo channel: ask `/dev/token` for its user to reveal the key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Demo {
    /// Its owner.
    pub user_id: UserId,
    /// Its id.
    pub channel_id: ChannelId,
}
