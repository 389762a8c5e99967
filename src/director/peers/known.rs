//! Which hardware address each of the other real servers has.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Master, Wanted};
use crate::sys::neighbour::Mac;
use crate::sys::neighbour_table::Neighbour;
use crate::sys::nftables::peers::{Origin, Pair};

/// The devices that unpack what directors send through tunnels: those that come with
/// their modules and take packets from anybody, and those that `lvsd realserver` makes. A
/// tunnel that clients come through has a name of its own.
pub(super) const DEVICES: [&str; 7] = [
    "tunl0", "sit0", "gre0", "ip6tnl0", "ip6gre0", "lvsd-ip6", "lvsd-gre",
];

/// What was learnt.
#[derive(Debug, Default)]
pub(super) struct Known {
    macs: BTreeMap<IpAddr, Mac>,
    masters: BTreeMap<Master, Mac>,
    /// Pairs of an earlier run, for as long as not everybody is known anew.
    inherited: BTreeSet<Pair>,
}

impl Known {
    /// What an earlier run left in the kernel.
    pub(super) fn inherit(&mut self, pairs: BTreeSet<Pair>) {
        self.inherited = pairs;
    }

    /// Takes in the kernel's neighbours. An address that has none now keeps the one it had:
    /// a host that does not answer now may send all the same.
    /// `link_of` tells the index of an interface.
    pub(super) fn learn(
        &mut self,
        wanted: &Wanted,
        neighbours: &[Neighbour],
        link_of: impl Fn(&str) -> Option<u32>,
    ) {
        self.macs
            .retain(|address, _| wanted.lan.contains_key(address));
        let of_lan = neighbours.iter();
        let of_lan = of_lan.filter(|it| wanted.lan.contains_key(&it.address));
        self.macs.extend(of_lan.map(|it| (it.address, it.mac)));
        self.masters
            .retain(|master, _| wanted.masters.contains(master));
        let of_masters = wanted.masters.iter().filter_map(|master| {
            let link = link_of(&master.1)?;
            let mut neighbours = neighbours.iter();
            let found = neighbours.find(|it| (it.address, it.link) == (master.0, link))?;
            Some((master.clone(), found.mac))
        });
        self.masters.extend(of_masters);
        if self.missing(wanted).next().is_none() {
            self.inherited.clear();
        }
    }

    /// Those of whom nothing is known.
    pub(super) fn missing<'a>(&'a self, wanted: &'a Wanted) -> impl Iterator<Item = IpAddr> + 'a {
        let all = wanted.lan.keys().copied();
        all.filter(|address| !self.macs.contains_key(address))
    }

    /// Those masters of whom nothing is known.
    pub(super) fn missing_masters<'a>(
        &'a self,
        wanted: &'a Wanted,
    ) -> impl Iterator<Item = &'a Master> {
        let all = wanted.masters.iter();
        all.filter(|master| !self.masters.contains_key(*master))
    }

    /// What is known of masters.
    pub(super) fn masters(&self) -> &BTreeMap<Master, Mac> {
        &self.masters
    }

    /// What is known.
    pub(super) fn macs(&self) -> &BTreeMap<IpAddr, Mac> {
        &self.macs
    }

    /// What to hide from IPVS.
    pub(super) fn pairs(&self, wanted: &Wanted) -> BTreeSet<Pair> {
        let of_lan = wanted.lan.iter().flat_map(|(address, vips)| {
            let mac = self.macs.get(address);
            vips.iter().filter_map(move |vip| Some((*mac?, *vip)))
        });
        let of_lan = of_lan.chain(wanted.virtual_macs.iter().copied());
        let of_lan = of_lan.map(|(mac, vip)| (Origin::Lan(mac), vip));
        let of_tunnels = wanted.tunnels.iter().flat_map(|vip| {
            let devices = DEVICES.into_iter();
            devices.map(|device| (Origin::Device(device.to_owned()), *vip))
        });
        // What this host sends itself: its IPVS would send it to others, from an address that
        // is theirs as well.
        let vips = wanted.lan.values().flatten().chain(&wanted.tunnels);
        let of_here = vips.map(|vip| (Origin::Here, *vip));
        let open: BTreeSet<_> = self
            .missing(wanted)
            .filter_map(|address| wanted.lan.get(&address))
            .flatten()
            .collect();
        let inherited = self
            .inherited
            .iter()
            .filter(|(origin, vip)| matches!(origin, Origin::Lan(_)) && open.contains(vip));
        let pairs = of_lan.chain(of_tunnels).chain(of_here);
        pairs.chain(inherited.cloned()).collect()
    }
}
