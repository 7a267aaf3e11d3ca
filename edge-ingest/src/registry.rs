//! The publishers this edge has, by channel: whom a control message can cut, and how many there
//! are.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use domain::ChannelId;
use domain::live::EndReason;
use tokio::sync::watch;

/// Why a publisher is to be cut; None while it is not.
pub(crate) type Cut = watch::Receiver<Option<EndReason>>;

/// Publishers that were admitted and whose session has not ended, those in grace included.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_channel: HashMap<ChannelId, Entry>,
    publishing: u32,
    next_place: u64,
}

#[derive(Debug)]
struct Entry {
    place: u64,
    auth_version: u64,
    cut: watch::Sender<Option<EndReason>>,
}

/// A publisher's entry. Leaves with [`Registry::leave`]; a later publisher of the same channel
/// takes its place.
#[derive(Debug)]
pub(crate) struct Place {
    channel_id: ChannelId,
    number: u64,
    pub(crate) cut: Cut,
}

impl Registry {
    /// Reserves room for one more publisher, below `capacity`.
    pub(crate) fn reserve(&self, capacity: u32) -> bool {
        let mut entries = self.lock();
        let room = entries.publishing < capacity;
        entries.publishing += u32::from(room);
        room
    }

    /// Gives the room back: the connection publishes no more.
    pub(crate) fn release(&self) {
        let mut entries = self.lock();
        entries.publishing = entries.publishing.saturating_sub(1);
    }

    /// How many publish or are being admitted.
    pub(crate) fn publishing(&self) -> u32 {
        self.lock().publishing
    }

    /// Enters an admitted publisher. An earlier one of the channel, whose grace timer this one
    /// made pointless, is no longer reachable.
    pub(crate) fn enter(&self, channel_id: &ChannelId, auth_version: u64) -> Place {
        let (sender, cut) = watch::channel(None);
        let mut entries = self.lock();
        let number = entries.next_place;
        entries.next_place += 1;
        let entry = Entry {
            place: number,
            auth_version,
            cut: sender,
        };
        entries.by_channel.insert(channel_id.clone(), entry);
        Place {
            channel_id: channel_id.clone(),
            number,
            cut,
        }
    }

    /// Says under which version a publisher was admitted in the end.
    pub(crate) fn confirm(&self, place: &Place, auth_version: u64) {
        let mut entries = self.lock();
        let entry = entries.by_channel.get_mut(&place.channel_id);
        if let Some(entry) = entry.filter(|entry| entry.place == place.number) {
            entry.auth_version = auth_version;
        }
    }

    /// Takes a publisher's entry away, unless a later one stands there.
    pub(crate) fn leave(&self, place: &Place) {
        let mut entries = self.lock();
        if entries
            .by_channel
            .get(&place.channel_id)
            .is_some_and(|entry| entry.place == place.number)
        {
            entries.by_channel.remove(&place.channel_id);
        }
    }

    /// The version a channel's publisher was admitted under.
    pub(crate) fn auth_version(&self, channel_id: &ChannelId) -> Option<u64> {
        self.lock()
            .by_channel
            .get(channel_id)
            .map(|entry| entry.auth_version)
    }

    /// Every channel that has a publisher here.
    pub(crate) fn channels(&self) -> Vec<ChannelId> {
        self.lock().by_channel.keys().cloned().collect()
    }

    /// Cuts a channel's publisher, for `reason`.
    pub(crate) fn cut(&self, channel_id: &ChannelId, reason: EndReason) {
        if let Some(entry) = self.lock().by_channel.get(channel_id) {
            entry.cut.send_replace(Some(reason));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
        // The map is valid after every statement, so a panic elsewhere leaves nothing half done.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the publisher is to be cut; for ever where it was replaced.
pub(crate) async fn cut_reason(cut: &mut Cut) -> EndReason {
    loop {
        if let Some(reason) = *cut.borrow_and_update() {
            return reason;
        }
        if cut.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_edge_takes_nobody_until_somebody_leaves() {
        let registry = Registry::default();
        assert!(registry.reserve(1));
        assert!(!registry.reserve(1));
        registry.release();
        assert!(registry.reserve(1));
    }

    #[test]
    fn a_reconnected_publisher_is_not_removed_by_the_one_it_replaced() {
        let registry = Registry::default();
        let channel_id = ChannelId::from_random([1; 16]);
        let first = registry.enter(&channel_id, 1);
        let mut second = registry.enter(&channel_id, 2);
        registry.leave(&first);
        assert_eq!(registry.auth_version(&channel_id), Some(2));
        registry.cut(&channel_id, EndReason::Revoked);
        assert_eq!(*second.cut.borrow_and_update(), Some(EndReason::Revoked));
        assert_eq!(*first.cut.borrow(), None);
    }
}
