//! The publishers this edge has, by channel: whom an order can reach, and how many there are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::authorization::is_cut;
use domain::channel::Gate;
use domain::live::EndReason;
use domain::{ChannelId, Limits};
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

/// What a publisher is judged by, and the gate's version that it was read under.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judged {
    auth_version: u64,
    pub(crate) limits: Arc<Limits>,
}

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
    admitted: Admitted,
    generation: u64,
    /// What its connection was let in under; None of a session that was found waiting.
    grant: Option<Arc<Grant>>,
    orders: watch::Sender<Option<Order>>,
    judged: watch::Sender<Judged>,
}

/// Under which version of its channel's gate a publisher was let in.
#[derive(Debug)]
enum Admitted {
    /// That is being read; the latest gate that was seen meanwhile, with why it cuts.
    Unconfirmed(Option<(Gate, EndReason)>),
    Under(u64),
}

/// A publisher's entry, taken away when dropped; a later publisher of the same channel takes its
/// place.
#[derive(Debug)]
pub(crate) struct Place {
    registry: Arc<Registry>,
    channel_id: ChannelId,
    number: u64,
    pub(crate) orders: Orders,
    /// By which limits, as they are now.
    pub(crate) judged: watch::Receiver<Judged>,
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

    /// Enters a publisher that has its lock and is still to be confirmed. An earlier one of the
    /// channel, whose grace timer this one made pointless, is no longer reachable.
    pub(crate) fn enter(self: &Arc<Self>, grant: &Arc<Grant>) -> Place {
        let admitted = Admitted::Unconfirmed(None);
        let mut entries = self.lock();
        let (channel_id, generation) = (&grant.channel_id, grant.generation);
        self.insert(&mut entries, channel_id, generation, admitted, Some(grant))
    }

    /// Enters a session that was found waiting for its publisher; None where somebody here answers
    /// for it, or for a later one, already.
    pub(crate) fn enter_waiting(
        self: &Arc<Self>,
        channel_id: &ChannelId,
        generation: u64,
        auth_version: u64,
    ) -> Option<Place> {
        let mut entries = self.lock();
        let entry = entries.by_channel.get(channel_id);
        let later = entry.is_some_and(|entry| entry.generation >= generation);
        let taken = later || entries.claimed.contains_key(channel_id);
        let admitted = Admitted::Under(auth_version);
        (!taken).then(|| self.insert(&mut entries, channel_id, generation, admitted, None))
    }

    fn insert(
        self: &Arc<Self>,
        entries: &mut Entries,
        channel_id: &ChannelId,
        generation: u64,
        admitted: Admitted,
        grant: Option<&Arc<Grant>>,
    ) -> Place {
        let (sender, orders) = watch::channel(None);
        let (judge, judged) = watch::channel(Judged::default());
        let number = entries.next_place;
        entries.next_place += 1;
        let entry = Entry {
            place: number,
            admitted,
            generation,
            grant: grant.cloned(),
            orders: sender,
            judged: judge,
        };
        entries.by_channel.insert(channel_id.clone(), entry);
        Place {
            registry: Arc::clone(self),
            channel_id: channel_id.clone(),
            number,
            orders,
            judged,
        }
    }

    /// Says under which version a publisher was admitted in the end, and with which limits; one that a
    /// gate seen meanwhile cuts is told so now.
    pub(crate) fn confirm(&self, place: &Place, auth_version: u64, limits: &Arc<Limits>) {
        let mut entries = self.lock();
        let entry = entries.by_channel.get_mut(&place.channel_id);
        if let Some(entry) = entry.filter(|entry| entry.place == place.number) {
            let seen = std::mem::replace(&mut entry.admitted, Admitted::Under(auth_version));
            if let Admitted::Unconfirmed(Some((gate, reason))) = seen {
                entry.cut(&gate, reason);
            }
            entry.judge(auth_version, limits);
        }
    }

    /// A channel's limits were read under this version of its gate or a later one: its publisher is
    /// judged by them from now on.
    pub(crate) fn judge(&self, channel_id: &ChannelId, auth_version: u64, limits: &Arc<Limits>) {
        if let Some(entry) = self.lock().by_channel.get_mut(channel_id) {
            entry.judge(auth_version, limits);
        }
    }

    /// A channel's gate was read: its publisher is to end, for `reason`, where the gate cuts it.
    pub(crate) fn cut(&self, channel_id: &ChannelId, gate: &Gate, reason: EndReason) {
        if let Some(entry) = self.lock().by_channel.get_mut(channel_id) {
            entry.cut(gate, reason);
        }
    }

    fn leave(&self, place: &Place) {
        let mut entries = self.lock();
        if entries
            .by_channel
            .get(&place.channel_id)
            .is_some_and(|entry| entry.place == place.number)
        {
            entries.by_channel.remove(&place.channel_id);
        }
    }

    /// Whether a publisher of the channel may have been admitted under a lower version.
    pub(crate) fn has_earlier(&self, channel_id: &ChannelId, auth_version: u64) -> bool {
        let entries = self.lock();
        let entry = entries.by_channel.get(channel_id);
        entry.is_some_and(|entry| match entry.admitted {
            Admitted::Unconfirmed(_) => true,
            Admitted::Under(version) => version < auth_version,
        })
    }

    /// Every channel that has a publisher here.
    pub(crate) fn channels(&self) -> Vec<ChannelId> {
        self.lock().by_channel.keys().cloned().collect()
    }

    /// Tells a channel's publisher to leave.
    pub(crate) fn order_to_leave(&self, channel_id: &ChannelId) {
        if let Some(entry) = self.lock().by_channel.get(channel_id) {
            entry.order(Order::Leave);
        }
    }

    /// Who has the lock of this generation, which this edge's epoch holds. `asker` is the claim of
    /// a publish on this very edge, which does not count.
    pub(crate) fn holder(
        &self,
        channel_id: &ChannelId,
        generation: u64,
        asker: Option<&Claimed>,
    ) -> Held {
        let entries = self.lock();
        let claims = entries.claimed.get(channel_id).copied().unwrap_or_default();
        let entry = entries.by_channel.get(channel_id);
        let of_it = entry.filter(|entry| entry.generation == generation);
        match of_it.and_then(|entry| entry.grant.clone()) {
            Some(grant) => Held::By(grant),
            None if claims > u32::from(asker.is_some()) => Held::InTheMaking,
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

impl Entry {
    fn cut(&mut self, gate: &Gate, reason: EndReason) {
        match &mut self.admitted {
            Admitted::Unconfirmed(seen) => {
                let newer = seen
                    .as_ref()
                    .is_none_or(|(seen, _)| seen.auth_version < gate.auth_version);
                if newer {
                    *seen = Some((*gate, reason));
                }
            }
            Admitted::Under(version) if is_cut(*version, gate) => self.order(Order::End(reason)),
            Admitted::Under(_) => {}
        }
    }

    /// Newer limits take the place of older ones. The gate of their version has been looked at, so
    /// that the publisher counts as admitted under it.
    fn judge(&mut self, auth_version: u64, limits: &Arc<Limits>) {
        self.judged.send_if_modified(|judged| {
            let newer = judged.auth_version <= auth_version;
            if newer {
                *judged = Judged {
                    auth_version,
                    limits: Arc::clone(limits),
                };
            }
            newer
        });
        if let Admitted::Under(version) = &mut self.admitted {
            *version = auth_version.max(*version);
        }
    }

    /// An end is final: nothing else is ordered after it.
    fn order(&self, order: Order) {
        self.orders.send_if_modified(|standing| {
            let open = !matches!(standing, Some(Order::End(_)));
            if open {
                *standing = Some(order);
            }
            open
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.registry.leave(self);
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
    use domain::{EdgeId, Owner};

    use super::*;
    use crate::lease::Epoch;

    fn channel() -> ChannelId {
        ChannelId::from_random([1; 16])
    }

    fn grant(generation: u64) -> Arc<Grant> {
        let epoch = Epoch::new(Owner {
            edge_id: EdgeId::from_random([1; 16]),
            epoch: 1,
        });
        Grant::new(epoch, channel(), generation)
    }

    fn gate(auth_version: u64, cut_before: u64) -> Gate {
        Gate {
            auth_version,
            cut_before,
            ..Gate::default()
        }
    }

    fn ordered(place: &Place) -> Option<Order> {
        *place.orders.borrow()
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
        let registry = Arc::new(Registry::default());
        let (first, second) = (registry.enter(&grant(1)), registry.enter(&grant(2)));
        registry.order_to_leave(&channel());
        assert_eq!(ordered(&second), Some(Order::Leave));
        assert_eq!(ordered(&first), None);
        drop(first);
        assert!(registry.answers_for(&channel(), 2));
        drop(second);
        assert!(!registry.knows(&channel()));
    }

    #[test]
    fn a_session_that_is_found_waiting_displaces_nobody_who_came_back() {
        let registry = Arc::new(Registry::default());
        let claimed = registry.claim(&channel());
        assert!(registry.enter_waiting(&channel(), 5, 1).is_none());
        let publisher = registry.enter(&grant(6));
        drop(claimed);
        assert!(registry.enter_waiting(&channel(), 5, 1).is_none());
        assert!(registry.enter_waiting(&channel(), 6, 1).is_none());
        drop(publisher);
        assert!(registry.enter_waiting(&channel(), 6, 1).is_some());
    }

    #[test]
    fn a_lock_that_nobody_here_answers_for_was_left_over() {
        let registry = Arc::new(Registry::default());
        let held = |asker: Option<&Claimed>| registry.holder(&channel(), 1, asker);
        assert!(matches!(held(None), Held::ByNobody));
        let asker = registry.claim(&channel());
        assert!(matches!(held(Some(&asker)), Held::ByNobody));
        let other = registry.claim(&channel());
        assert!(matches!(held(Some(&asker)), Held::InTheMaking));
        drop((asker, other));
        assert!(!registry.answers_for(&channel(), 1));
        let publisher = registry.enter(&grant(1));
        assert!(matches!(held(None), Held::By(_)));
        assert!(!registry.answers_for(&channel(), 2));
        drop(publisher);
    }

    #[test]
    fn a_cut_that_comes_while_a_publisher_is_confirmed_is_not_lost_and_an_older_one_is_moot() {
        let registry = Arc::new(Registry::default());
        for (admitted_under, expected) in [(2, Some(Order::End(EndReason::Revoked))), (3, None)] {
            let place = registry.enter(&grant(1));
            registry.cut(&channel(), &gate(3, 3), EndReason::Revoked);
            assert_eq!(ordered(&place), None);
            registry.confirm(&place, admitted_under, &Arc::default());
            assert_eq!(ordered(&place), expected);
        }
    }

    #[test]
    fn a_publisher_is_judged_by_the_newest_limits_that_were_read() {
        let registry = Arc::new(Registry::default());
        let place = registry.enter(&grant(1));
        let limits = |kbps| {
            Arc::new(Limits {
                maximum_bitrate_kbps: Some(kbps),
                ..Limits::default()
            })
        };
        let judged = || place.judged.borrow().limits.maximum_bitrate_kbps;
        // They change while the publisher is still confirmed with what it has read.
        registry.judge(&channel(), 3, &limits(3_000));
        registry.confirm(&place, 2, &limits(2_000));
        assert_eq!(judged(), Some(3_000));
        assert!(registry.has_earlier(&channel(), 3));
        registry.judge(&channel(), 4, &limits(4_000));
        registry.judge(&channel(), 3, &limits(3_000));
        assert_eq!(judged(), Some(4_000));
        assert!(!registry.has_earlier(&channel(), 4));
    }

    #[test]
    fn an_end_is_final() {
        let registry = Arc::new(Registry::default());
        let place = registry.enter(&grant(1));
        registry.confirm(&place, 1, &Arc::default());
        registry.cut(&channel(), &gate(2, 2), EndReason::Disconnected);
        registry.order_to_leave(&channel());
        assert_eq!(ordered(&place), Some(Order::End(EndReason::Disconnected)));
    }
}
