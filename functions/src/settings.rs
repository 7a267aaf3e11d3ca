//! What a deployment chooses; the same for every call.

use std::time::Duration;

/// The deployment's choices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The region these functions run in: new channels belong to it, and edges in it come first.
    pub region: String,
    /// `rtmp://host:port/app`, shown while no edge takes publishers.
    pub default_ingest_url: String,
    /// For how long a dropped stream of a new channel may come back, where its owner does not say.
    pub default_grace: Duration,
    /// Origins whose pages may open the WebSocket, as browsers spell them: `https://host[:port]`.
    pub allowed_origins: Vec<String>,
}
