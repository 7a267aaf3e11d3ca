//! The decisions about this edge's lease and the others', shared by every task of the edge.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use domain::edge::{Edge, State, Write};
use domain::lease::{Lease, Phase, Watch};
use domain::{EdgeId, Owner};
use tokio::sync::watch;

use super::Epoch;
use crate::clock;

/// This edge among the others.
#[derive(Debug)]
pub(crate) struct Fleet {
    /// What is registered of this edge; epoch and boot id are those of the present life.
    registration: Mutex<Edge>,
    lease: Mutex<Lease>,
    others: Mutex<Watch>,
    epoch: ArcSwap<Epoch>,
    /// Counts what was learned of the others, to wake those that wait for it.
    news: watch::Sender<u64>,
}

impl Fleet {
    /// An edge that is about to register: it holds nothing yet.
    pub(crate) fn new(registration: Edge) -> Self {
        let lease = Lease::new(registration.id.clone());
        let epoch = Epoch::new(lease.owner().clone());
        Self {
            others: Mutex::new(Watch::new(registration.id.clone())),
            registration: Mutex::new(registration),
            lease: Mutex::new(lease),
            epoch: ArcSwap::new(epoch),
            news: watch::Sender::new(0),
        }
    }

    /// The present epoch.
    pub(crate) fn epoch(&self) -> Arc<Epoch> {
        self.epoch.load_full()
    }

    /// Whether publishers may be let in.
    pub(crate) fn is_held(&self) -> bool {
        self.epoch.load().is_held(clock::boot())
    }

    /// Looks at the other edges.
    pub(crate) fn others<T>(&self, look: impl FnOnce(&Watch) -> T) -> T {
        look(&lock(&self.others))
    }

    /// Wakes whenever something was learned of the others.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Whether the store has acknowledged a recent heartbeat. Where it has not, `asker` is waited
    /// for anew before this returns: it may count on that.
    pub(crate) fn reaches_store(&self, asker: &EdgeId) -> bool {
        let now = clock::boot();
        let reaches = lock(&self.lease).reaches_store(now);
        if !reaches {
            lock(&self.others).wait_anew(asker, now);
        }
        reaches
    }

    /// This edge takes nobody any more, in a later epoch either.
    pub(crate) fn drain(&self) {
        lock(&self.registration).state = State::Draining;
    }

    /// Something was learned of the others.
    pub(super) fn learn(&self, change: impl FnOnce(&mut Watch)) {
        change(&mut lock(&self.others));
        self.news.send_modify(|count| *count += 1);
    }

    /// The write that keeps this epoch alive or begins it, to be sent now; None where it is over.
    pub(crate) fn next_write(&self, publishers: u32) -> Option<Write> {
        let now = clock::boot();
        let mut lease = lock(&self.lease);
        match lease.phase() {
            Phase::Registering => {
                lease.register(now);
                let edge = lock(&self.registration).clone();
                Some(if edge.epoch == FIRST_EPOCH {
                    Write::Boot(edge)
                } else {
                    Write::Renew(edge)
                })
            }
            Phase::Up => lease.beat(now).map(|heartbeat| Write::Beat {
                edge_id: lease.owner().edge_id.clone(),
                heartbeat,
                publishers,
            }),
            Phase::Over => None,
        }
    }

    /// That write was acknowledged.
    pub(crate) fn acknowledged(&self, write: &Write) {
        self.decide(|lease| match write {
            Write::Boot(_) | Write::Renew(_) => lease.registered(),
            Write::Beat { heartbeat, .. } => lease.acknowledged(heartbeat),
            Write::Drain { .. } | Write::Fence { .. } | Write::Swept { .. } => {}
        });
    }

    /// Changes the lease, and lets the epoch's publishers know.
    pub(super) fn decide<T>(&self, change: impl FnOnce(&mut Lease) -> T) -> T {
        let mut lease = lock(&self.lease);
        let changed = change(&mut lease);
        let epoch = self.epoch.load();
        match lease.phase() {
            Phase::Registering => {}
            Phase::Up => epoch.hold_until(lease.deadline()),
            Phase::Over => epoch.end(),
        }
        changed
    }

    /// Looks at the lease.
    pub(super) fn lease<T>(&self, look: impl FnOnce(&Lease) -> T) -> T {
        look(&lock(&self.lease))
    }

    /// The epoch is over and everybody was dropped: the next one is to register. Returns the owner
    /// that is no more.
    pub(super) fn renew(&self) -> Owner {
        let mut lease = lock(&self.lease);
        lease.renew();
        let mut registration = lock(&self.registration);
        registration.epoch = lease.owner().epoch;
        self.begin(&mut registration, lease.owner())
    }

    /// The store has forgotten this edge: it was silent for so long that its locks were all given
    /// back; or an earlier registration of this epoch was made, its answer lost, and it was fenced
    /// since. It registers as a new one.
    pub(super) fn start_over(&self) {
        let mut lease = lock(&self.lease);
        let mut registration = lock(&self.registration);
        registration.id = EdgeId::from_random(clock::random());
        registration.epoch = FIRST_EPOCH;
        *lease = Lease::new(registration.id.clone());
        *lock(&self.others) = Watch::new(registration.id.clone());
        self.begin(&mut registration, lease.owner());
    }

    fn begin(&self, registration: &mut Edge, owner: &Owner) -> Owner {
        registration.boot_id = domain::id::hex(&clock::random::<16>());
        let before = self.epoch.swap(Epoch::new(owner.clone()));
        before.owner.clone()
    }
}

/// The first epoch of every edge id.
pub(crate) const FIRST_EPOCH: u64 = 1;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is inside is whole after every statement, so a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
