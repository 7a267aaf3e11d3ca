//! Who may take the lock, given the item that was found.

use super::{Acquire, EndReason, Item, State, Write};
use crate::{AttemptId, ChannelId, ConnectionId, Owner, Refusal, SessionId, Timestamp};

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

/// What is known of who holds a lock that is not free.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Holder {
    /// Its epoch is over.
    Dead,
    /// It cannot be reached, and has beaten since it was asked.
    Lives,
    /// It was not asked to yield yet.
    Unasked,
}

/// What a publish is to do, given the item it found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Try this acquisition; when its condition fails decide again on the item that comes back.
    Acquire(Acquire),
    /// Write this OFFLINE first: the last session was abandoned. Then decide again.
    EndFirst(Write),
    /// Write what its dead holder left, first. Then decide again. In two writes and not in one, so
    /// that the session is in GRACE before it is resumed: a drop before media returns to it.
    SweepFirst(Item),
    /// Ask the holder's edge to yield.
    Ask(Item),
    /// Turn it away.
    Refuse(Refusal),
}

/// Decides whether `claim` may take the lock it found (requirement 2.3: the first stays).
///
/// `holder` is looked at only where somebody holds it.
#[must_use]
pub fn decide(found: Option<&Item>, claim: &Claim, holder: Holder, now: Timestamp) -> Decision {
    let Some(item) = found else {
        return Decision::Acquire(acquire(None, claim, None, now));
    };
    // A key that was reset since the session began brings it neither back nor to an end.
    let outdated = claim.key_version < item.key_version;
    match item.state {
        State::Offline => Decision::Acquire(acquire(Some(item), claim, None, now)),
        State::Grace if item.is_abandoned(now) => item.offline(now, EndReason::Dropped).map_or(
            Decision::Refuse(Refusal::ServiceUnavailable),
            Decision::EndFirst,
        ),
        State::Grace | State::Starting | State::Live if outdated => {
            Decision::Refuse(item.already_live())
        }
        State::Grace => Decision::Acquire(acquire(Some(item), claim, Some(item), now)),
        State::Starting | State::Live => match holder {
            Holder::Dead => Decision::SweepFirst(item.clone()),
            Holder::Lives => Decision::Refuse(item.already_live()),
            Holder::Unasked => Decision::Ask(item.clone()),
        },
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

impl Item {
    /// What a second publisher is told while this item is held or waits for the first.
    #[must_use]
    pub fn already_live(&self) -> Refusal {
        Refusal::AlreadyLive {
            since: self.started_at,
            client_ip: self.client_ip.clone(),
        }
    }
}
