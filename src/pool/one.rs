//! The pool of one virtual server.

use std::sync::Arc;

use super::assessed::{Assessed, Bridging};
use super::member::{Member, Phase, Role, Turn, Wish};
use super::{Event, Inputs, Outcome, Overrides, Quorum, Serving};
use crate::config::director::{RealServer, VirtualServer};
use crate::config::rules::Conduct;
use crate::health::Check;
use crate::health::checks::Origin;
use crate::ipvs::table;
use crate::lvs::{RealServerId, Servers, VirtualServerId};

/// A pool with what it is in the middle of.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    pub(super) quorum: Quorum,
    /// The usable weight that the quorum was decided upon last.
    pub(super) weight: u64,
    pub(super) serving: Serving,
    pub(super) members: Servers<Member>,
    /// The last step said that some serve on for want of usable ones.
    told_of_held: bool,
    /// What it was, when the configuration no longer has it.
    pub(super) removed: Option<table::Settings>,
}

impl Pool {
    /// A pool with what the kernel has of it, whoever it is.
    pub(super) fn new(kernel: Option<&table::VirtualServer>) -> Self {
        let found = kernel.iter().flat_map(|server| &server.real_servers);
        let members = found.map(|(rip, entry)| {
            let unknown = RealServer {
                settings: *entry,
                check: None,
                conduct: Conduct::default(),
            };
            (*rip, Member::found(*entry, unknown))
        });
        Self {
            quorum: Quorum::Undecided,
            weight: 0,
            serving: Serving::Pool,
            members: members.collect(),
            told_of_held: false,
            removed: None,
        }
    }

    /// Makes these its members; `running` tells that those it does not know
    /// are new, not only unknown.
    pub(super) fn configure(
        &mut self,
        before: Option<&VirtualServer>,
        after: &VirtualServer,
        running: bool,
    ) {
        self.removed = None;
        for (rip, member) in &mut self.members {
            match role(after, rip) {
                Some(role) => member.stay(role),
                None => member.leave(before.and_then(|before| before.server(rip))),
            }
        }
        let new = roles(after).filter(|(rip, _)| !self.members.contains_key(rip));
        let new = new.map(|(rip, role)| {
            let mut member = Member::new(running);
            member.stay(role);
            (rip, member)
        });
        let new: Vec<_> = new.collect();
        if !new.is_empty() {
            self.members.extend(new);
        }
    }

    /// It is no longer configured: everything in it leaves.
    pub(super) fn remove(&mut self, before: &VirtualServer) {
        self.removed = Some(before.settings);
        for (rip, member) in &mut self.members {
            member.leave(before.server(rip));
        }
    }

    pub(super) fn checks(&self, configured: Option<&VirtualServer>) -> Vec<(Arc<Check>, Origin)> {
        let members = self.members.iter().filter_map(|(rip, member)| {
            let server = member.left().or_else(|| configured?.server(rip))?;
            Some((server.check.clone()?, member.origin()))
        });
        members.collect()
    }

    /// What the kernel should hold of it; none: nothing any more.
    pub(super) fn wanted(
        &self,
        configured: Option<&VirtualServer>,
    ) -> Option<table::VirtualServer> {
        let present = self.members.iter();
        let present = present.filter_map(|(rip, member)| Some((*rip, member.entry()?)));
        let real_servers: Servers<_> = present.collect();
        let settings = match configured {
            Some(configured) => configured.settings,
            None if real_servers.is_empty() => return None,
            None => self.removed?,
        };
        Some(table::VirtualServer {
            settings,
            real_servers,
        })
    }

    pub(super) fn step(
        &mut self,
        id: &VirtualServerId,
        configured: Option<&VirtualServer>,
        overrides: &Overrides,
        inputs: &Inputs<'_>,
        outcome: &mut Outcome,
    ) {
        let assessed = self.assess(id, configured, overrides, inputs);
        let bridging = Bridging::of(assessed.iter().map(|(_, of)| of));
        if let Some(configured) = configured {
            self.decide(id, configured, &assessed, bridging, outcome);
        }
        let (wishes, waits) = self.wishes(id, &assessed, bridging, inputs);
        outcome.awaits_report |= waits;
        for ((rip, assessed), wish) in assessed.iter().zip(wishes) {
            let Some(member) = self.members.get_mut(rip) else {
                continue;
            };
            if assessed.is_refused() {
                member.has_not_begun();
            }
            let load = || (inputs.load)(id, rip);
            let turn = member.follow(
                wish,
                &assessed.settings,
                &assessed.conduct,
                inputs.now,
                load,
            );
            outcome.events.extend(turn.map(|turn| event(id, rip, turn)));
            let deadline = member.deadline(&assessed.conduct, inputs.now);
            outcome.deadline = outcome.deadline.into_iter().chain(deadline).min();
            outcome.awaits_report |= member.drain().is_some();
        }
        self.tell_of_held(id, bridging, outcome);
        let before = self.members.len();
        self.members
            .retain(|_, member| member.left().is_none() || member.entry().is_some());
        outcome.fewer_checks |= self.members.len() < before;
    }

    fn assess(
        &self,
        id: &VirtualServerId,
        configured: Option<&VirtualServer>,
        overrides: &Overrides,
        inputs: &Inputs<'_>,
    ) -> Vec<(RealServerId, Assessed)> {
        let members = self.members.iter().filter_map(|(rip, member)| {
            let server = member.left().or_else(|| configured?.server(rip))?;
            let standing = (inputs.standing)(id, rip, server);
            let share = (inputs.share)(id, rip, server);
            let overridden = overrides.get(id, rip);
            let refused = (inputs.refused)(id, rip);
            let assessed = Assessed::new(member, server, (standing, share), overridden, refused);
            Some((*rip, assessed))
        });
        members.collect()
    }

    /// What is to become of each, and whether some wait for the kernel.
    fn wishes(
        &self,
        id: &VirtualServerId,
        assessed: &[(RealServerId, Assessed)],
        bridging: Bridging,
        inputs: &Inputs<'_>,
    ) -> (Vec<Wish>, bool) {
        let serving = match self.quorum {
            Quorum::Undecided => None,
            Quorum::Up | Quorum::Down => Some(self.serving),
        };
        let is_short = self.quorum != Quorum::Up || bridging != Bridging::No;
        let wishes = assessed.iter();
        let wishes = wishes.map(|(_, of)| of.wish(serving, bridging, is_short));
        let mut wishes: Vec<_> = wishes.collect();
        let each = || assessed.iter().zip(&wishes);
        if !each().any(|((_, of), wish)| of.makes_way(*wish)) {
            return (wishes, false);
        }
        let takers = each().filter(|((_, of), wish)| of.takes(**wish));
        let mut awaited = takers.map(|((rip, _), _)| (inputs.awaited)(id, rip));
        // Somebody is to take over, and nobody who does is in the kernel's table yet.
        let waits = awaited.next().is_some_and(|first| first) && awaited.all(|it| it);
        for ((_, of), wish) in assessed.iter().zip(&mut wishes) {
            if waits && of.makes_way(*wish) {
                *wish = Wish::Hold;
            }
        }
        (wishes, waits)
    }

    /// Tells, once, that those serve on which the configuration no longer has,
    /// because of the others none is usable.
    fn tell_of_held(&mut self, id: &VirtualServerId, bridging: Bridging, outcome: &mut Outcome) {
        let held = |member: &&Member| member.left().is_some() && member.phase() == Phase::Held;
        let servers = match bridging {
            Bridging::Unusable => self.members.values().filter(held).count(),
            Bridging::No | Bridging::Unjudged => 0,
        };
        let told = std::mem::replace(&mut self.told_of_held, servers > 0);
        if servers > 0 && !told {
            outcome.events.push(Event::Held {
                virtual_server: *id,
                servers,
            });
        }
    }

    /// Decides on the quorum, and who serves.
    fn decide(
        &mut self,
        id: &VirtualServerId,
        configured: &VirtualServer,
        assessed: &[(RealServerId, Assessed)],
        bridging: Bridging,
        outcome: &mut Outcome,
    ) {
        let usable = |role| -> u64 {
            let of = assessed.iter().map(|(_, of)| of);
            of.map(|of| of.usable(role, bridging)).sum()
        };
        let real = assessed.iter().filter(|(_, of)| of.role() == Role::Real);
        let pending = real.map(|(_, of)| of.pending()).sum();
        let rules = &configured.rules;
        let before = self.quorum;
        let weight_before = std::mem::replace(&mut self.weight, usable(Role::Real));
        self.quorum = before.next(rules, weight_before, self.weight, pending);
        if self.quorum != before {
            let (virtual_server, weight, quorum) = (*id, self.weight, rules.quorum);
            outcome.events.push(match self.quorum {
                Quorum::Up => Event::QuorumGained {
                    virtual_server,
                    weight,
                    quorum,
                },
                Quorum::Down | Quorum::Undecided => Event::QuorumLost {
                    virtual_server,
                    weight,
                    quorum,
                },
            });
        }
        let serving = match self.quorum {
            Quorum::Undecided | Quorum::Up => Serving::Pool,
            Quorum::Down if usable(Role::Backup) > 0 => Serving::Backup,
            Quorum::Down if usable(Role::Sorry) > 0 => Serving::Sorry,
            Quorum::Down => Serving::Pool,
        };
        if serving != self.serving {
            outcome.events.push(Event::Serving {
                virtual_server: *id,
                from: self.serving,
                to: serving,
            });
        }
        self.serving = serving;
    }
}

fn roles(server: &VirtualServer) -> impl Iterator<Item = (RealServerId, Role)> {
    let real = server.real_servers.keys().map(|rip| (*rip, Role::Real));
    let backup = server.rules.backup_servers.keys();
    let sorry = server.rules.sorry_server.iter();
    real.chain(backup.map(|rip| (*rip, Role::Backup)))
        .chain(sorry.map(|(rip, _)| (*rip, Role::Sorry)))
}

/// What the server of that address is there for.
pub(super) fn role(server: &VirtualServer, rip: &RealServerId) -> Option<Role> {
    let rules = &server.rules;
    if rules.sorry_server.as_ref().is_some_and(|(id, _)| id == rip) {
        Some(Role::Sorry)
    } else if rules.backup_servers.contains_key(rip) {
        Some(Role::Backup)
    } else {
        server.real_servers.contains_key(rip).then_some(Role::Real)
    }
}

/// The server of that address, whatever its role.
fn event(id: &VirtualServerId, rip: &RealServerId, turn: Turn) -> Event {
    let (virtual_server, real_server) = (*id, *rip);
    match turn {
        Turn::DrainBegan { because, limit } => Event::Draining {
            virtual_server,
            real_server,
            because,
            limit,
        },
        Turn::DrainEnded {
            because,
            connections,
        } => Event::Drained {
            virtual_server,
            real_server,
            because,
            connections,
        },
    }
}
