//! How much one address may try before it is let in.
//!
//! Budgets count what fails and what is still opening, never publishers: a studio with fifty
//! encoders behind one address is welcome, a key guesser is not. They apply only where the
//! client's own address is known: directly, or by a load balancer's PROXY header. Loopback, where a
//! local proxy without one would connect from, is exempt.
//! In IPv6 a network of 64 bits counts as one address: a single customer has at least that many.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;

/// The time that failures are counted in.
const FAILURE_WINDOW: Duration = Duration::from_secs(60);
/// Addresses whose failures are remembered; beyond it the least lately seen are forgotten.
const REMEMBERED_ADDRESSES: u64 = 100_000;

/// What one address may do.
#[derive(Clone, Copy, Debug)]
pub struct Budgets {
    /// Refused keys and broken handshakes in a minute; then its connections are closed at once
    /// until the minute is over. Zero: no budget. A key has 178 bits: ten tries a minute find
    /// none, and a person who mistypes needs fewer.
    pub failures_per_minute: u32,
    /// Connections that have not been let in yet. Zero: no budget.
    pub opening_connections: u32,
    /// Whether loopback addresses have no budget.
    pub exempt_loopback: bool,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            failures_per_minute: 10,
            opening_connections: 64,
            exempt_loopback: true,
        }
    }
}

/// Keeps the budgets of all addresses.
#[derive(Debug)]
pub(crate) struct FrontDoor {
    budgets: Budgets,
    failures: Cache<IpAddr, Arc<AtomicU32>>,
    opening: Mutex<HashMap<IpAddr, u32>>,
}

/// One connection that has not been let in yet.
#[derive(Debug)]
pub(crate) struct Opening {
    door: Arc<FrontDoor>,
    address: IpAddr,
}

impl FrontDoor {
    pub(crate) fn new(budgets: Budgets) -> Arc<Self> {
        let failures = Cache::builder()
            .max_capacity(REMEMBERED_ADDRESSES)
            .time_to_live(FAILURE_WINDOW)
            .build();
        Arc::new(Self {
            budgets,
            failures,
            opening: Mutex::default(),
        })
    }

    /// Lets a connection begin, or not: the address has used up one of its budgets.
    pub(crate) fn open(self: &Arc<Self>, address: IpAddr) -> Option<Opening> {
        let address = customer(address);
        let mut opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        let count = opening.entry(address).or_default();
        let budget = self.budgets.opening_connections;
        let within = self.is_exempt(address) || budget == 0 || *count < budget;
        if !within || !self.may_fail(address) {
            if *count == 0 {
                opening.remove(&address);
            }
            return None;
        }
        *count += 1;
        Some(Opening {
            door: Arc::clone(self),
            address,
        })
    }

    fn failed(&self, address: IpAddr) {
        if !self.is_exempt(address) {
            self.failures
                .get_with(address, Arc::default)
                .fetch_add(1, Ordering::Relaxed);
        }
    }

    fn may_fail(&self, address: IpAddr) -> bool {
        let budget = self.budgets.failures_per_minute;
        let failed = || {
            self.failures
                .get(&address)
                .map_or(0, |count| count.load(Ordering::Relaxed))
        };
        budget == 0 || self.is_exempt(address) || failed() < budget
    }

    const fn is_exempt(&self, address: IpAddr) -> bool {
        self.budgets.exempt_loopback && address.is_loopback()
    }
}

/// What stands for everybody who comes from the same place as `address`.
fn customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

impl Opening {
    /// A key was refused, or a connection ended before it made sense.
    pub(crate) fn failed(&self) {
        self.door.failed(self.address);
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        let mut opening = self
            .door
            .opening
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = opening.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                opening.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUESSER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const STUDIO: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
    const PROXY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn door(failures_per_minute: u32, opening_connections: u32) -> Arc<FrontDoor> {
        FrontDoor::new(Budgets {
            failures_per_minute,
            opening_connections,
            exempt_loopback: true,
        })
    }

    #[test]
    fn a_key_guesser_is_shut_out_and_its_neighbours_are_not() {
        let door = door(3, 0);
        for _ in 0..3 {
            door.open(GUESSER).expect("still open").failed();
        }
        assert!(door.open(GUESSER).is_none());
        assert!(door.open(STUDIO).is_some());
    }

    #[test]
    fn connections_that_are_let_in_make_room_for_more_from_the_same_address() {
        let door = door(0, 2);
        let first = door.open(STUDIO).expect("room");
        let _second = door.open(STUDIO).expect("room");
        assert!(door.open(STUDIO).is_none());
        drop(first);
        assert!(door.open(STUDIO).is_some());
    }

    #[test]
    fn an_address_in_two_spellings_has_one_budget() {
        let door = door(1, 0);
        let mapped = std::net::Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped();
        door.open(mapped.into()).expect("open").failed();
        assert!(door.open(GUESSER).is_none());
    }

    #[test]
    fn a_guesser_with_a_network_of_addresses_has_one_budget() {
        let door = door(1, 0);
        let from = |text: &str| text.parse::<IpAddr>().expect("an address");
        door.open(from("2001:db8::1")).expect("open").failed();
        assert!(door.open(from("2001:db8::ffff:0:0:2")).is_none());
        assert!(door.open(from("2001:db8:0:1::1")).is_some());
    }

    #[test]
    fn a_proxy_on_this_machine_is_not_taken_for_a_client() {
        let door = door(1, 1);
        for proxy in [PROXY, IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            door.open(proxy).expect("open").failed();
            let both = (door.open(proxy), door.open(proxy));
            assert!(both.0.is_some() && both.1.is_some());
        }
    }
}
