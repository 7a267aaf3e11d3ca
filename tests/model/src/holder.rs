//! One edge's own lease as the model keeps it, told to the real one whenever something is decided.
//!
//! [`Lease`] keeps moments. The model knows of each moment only whether a whole lease has passed since,
//! which is all that the lease's decisions look at. So a state holds an [`Age`] in the place of a
//! moment: what happens to a lease is told to a real one, made from the ages, and the ages are read
//! back from it.

use domain::Moment;
use domain::lease::{Heartbeat, LEASE, Lease, Phase};

use crate::names::{NOW, edge_id};

/// How long ago a moment was.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Age {
    /// Less than a lease.
    Fresh,
    /// A lease or more.
    Lapsed,
}

/// A lease.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Holder {
    /// The epoch, from 1.
    pub epoch: u8,
    /// Where the epoch is in its life.
    pub phase: Phase,
    /// The last heartbeat that was acknowledged; registration is number 0.
    pub number: u8,
    /// When that one was first sent, as far as the deadline goes.
    pub acknowledged: Age,
    /// When the one under way was first sent.
    pub sent: Option<Age>,
}

impl Age {
    const fn moment(self) -> Moment {
        match self {
            Self::Fresh => NOW,
            Self::Lapsed => Moment::from_micros(NOW.micros() - LEASE.as_micros() as u64),
        }
    }

    fn of(since_first_send: Moment) -> Self {
        if NOW < since_first_send + LEASE {
            Self::Fresh
        } else {
            Self::Lapsed
        }
    }
}

impl Holder {
    /// An edge whose registration was acknowledged just now.
    #[must_use]
    pub(crate) const fn registered() -> Self {
        Self {
            epoch: 1,
            phase: Phase::Up,
            number: 0,
            acknowledged: Age::Fresh,
            sent: None,
        }
    }

    /// The same, a lease later.
    pub(crate) const fn lapsed() -> Self {
        Self {
            acknowledged: Age::Lapsed,
            ..Self::registered()
        }
    }

    /// Whether publishers may be let in and media handed on, now.
    #[must_use]
    pub(crate) fn is_held(&self, edge: usize) -> bool {
        self.lease(edge).is_held(NOW)
    }

    /// A whole lease passes.
    pub(crate) fn elapse(&mut self) {
        self.acknowledged = Age::Lapsed;
        self.sent = self.sent.map(|_| Age::Lapsed);
    }

    /// Lets something happen to the lease.
    pub(crate) fn tell<T>(&mut self, edge: usize, happens: impl FnOnce(&mut Lease) -> T) -> T {
        let mut lease = self.lease(edge);
        let answer = happens(&mut lease);
        *self = Self::of(&lease);
        answer
    }

    /// The lease to which the same has happened.
    fn lease(&self, edge: usize) -> Lease {
        let mut lease = Lease::new(edge_id(edge));
        for epoch in 1..self.epoch {
            register(&mut lease, Age::Lapsed.moment());
            lease.rejected(u64::from(epoch));
            lease.renew();
        }
        if self.phase == Phase::Registering {
            if let Some(sent) = self.sent {
                lease.register(sent.moment());
            }
            return lease;
        }
        let acknowledged = self.acknowledged.moment();
        register(&mut lease, acknowledged);
        for _ in 0..self.number {
            beat(&mut lease, acknowledged);
        }
        if let Some(sent) = self.sent {
            lease.beat(sent.moment());
        }
        if self.phase == Phase::Over {
            lease.rejected(u64::from(self.epoch));
        }
        lease
    }

    /// Reads a lease. What is past matters to no decision: an epoch that is over has no ages.
    fn of(lease: &Lease) -> Self {
        let up = lease.phase() == Phase::Up;
        let (number, sent) = if lease.phase() == Phase::Over {
            (0, None)
        } else {
            under_way(lease)
        };
        Self {
            epoch: u8::try_from(lease.owner().epoch).expect("few epochs"),
            phase: lease.phase(),
            number,
            acknowledged: if up && NOW < lease.deadline() {
                Age::Fresh
            } else {
                Age::Lapsed
            },
            sent,
        }
    }
}

fn register(lease: &mut Lease, at: Moment) {
    lease.register(at);
    lease.registered();
}

fn beat(lease: &mut Lease, at: Moment) -> Option<Heartbeat> {
    let heartbeat = lease.beat(at)?;
    lease.acknowledged(&heartbeat);
    Some(heartbeat)
}

/// The last acknowledged number, and since when the next one is under way: were that one sent in
/// the far future, only a first send before then would keep the deadline from following.
fn under_way(lease: &Lease) -> (u8, Option<Age>) {
    let far = NOW + LEASE * 100;
    let mut then = lease.clone();
    let next = if then.phase() == Phase::Registering {
        register(&mut then, far);
        1
    } else {
        beat(&mut then, far).expect("it is up").number
    };
    let first_send = then.deadline() - LEASE;
    let number = u8::try_from(next - 1).expect("few heartbeats");
    (number, (first_send != far).then(|| Age::of(first_send)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up(number: u8, acknowledged: Age, sent: Option<Age>) -> Holder {
        Holder {
            number,
            acknowledged,
            sent,
            ..Holder::registered()
        }
    }

    #[test]
    fn a_lease_is_read_as_it_was_told() {
        use Age::{Fresh, Lapsed};
        for holder in [
            up(0, Fresh, None),
            up(1, Fresh, Some(Fresh)),
            up(2, Lapsed, None),
            up(0, Lapsed, Some(Fresh)),
            up(1, Lapsed, Some(Lapsed)),
        ] {
            let mut told = holder;
            told.tell(0, |_| ());
            assert_eq!(told, holder);
            told.tell(0, |lease| lease.rejected(1));
            assert_eq!(told.phase, Phase::Over);
            told.tell(0, Lease::renew);
            assert_eq!((told.epoch, told.phase), (2, Phase::Registering));
            told.tell(0, |lease| lease.register(NOW));
            assert_eq!(told.sent, Some(Fresh));
            told.elapse();
            told.tell(0, Lease::registered);
            assert!(!told.is_held(0), "it was registered too late");
        }
    }

    #[test]
    fn a_heartbeat_that_was_sent_in_time_keeps_the_lease() {
        let mut holder = up(0, Age::Lapsed, Some(Age::Fresh));
        assert!(!holder.is_held(0));
        holder.tell(0, |lease| {
            let heartbeat = lease.beat(NOW).expect("up");
            lease.acknowledged(&heartbeat);
        });
        assert_eq!(holder, up(1, Age::Fresh, None));
        assert!(holder.is_held(0));
    }
}
