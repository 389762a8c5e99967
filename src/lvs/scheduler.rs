//! How a real server is chosen: schedulers, their flags, and the engines that
//! tell clients apart.

use std::fmt;

/// How the kernel chooses a real server for a new connection.
///
/// The kernel loads the module `ip_vs_NAME` when a virtual server asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheduler {
    /// Round robin.
    RoundRobin,
    /// Weighted round robin.
    WeightedRoundRobin,
    /// Fewest connections.
    LeastConnection,
    /// Fewest connections by weight.
    WeightedLeastConnection,
    /// Locality-based least connection.
    LocalityBased,
    /// Locality-based least connection with replication.
    LocalityBasedWithReplication,
    /// Hash of the destination address.
    DestinationHash,
    /// Hash of the source address.
    SourceHash,
    /// Shortest expected delay.
    ShortestExpectedDelay,
    /// Never queue.
    NeverQueue,
    /// Highest weight that is available.
    WeightedFailover,
    /// Overflow by weight.
    WeightedOverflow,
    /// Maglev consistent hash.
    Maglev,
    /// Power of two random choices (Linux 5.12).
    PowerOfTwoChoices,
    /// A scheduler lvsd has no name for, as the kernel reports it. The
    /// configuration never yields one.
    Other(KernelName),
}

impl Scheduler {
    /// Every scheduler that has a name here, in the order they are listed to users.
    pub const ALL: [Self; 14] = [
        Self::RoundRobin,
        Self::WeightedRoundRobin,
        Self::LeastConnection,
        Self::WeightedLeastConnection,
        Self::LocalityBased,
        Self::LocalityBasedWithReplication,
        Self::DestinationHash,
        Self::SourceHash,
        Self::ShortestExpectedDelay,
        Self::NeverQueue,
        Self::WeightedFailover,
        Self::WeightedOverflow,
        Self::Maglev,
        Self::PowerOfTwoChoices,
    ];

    /// The name that users and the kernel know it by.
    pub fn name(&self) -> &str {
        match self {
            Self::RoundRobin => "rr",
            Self::WeightedRoundRobin => "wrr",
            Self::LeastConnection => "lc",
            Self::WeightedLeastConnection => "wlc",
            Self::LocalityBased => "lblc",
            Self::LocalityBasedWithReplication => "lblcr",
            Self::DestinationHash => "dh",
            Self::SourceHash => "sh",
            Self::ShortestExpectedDelay => "sed",
            Self::NeverQueue => "nq",
            Self::WeightedFailover => "fo",
            Self::WeightedOverflow => "ovf",
            Self::Maglev => "mh",
            Self::PowerOfTwoChoices => "twos",
            Self::Other(name) => name.as_str(),
        }
    }

    /// The scheduler of that name, of the kernel's own modules.
    pub fn known(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|scheduler| scheduler.name() == name)
    }

    /// The scheduler a kernel reports, which may be one that lvsd has no name
    /// for. A name too long to be the kernel's is cut.
    pub fn reported(name: &str) -> Self {
        Self::known(name).unwrap_or_else(|| Self::Other(KernelName::cut(name)))
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The flags of a scheduler, by number as `ipvsadm --sched-flags` does. What they
/// mean is the scheduler's; most have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SchedulerFlags(pub [bool; 3]);

impl SchedulerFlags {
    /// None of them.
    pub const NONE: Self = Self([false; 3]);

    /// The names that a scheduler gives to its flags, by number.
    pub fn names(scheduler: Scheduler) -> [Option<&'static str>; 3] {
        match scheduler {
            Scheduler::SourceHash | Scheduler::Maglev => [Some("fallback"), Some("port"), None],
            _ => [None; 3],
        }
    }

    /// Those that are set, each by its scheduler's name for it, or `flag-3`.
    pub fn set(self, scheduler: Scheduler) -> impl Iterator<Item = &'static str> {
        let names = Self::names(scheduler).into_iter();
        let named = names.zip(["flag-1", "flag-2", "flag-3"]).zip(self.0);
        named
            .filter(|(_, set)| *set)
            .map(|((name, number), _)| name.unwrap_or(number))
    }

    /// The same with a flag set, given by its scheduler's name for it, or as
    /// `flag-1`: none if the scheduler has no such flag.
    pub fn with(self, scheduler: Scheduler, flag: &str) -> Option<Self> {
        let names = Self::names(scheduler).into_iter();
        let mut named = names.zip(["flag-1", "flag-2", "flag-3"]);
        let index = named
            .position(|(name, number)| name.is_some_and(|name| flag == name || flag == number))?;
        let mut flags = self;
        flags.0[index] = true;
        Some(flags)
    }
}

/// What tells clients apart for persistence, beyond their address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PersistenceEngine {
    /// The Call-ID of SIP: a call stays with its real server whoever sends.
    Sip,
    /// One that lvsd has no name for, as the kernel reports it. The configuration
    /// never yields one.
    Other(KernelName),
}

impl PersistenceEngine {
    /// The name that users and the kernel know it by.
    pub fn name(&self) -> &str {
        match self {
            Self::Sip => "sip",
            Self::Other(name) => name.as_str(),
        }
    }

    /// The engine a kernel reports.
    pub fn reported(name: &str) -> Self {
        match name {
            "sip" => Self::Sip,
            other => Self::Other(KernelName::cut(other)),
        }
    }
}

impl fmt::Display for PersistenceEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name as the kernel holds it: at most 15 bytes (`IP_VS_SCHEDNAME_MAXLEN` and
/// `IP_VS_PENAME_MAXLEN` of `<linux/ip_vs.h>` less their NUL), zero-padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelName([u8; 15]);

impl KernelName {
    /// A name too long to be the kernel's is cut.
    fn cut(name: &str) -> Self {
        let mut bytes = [0; 15];
        for (to, from) in bytes.iter_mut().zip(name.bytes()) {
            *to = from;
        }
        Self(bytes)
    }

    fn as_str(&self) -> &str {
        let Self(bytes) = self;
        let end = bytes.iter().position(|byte| *byte == 0);
        let name = &bytes[..end.unwrap_or(bytes.len())];
        std::str::from_utf8(name).unwrap_or("?")
    }
}
