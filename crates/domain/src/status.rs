//! What is shown of a channel: OFFLINE, LIVE or GRACE, derived from its live item when it is read.

use crate::live::{Item, State, Version};
use crate::{EdgeId, SessionId, Timestamp};

/// The status that people see.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Shown {
    /// Nobody is live.
    Offline,
    /// Media flows.
    Live,
    /// The publisher dropped and may come back.
    Grace,
}

/// A channel's status at a moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// What is shown.
    pub shown: Shown,
    /// Receivers drop what is lower than what they have.
    pub version: Version,
    /// Since when it is so; None where the channel was never live.
    pub since: Option<Timestamp>,
    /// The running session; None when OFFLINE.
    pub session_id: Option<SessionId>,
    /// The edge that has it; None when OFFLINE.
    pub edge_id: Option<EdgeId>,
    /// Until when the dropped publisher may come back.
    pub grace_until: Option<Timestamp>,
}

impl Status {
    /// The status that `item` shows at `now`.
    ///
    /// STARTING is shown as what was before it: GRACE where a session waits to be resumed, else
    /// OFFLINE. A grace that was abandoned is shown as OFFLINE before anybody wrote it.
    #[must_use]
    pub fn of(item: Option<&Item>, now: Timestamp) -> Self {
        let Some(item) = item else {
            return Self::offline(Version::default(), None);
        };
        match item.state {
            State::Live => Self {
                shown: Shown::Live,
                version: item.version,
                since: item.started_at,
                session_id: item.session_id.clone(),
                edge_id: item.owner.as_ref().map(|owner| owner.edge_id.clone()),
                grace_until: None,
            },
            State::Grace | State::Starting
                if item.grace_until.is_none() || item.is_long_past_its_grace(now) =>
            {
                Self::offline(item.version, item.ended_at)
            }
            State::Grace | State::Starting => Self {
                shown: Shown::Grace,
                version: item.version,
                since: item.ended_at,
                session_id: item.session_id.clone(),
                edge_id: item.owner.as_ref().map(|owner| owner.edge_id.clone()),
                grace_until: item.grace_until,
            },
            State::Offline => Self::offline(item.version, item.ended_at),
        }
    }

    const fn offline(version: Version, since: Option<Timestamp>) -> Self {
        Self {
            shown: Shown::Offline,
            version,
            since,
            session_id: None,
            edge_id: None,
            grace_until: None,
        }
    }
}
