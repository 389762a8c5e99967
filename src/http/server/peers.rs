//! How many connections each address holds.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Held = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// Counts connections by address, up to a limit each.
pub(super) struct Peers {
    limit: usize,
    held: Held,
}

/// One counted connection; dropping it gives the place back.
pub(super) struct Seat(Option<(IpAddr, Held)>);

impl Peers {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            held: Held::default(),
        }
    }

    /// `None` if the address holds its limit already. Who has no address, on a
    /// Unix socket, is let in by the file's mode and is not counted.
    pub(super) fn admit(&self, peer: Option<IpAddr>) -> Option<Seat> {
        let Some(peer) = peer else {
            return Some(Seat(None));
        };
        let mut held = lock(&self.held);
        let count = held.entry(peer).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Seat(Some((peer, Arc::clone(&self.held)))))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((peer, held)) = self.0.take() else {
            return;
        };
        let mut held = lock(&held);
        if let Some(count) = held.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                held.remove(&peer);
            }
        }
    }
}

/// A count is whole at every step, so a panic elsewhere does not spoil it.
fn lock(held: &Held) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_at_its_limit_gets_no_place_until_one_is_given_back() {
        let peers = Peers::new(2);
        let (a, b) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let first = peers.admit(Some(a)).unwrap();
        let _second = peers.admit(Some(a)).unwrap();
        assert!(peers.admit(Some(a)).is_none());
        assert!(peers.admit(Some(b)).is_some(), "others are not affected");
        drop(first);
        assert!(peers.admit(Some(a)).is_some());
    }

    #[test]
    fn an_address_without_connections_takes_no_memory() {
        let peers = Peers::new(2);
        drop(peers.admit(Some(IpAddr::from([192, 0, 2, 1]))));
        assert!(lock(&peers.held).is_empty());
    }
}
