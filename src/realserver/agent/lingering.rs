//! VIPs that this host has and does not want, and that are not the agent's to take away:
//! with the mask of a network, or on an interface other than that of the VIPs.
//!
//! | the VIP is | while the host is drained | once it is not wanted: at a stop, after a reload |
//! |---|---|---|
//! | on `lo`, or another interface that speaks no ARP | ARP is kept quiet, an error | the same; the stop fails |
//! | on an interface that speaks ARP | the same: that interface alone answers | as it is: no parameter silences it, and it may be wanted there |
//!
//! Where ARP is quiet without lvsd, it is left alone.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Agent;
use super::life::Phase;
use crate::lvs::Prefixed;

impl Agent {
    /// The VIPs for which ARP would be answered, were the parameters put back.
    pub(super) fn loud(&self) -> BTreeSet<IpAddr> {
        let journal = &self.journal;
        let noted = journal.vips.keys().chain(&journal.lingering);
        let known = self.configured_vips.iter().chain(noted);
        let unwanted = known.filter(|vip| vip.is_ipv4() && !self.wants(**vip));
        unwanted
            .filter(|vip| !self.lingers(**vip).is_empty() && !self.may_stay(**vip, journal))
            .copied()
            .collect()
    }

    /// What is to be told of those, one sentence each.
    pub fn left(&self) -> Vec<String> {
        let loud = self.loud().into_iter();
        loud.flat_map(|vip| self.lingering(vip)).collect()
    }

    /// Where a VIP is, although it is not wanted: the interface, and the VIP as it is there.
    fn lingers(&self, vip: IpAddr) -> Vec<(String, Prefixed)> {
        let place = self.place(vip);
        let here = place.wider.map(|len| (self.interface.clone(), len));
        let counts = |name: &str| {
            let link = self.seen.link(name);
            self.phase == Phase::Drained || link.is_some_and(|link| link.loopback || link.noarp)
        };
        let elsewhere = place.elsewhere.into_iter();
        let elsewhere = elsewhere.filter(|(name, _)| counts(name));
        let as_it_is = |(name, prefix_len): (String, u8)| {
            let address = vip;
            (
                name,
                Prefixed {
                    address,
                    prefix_len,
                },
            )
        };
        here.into_iter().chain(elsewhere).map(as_it_is).collect()
    }

    /// What is to be told of a VIP that is not wanted.
    pub(super) fn lingering(&self, vip: IpAddr) -> Vec<String> {
        let why = match self.phase {
            Phase::Drained => "this host is drained",
            Phase::Stopping => "lvsd lets go of it",
            Phase::Serving | Phase::Leaving { .. } => "it is in the file no more",
        };
        let told = |(name, found): (String, Prefixed)| {
            let mend = format!("ip address del {found} dev {name}");
            let link = self.seen.link(&name);
            let speaks = link.is_some_and(|link| !link.loopback && !link.noarp);
            let place = match name == self.interface {
                true => format!("{name} as {found}"),
                false => name,
            };
            let what = match speaks {
                true => "there ARP is answered for it, so that clients bypass the directors, until",
                false => "ARP stays quiet until",
            };
            format!("VIP {vip} is on {place} although {why}: {what} it is taken away ({mend})")
        };
        self.lingers(vip).into_iter().map(told).collect()
    }
}
