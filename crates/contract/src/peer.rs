//! What edges ask each other, on their private port. Every call is signed with the fleet's secret.

use domain::live::Yield;
use domain::{ChannelId, EdgeId};
use serde::{Deserialize, Serialize};

/// Where an edge is asked to give up a lock.
pub const YIELD_PATH: &str = "/v1/yield";
/// Where an edge is asked whether the store is away for it, too.
pub const OUTAGE_PATH: &str = "/v1/outage";

/// A publish elsewhere found a lock held here: does media flow?
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct YieldRequest {
    /// The channel.
    pub channel_id: ChannelId,
    /// The generation under which the lock was seen held.
    #[serde(rename = "gen")]
    pub generation: u64,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct YieldAnswer {
    /// What the holder did.
    pub holder: HolderWord,
}

/// What a holder does when it is asked to yield.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HolderWord {
    /// It stays.
    MediaFlows,
    /// It stopped, and wrote what it left.
    Yielded,
    /// It could not do either in time.
    Undecided,
}

/// An edge whose heartbeats are not acknowledged asks whether that is so for the others.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutageRequest {
    /// Who asks. Where the store is away for the asked, too, it begins to wait anew for this edge.
    pub edge_id: EdgeId,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutageAnswer {
    /// Whether the store has acknowledged a recent heartbeat of the asked edge.
    pub reaches_store: bool,
}

impl From<Yield> for HolderWord {
    fn from(answer: Yield) -> Self {
        match answer {
            Yield::MediaFlows => Self::MediaFlows,
            Yield::Yielded => Self::Yielded,
            Yield::Silent => Self::Undecided,
        }
    }
}

impl From<HolderWord> for Yield {
    fn from(word: HolderWord) -> Self {
        match word {
            HolderWord::MediaFlows => Self::MediaFlows,
            HolderWord::Yielded => Self::Yielded,
            HolderWord::Undecided => Self::Silent,
        }
    }
}
