//! What a deployment chooses; the same for every call.

/// The deployment's choices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The region these functions run in: new channels belong to it, and edges in it come first.
    pub region: String,
    /// `rtmp://host:port/app`, shown while no edge takes publishers.
    pub default_ingest_url: String,
    /// Origins whose pages may open the WebSocket, as browsers spell them: `https://host[:port]`.
    pub allowed_origins: Vec<String>,
}
