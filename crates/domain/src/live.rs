//! The live item: the lock that lets one publisher be live on a channel, and its status, in one.
//!
//! Lock and status are one item so that one conditional write changes both. This module says what
//! each write demands of the item it finds ([`Write::permitted`]) and what it leaves
//! ([`Write::apply`]); the store turns the same rules into condition expressions, and a test holds
//! the two against each other.
//!
//! Invariants:
//! - `generation` grows by one with every acquisition and never shrinks; items are never deleted.
//! - An acquisition compares generation and sequence: a session that ended between a read and the
//!   write leaves the generation alone, and must not come back.
//! - STARTING holds the lock like LIVE and is shown as what was before it.
//! - `(generation, sequence)` moves with durable changes only, never with metrics.

use std::time::Duration;

use crate::{AttemptId, ChannelId, ConnectionId, Owner, Refusal, SessionId, Timestamp};

/// How far past its `grace_until` an item in GRACE is taken as abandoned: its timer's holder is
/// gone. Wide enough for clocks that disagree.
pub const ABANDONED_GRACE: Duration = Duration::from_secs(5);
/// OFFLINE is written this long after the promised grace, so that it never comes early and the
/// third try of OBS (9.5 to 9.9 s after the drop, plus connect time) is caught.
pub const GRACE_MARGIN: Duration = Duration::from_secs(1);

/// Where a channel's lock is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// Nobody holds it.
    Offline,
    /// A publisher was let in and has sent no media yet.
    Starting,
    /// Media flows.
    Live,
    /// The publisher dropped and may come back as the same session.
    Grace,
}

impl State {
    /// Whether a publisher holds the lock.
    #[must_use]
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Starting | Self::Live)
    }
}

/// Why a session ended; stable words of the session log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EndReason {
    /// The encoder said that it stops.
    Unpublished,
    /// The connection was lost and nobody came back inside the grace.
    Dropped,
    /// The key was revoked while live.
    Revoked,
    /// The owner disconnected the stream or put the channel on hold.
    Disconnected,
    /// The edge's operator stopped it.
    Shutdown,
    /// The publisher was let in and never sent media.
    NoMedia,
}

impl EndReason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Unpublished,
        Self::Dropped,
        Self::Revoked,
        Self::Disconnected,
        Self::Shutdown,
        Self::NoMedia,
    ];

    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unpublished => "unpublished",
            Self::Dropped => "dropped",
            Self::Revoked => "revoked",
            Self::Disconnected => "disconnected",
            Self::Shutdown => "shutdown",
            Self::NoMedia => "no_media",
        }
    }

    /// Reads the stable word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// Orders every durable change of a channel's status.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Version {
    /// Fencing token: one more with each acquisition.
    pub generation: u64,
    /// Changes within a generation.
    pub sequence: u64,
}

/// The item, as last read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// Whose lock it is.
    pub channel_id: ChannelId,
    /// Where it is in its life.
    pub state: State,
    /// Orders it among its own past and future.
    pub version: Version,
    /// Who holds it; kept in GRACE as the one whose timer runs.
    pub owner: Option<Owner>,
    /// The attempt that took it.
    pub attempt_id: Option<AttemptId>,
    /// The connection that publishes.
    pub connection_id: Option<ConnectionId>,
    /// The running or last session.
    pub session_id: Option<SessionId>,
    /// The version of the key that holds it.
    pub key_version: u64,
    /// The publisher's address.
    pub client_ip: Option<String>,
    /// When the running or last session began.
    pub started_at: Option<Timestamp>,
    /// When media last began to flow.
    pub last_live_at: Option<Timestamp>,
    /// For display: until when the dropped publisher may come back.
    pub grace_until: Option<Timestamp>,
    /// When the shown status last changed to GRACE or OFFLINE.
    pub ended_at: Option<Timestamp>,
    /// Why the last session ended.
    pub reason: Option<EndReason>,
}

/// Who asks for the lock, and as what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// The channel.
    pub channel_id: ChannelId,
    /// The edge's epoch that will hold it.
    pub owner: Owner,
    /// Random for each publish attempt.
    pub attempt_id: AttemptId,
    /// The connection that publishes.
    pub connection_id: ConnectionId,
    /// The session it begins, where it does not resume one.
    pub session_id: SessionId,
    /// The version of the key it came with.
    pub key_version: u64,
    /// The publisher's address.
    pub client_ip: String,
}

/// A conditional write on the item. Every one but an acquisition carries the version it saw.
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
    /// The holder ends the session itself: OFFLINE at once.
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
                }
                | Self::End {
                    owner, generation, ..
                },
                Some(item),
            ) => item.state.is_held() && item.is_held_by(owner, *generation),
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
            Self::Grace {
                owner,
                generation,
                grace_until,
                ..
            } => {
                item.state == State::Grace
                    && item.is_held_by(owner, *generation)
                    && item.grace_until == Some(*grace_until)
            }
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

impl Version {
    /// The version after one more durable change.
    #[must_use]
    pub const fn next(self) -> Self {
        Self {
            generation: self.generation,
            sequence: self.sequence + 1,
        }
    }
}

impl Item {
    fn is_held_by(&self, owner: &Owner, generation: u64) -> bool {
        self.owner.as_ref() == Some(owner) && self.version.generation == generation
    }

    fn shows_end(&self, now: Timestamp, reason: EndReason) -> bool {
        self.state == State::Offline && self.ended_at == Some(now) && self.reason == Some(reason)
    }

    fn ended(&self, now: Timestamp, reason: EndReason) -> Self {
        Self {
            state: State::Offline,
            version: self.version.next(),
            owner: None,
            attempt_id: None,
            connection_id: None,
            grace_until: None,
            ended_at: Some(now),
            reason: Some(reason),
            ..self.clone()
        }
    }

    /// Whether its grace is over by so much that the timer's holder must be gone.
    #[must_use]
    pub fn is_abandoned(&self, now: Timestamp) -> bool {
        self.state == State::Grace
            && self
                .grace_until
                .is_some_and(|until| now > until + ABANDONED_GRACE)
    }

    /// What its owner writes when the publisher is lost without a goodbye: GRACE where media
    /// flowed; in STARTING the old grace goes on, or there was nothing to keep.
    #[must_use]
    pub fn dropped(&self, now: Timestamp, grace: Duration) -> Option<Write> {
        let owner = self.owner.clone()?;
        let (channel_id, generation) = (self.channel_id.clone(), self.version.generation);
        let grace_until = match self.state {
            State::Live => Some(now + grace),
            State::Starting => self.grace_until,
            State::Offline | State::Grace => return None,
        };
        Some(match grace_until {
            Some(grace_until) => Write::Grace {
                channel_id,
                owner,
                generation,
                now,
                grace_until,
            },
            None => Write::End {
                channel_id,
                owner,
                generation,
                now,
                reason: EndReason::NoMedia,
            },
        })
    }

    /// The write that ends an item in GRACE; None in any other state.
    #[must_use]
    pub fn offline(&self, now: Timestamp, reason: EndReason) -> Option<Write> {
        (self.state == State::Grace).then(|| Write::Offline {
            channel_id: self.channel_id.clone(),
            seen: self.version,
            now,
            reason,
        })
    }

    /// The write with which its owner ends the session at once; None where nobody holds it.
    #[must_use]
    pub fn end(&self, now: Timestamp, reason: EndReason) -> Option<Write> {
        let owner = self.owner.clone().filter(|_| self.state.is_held())?;
        Some(Write::End {
            channel_id: self.channel_id.clone(),
            owner,
            generation: self.version.generation,
            now,
            reason,
        })
    }
}

/// What a publish is to do, given the item it found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Try this acquisition; when its condition fails decide again on the item that comes back.
    Acquire(Acquire),
    /// Write this OFFLINE first: the last session was abandoned. Then decide again.
    EndFirst(Write),
    /// Turn it away.
    Refuse(Refusal),
}

/// Decides whether `claim` may take the lock it found (requirement 2.3: the first stays).
///
/// `owner_is_dead` says whether the epoch that holds it is known to be dead; it is asked only
/// where somebody holds it.
#[must_use]
pub fn decide(
    found: Option<&Item>,
    claim: &Claim,
    owner_is_dead: impl FnOnce(&Owner) -> bool,
    now: Timestamp,
) -> Decision {
    let Some(item) = found else {
        return Decision::Acquire(acquire(None, claim, None, now));
    };
    match item.state {
        State::Offline => Decision::Acquire(acquire(Some(item), claim, None, now)),
        State::Grace if item.is_abandoned(now) => item.offline(now, EndReason::Dropped).map_or(
            Decision::Refuse(Refusal::ServiceUnavailable),
            Decision::EndFirst,
        ),
        State::Grace if claim.key_version < item.key_version => {
            Decision::Refuse(already_live(item))
        }
        State::Grace => Decision::Acquire(acquire(Some(item), claim, Some(item), now)),
        State::Starting | State::Live => {
            if !item.owner.as_ref().is_some_and(owner_is_dead) {
                return Decision::Refuse(already_live(item));
            }
            // A dead edge's session goes on here, as after any drop; one that never had media has
            // nothing to resume unless it was itself a resumption.
            let resumable = item.state == State::Live || item.grace_until.is_some();
            let resumed = resumable
                .then_some(item)
                .filter(|_| claim.key_version >= item.key_version);
            Decision::Acquire(acquire(Some(item), claim, resumed, now))
        }
    }
}

fn acquire(found: Option<&Item>, claim: &Claim, resumed: Option<&Item>, now: Timestamp) -> Acquire {
    let session = resumed.and_then(|item| item.session_id.clone().zip(item.started_at));
    let (session_id, started_at) = session.unwrap_or_else(|| (claim.session_id.clone(), now));
    Acquire {
        claim: claim.clone(),
        seen: found.map(|item| item.version),
        session_id,
        started_at,
    }
}

fn already_live(item: &Item) -> Refusal {
    Refusal::AlreadyLive {
        since: item.started_at,
        client_ip: item.client_ip.clone(),
    }
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
