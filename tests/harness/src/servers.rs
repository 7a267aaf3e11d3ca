//! The servers that encoders are sent to, as a DNS name with health checks would have them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A list that changes while encoders use it. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Servers(Arc<Mutex<Vec<String>>>);

impl Servers {
    /// These, in this order.
    #[must_use]
    pub fn new(servers: impl IntoIterator<Item = String>) -> Self {
        Self(Arc::new(Mutex::new(servers.into_iter().collect())))
    }

    /// From now on these.
    pub fn set(&self, servers: impl IntoIterator<Item = String>) {
        *self.locked() = servers.into_iter().collect();
    }

    /// The one for the try of this number: round and round. None where there are none.
    #[must_use]
    pub fn pick(&self, number: usize) -> Option<String> {
        let servers = self.locked();
        let place = number.checked_rem(servers.len())?;
        servers.get(place).cloned()
    }

    fn locked(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_picked_round_and_round_among_those_that_are_left() {
        let servers = Servers::new(["a", "b", "c"].map(str::to_owned));
        let picked: Vec<_> = (2..5).filter_map(|number| servers.pick(number)).collect();
        assert_eq!(picked, ["c", "a", "b"]);
        servers.set(["c".to_owned()]);
        assert_eq!(servers.pick(4).as_deref(), Some("c"));
        servers.set([]);
        assert_eq!(servers.pick(4), None);
    }
}
