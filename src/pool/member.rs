//! One server of a pool: what the table has of it, and what it is in the middle
//! of.

use std::fmt;
use std::time::{Duration, Instant};

use super::{Load, Serving};
use crate::config::director::RealServer;
use crate::config::rules::Conduct;
use crate::health::checks::Origin;
use crate::ipvs::table;
use crate::lvs::Weight;

/// How long after its last new connection a server counts as drained at the
/// earliest: a connection that is being set up when the weight becomes 0 is to
/// be seen by the kernel's count. That is read once a second, less often where the
/// table is large; one from the first half of this time does not do.
pub(super) const SETTLE: Duration = Duration::from_secs(2);

/// The steps in which a weight grows.
const RAMP_STEPS: u32 = 10;

/// What a server of the pool is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// A real server of the pool itself.
    Real,
    /// A server of the backup pool.
    Backup,
    /// The sorry server.
    Sorry,
}

impl Role {
    /// Who serves when its like do.
    pub(super) fn serves_as(self) -> Serving {
        match self {
            Self::Real => Serving::Pool,
            Self::Backup => Serving::Backup,
            Self::Sorry => Serving::Sorry,
        }
    }

    /// The word for status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Backup => "backup",
            Self::Sorry => "sorry",
        }
    }
}

/// Why a server leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// The operator said so.
    Operator,
    /// Its readiness says so.
    Server,
    /// The configuration no longer has it.
    Removed,
    /// What it stood in for is back.
    NotNeeded,
}

/// Reads after "because".
impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Operator => "the operator drains it",
            Self::Server => "the server asks to drain",
            Self::Removed => "the configuration no longer has it",
            Self::NotNeeded => "the pool serves again",
        })
    }
}

/// A drain that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// When its weight became 0.
    pub since: Instant,
    /// When it is out whatever connections it has.
    pub until: Instant,
    /// Why.
    pub because: Because,
}

/// What is to become of a server now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// It takes its share.
    Serve,
    /// It stays as it is.
    Hold,
    /// It keeps what it has, for as long as it takes.
    Rest { failed: bool },
    /// The kernel is asked to have it, and it takes nothing.
    Offer,
    /// It keeps what it has until that is over, then it is out.
    Leave { limit: Duration, because: Because },
    /// It is out.
    Out,
}

/// What began or ended when a server followed a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    DrainBegan { because: Because, limit: Duration },
    DrainEnded { because: Because, connections: u32 },
}

/// What a server does, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Out,
    Held,
    Serving,
    AtRest,
    Draining,
    Drained,
}

/// A server that the configuration no longer has.
#[derive(Debug, Clone)]
struct Left {
    /// What it was.
    server: RealServer,
    /// The operator lets it go, whatever comes in its place.
    let_go: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) role: Role,
    /// When the configuration no longer has it.
    left: Option<Box<Left>>,
    entry: Option<table::RealServer>,
    phase: Phase,
    /// Few drain at a time.
    drain: Option<Box<Drain>>,
    /// It has been out, and grows slowly when it comes back.
    cold: bool,
    /// It had been out when it came last.
    came_cold: bool,
    growing_since: Option<Instant>,
}

impl Left {
    fn new(server: RealServer) -> Self {
        Self {
            server,
            let_go: false,
        }
    }
}

impl Member {
    /// A server that the table does not have.
    pub(super) fn new(cold: bool) -> Self {
        Self {
            role: Role::Real,
            left: None,
            entry: None,
            phase: Phase::Out,
            drain: None,
            cold,
            came_cold: false,
            growing_since: None,
        }
    }

    /// A server that the kernel has; it leaves unless it is told to stay.
    pub(super) fn found(entry: table::RealServer, unknown: RealServer) -> Self {
        Self {
            entry: Some(entry),
            phase: Phase::Held,
            left: Some(Box::new(Left::new(unknown))),
            ..Self::new(false)
        }
    }

    /// It is configured.
    pub(super) fn stay(&mut self, role: Role) {
        self.role = role;
        self.left = None;
    }

    /// It is not configured any more; this is what it was.
    pub(super) fn leave(&mut self, before: Option<&RealServer>) {
        if let Some(before) = before {
            self.left = Some(Box::new(Left::new(before.clone())));
        }
    }

    /// The operator wants it gone, if the configuration no longer has it;
    /// `limit`: how long its connections may take, if not as it was configured.
    pub(super) fn let_go(&mut self, limit: Option<Duration>) {
        if let Some(left) = &mut self.left {
            left.let_go = true;
            let drain = &mut left.server.conduct.drain;
            *drain = limit.unwrap_or(*drain);
        }
    }

    pub(super) fn is_let_go(&self) -> bool {
        self.left.as_ref().is_some_and(|left| left.let_go)
    }

    pub(super) fn left(&self) -> Option<&RealServer> {
        self.left.as_ref().map(|left| &left.server)
    }

    pub(super) fn entry(&self) -> Option<table::RealServer> {
        self.entry
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn drain(&self) -> Option<Drain> {
        self.drain.as_deref().copied()
    }

    pub(super) fn is_growing(&self) -> bool {
        self.growing_since.is_some()
    }

    /// Its weight does not grow as long as the kernel refuses it: it is still to come,
    /// and as the file has it then.
    pub(super) fn has_not_begun(&mut self) {
        self.growing_since = None;
        self.cold |= self.came_cold;
    }

    /// Weight 0 may be what is left of a server that died.
    pub(super) fn origin(&self) -> Origin {
        match self.entry {
            Some(entry) if entry.weight > Weight::ZERO => Origin::Adopted,
            _ => Origin::New,
        }
    }

    /// Does what is wished, as far as its time has come.
    pub(super) fn follow(
        &mut self,
        wish: Wish,
        settings: &table::RealServer,
        conduct: &Conduct,
        now: Instant,
        load: impl FnOnce() -> Option<Load>,
    ) -> Option<Turn> {
        match wish {
            Wish::Leave { limit, because } if self.entry.is_some() => {
                return self.drain_further(limit, because, now, load);
            }
            Wish::Leave { .. } => {}
            Wish::Serve => self.serve(settings, conduct, now),
            Wish::Hold if self.entry.is_some() => self.phase = Phase::Held,
            Wish::Rest { failed } if self.entry.is_some() => {
                self.entry = Some(at_rest(settings));
                self.phase = Phase::AtRest;
                self.growing_since = None;
                self.cold |= failed;
            }
            Wish::Offer => {
                self.entry = Some(at_rest(settings));
                self.phase = Phase::AtRest;
                self.growing_since = None;
            }
            Wish::Hold => self.phase = Phase::Out,
            Wish::Rest { failed } => {
                self.phase = Phase::Out;
                self.cold |= failed;
            }
            Wish::Out => self.take_out(Phase::Out),
        }
        self.drain = None;
        None
    }

    fn serve(&mut self, settings: &table::RealServer, conduct: &Conduct, now: Instant) {
        if std::mem::take(&mut self.cold) {
            self.came_cold = true;
            self.growing_since = Some(now);
        }
        let weight = match (self.growing_since, conduct.slow_start) {
            (Some(since), Some(length)) if now < since + length => grown(
                settings.weight,
                now.saturating_duration_since(since),
                length,
            ),
            _ => {
                self.growing_since = None;
                settings.weight
            }
        };
        self.entry = Some(table::RealServer {
            weight,
            ..*settings
        });
        self.phase = Phase::Serving;
    }

    fn drain_further(
        &mut self,
        limit: Duration,
        because: Because,
        now: Instant,
        load: impl FnOnce() -> Option<Load>,
    ) -> Option<Turn> {
        let since = self.drain.as_ref().map_or(now, |drain| drain.since);
        let until = since + limit;
        let load = load();
        let is_empty = |load: Load| {
            let counted = load.counted_at >= since + SETTLE / 2;
            counted && load.weight == Weight::ZERO && load.active == 0
        };
        let empty = now >= since + SETTLE && load.is_none_or(is_empty);
        if now >= until || empty {
            self.take_out(Phase::Drained);
            let connections = load.map_or(0, |load| load.active);
            return Some(Turn::DrainEnded {
                because,
                connections,
            });
        }
        let drain = Drain {
            since,
            until,
            because,
        };
        let began = self.drain.replace(Box::new(drain)).is_none();
        self.entry = self.entry.as_ref().map(at_rest);
        self.phase = Phase::Draining;
        self.growing_since = None;
        began.then_some(Turn::DrainBegan { because, limit })
    }

    fn take_out(&mut self, phase: Phase) {
        self.entry = None;
        self.drain = None;
        self.growing_since = None;
        self.cold = true;
        self.phase = phase;
    }

    /// When it has to be looked at again, later than now.
    pub(super) fn deadline(&self, conduct: &Conduct, now: Instant) -> Option<Instant> {
        let drain = self.drain.as_ref().map(|drain| {
            let settled = drain.since + SETTLE;
            if settled > now {
                settled.min(drain.until)
            } else {
                drain.until
            }
        });
        let grows = self.growing_since.zip(conduct.slow_start);
        let grows = grows.and_then(|(since, length)| next_growth(since, now, length));
        drain.into_iter().chain(grows).min()
    }
}

fn at_rest(settings: &table::RealServer) -> table::RealServer {
    table::RealServer {
        weight: Weight::ZERO,
        ..*settings
    }
}

/// The step that a growing weight is at: 1 (a tenth) to 10 (all of it).
fn growth(elapsed: Duration, length: Duration) -> u32 {
    let steps = elapsed.as_nanos() * u128::from(RAMP_STEPS - 1) / length.as_nanos().max(1);
    u32::try_from(steps).map_or(RAMP_STEPS, |steps| (steps + 1).min(RAMP_STEPS))
}

/// A weight that has grown for so long: a tenth at first, and at least 1.
fn grown(weight: Weight, elapsed: Duration, length: Duration) -> Weight {
    let tenths = weight.get().saturating_mul(growth(elapsed, length)) / RAMP_STEPS;
    let weight = tenths.max(1).min(weight.get());
    Weight::try_from(weight).unwrap_or(Weight::MAX)
}

/// When it grows next; none: it has grown.
fn next_growth(since: Instant, now: Instant, length: Duration) -> Option<Instant> {
    let step = growth(now.saturating_duration_since(since), length);
    let at = since + length * step / (RAMP_STEPS - 1);
    // Division rounds down, and the step is taken after its time, not at it.
    (step < RAMP_STEPS).then(|| at.max(now) + Duration::from_nanos(1))
}
