//! What all connections together may hold of what their peers sent.
//!
//! Each connection has its own bounds; this one keeps their sum from ending the process. Whoever
//! makes it grow beyond the budget is closed. An ordinary stream holds nothing between two reads,
//! so the shared counter is hardly ever touched.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The default: a twelfth of what a thousand connections could hold at their own bounds, and a
/// hundred times what a thousand ordinary ones do.
pub const DEFAULT_BUDGET_BYTES: usize = 512 * 1024 * 1024;

/// The sum over all connections.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    held: AtomicUsize,
}

/// One connection's part of it; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    held: usize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            held: AtomicUsize::new(0),
        })
    }

    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share {
            budget: Arc::clone(self),
            held: 0,
        }
    }
}

impl Share {
    /// The connection holds this much now. False where it grew and all together hold too much.
    pub(crate) fn holds(&mut self, bytes: usize) -> bool {
        let before = std::mem::replace(&mut self.held, bytes);
        if bytes <= before {
            if bytes < before {
                self.budget
                    .held
                    .fetch_sub(before - bytes, Ordering::Relaxed);
            }
            return true;
        }
        let others = self
            .budget
            .held
            .fetch_add(bytes - before, Ordering::Relaxed);
        others + (bytes - before) <= self.budget.limit
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.holds(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_grows_beyond_the_budget_is_told_and_the_others_are_not() {
        let budget = Budget::new(100);
        let (mut first, mut second) = (budget.share(), budget.share());
        assert!(first.holds(60));
        assert!(second.holds(40));
        assert!(!second.holds(41));
        assert!(first.holds(60) && first.holds(50));
        drop(second);
        assert!(first.holds(100));
    }
}
