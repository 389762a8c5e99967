//! The kernel's connection synchronisation daemons: what they are, and the
//! steps from those that run to those that are wanted.
//!
//! A network namespace runs one master, which multicasts the connections it
//! schedules, and one backup, which takes in those of others with its sync id.
//! Nothing is ever sent twice for the asking: a backup knows the connections
//! that saw packets since it listens.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

/// `IP_VS_SYNC_GROUP`.
pub const DEFAULT_GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 81));
/// `IP_VS_SYNC_PORT`.
pub const DEFAULT_PORT: u16 = 8848;
/// Messages do not leave the LAN.
pub const DEFAULT_TTL: u8 = 1;

/// What a daemon does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It sends.
    Master,
    /// It receives.
    Backup,
}

impl Role {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Master, Self::Backup];
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Master => "master",
            Self::Backup => "backup",
        })
    }
}

/// A daemon's parameters, whatever its role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Daemon {
    /// The interface that messages go through.
    pub interface: String,
    /// A backup takes only messages with its own.
    pub sync_id: u8,
    /// The multicast group, of either family.
    pub group: IpAddr,
    /// UDP port.
    pub port: u16,
    /// How many routers a message may pass.
    pub ttl: u8,
    /// Most bytes of UDP payload; none: the kernel takes what fits the
    /// interface.
    pub max_len: Option<u16>,
}

impl Daemon {
    /// A daemon with the kernel's own values for the rest.
    pub fn on(interface: &str, sync_id: u8) -> Self {
        Self {
            interface: interface.to_owned(),
            sync_id,
            group: DEFAULT_GROUP,
            port: DEFAULT_PORT,
            ttl: DEFAULT_TTL,
            max_len: None,
        }
    }

    /// Whether a running daemon is what this one asks for.
    fn is_met_by(&self, running: &Self) -> bool {
        let max_len = self.max_len.or(running.max_len);
        let asked = Self {
            max_len,
            ..self.clone()
        };
        asked == *running
    }
}

/// `ens192 id 51 group 224.0.0.81:8848 ttl 1 maxlen 1472`
impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            interface,
            sync_id,
            group,
            port,
            ttl,
            ..
        } = self;
        let group = std::net::SocketAddr::new(*group, *port);
        write!(f, "{interface} id {sync_id} group {group} ttl {ttl}")?;
        match self.max_len {
            Some(max_len) => write!(f, " maxlen {max_len}"),
            None => Ok(()),
        }
    }
}

/// Daemons by role.
pub type Daemons = BTreeMap<Role, Daemon>;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Start a daemon.
    Start(Role, Daemon),
    /// Stop the daemon of this role.
    Stop(Role),
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(role, daemon) => write!(f, "start sync daemon {role} on {daemon}"),
            Self::Stop(role) => write!(f, "stop sync daemon {role}"),
        }
    }
}

/// The way from the daemons that run to those that are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// In this order.
    pub ops: Vec<Op>,
    /// Daemons of somebody else, which are in the way and are left alone.
    pub foreign: Vec<(Role, Daemon)>,
}

/// Compares. Only daemons of the roles in `owned` are stopped. A role that is
/// new starts before the other one stops, so that a director which becomes
/// master misses nothing on the way.
pub fn plan(desired: &Daemons, actual: &Daemons, owned: &BTreeSet<Role>) -> Plan {
    let mut plan = Plan::default();
    let mut stops = Vec::new();
    for role in Role::ALL {
        match (desired.get(&role), actual.get(&role)) {
            (Some(want), None) => plan.ops.push(Op::Start(role, want.clone())),
            (Some(want), Some(have)) if want.is_met_by(have) => {}
            (Some(want), Some(_)) if owned.contains(&role) => {
                stops.extend([Op::Stop(role), Op::Start(role, want.clone())]);
            }
            (Some(_), Some(have)) => plan.foreign.push((role, have.clone())),
            (None, Some(_)) if owned.contains(&role) => stops.push(Op::Stop(role)),
            (None, _) => {}
        }
    }
    plan.ops.extend(stops);
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daemon() -> Daemon {
        Daemon::on("ens192", 51)
    }

    fn running() -> Daemon {
        Daemon {
            max_len: Some(1472),
            ..daemon()
        }
    }

    fn of(role: Role, daemon: Daemon) -> Daemons {
        Daemons::from([(role, daemon)])
    }

    #[test]
    fn daemons_that_run_as_wanted_are_left_alone_whoever_started_them() {
        let both = Role::ALL.map(|role| (role, running()));
        let wanted = Role::ALL.map(|role| (role, daemon()));
        let plan = plan(&wanted.into(), &both.into(), &BTreeSet::new());
        assert_eq!(plan, Plan::default());
    }

    #[test]
    fn a_change_of_role_starts_the_new_daemon_before_it_stops_the_old_one() {
        let plan = plan(
            &of(Role::Master, daemon()),
            &of(Role::Backup, running()),
            &BTreeSet::from([Role::Backup]),
        );
        assert_eq!(
            plan.ops,
            [Op::Start(Role::Master, daemon()), Op::Stop(Role::Backup)]
        );
    }

    #[test]
    fn one_with_other_values_is_replaced_if_it_is_ours_and_named_if_not() {
        let other = Daemon {
            sync_id: 7,
            ..running()
        };
        let (wanted, actual) = (of(Role::Backup, daemon()), of(Role::Backup, other.clone()));
        let ours = plan(&wanted, &actual, &BTreeSet::from([Role::Backup]));
        assert_eq!(
            ours.ops,
            [Op::Stop(Role::Backup), Op::Start(Role::Backup, daemon())]
        );
        let theirs = plan(&wanted, &actual, &BTreeSet::new());
        assert_eq!(theirs.ops, []);
        assert_eq!(theirs.foreign, [(Role::Backup, other)]);
    }

    #[test]
    fn what_nobody_wants_stops_only_if_it_is_ours() {
        let actual = of(Role::Master, running());
        let none = Daemons::new();
        assert_eq!(plan(&none, &actual, &BTreeSet::new()), Plan::default());
        let ours = plan(&none, &actual, &BTreeSet::from([Role::Master]));
        assert_eq!(ours.ops, [Op::Stop(Role::Master)]);
    }

    #[test]
    fn a_length_counts_only_where_it_is_asked_for() {
        let short = Daemon {
            max_len: Some(1000),
            ..daemon()
        };
        assert!(daemon().is_met_by(&running()));
        assert!(!short.is_met_by(&running()));
    }
}
