//! One epoch of this edge: the owner that its locks name, and until when it may act on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::{Moment, Owner};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// An epoch, as its publishers see it. Reading it is one atomic load.
#[derive(Debug)]
pub(crate) struct Epoch {
    pub(crate) owner: Owner,
    /// Microseconds of [`Moment`]; zero once it is over.
    deadline: AtomicU64,
    over: CancellationToken,
    holders: TaskTracker,
}

/// Whoever may hand on media under an epoch keeps one; the next epoch begins when none is left.
#[derive(Debug)]
pub(crate) struct Holding {
    _token: TaskTrackerToken,
}

impl Epoch {
    pub(crate) fn new(owner: Owner) -> Arc<Self> {
        let holders = TaskTracker::new();
        holders.close();
        Arc::new(Self {
            owner,
            deadline: AtomicU64::new(0),
            over: CancellationToken::new(),
            holders,
        })
    }

    /// Whether publishers may be let in and media handed on.
    pub(crate) fn is_held(&self, now: Moment) -> bool {
        now.micros() < self.deadline.load(Ordering::Acquire)
    }

    /// Media is about to flow under it.
    pub(crate) fn hold(&self) -> Holding {
        Holding {
            _token: self.holders.token(),
        }
    }

    /// Fired when it is over: drop what it holds.
    pub(crate) const fn over(&self) -> &CancellationToken {
        &self.over
    }

    /// Waits until nobody hands on media under it.
    pub(super) async fn everybody_dropped(&self) {
        self.holders.wait().await;
    }

    pub(super) fn hold_until(&self, deadline: Moment) {
        self.deadline.store(deadline.micros(), Ordering::Release);
    }

    pub(crate) fn end(&self) {
        self.hold_until(Moment::default());
        self.over.cancel();
    }
}
