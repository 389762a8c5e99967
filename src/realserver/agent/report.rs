//! What the agent tells: readiness for the directors, the snapshot for people.

use std::net::IpAddr;

use serde::Serialize;

use super::{Agent, Phase, arp_speakers};
use crate::health::readiness::{Readiness, ReadinessState};
use crate::lvs::Forwarding;
use crate::realserver::journal::Origin;
use crate::realserver::sysctl::{self, Rule};
use crate::realserver::vip;
use crate::status::realserver::{Health, Service, State, Status, Sysctl, Vip};
use crate::sys::sysctl::Key;

/// The body of `GET /ready`: what directors act upon, and the details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    #[serde(flatten)]
    readiness: Readiness,
    vips: Vec<Vip>,
    sysctls: Vec<Sysctl>,
    services: Vec<Service>,
}

impl Answer {
    /// The HTTP status that goes with it.
    pub fn status(&self) -> u16 {
        self.readiness.status()
    }
}

impl From<Status> for Answer {
    fn from(status: Status) -> Self {
        let state = match status.state {
            State::Ready => ReadinessState::Ready,
            State::NotReady => ReadinessState::NotReady,
            State::Draining => ReadinessState::Draining,
            State::Stopping => ReadinessState::Stopping,
        };
        Self {
            readiness: Readiness::new(state, status.reasons),
            vips: status.vips,
            sysctls: status.sysctls,
            services: status.services,
        }
    }
}

impl Agent {
    /// The snapshot, as of the last [`Agent::reconcile`].
    pub fn status(&self) -> Status {
        let faults = self.faults();
        let (state, phase_reason, draining_until) = match self.phase {
            Phase::Serving if faults.is_empty() => (State::Ready, None, None),
            Phase::Serving => (State::NotReady, None, None),
            Phase::Draining { at, .. } => (
                State::Draining,
                Some(format!("draining until {at:.0}")),
                Some(at),
            ),
            Phase::Stopping => (State::Stopping, Some("stopping".to_owned()), None),
        };
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: self.started,
            ready: state == State::Ready,
            state,
            reasons: phase_reason.into_iter().chain(faults).collect(),
            draining_until,
            forwarding: self.forwarding.to_string(),
            listen: self.listen,
            vips: self
                .wanted_vips
                .iter()
                .map(|vip| self.vip_status(*vip))
                .collect(),
            sysctls: self
                .rules()
                .map(|(key, rule)| self.sysctl_status(&key, rule))
                .collect(),
            services: self.services.clone(),
        }
    }

    /// Everything that is not as it must be, one sentence each.
    fn faults(&self) -> Vec<String> {
        if self.phase == Phase::Stopping {
            return Vec::new();
        }
        let mut faults = self.lo_fault();
        for vip in &self.wanted_vips {
            faults.extend(self.vip_faults(*vip));
        }
        for (key, rule) in self.rules() {
            faults.extend(self.sysctl_fault(&key, rule));
        }
        if self.wanted_vips.iter().any(IpAddr::is_ipv4) {
            for link in arp_speakers(&self.seen.links) {
                faults.extend(sysctl::exposed(&self.seen.sysctls, &link.name));
            }
            faults.extend(self.tunnel_fault());
        }
        faults.extend(self.services.iter().filter_map(service_fault));
        faults
    }

    fn lo_fault(&self) -> Vec<String> {
        match self.seen.lo() {
            None => vec!["there is no interface lo".to_owned()],
            Some(lo) if !lo.up => {
                vec!["lo is down, so no VIP can be reached: ip link set lo up".to_owned()]
            }
            Some(_) => Vec::new(),
        }
    }

    fn tunnel_fault(&self) -> Option<String> {
        if self.forwarding != Forwarding::IPIP {
            return None;
        }
        match self.seen.links.iter().find(|link| link.name == "tunl0") {
            None => {
                Some("there is no tunl0 to unpack what directors send: modprobe ipip".to_owned())
            }
            Some(link) if !link.up => Some("tunl0 is down: ip link set tunl0 up".to_owned()),
            Some(_) => None,
        }
    }

    fn vip_faults(&self, vip: IpAddr) -> Vec<String> {
        let place = self.place(vip);
        let mut faults = Vec::new();
        if !place.on_lo {
            let error = self.vips.get(&vip).and_then(|track| track.error.as_deref());
            faults.push(format!("VIP {vip} is not on lo{}", because(error)));
        }
        faults.extend(vip::refusals(vip, &place));
        faults
    }

    fn vip_status(&self, vip: IpAddr) -> Vip {
        let place = self.place(vip);
        let track = self.vips.get(&vip);
        Vip {
            address: vip,
            label: place.label,
            present: place.on_lo,
            since: track.map_or(self.started, |track| track.since),
            stays: self.journal.vips.get(&vip) == Some(&Origin::Found),
            repaired: track.map_or(0, |track| track.lost),
            faults: self.vip_faults(vip),
        }
    }

    fn rules(&self) -> impl Iterator<Item = (Key, &'static Rule)> {
        self.wanted_sysctls().into_iter()
    }

    fn sysctl_fault(&self, key: &Key, rule: &Rule) -> Option<String> {
        let found = self.seen.sysctls.get(key);
        if found.is_some_and(|value| rule.accepts(*value)) {
            return None;
        }
        let error = self
            .sysctls
            .get(key)
            .and_then(|track| track.error.as_deref());
        Some(match found {
            Some(value) => format!(
                "{key} is {value}, must be {}{}",
                rule.wanted,
                because(error)
            ),
            None => format!("{key} cannot be read, must be {}", rule.wanted),
        })
    }

    fn sysctl_status(&self, key: &Key, rule: &Rule) -> Sysctl {
        Sysctl {
            key: key.to_string(),
            value: self.seen.sysctls.get(key).copied(),
            wanted: rule.wanted,
            original: self.journal.sysctls.get(key).map(|original| original.value),
            ok: self.sysctl_fault(key, rule).is_none(),
            why: rule.why.to_owned(),
            repaired: self.sysctls.get(key).map_or(0, |track| track.lost),
        }
    }
}

fn because(error: Option<&str>) -> String {
    error.map_or_else(String::new, |error| format!(": {error}"))
}

fn service_fault(service: &Service) -> Option<String> {
    let name = &service.name;
    match service.health {
        Health::Up => None,
        Health::Unknown => Some(format!("service {name}: no verdict yet")),
        Health::Down => {
            let reason = service.reason.as_deref().unwrap_or("down");
            Some(format!("service {name}: {reason}"))
        }
    }
}
