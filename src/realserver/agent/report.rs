//! What the agent tells: readiness for the directors, the snapshot for people.

use std::net::IpAddr;

use serde::Serialize;

use super::Agent;
use super::life::{Phase, Then};
use super::track::Track;
use crate::health::readiness::{Readiness, ReadinessState};
use crate::lvs::Family;
use crate::realserver::journal::Origin;
use crate::realserver::sysctl::Rule;
use crate::realserver::{gateway, mss, tunnel, vip};
use crate::status::realserver::{Arp, Health, Service, State, Status, Sysctl, Vip};
use crate::sys::sysctl::Key;

/// The body of `GET /ready`: what directors act upon, and the details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    #[serde(flatten)]
    readiness: Readiness,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
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
            // A director gives weight 0 to both: it is to come back.
            State::Draining | State::Drained => ReadinessState::Draining,
            State::Stopping => ReadinessState::Stopping,
        };
        Self {
            readiness: Readiness::new(state, status.reasons).with_weight(status.weight),
            warnings: status.warnings,
            vips: status.vips,
            sysctls: status.sysctls,
            services: status.services,
        }
    }
}

/// What this host told the LAN about the VIPs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// What it must not tell, and may tell again.
    pub leaks: Vec<String>,
    /// What it told, and neighbours may still believe.
    pub believed: Vec<String>,
    /// How often it was asked and told.
    pub counts: Vec<Arp>,
}

impl Agent {
    /// The snapshot, as of the last [`Agent::reconcile`].
    pub fn status(&self) -> Status {
        let faults = self.faults();
        let (state, phase_reason) = match self.phase {
            Phase::Serving if faults.is_empty() => (State::Ready, None),
            Phase::Serving => (State::NotReady, None),
            Phase::Leaving { at, then, .. } => {
                let who = match then {
                    Then::Stop => "",
                    Then::Rest => " by `lvsd realserver drain`",
                };
                let reason = format!("draining{who} until {at:.0}");
                (State::Draining, Some(reason))
            }
            Phase::Drained => {
                let reason =
                    "drained by `lvsd realserver drain`; `lvsd realserver undrain` ends it";
                (State::Drained, Some(reason.to_owned()))
            }
            Phase::Stopping => (State::Stopping, Some("stopping".to_owned())),
        };
        let draining_until = match self.phase {
            Phase::Leaving { at, .. } => Some(at),
            _ => None,
        };
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: self.started,
            ready: state == State::Ready,
            state,
            reasons: phase_reason.into_iter().chain(faults).collect(),
            errors: self.errors(),
            warnings: self.warnings(),
            draining_until,
            connections: self.connections.filter(|_| draining_until.is_some()),
            weight: self
                .weight
                .as_ref()
                .and_then(|it| it.as_ref().ok().copied()),
            forwarding: self.method.to_string(),
            notes: self.notes(),
            listen: self.listen,
            secure: self.secure,
            arp: self.said.counts.clone(),
            interface: self.interface.clone(),
            vips: self
                .configured_vips
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
        match self.phase {
            Phase::Serving | Phase::Leaving { .. } => {}
            Phase::Drained => {
                let vips = self.configured_vips.iter();
                return vips.flat_map(|vip| self.stray_faults(*vip)).collect();
            }
            Phase::Stopping => return Vec::new(),
        }
        let mut faults = self.interface_fault();
        for vip in &self.configured_vips {
            faults.extend(self.vip_faults(*vip));
        }
        for (key, rule) in self.rules() {
            faults.extend(self.sysctl_fault(&key, rule));
        }
        let tunnels = self.tunnels_wanted();
        faults.extend(tunnel::faults(
            &tunnels,
            &self.seen.links,
            &self.seen.gue_ports,
        ));
        let ways = gateway::faults(self.gateways(), &self.seen.ways);
        faults.extend(ways.iter().map(ToString::to_string));
        faults.extend(self.said.leaks.iter().cloned());
        faults.extend(self.services.iter().filter_map(service_fault));
        faults
    }

    fn interface_fault(&self) -> Vec<String> {
        let name = &self.interface;
        match self.seen.link(name) {
            _ if self.configured_vips.is_empty() => Vec::new(),
            None => vec![format!("there is no interface {name}")],
            Some(link) if !link.up => vec![format!(
                "{name} is down, so no VIP can be reached: ip link set {name} up"
            )],
            Some(_) => Vec::new(),
        }
    }

    /// What may be as it must be or not, which only people know.
    fn warnings(&self) -> Vec<String> {
        let seen = &self.seen;
        gateway::warnings(self.gateways(), &seen.beyond, &seen.links, &seen.addresses)
    }

    /// What is repaired again and again: somebody has to look.
    fn errors(&self) -> Vec<String> {
        let told = |what: String, track: &Track| {
            let by = track.by.as_deref().unwrap_or("somebody");
            track.is_contested(self.now).then(|| {
                format!(
                    "{what} was taken away {} times, the last three within a minute, by {by}: see \
                     docs/realserver.md for how to make it stop",
                    track.lost
                )
            })
        };
        let vips = self.vips.iter();
        let vips = vips.filter_map(|(vip, track)| told(format!("VIP {vip}"), track));
        let strays = self.strays.iter().filter_map(|(vip, track)| {
            let by = track.by.as_deref().unwrap_or("somebody");
            track.is_contested(self.now).then(|| {
                format!(
                    "VIP {vip} was put on this drained host {} times, the last three within a \
                     minute, by {by}: see docs/realserver.md for how to make it stop",
                    track.lost
                )
            })
        });
        let sysctls = self.sysctls.iter();
        let sysctls = sysctls.filter_map(|(key, track)| told(key.to_string(), track));
        let unrecorded = self.unrecorded.iter();
        let unrecorded = unrecorded.map(|why| {
            format!("{why}: nothing new is changed on this host, since no stop could undo it")
        });
        let weight = self.weight.clone().and_then(Result::err);
        let believed = self.said.believed.iter().cloned();
        let tracked = vips.chain(strays).chain(self.left()).chain(sysctls);
        let tracked = tracked.chain(unrecorded);
        tracked.chain(weight).chain(believed).collect()
    }

    /// What is set up besides VIPs and parameters.
    fn notes(&self) -> Vec<String> {
        let tunnels = self.tunnels_wanted();
        let mut notes: Vec<_> = tunnels
            .devices
            .iter()
            .map(|device| format!("what directors wrap is unwrapped by {}", device.name))
            .collect();
        if let Some(port) = tunnels.gue_port {
            notes.push(format!("GUE is unwrapped at UDP port {port}"));
        }
        let mtu = |link: &&crate::sys::link::Link| !link.loopback && link.up && !link.noarp;
        let mtu = self
            .seen
            .links
            .iter()
            .filter(mtu)
            .map(|link| link.mtu)
            .min();
        let family = |vip: &IpAddr| Family::of(*vip);
        if let Some((mtu, family)) = mtu.zip(self.wanted_vips().first().map(family))
            && let Some(bytes) = mss::advmss(&self.method, family, mtu)
        {
            notes.push(format!(
                "clients are told to send {bytes} bytes a segment, which fit into {mtu} once \
                 wrapped (advmss in table {})",
                mss::TABLE
            ));
        }
        notes
    }

    fn vip_faults(&self, vip: IpAddr) -> Vec<String> {
        if self.phase == Phase::Drained {
            return self.stray_faults(vip);
        }
        let place = self.place(vip);
        let mut faults = Vec::new();
        if !place.bound {
            let error = self.vips.get(&vip).and_then(|track| track.error.as_deref());
            let interface = &self.interface;
            faults.push(format!("VIP {vip} is not on {interface}{}", because(error)));
        }
        if place.bound && self.lacks_route(vip) {
            let error = self.vips.get(&vip).and_then(|track| track.error.as_deref());
            faults.push(format!(
                "VIP {vip} has no route in the table local, so this host takes no packets for \
                 it{}",
                because(error)
            ));
        }
        faults.extend(vip::refusals(vip, &self.interface, &place));
        faults
    }

    fn vip_status(&self, vip: IpAddr) -> Vip {
        let place = self.place(vip);
        let track = self.vips.get(&vip).or_else(|| self.strays.get(&vip));
        Vip {
            address: vip,
            label: place.label,
            present: place.bound,
            since: track.map_or(self.started, |track| track.since),
            stays: self.journal.vips.get(&vip) == Some(&Origin::Found)
                && self.may_stay(vip, &self.journal),
            repaired: track.map_or(0, |track| track.lost),
            taken_by: track.and_then(|track| track.by.clone()),
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
        let own = self.seen.sysctls.get(key).copied();
        let all = rule.of_all().and_then(|all| self.seen.sysctls.get(&all));
        Sysctl {
            key: key.to_string(),
            value: own,
            effective: own.map(|own| all.map_or(own, |all| rule.combine.apply(*all, own))),
            wanted: rule.wanted,
            original: self.journal.sysctls.get(key).map(|original| original.value),
            ok: self.sysctl_fault(key, rule).is_none(),
            why: rule.why.to_owned(),
            repaired: self.sysctls.get(key).map_or(0, |track| track.lost),
            changed_by: self.sysctls.get(key).and_then(|track| track.by.clone()),
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
