//! Each conditional write on the live item: what it demands and what it leaves.

use super::{Claim, EndReason, Item, State, Version};
use crate::{ChannelId, Owner, SessionId, Timestamp};

/// A conditional write on the item. An acquisition and OFFLINE carry the version that was seen; the
/// others the owner and generation that must still hold it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    /// Takes the lock: STARTING, one generation more, sequence 0.
    Acquire(Acquire),
    /// The first media arrived: LIVE.
    GoLive {
        /// The channel.
        channel_id: ChannelId,
        /// Who must hold it.
        owner: Owner,
        /// The generation that was acquired.
        generation: u64,
        /// When media began.
        now: Timestamp,
    },
    /// The publisher dropped, or its owner is dead: GRACE.
    Grace {
        /// The channel.
        channel_id: ChannelId,
        /// Who must hold it: the writer itself, or the dead owner that is swept.
        owner: Owner,
        /// The generation that was seen.
        generation: u64,
        /// When it dropped.
        now: Timestamp,
        /// Until when it may come back.
        grace_until: Timestamp,
    },
    /// The grace is over: OFFLINE.
    Offline {
        /// The channel.
        channel_id: ChannelId,
        /// What was seen in GRACE; anything newer wins.
        seen: Version,
        /// When it is over.
        now: Timestamp,
        /// Why.
        reason: EndReason,
    },
    /// The holder ends the session itself: OFFLINE at once. Where nothing came, whoever sweeps its
    /// lock may have read it just before media did: then it is not let through.
    End {
        /// The channel.
        channel_id: ChannelId,
        /// Who must hold it.
        owner: Owner,
        /// The generation that was acquired.
        generation: u64,
        /// When it ended.
        now: Timestamp,
        /// Why.
        reason: EndReason,
    },
}

/// An acquisition: what was seen decides whether it begins a session or resumes one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acquire {
    /// Who asks.
    pub claim: Claim,
    /// The version that was seen; None where the channel was never live.
    pub seen: Option<Version>,
    /// The session it will be: the claim's, or the one in GRACE.
    pub session_id: SessionId,
    /// When that session began.
    pub started_at: Timestamp,
}

impl Acquire {
    /// The generation it leaves.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.seen.map_or(0, |seen| seen.generation) + 1
    }

    /// Whether a session that dropped goes on.
    #[must_use]
    pub fn resumes(&self) -> bool {
        self.session_id != self.claim.session_id
    }
}

impl Write {
    /// The channel whose item it changes.
    #[must_use]
    pub const fn channel_id(&self) -> &ChannelId {
        match self {
            Self::Acquire(acquire) => &acquire.claim.channel_id,
            Self::GoLive { channel_id, .. }
            | Self::Grace { channel_id, .. }
            | Self::Offline { channel_id, .. }
            | Self::End { channel_id, .. } => channel_id,
        }
    }

    /// Whether the item that is found lets this write through.
    #[must_use]
    pub fn permitted(&self, found: Option<&Item>) -> bool {
        match (self, found) {
            (Self::Acquire(acquire), found) => acquire.seen == found.map(|item| item.version),
            (_, None) => false,
            (
                Self::GoLive {
                    owner, generation, ..
                },
                Some(item),
            ) => item.state == State::Starting && item.is_held_by(owner, *generation),
            (
                Self::Grace {
                    owner, generation, ..
                },
                Some(item),
            ) => item.state.is_held() && item.is_held_by(owner, *generation),
            (
                Self::End {
                    owner,
                    generation,
                    reason,
                    ..
                },
                Some(item),
            ) => reason.ends(item.state) && item.is_held_by(owner, *generation),
            (Self::Offline { seen, .. }, Some(item)) => {
                item.state == State::Grace && item.version == *seen
            }
        }
    }

    /// The item this write leaves; None where it is not permitted.
    #[must_use]
    pub fn apply(&self, found: Option<&Item>) -> Option<Item> {
        if !self.permitted(found) {
            return None;
        }
        match (self, found) {
            (Self::Acquire(acquire), found) => Some(acquire.apply(found)),
            (_, None) => None,
            (Self::GoLive { now, .. }, Some(item)) => Some(Item {
                state: State::Live,
                version: item.version.next(),
                last_live_at: Some(*now),
                grace_until: None,
                ..item.clone()
            }),
            (
                Self::Grace {
                    now, grace_until, ..
                },
                Some(item),
            ) => Some(Item {
                state: State::Grace,
                version: item.version.next(),
                grace_until: Some(*grace_until),
                ended_at: Some(*now),
                ..item.clone()
            }),
            (Self::Offline { now, reason, .. } | Self::End { now, reason, .. }, Some(item)) => {
                Some(item.ended(*now, *reason))
            }
        }
    }

    /// Whether an item shows exactly what this write would have left: its answer was lost and it
    /// counts as done.
    #[must_use]
    pub fn left(&self, item: &Item) -> bool {
        match self {
            Self::Acquire(acquire) => {
                item.state == State::Starting
                    && item.is_held_by(&acquire.claim.owner, acquire.generation())
                    && item.attempt_id.as_ref() == Some(&acquire.claim.attempt_id)
            }
            Self::GoLive {
                owner,
                generation,
                now,
                ..
            } => {
                item.state == State::Live
                    && item.is_held_by(owner, *generation)
                    && item.last_live_at == Some(*now)
            }
            // Whoever wrote it, at whatever moment: the session waits under this generation.
            Self::Grace {
                owner, generation, ..
            } => item.state == State::Grace && item.is_held_by(owner, *generation),
            Self::Offline {
                seen, now, reason, ..
            } => item.version == seen.next() && item.shows_end(*now, *reason),
            Self::End {
                generation,
                now,
                reason,
                ..
            } => item.version.generation == *generation && item.shows_end(*now, *reason),
        }
    }
}

impl Acquire {
    fn apply(&self, found: Option<&Item>) -> Item {
        Item {
            channel_id: self.claim.channel_id.clone(),
            state: State::Starting,
            version: Version {
                generation: self.generation(),
                sequence: 0,
            },
            owner: Some(self.claim.owner.clone()),
            attempt_id: Some(self.claim.attempt_id.clone()),
            connection_id: Some(self.claim.connection_id.clone()),
            session_id: Some(self.session_id.clone()),
            key_version: self.claim.key_version,
            client_ip: Some(self.claim.client_ip.clone()),
            started_at: Some(self.started_at),
            last_live_at: found.and_then(|item| item.last_live_at),
            grace_until: found.and_then(|item| item.grace_until),
            ended_at: found.and_then(|item| item.ended_at),
            reason: found.and_then(|item| item.reason),
        }
    }
}
