//! The parameters below `net.ipv4.vs`: which there are, what they may be, what
//! lvsd sets unless told otherwise, and why.
//!
//! A parameter that nobody asked for and that lvsd has no opinion on is neither
//! read nor written. None of these is in every kernel.

/// A parameter.
#[derive(Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in `net.ipv4.vs`, and in the configuration.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What lvsd sets.
    pub default: Preset,
    /// Why, or when to set it.
    pub why: &'static str,
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 0 or 1.
    Switch,
    /// A number in this range.
    Number(i64, i64),
    /// 0 to 3: never, by need and off, by need and on, always. The kernel goes
    /// from 1 to 2 and back by itself.
    Defense,
    /// Whole seconds, at most this many.
    Seconds(u64),
    /// Two numbers, the first below the second unless that is 0.
    Threshold,
}

/// What lvsd sets where the configuration says nothing, as the kernel writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// The kernel's value stays, unread.
    Kernel,
    /// This.
    Always(&'static str),
    /// This where connections are synchronised.
    WithSync(&'static str),
}

use Kind::{Defense, Number, Seconds, Switch, Threshold};
use Preset::{Always, Kernel, WithSync};

const fn of(name: &'static str, kind: Kind, default: Preset, why: &'static str) -> Parameter {
    Parameter {
        name,
        kind,
        default,
        why,
    }
}

const LARGEST: i64 = i32::MAX as i64;

/// Every parameter, in the order of `config/director.toml`.
pub const PARAMETERS: [Parameter; 26] = [
    of(
        "expire_nodest_conn",
        Switch,
        Always("1"),
        "lvsd removes a real server when it is dead (one that drains stays, at weight 0): \
         its clients are told at once, instead of sending into nothing for 15 minutes",
    ),
    of(
        "expire_quiescent_template",
        Switch,
        Always("1"),
        "a persistent client goes elsewhere when its server is drained; else it brings each \
         new connection to the server that wants none, and draining never ends",
    ),
    of(
        "conn_reuse_mode",
        Number(0, 3),
        Kernel,
        "the kernel's 1 is right since 5.9; before, 0 avoids a second's wait for clients that \
         use a port again, and then an old port keeps its old server",
    ),
    of(
        "sloppy_tcp",
        Switch,
        Kernel,
        "1 schedules connections from their middle: with sh or mh on two directors they survive \
         a failover without synchronisation",
    ),
    of("sloppy_sctp", Switch, Kernel, "as sloppy_tcp"),
    of(
        "schedule_icmp",
        Switch,
        Kernel,
        "1 schedules ICMP errors of unknown connections, for tunnels with sh or mh",
    ),
    of(
        "ignore_tunneled",
        Switch,
        Kernel,
        "1 leaves encapsulated packets alone: directors behind directors",
    ),
    of(
        "conntrack",
        Switch,
        Kernel,
        "1 lets iptables rules see the connections, and costs speed; needed for SNAT in front \
         of forwarding = \"nat\"",
    ),
    of(
        "snat_reroute",
        Switch,
        Kernel,
        "1 routes answers of forwarding = \"nat\" by their new source",
    ),
    of(
        "nat_icmp_send",
        Switch,
        Kernel,
        "1 tells a NAT real server that its connection is unknown",
    ),
    of(
        "pmtu_disc",
        Switch,
        Kernel,
        "0 where ICMP is lost between clients and the director and tunnels make packets too big",
    ),
    of(
        "cache_bypass",
        Switch,
        Kernel,
        "1 sends to the original destination when no cache is left: transparent caches",
    ),
    of(
        "run_estimation",
        Switch,
        Kernel,
        "0 saves the kernel the rates of a very large table, which then read as 0",
    ),
    of(
        "drop_entry",
        Defense,
        Kernel,
        "how connections are dropped when memory is short: 1 and 2 by need, 3 always",
    ),
    of(
        "drop_packet",
        Defense,
        Kernel,
        "how packets are dropped when memory is short: 1 and 2 by need, 3 always",
    ),
    of(
        "secure_tcp",
        Defense,
        Kernel,
        "shorter timeouts under attack: 1 and 2 by need, 3 always",
    ),
    of(
        "amemthresh",
        Number(0, LARGEST),
        Kernel,
        "free memory, in pages, below which the three above begin",
    ),
    of(
        "am_droprate",
        Number(1, LARGEST),
        Kernel,
        "each how manyth packet drop_packet = 3 drops",
    ),
    of(
        "backup_only",
        Switch,
        Kernel,
        "1 stops all balancing while the backup sync daemon runs",
    ),
    of(
        "sync_threshold",
        Threshold,
        WithSync("3 0"),
        "the kernel's 3 50 tells of a connection at its 3rd packet and then each 50: one that \
         says little is lost in a failover. With 0, sync_refresh_period decides alone",
    ),
    of(
        "sync_refresh_period",
        Seconds(3_600),
        WithSync("10"),
        "a connection that sees packets is told again after this long, so that a director which \
         comes back soon knows all that are not idle",
    ),
    of(
        "sync_retries",
        Number(0, 3),
        Kernel,
        "repetitions of each message, an eighth of sync_refresh_period apart, on a lossy network",
    ),
    of(
        "sync_ports",
        Number(1, 64),
        Kernel,
        "threads and UDP ports, where one processor cannot send it all; the same on every director",
    ),
    of(
        "sync_qlen_max",
        Number(0, LARGEST),
        Kernel,
        "messages that may wait to be sent; 0: by the size of the socket's buffer",
    ),
    of(
        "sync_sock_size",
        Number(0, LARGEST),
        Kernel,
        "bytes of the socket's buffer; 0: the system's",
    ),
    of(
        "sync_persist_mode",
        Number(0, 1),
        Kernel,
        "1 tells of persistent clients only, not of each connection of theirs",
    ),
];

impl Parameter {
    /// The parameter of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PARAMETERS.iter().find(|parameter| parameter.name == name)
    }

    /// Whether the parameter needs nothing to be `wanted` when it is `found`.
    pub fn holds(&self, found: &str, wanted: &str) -> bool {
        let by_need = |value| matches!(value, "1" | "2");
        found == wanted || self.kind == Defense && by_need(found) && by_need(wanted)
    }

    /// What it is set to where the configuration says nothing; none: nothing.
    pub fn preset(&self, with_sync: bool) -> Option<&'static str> {
        match self.default {
            Always(value) => Some(value),
            WithSync(value) if with_sync => Some(value),
            Kernel | WithSync(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_parameter_is_there_once_and_says_why() {
        let names: BTreeSet<_> = PARAMETERS.iter().map(|parameter| parameter.name).collect();
        assert_eq!(names.len(), PARAMETERS.len());
        assert!(PARAMETERS.iter().all(|parameter| !parameter.why.is_empty()));
    }

    #[test]
    fn what_the_kernel_turns_on_by_need_is_what_was_wanted() {
        let defense = Parameter::named("drop_entry").unwrap();
        assert!(defense.holds("1", "2") && defense.holds("2", "1") && defense.holds("3", "3"));
        assert!(!defense.holds("1", "3") && !defense.holds("0", "1") && !defense.holds("2", "0"));
        let number = Parameter::named("sync_retries").unwrap();
        assert!(!number.holds("1", "2"));
    }

    #[test]
    fn sync_has_values_of_its_own() {
        let threshold = Parameter::named("sync_threshold").unwrap();
        assert_eq!(threshold.preset(true), Some("3 0"));
        assert_eq!(threshold.preset(false), None);
    }
}
