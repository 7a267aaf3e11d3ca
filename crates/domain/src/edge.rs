//! An edge process as the fleet sees it: one item, heartbeat by its own process.
//!
//! As with the live item, [`Write`] says what each conditional write demands of the item it finds and
//! what it leaves; the store turns the same rules into condition expressions.

use crate::lease::Heartbeat;
use crate::{EdgeId, Owner};

/// Whether an edge's epoch may hold locks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// Takes publishers.
    Up,
    /// Keeps what it has and takes no more.
    Draining,
    /// This epoch is over: its locks may be taken.
    Fenced,
}

/// One edge process, as registered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edge {
    /// Random at each process start.
    pub id: EdgeId,
    /// The stable name people know it by.
    pub name: String,
    /// Its present epoch, from 1.
    pub epoch: u64,
    /// Random for each start: tells a repeated registration from another process's.
    pub boot_id: String,
    /// Heartbeat counter.
    pub heartbeat: u64,
    /// Whether this epoch may hold locks.
    pub state: State,
    /// Whether the locks of its dead epoch were all given back.
    pub swept: bool,
    /// Where it stands.
    pub region: String,
    /// `rtmp://host:port/app`, as encoders reach it.
    pub rtmp_url: String,
    /// The same over TLS, where it has it.
    pub rtmps_url: Option<String>,
    /// Where other edges reach it, where there are any.
    pub peer_address: Option<String>,
    /// Publishers it has.
    pub publishers: u32,
    /// Publishers it takes at most.
    pub capacity: u32,
}

impl Edge {
    /// The holder's name that its present epoch writes into locks.
    #[must_use]
    pub fn owner(&self) -> Owner {
        Owner {
            edge_id: self.id.clone(),
            epoch: self.epoch,
        }
    }

    /// The write that ends its present epoch, as observed.
    #[must_use]
    pub fn fence(&self) -> Write {
        Write::Fence {
            owner: self.owner(),
            heartbeat: self.heartbeat,
        }
    }

    /// Whether it is in this epoch, and that one is not over.
    #[must_use]
    pub fn lives_in(&self, epoch: u64) -> bool {
        self.epoch == epoch && self.state != State::Fenced
    }

    /// Whether publishers should be sent to it.
    #[must_use]
    pub const fn takes_publishers(&self) -> bool {
        matches!(self.state, State::Up) && self.publishers < self.capacity
    }
}

/// A conditional write on an edge's item. An epoch ends once: by a fence or by the next epoch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    /// A process registers under an id that nobody had before.
    Boot(Edge),
    /// The next epoch of a process that dropped every publisher: `epoch` is the new one, `boot_id`
    /// a fresh one.
    Renew(Edge),
    /// The epoch lives: its next heartbeat.
    Beat {
        /// The edge.
        edge_id: EdgeId,
        /// One more than the last that was acknowledged.
        heartbeat: Heartbeat,
        /// Publishers it has.
        publishers: u32,
    },
    /// It keeps what it has and takes no more.
    Drain {
        /// The edge and its epoch.
        owner: Owner,
    },
    /// Others may take its locks.
    Fence {
        /// The edge and its epoch.
        owner: Owner,
        /// Its heartbeat as it was observed; one that beat since lives.
        heartbeat: u64,
    },
    /// Every lock of a fenced epoch was given back.
    Swept {
        /// The edge and its epoch.
        owner: Owner,
    },
}

impl Write {
    /// The edge whose item it changes.
    #[must_use]
    pub const fn edge_id(&self) -> &EdgeId {
        match self {
            Self::Boot(edge) | Self::Renew(edge) => &edge.id,
            Self::Beat { edge_id, .. } => edge_id,
            Self::Drain { owner } | Self::Fence { owner, .. } | Self::Swept { owner } => {
                &owner.edge_id
            }
        }
    }

    /// Whether the item that is found lets this write through.
    #[must_use]
    pub fn permitted(&self, found: Option<&Edge>) -> bool {
        let Some(found) = found else {
            return matches!(self, Self::Boot(_));
        };
        match self {
            Self::Boot(_) => false,
            Self::Renew(edge) => found.epoch + 1 == edge.epoch,
            Self::Beat { heartbeat, .. } => {
                found.lives_in(heartbeat.epoch) && found.heartbeat + 1 == heartbeat.number
            }
            Self::Drain { owner } => found.lives_in(owner.epoch),
            Self::Fence { owner, heartbeat } => {
                found.lives_in(owner.epoch) && found.heartbeat == *heartbeat
            }
            Self::Swept { owner } => found.epoch == owner.epoch && found.state == State::Fenced,
        }
    }

    /// The item this write leaves; None where it is not permitted.
    #[must_use]
    pub fn apply(&self, found: Option<&Edge>) -> Option<Edge> {
        if !self.permitted(found) {
            return None;
        }
        let mut edge = found.cloned();
        match (self, &mut edge) {
            (Self::Boot(new) | Self::Renew(new), _) => return Some(new.clone()),
            (_, None) => {}
            (
                Self::Beat {
                    heartbeat,
                    publishers,
                    ..
                },
                Some(edge),
            ) => {
                edge.heartbeat = heartbeat.number;
                edge.publishers = *publishers;
            }
            (Self::Drain { .. }, Some(edge)) => edge.state = State::Draining,
            (Self::Fence { .. }, Some(edge)) => {
                edge.state = State::Fenced;
                edge.swept = false;
            }
            (Self::Swept { .. }, Some(edge)) => edge.swept = true,
        }
        edge
    }

    /// Whether an item shows exactly what this write would have left: its answer was lost, or
    /// another made the same, and it counts as done.
    #[must_use]
    pub fn left(&self, found: &Edge) -> bool {
        match self {
            Self::Boot(edge) | Self::Renew(edge) => {
                found.lives_in(edge.epoch) && found.boot_id == edge.boot_id
            }
            Self::Beat { heartbeat, .. } => {
                found.lives_in(heartbeat.epoch) && found.heartbeat == heartbeat.number
            }
            Self::Drain { owner } => found.epoch == owner.epoch && found.state == State::Draining,
            Self::Fence { owner, .. } => found.epoch == owner.epoch && found.state == State::Fenced,
            Self::Swept { owner } => found.epoch == owner.epoch && found.swept,
        }
    }
}

/// Whether an owner's epoch is over, given its edge's item: missing, a later epoch, or fenced.
#[must_use]
pub fn is_dead(owner: &Owner, found: Option<&Edge>) -> bool {
    found.is_none_or(|edge| {
        let fenced = edge.epoch == owner.epoch && edge.state == State::Fenced;
        edge.epoch > owner.epoch || fenced
    })
}

/// An edge that has just registered, for tests.
#[cfg(test)]
pub(crate) fn sample(number: u8) -> Edge {
    Edge {
        id: EdgeId::from_random([number; 16]),
        name: format!("edge-{number}"),
        epoch: 1,
        boot_id: "boot".into(),
        heartbeat: 0,
        state: State::Up,
        swept: false,
        region: "local".into(),
        rtmp_url: "rtmp://127.0.0.1:1935/live".into(),
        rtmps_url: None,
        peer_address: None,
        publishers: 0,
        capacity: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(epoch: u64, state: State) -> Edge {
        Edge {
            epoch,
            state,
            ..sample(1)
        }
    }

    #[test]
    fn an_owner_is_dead_only_when_its_epoch_is_over() {
        let owner = edge(2, State::Up).owner();
        assert!(is_dead(&owner, None));
        assert!(is_dead(&owner, Some(&edge(3, State::Up))));
        assert!(is_dead(&owner, Some(&edge(2, State::Fenced))));
        assert!(!is_dead(&owner, Some(&edge(2, State::Up))));
        assert!(!is_dead(&owner, Some(&edge(2, State::Draining))));
        assert!(!is_dead(&owner, Some(&edge(1, State::Fenced))));
    }

    #[test]
    fn a_full_or_draining_edge_takes_no_publishers() {
        assert!(edge(1, State::Up).takes_publishers());
        assert!(!edge(1, State::Draining).takes_publishers());
        assert!(
            !Edge {
                publishers: 1,
                ..edge(1, State::Up)
            }
            .takes_publishers()
        );
    }
}
