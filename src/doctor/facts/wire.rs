//! What was heard on the wire.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::config::director::VrrpInstance;
use crate::lvs::Family;
use crate::status::director;
use crate::sys::neighbour::Mac;
use crate::vrrp::advert::Advert;

use super::Facts;

/// Adverts that were lost one by one prove nothing; so many, most of them, do.
const SEVERAL: u32 = 2;

/// A few seconds of the LANs of this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wire {
    /// Who sent adverts, this host included.
    pub heard: Vec<Heard>,
    /// Interface and address of every question who has an address, and how often
    /// each hardware address answered.
    pub answers: BTreeMap<(String, IpAddr), BTreeMap<Mac, u32>>,
}

/// The adverts of one sender for one virtual router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The interface they came by.
    pub interface: String,
    /// The sender's address.
    pub source: IpAddr,
    /// Its hardware address.
    pub mac: Mac,
    /// The newest.
    pub advert: Advert,
    /// Whom it was for.
    pub destination: IpAddr,
    /// How many were heard at the interface, before any packet filter.
    pub arrived: u32,
    /// How many a program that listens for adverts got, after the packet filter.
    pub came_through: u32,
    /// When the first and the newest came, since the listening began.
    pub first: Duration,
    /// The newest.
    pub last: Duration,
}

impl Heard {
    /// Whether this host keeps its adverts, or most of them, from the programs they are for.
    pub fn is_kept_out(&self) -> bool {
        self.arrived >= SEVERAL && self.came_through < self.arrived.div_ceil(2)
    }

    /// The version of IP that it sends over.
    pub fn family(&self) -> Family {
        Family::of(self.source)
    }

    /// Whether it is a master that has not just resigned.
    pub fn is_master(&self) -> bool {
        self.advert.priority > 0
    }

    /// Whether both were masters at one time: not one after the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first < other.last && other.first < self.last
    }

    /// Whether both are routers of one interface's virtual router. IPv4 and IPv6 have
    /// virtual routers of their own (RFC 9568 §5.2.3).
    pub fn is_same_router(&self, other: &Self) -> bool {
        self.interface == other.interface
            && self.family() == other.family()
            && self.advert.vrid == other.advert.vrid
    }

    /// Whether any of its addresses is among these.
    pub fn has_any(&self, addresses: &BTreeSet<IpAddr>) -> bool {
        let mut own = self.advert.addresses.iter();
        own.any(|address| addresses.contains(address))
    }
}

/// A virtual router that this host runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualRouter {
    /// Its name; empty if another program runs it.
    pub name: String,
    /// Where.
    pub interface: String,
    /// Which.
    pub vrid: u8,
    /// The version of IP that its adverts go over.
    pub family: Family,
    /// Its VIPs, perhaps with others that its adverts do not name.
    pub addresses: BTreeSet<IpAddr>,
    /// Who hears its adverts, if that is not everybody.
    pub peers: Vec<IpAddr>,
    /// Between two adverts.
    pub interval: Duration,
}

impl VirtualRouter {
    /// Whether an advert is of this one, and for one of its VIPs.
    pub fn is_of(&self, heard: &Heard) -> bool {
        self.interface == heard.interface
            && self.family == heard.family()
            && self.vrid == heard.advert.vrid.get()
            && heard.has_any(&self.addresses)
    }
}

impl Facts {
    /// The virtual routers of this host: those of the running director, else of
    /// its file, else of the keepalived that runs, else those that this host was heard to
    /// be master of.
    pub fn virtual_routers(&self) -> Vec<VirtualRouter> {
        if let Some(status) = &self.director {
            let routers = status.vrrp.iter();
            return routers.map(|router| self.of_status(router)).collect();
        }
        if let Some(config) = &self.director_config {
            let routers = config.vrrp.iter();
            return routers
                .map(|(name, instance)| VirtualRouter {
                    name: name.clone(),
                    interface: instance.interface.clone(),
                    vrid: instance.settings.vrid.get(),
                    family: family_of(instance.settings.addresses.first()),
                    addresses: addresses_of(instance),
                    peers: instance.transport.peers().to_vec(),
                    interval: instance.settings.advert_interval,
                })
                .collect();
        }
        if self.boot.running.contains("keepalived") && !self.boot.keepalived_routers.is_empty() {
            return self.boot.keepalived_routers.clone();
        }
        let own = self.heard().filter(|heard| self.is_own(heard.source));
        own.map(|heard| VirtualRouter {
            name: String::new(),
            interface: heard.interface.clone(),
            vrid: heard.advert.vrid.get(),
            family: heard.family(),
            addresses: heard.advert.addresses.iter().copied().collect(),
            peers: vec![],
            interval: heard.advert.interval,
        })
        .collect()
    }

    /// Everybody who sent adverts.
    pub fn heard(&self) -> impl Iterator<Item = &Heard> {
        self.wire.iter().flat_map(|wire| &wire.heard)
    }

    /// The other senders whose adverts are for this host among others.
    pub fn incoming(&self) -> impl Iterator<Item = &Heard> {
        self.heard().filter(|heard| {
            let is_for_us = heard.destination.is_multicast() || self.is_own(heard.destination);
            is_for_us && !self.is_own(heard.source)
        })
    }

    /// Everybody else who answered, more than once, that they have the address;
    /// none: nobody was asked.
    pub fn others_with(&self, address: IpAddr) -> Option<BTreeSet<Mac>> {
        let wire = self.wire.as_ref()?;
        let own = self.own_macs();
        let mut asked = wire.answers.iter().filter(|((_, of), _)| *of == address);
        let (_, first) = asked.next()?;
        let answers = asked.flat_map(|(_, answers)| answers).chain(first);
        let others = answers.filter(|(mac, count)| **count > 1 && !own.contains(*mac));
        Some(others.map(|(mac, _)| *mac).collect())
    }

    /// The address of a neighbour by its hardware address: a real server's, or
    /// that of a sender of adverts.
    pub fn name_of(&self, mac: Mac) -> Option<IpAddr> {
        let senders = self.heard().find(|heard| heard.mac == mac);
        let by_advert = senders.map(|heard| heard.source);
        let vips = self.vips();
        let answers = self.wire.iter().flat_map(|wire| &wire.answers);
        let mut real_servers = answers
            .filter(|((_, address), macs)| macs.contains_key(&mac) && !vips.contains(address))
            .map(|((_, address), _)| *address);
        real_servers.next().or(by_advert)
    }

    fn of_status(&self, router: &director::VirtualRouter) -> VirtualRouter {
        let addresses = router.addresses.iter();
        let address = |text: &String| text.split('/').next()?.parse().ok();
        let files = self.director_config.iter();
        let file = files.filter_map(|file| file.vrrp.get(&router.name)).next();
        VirtualRouter {
            name: router.name.clone(),
            interface: router.interface.clone(),
            vrid: router.vrid,
            family: family_of(addresses.clone().find_map(address).as_ref()),
            addresses: addresses.filter_map(address).collect(),
            peers: file.map_or(vec![], |file| file.transport.peers().to_vec()),
            interval: Duration::from_millis(router.advert_interval_ms),
        }
    }
}

/// That of the first of a router's addresses.
fn family_of(address: Option<&IpAddr>) -> Family {
    address.map_or(Family::Ipv4, |address| Family::of(*address))
}

fn addresses_of(instance: &VrrpInstance) -> BTreeSet<IpAddr> {
    let addresses = instance.addresses.iter();
    addresses.map(|it| it.address.address).collect()
}
