//! VIPs that are on this host although they must not be: while it is drained, and those
//! of others that would be answered for once the parameters are as they were.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;

use super::life::Phase;
use super::track::{Track, cause_of};
use super::{Action, Agent, Cause};
use crate::realserver::journal::{Journal, Origin};
use crate::realserver::sysctl;

impl Agent {
    /// Gives everything back and leaves what was found as it was found, however it is:
    /// for a first start that failed.
    pub fn undo_start(&mut self) {
        self.undoes_start = true;
        self.stop();
    }

    /// The VIPs that must go. One that was there before lvsd goes as well with a drain,
    /// and where ARP would be answered for it without lvsd's parameters.
    pub(super) fn removals(&self, journal: &Journal) -> Vec<Action> {
        let Some(link) = self.seen.link(&self.interface).map(|link| link.index) else {
            return Vec::new();
        };
        let journaled = journal
            .vips
            .iter()
            .filter(|(vip, origin)| **origin == Origin::Created || !self.may_stay(**vip, journal));
        let mut unwanted: BTreeSet<_> = journaled.map(|(vip, _)| *vip).collect();
        let others = self.configured_vips.iter().filter(|vip| match self.phase {
            Phase::Serving | Phase::Leaving { .. } => false,
            Phase::Drained => true,
            // Put there since the last look.
            Phase::Stopping => !self.may_stay(**vip, journal),
        });
        unwanted.extend(others);
        unwanted.retain(|vip| !self.wants(*vip) && self.place(*vip).bound);
        let removal = |vip: IpAddr| {
            let cause = match self.strays.get(&vip) {
                None => Cause::Restore,
                stray => cause_of(stray),
            };
            Action::RemoveVip { link, vip, cause }
        };
        unwanted.into_iter().map(removal).collect()
    }

    /// Whether a VIP that was there before lvsd may be left there: neighbours are not
    /// answered for it once the parameters are what they were.
    pub(super) fn may_stay(&self, vip: IpAddr, journal: &Journal) -> bool {
        let links = self.seen.links.iter();
        let speakers = links.filter(|link| !link.loopback && !link.noarp);
        let speakers: Vec<_> = speakers.map(|link| link.name.as_str()).collect();
        let left = |key: &_| {
            let original = journal.sysctls.get(key).filter(|it| it.changed);
            let original = original.map(|original| original.value);
            original.or_else(|| self.seen.sysctls.get(key).copied())
        };
        self.undoes_start || vip.is_ipv6() || sysctl::is_quiet(&speakers, left)
    }

    pub(super) fn track_strays(&mut self, now: Timestamp) {
        if self.phase != Phase::Drained {
            return self.strays.clear();
        }
        for vip in self.configured_vips.clone() {
            let away = !self.place(vip).bound;
            let track = self.strays.entry(vip);
            track
                .or_insert_with(|| Track::new(away, now))
                .observe(away, now);
        }
    }

    /// What is wrong with a VIP while this host is drained.
    pub(super) fn stray_faults(&self, vip: IpAddr) -> Vec<String> {
        let place = self.place(vip);
        let error = self.strays.get(&vip).and_then(|it| it.error.as_deref());
        let there = place.bound.then(|| {
            let because = error.map_or_else(String::new, |error| format!(": {error}"));
            let interface = &self.interface;
            format!("VIP {vip} is on {interface} although this host is drained{because}")
        });
        there.into_iter().chain(self.lingering(vip)).collect()
    }
}
