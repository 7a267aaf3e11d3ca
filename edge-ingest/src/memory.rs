//! What all connections together may hold of what their peers sent.
//!
//! Each connection has its own bounds; this one keeps their sum from ending the process. Whoever
//! makes it grow beyond the budget is closed. An ordinary stream holds nothing between two reads,
//! so the shared counter is hardly ever touched.

use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;

/// The default: a twelfth of what a thousand connections could hold at their own bounds, and a
/// hundred times what a thousand ordinary ones do.
pub const DEFAULT_BUDGET_BYTES: usize = 512 * 1024 * 1024;

/// The sum over all connections.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: i64,
    held: Gauge,
}

/// One connection's part of it; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    held: i64,
}

impl Budget {
    /// `held` is the sum, shown on the metrics page as well.
    pub(crate) fn new(limit: usize, held: Gauge) -> Arc<Self> {
        let limit = in_bytes(limit);
        Arc::new(Self { limit, held })
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
        let now = in_bytes(bytes);
        let growth = now - std::mem::replace(&mut self.held, now);
        if growth == 0 {
            return true;
        }
        let all = self.budget.held.inc_by(growth) + growth;
        growth < 0 || all <= self.budget.limit
    }
}

/// No machine has more than fits.
fn in_bytes(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
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
        let held = Gauge::default();
        let budget = Budget::new(100, held.clone());
        let (mut first, mut second) = (budget.share(), budget.share());
        assert!(first.holds(60));
        assert!(second.holds(40));
        assert!(!second.holds(41));
        assert!(first.holds(60) && first.holds(50));
        drop(second);
        assert!(first.holds(100));
        assert_eq!(held.get(), 100);
        drop(first);
        assert_eq!(held.get(), 0);
    }
}
