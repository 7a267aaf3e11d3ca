//! An edge process as the fleet sees it: one item, heartbeat by its own process.

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

    /// Whether publishers should be sent to it.
    #[must_use]
    pub const fn takes_publishers(&self) -> bool {
        matches!(self.state, State::Up) && self.publishers < self.capacity
    }
}

/// Whether an owner's epoch is over, given its edge's item: missing, a later epoch, or fenced.
#[must_use]
pub fn is_dead(owner: &Owner, found: Option<&Edge>) -> bool {
    found.is_none_or(|edge| edge.epoch > owner.epoch || edge.state == State::Fenced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(epoch: u64, state: State) -> Edge {
        Edge {
            id: EdgeId::from_random([1; 16]),
            name: "edge-a".into(),
            epoch,
            boot_id: "boot".into(),
            heartbeat: 0,
            state,
            swept: false,
            region: "local".into(),
            rtmp_url: "rtmp://127.0.0.1:1935/live".into(),
            rtmps_url: None,
            peer_address: None,
            publishers: 0,
            capacity: 1,
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
