//! What is known of a server at one moment, and what follows from it.

use std::time::Duration;

use super::member::{Because, Member, Role, Wish};
use super::{Override, Serving, Standing};
use crate::config::director::RealServer;
use crate::config::rules::{Conduct, OnFailure};
use crate::health::Share;
use crate::ipvs::table;
use crate::lvs::Weight;

/// Why those that the configuration no longer has serve on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bridging {
    /// They do not.
    No,
    /// Nobody knows yet of somebody who may come whether he can.
    Unjudged,
    /// Of those who are to come in their place none is usable.
    Unusable,
}

impl Bridging {
    /// Whoever is not judged yet, in whichever role, may be who is to come in the
    /// place of what leaves; whoever cannot serve now may do so later.
    pub(super) fn of<'a>(assessed: impl Iterator<Item = &'a Assessed> + Clone) -> Self {
        let comes = |of: &&Assessed| !of.leaving;
        if assessed.clone().any(|of| of.pending() > 0) {
            Self::Unjudged
        } else if assessed.clone().any(|of| of.is_awaited())
            && !(assessed.filter(comes)).any(|of| of.usable(of.role, Self::No) > 0)
        {
            Self::Unusable
        } else {
            Self::No
        }
    }
}

/// A server with all that decides what becomes of it now.
#[derive(Debug)]
pub(super) struct Assessed {
    role: Role,
    /// The configuration no longer has it.
    leaving: bool,
    /// It has begun to drain, or the operator said that it is to go.
    going: bool,
    /// The kernel refuses to have it.
    refused: bool,
    /// What it has in the table.
    weight: Option<Weight>,
    standing: Standing,
    /// The operator's drain, with its limit.
    drained_by_operator: Option<Duration>,
    /// What it has when it serves with all it can.
    configured: Weight,
    /// What it counts for in the quorum.
    full: Weight,
    /// What it should have in the table when it serves.
    pub(super) settings: table::RealServer,
    pub(super) conduct: Conduct,
}

impl Assessed {
    pub(super) fn new(
        member: &Member,
        server: &RealServer,
        (standing, share): (Standing, Share),
        overridden: Option<&Override>,
        refused: bool,
    ) -> Self {
        let leaving = member.left().is_some();
        let overridden = overridden.filter(|_| !leaving);
        let mut settings = server.settings;
        if let Some(Override::Weight(weight)) = overridden {
            settings.weight = *weight;
        }
        let configured = settings.weight;
        let full = match share {
            Share::NONE => Weight::ZERO,
            _ => settings.weight,
        };
        settings.weight = share.of(settings.weight);
        let drained_by_operator = match overridden {
            Some(Override::Drain { limit }) => Some(limit.unwrap_or(server.conduct.drain)),
            Some(Override::Weight(_)) | None => None,
        };
        Self {
            role: member.role,
            leaving,
            going: member.drain().is_some() || member.is_let_go(),
            refused,
            weight: member.entry().map(|entry| entry.weight),
            standing,
            drained_by_operator,
            configured,
            full,
            settings,
            conduct: server.conduct,
        }
    }

    /// What it is there for.
    pub(super) fn role(&self) -> Role {
        self.role
    }

    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }

    /// The weight that nobody can judge yet, because its check has not ended.
    pub(super) fn pending(&self) -> u64 {
        let judged = self.standing != Standing::Unchecked
            || self.leaving
            || self.refused
            || self.drained_by_operator.is_some()
            || self.weight.is_some_and(|weight| weight > Weight::ZERO);
        if judged { 0 } else { self.full.get().into() }
    }

    /// Whether it is to serve, now or once it can.
    fn is_awaited(&self) -> bool {
        !self.leaving && self.drained_by_operator.is_none() && self.configured > Weight::ZERO
    }

    /// The weight that it can contribute in this role. `bridging`: whether what
    /// leaves serves on.
    pub(super) fn usable(&self, role: Role, bridging: Bridging) -> u64 {
        if self.role != role || self.drained_by_operator.is_some() || self.refused {
            return 0;
        }
        let present = self.weight.unwrap_or(Weight::ZERO);
        let weight = match self.standing {
            Standing::Up | Standing::Unchecked if self.leaving => {
                if self.is_bridge(bridging) {
                    present
                } else {
                    Weight::ZERO
                }
            }
            Standing::Up => self.full,
            // It may have had a share when lvsd stopped.
            Standing::Unchecked if present > Weight::ZERO => present.max(self.full),
            Standing::Unchecked => Weight::ZERO,
            Standing::Draining | Standing::Down => Weight::ZERO,
        };
        weight.get().into()
    }

    /// Whether it serves on although the configuration no longer has it, because
    /// nothing can take its place yet.
    fn is_bridge(&self, bridging: Bridging) -> bool {
        let helps = match bridging {
            Bridging::No => false,
            Bridging::Unjudged => true,
            Bridging::Unusable => self.weight.is_some_and(|weight| weight > Weight::ZERO),
        };
        helps && self.leaving && !self.going && !self.refused
    }

    /// What is to become of it. `is_short`: the pool cannot do without others.
    pub(super) fn wish(
        &self,
        serving: Option<Serving>,
        bridging: Bridging,
        is_short: bool,
    ) -> Wish {
        let leave = |limit, because| match self.refused {
            false => Wish::Leave { limit, because },
            // The kernel does not have it: there is nothing to drain.
            true => Wish::Out,
        };
        match self.standing {
            Standing::Down if self.leaving => return Wish::Out,
            Standing::Down => return self.failed(),
            Standing::Draining => return leave(self.conduct.drain, Because::Server),
            Standing::Up | Standing::Unchecked => {}
        }
        let takes_part = serving.is_none_or(|serving| serving == self.role.serves_as());
        if self.is_bridge(bridging) && takes_part {
            return Wish::Hold;
        }
        if self.leaving {
            return leave(self.conduct.drain, Because::Removed);
        }
        if let Some(limit) = self.drained_by_operator {
            return leave(limit, Because::Operator);
        }
        if serving.is_none() && self.role != Role::Real {
            return Wish::Hold;
        }
        match (takes_part, self.role, self.standing) {
            (true, _, Standing::Up) => Wish::Serve,
            (true, ..) => Wish::Hold,
            (false, Role::Real, _) => Wish::Rest { failed: false },
            // It would serve if only the kernel took it.
            (false, _, Standing::Up) if self.refused && is_short => Wish::Offer,
            (false, Role::Backup | Role::Sorry, _) => leave(self.conduct.drain, Because::NotNeeded),
        }
    }

    /// Whether it takes new connections if this is done, once the kernel has it.
    pub(super) fn takes(&self, wish: Wish) -> bool {
        let weight = match wish {
            Wish::Serve => Some(self.settings.weight),
            Wish::Hold => self.weight,
            Wish::Rest { .. } | Wish::Offer | Wish::Leave { .. } | Wish::Out => None,
        };
        !self.refused && weight.is_some_and(|weight| weight > Weight::ZERO)
    }

    /// Whether it makes way for others if this is done, and could as well go on.
    pub(super) fn makes_way(&self, wish: Wish) -> bool {
        let for_others = match wish {
            Wish::Rest { failed } => !failed,
            Wish::Leave { because, .. } => match because {
                Because::Removed | Because::NotNeeded => true,
                Because::Operator | Because::Server => false,
            },
            Wish::Serve | Wish::Hold | Wish::Offer | Wish::Out => false,
        };
        let takes = self.weight.is_some_and(|weight| weight > Weight::ZERO);
        // What the file said last of one that it no longer has is over.
        let is_to_serve = self.leaving || self.configured > Weight::ZERO;
        for_others && takes && is_to_serve && !self.going && !self.refused
    }

    fn failed(&self) -> Wish {
        match self.conduct.on_failure {
            OnFailure::Remove => Wish::Out,
            OnFailure::Quiesce => Wish::Rest { failed: true },
        }
    }
}
