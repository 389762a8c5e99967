//! Asks the LAN who has the VIPs, and listens: the driver of
//! [`conflict`](super::conflict).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::time::Instant;

use super::conflict::Conflicts;
use super::holding::Place;
use super::kernel::Kernel;
use crate::sys::link::Link;
use crate::sys::neighbour::{Listener, Mac};

/// One socket for each interface that holds a VIP, opened with the first
/// question: what was said before is settled by then.
#[derive(Debug, Default)]
pub(super) struct Sentry {
    conflicts: Conflicts,
    held: BTreeSet<Place>,
    listeners: BTreeMap<String, Listener>,
    /// The interfaces that it cannot watch.
    failed: BTreeSet<String>,
}

impl Sentry {
    /// Watches over these addresses from now on, as far as their interfaces have
    /// ARP.
    pub(super) fn watch(&mut self, now: Instant, held: &BTreeSet<Place>, kernel: &Kernel) {
        let has_arp = |place: &&Place| {
            let link = kernel.link(&place.interface);
            place.address.address.is_ipv4() && link.and_then(station).is_some()
        };
        let own = kernel.links.iter().filter_map(station).map(|(_, mac)| mac);
        self.held = held.iter().filter(has_arp).cloned().collect();
        self.conflicts.watch(now, &self.held, own.collect());
        let is_used = |name: &String| self.held.iter().any(|place| place.interface == *name);
        self.listeners.retain(|name, _| is_used(name));
        self.failed.retain(is_used);
    }

    /// When to call [`tend`](Self::tend).
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.conflicts.deadline()
    }

    /// Looks at what was heard and asks what is to be asked, if it is time.
    /// Returns the interfaces that it newly cannot watch, and why.
    pub(super) fn tend(&mut self, now: Instant, kernel: &Kernel) -> Vec<(String, io::Error)> {
        if self.deadline().is_none_or(|at| now < at) {
            return vec![];
        }
        let mut failures = self.hear(now);
        for place in self.conflicts.due(now) {
            match self.ask(&place, kernel) {
                Ok(()) => {
                    self.failed.remove(&place.interface);
                }
                Err(error) => failures.push((place.interface, error)),
            }
        }
        for (name, _) in &failures {
            self.listeners.remove(name);
        }
        failures.retain(|(name, _)| self.failed.insert(name.clone()));
        failures
    }

    /// The addresses that somebody else has too, and who.
    pub(super) fn found(&self) -> BTreeMap<Place, BTreeSet<Mac>> {
        self.conflicts.found()
    }

    fn hear(&mut self, now: Instant) -> Vec<(String, io::Error)> {
        let mut failures = Vec::new();
        for (name, listener) in &self.listeners {
            match listener.heard() {
                Ok(statements) => {
                    for statement in statements {
                        self.conflicts.hear(now, name, statement);
                    }
                }
                Err(error) => failures.push((name.clone(), error)),
            }
        }
        failures
    }

    fn ask(&mut self, place: &Place, kernel: &Kernel) -> io::Result<()> {
        let link = kernel.link(&place.interface);
        let (Some((index, mac)), IpAddr::V4(address)) =
            (link.and_then(station), place.address.address)
        else {
            return Ok(());
        };
        let addresses = self.addresses_on(&place.interface);
        let known = self.listeners.remove(&place.interface);
        let listener = match known.filter(|listener| listener.interface() == index) {
            Some(mut listener) => {
                listener.listen_for(addresses)?;
                listener
            }
            None => Listener::open(index, addresses)?,
        };
        listener.probe(mac, address)?;
        self.listeners.insert(place.interface.clone(), listener);
        Ok(())
    }

    fn addresses_on(&self, interface: &str) -> Vec<Ipv4Addr> {
        let places = self.held.iter();
        let here = places.filter(|place| place.interface == interface);
        let addresses = here.filter_map(|place| match place.address.address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        });
        addresses.collect()
    }
}

/// Index and hardware address of an interface that has Ethernet's.
fn station(link: &Link) -> Option<(NonZeroU32, Mac)> {
    let mac = Mac::try_from(link.hardware_address.as_slice()).ok()?;
    let is_station = !link.loopback && !link.noarp;
    is_station.then_some((NonZeroU32::new(link.index)?, mac))
}
