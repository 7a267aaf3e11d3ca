//! The publishers this edge has, by channel: whom an order can reach, and how many there are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::ChannelId;
use domain::live::EndReason;
use tokio::sync::watch;

use crate::grant::Grant;

/// What a publisher is told to do, from outside its own connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// End the session, for this reason.
    End(EndReason),
    /// Leave as if the connection had dropped: the session waits for its publisher's return, here
    /// or elsewhere.
    Leave,
}

/// Where a publisher hears what it is told.
pub(crate) type Orders = watch::Receiver<Option<Order>>;

/// Publishers that were admitted and whose session has not ended, those in grace included.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_channel: HashMap<ChannelId, Entry>,
    /// Channels whose lock is being acquired here, or owed.
    claimed: HashMap<ChannelId, u32>,
    publishing: u32,
    next_place: u64,
}

#[derive(Debug)]
struct Entry {
    place: u64,
    auth_version: u64,
    generation: u64,
    /// What its connection was let in under; None of a session that was found waiting.
    grant: Option<Arc<Grant>>,
    orders: watch::Sender<Option<Order>>,
}

/// A publisher's entry. Leaves with [`Registry::leave`]; a later publisher of the same channel
/// takes its place.
#[derive(Debug)]
pub(crate) struct Place {
    channel_id: ChannelId,
    number: u64,
    pub(crate) orders: Orders,
}

/// A lock of the channel is being acquired, or its acquisition is owed. Dropping it ends that.
#[derive(Debug)]
pub(crate) struct Claimed {
    registry: Arc<Registry>,
    channel_id: ChannelId,
}

/// What this edge knows of a lock that its own epoch holds.
#[derive(Debug)]
pub(crate) enum Held {
    /// A publisher's.
    By(Arc<Grant>),
    /// One that is being admitted.
    InTheMaking,
    /// Nobody's: it was left over.
    ByNobody,
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

    /// A lock of the channel is about to be acquired.
    pub(crate) fn claim(self: &Arc<Self>, channel_id: &ChannelId) -> Claimed {
        *self.lock().claimed.entry(channel_id.clone()).or_default() += 1;
        Claimed {
            registry: Arc::clone(self),
            channel_id: channel_id.clone(),
        }
    }

    /// Enters a publisher, or a session that waits for one. An earlier one of the channel, whose
    /// grace timer this one made pointless, is no longer reachable.
    pub(crate) fn enter(
        &self,
        channel_id: &ChannelId,
        generation: u64,
        auth_version: u64,
        grant: Option<Arc<Grant>>,
    ) -> Place {
        let (sender, orders) = watch::channel(None);
        let mut entries = self.lock();
        let number = entries.next_place;
        entries.next_place += 1;
        let entry = Entry {
            place: number,
            auth_version,
            generation,
            grant,
            orders: sender,
        };
        entries.by_channel.insert(channel_id.clone(), entry);
        Place {
            channel_id: channel_id.clone(),
            number,
            orders,
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

    /// Tells a channel's publisher what to do.
    pub(crate) fn order(&self, channel_id: &ChannelId, order: Order) {
        if let Some(entry) = self.lock().by_channel.get(channel_id) {
            entry.orders.send_replace(Some(order));
        }
    }

    /// Who has the lock of this generation, which this edge's epoch holds.
    pub(crate) fn holder(&self, channel_id: &ChannelId, generation: u64) -> Held {
        let entries = self.lock();
        let entry = entries.by_channel.get(channel_id);
        let of_it = entry.filter(|entry| entry.generation == generation);
        match of_it.and_then(|entry| entry.grant.clone()) {
            Some(grant) => Held::By(grant),
            None if entries.claimed.contains_key(channel_id) => Held::InTheMaking,
            None => Held::ByNobody,
        }
    }

    /// Whether there is somebody of this channel here, of whatever generation.
    pub(crate) fn knows(&self, channel_id: &ChannelId) -> bool {
        let entries = self.lock();
        entries.by_channel.contains_key(channel_id) || entries.claimed.contains_key(channel_id)
    }

    /// Whether somebody here answers for the channel's item of this generation: a publisher, a
    /// grace timer, or an acquisition.
    pub(crate) fn answers_for(&self, channel_id: &ChannelId, generation: u64) -> bool {
        let entries = self.lock();
        let entry = entries.by_channel.get(channel_id);
        entry.is_some_and(|entry| entry.generation == generation)
            || entries.claimed.contains_key(channel_id)
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // The map is valid after every statement, so a panic elsewhere leaves nothing half done.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        let mut entries = self.registry.lock();
        if let Some(count) = entries.claimed.get_mut(&self.channel_id) {
            *count -= 1;
            if *count == 0 {
                entries.claimed.remove(&self.channel_id);
            }
        }
    }
}

/// Waits for an order; for ever where the publisher was replaced.
pub(crate) async fn next_order(orders: &mut Orders) -> Order {
    loop {
        if let Some(order) = *orders.borrow_and_update() {
            return order;
        }
        if orders.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel() -> ChannelId {
        ChannelId::from_random([1; 16])
    }

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
        let first = registry.enter(&channel(), 1, 1, None);
        let mut second = registry.enter(&channel(), 2, 2, None);
        registry.leave(&first);
        assert_eq!(registry.auth_version(&channel()), Some(2));
        registry.order(&channel(), Order::Leave);
        assert_eq!(*second.orders.borrow_and_update(), Some(Order::Leave));
        assert_eq!(*first.orders.borrow(), None);
    }

    #[test]
    fn a_lock_that_nobody_here_answers_for_was_left_over() {
        let registry = Arc::new(Registry::default());
        assert!(matches!(registry.holder(&channel(), 1), Held::ByNobody));
        let claims = [registry.claim(&channel()), registry.claim(&channel())];
        for claim in claims {
            assert!(matches!(registry.holder(&channel(), 1), Held::InTheMaking));
            drop(claim);
        }
        assert!(!registry.answers_for(&channel(), 1));
        let _waiting = registry.enter(&channel(), 1, 1, None);
        assert!(registry.answers_for(&channel(), 1));
        assert!(!registry.answers_for(&channel(), 2));
        assert!(matches!(registry.holder(&channel(), 1), Held::ByNobody));
    }
}
