//! How many connections there are from each address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::CONNECTIONS_PER_PEER_MAX;

/// Connections by where they come from.
#[derive(Default)]
pub(crate) struct Peers(Mutex<HashMap<IpAddr, usize>>);

/// The right to be connected, given back when it is dropped.
pub(crate) struct Place {
    peers: Arc<Peers>,
    /// `None` for connections of this machine, which are not counted.
    of: Option<IpAddr>,
}

/// What counts as one: an address of IPv4, or a network of IPv6, of which one machine has all addresses.
fn counted(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V6(address) => Some(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into()),
        address => Some(address),
    }
}

impl Peers {
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more connection, unless its address has all it may.
    pub(crate) fn enter(peers: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let of = counted(address);
        if let Some(address) = of {
            let mut counts = peers.lock();
            let count = counts.entry(address).or_default();
            if *count >= CONNECTIONS_PER_PEER_MAX {
                return None;
            }
            *count += 1;
        }
        Some(Place { peers: Arc::clone(peers), of })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(address) = self.of else {
            return;
        };
        let mut counts = self.peers.lock();
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_room_for_others_and_gets_its_own_back() {
        let peers = Arc::new(Peers::default());
        let enter = |address: &str| Peers::enter(&peers, address.parse().expect("an address"));
        let mut places: Vec<_> =
            (0..CONNECTIONS_PER_PEER_MAX).map(|_| enter("10.0.0.1").expect("a place")).collect();
        assert!(enter("10.0.0.1").is_none());
        assert!(enter("::ffff:10.0.0.1").is_none(), "which is the same address");
        assert!(enter("10.0.0.2").is_some());
        places.pop();
        assert!(enter("10.0.0.1").is_some());
        places.clear();
        assert!(peers.lock().is_empty());
        let _network: Vec<_> = (0..CONNECTIONS_PER_PEER_MAX)
            .map(|number| enter(&format!("2001:db8::{number:x}")).expect("a place"))
            .collect();
        assert!(enter("2001:db8::ffff").is_none());
        let own: Vec<_> = (0..=CONNECTIONS_PER_PEER_MAX).map(|_| enter("127.0.0.1")).collect();
        assert!(own.iter().all(Option::is_some));
    }
}
