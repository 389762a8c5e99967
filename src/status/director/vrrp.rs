//! The part of VRRP in a director's snapshot.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Director;
use crate::status::text::{self, Align, elapsed};

/// Who was rejected so long ago, or three advert intervals if that is more, has
/// stopped, or is heard now.
const RECENT: Duration = Duration::from_secs(10);

/// A virtual router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualRouter {
    /// Its configured name.
    pub name: String,
    /// The interface it runs on.
    pub interface: String,
    /// Virtual router identifier.
    pub vrid: u8,
    /// VRRP version.
    pub version: u8,
    /// `initialize`, `backup`, `master` or `fault`.
    pub state: String,
    /// What it is about, within the state: `steady`, `taking over`, `handing
    /// over`, `yielded`, `waits for its group`.
    pub phase: String,
    /// The sync group that it belongs to.
    pub group: Option<String>,
    /// When it entered the state.
    pub since: Timestamp,
    /// Why.
    pub cause: String,
    /// The priority that it runs with.
    pub priority: u8,
    /// The priority in the configuration, which trackers add to.
    pub configured_priority: u8,
    /// Time between adverts.
    pub advert_interval_ms: u64,
    /// Whether it takes over from a working master of lower priority.
    pub preempt: bool,
    /// Whether packets to its addresses are taken that IPVS does not balance.
    pub accept: bool,
    /// The virtual addresses, with prefix length.
    pub addresses: Vec<String>,
    /// The master that is heard, if it is another router.
    pub master: Option<Peer>,
    /// Adverts sent.
    pub adverts_sent: u64,
    /// Adverts received and accepted.
    pub adverts_received: u64,
    /// Packets discarded, by reason; reasons that never occurred are left out.
    pub discarded: BTreeMap<String, u64>,
    /// How often it became master.
    pub became_master: u64,
    /// Another master while this is one: a split brain.
    pub rival: Option<Rival>,
    /// Peers whose adverts are taken and whose configuration is not ours.
    pub mismatches: Vec<Mismatch>,
    /// How often another master was heard while this was one.
    pub rivals_heard: u64,
    /// Stations on the LAN that answer for its addresses too.
    pub conflicts: Vec<VipConflict>,
    /// Whose packets were discarded lately, and why.
    pub rejected: Vec<Rejected>,
    /// How often the state changed.
    pub transitions: u64,
    /// Adverts that could not be sent.
    pub send_errors: u64,
    /// Deadlines that were handled more than half an advert interval late.
    pub late_wakeups: u64,
    /// The latest that a deadline was ever handled, in microseconds.
    pub worst_lateness_us: u64,
    /// What comes and goes with mastership, and how it fares.
    pub holdings: Vec<Holding>,
    /// What is wrong with it now, e.g. an address that could not be added.
    pub problems: Vec<String>,
    /// What it tracks.
    pub trackers: Vec<Tracker>,
}

/// Something that comes and goes with mastership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// `interface` (of a virtual MAC), `up` (whether that is), `address`, `route`
    /// or `rule`.
    pub kind: String,
    /// Which one, e.g. `192.168.1.200/32 on ens192`.
    pub name: String,
    /// `held`; `missing`: it ought to be held; `released`: it ought not.
    pub state: String,
}

/// An interface that virtual routers run on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VrrpInterface {
    /// Its name.
    pub name: String,
    /// Packets discarded before they were known to be some virtual router's, by
    /// reason; reasons that never occurred are left out.
    pub discarded: BTreeMap<String, u64>,
    /// Whose packets these were lately, and why they were discarded.
    pub rejected: Vec<Rejected>,
    /// Packets that the kernel dropped; none: it dropped nothing.
    #[serde(default)]
    pub dropped: Option<Overrun>,
}

/// Packets that came faster than they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrun {
    /// How many since the director started.
    pub packets: u64,
    /// When the last one was noticed.
    pub last: Timestamp,
}

/// Another router of the same virtual router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The address that its adverts come from.
    pub address: IpAddr,
    /// The priority in them.
    pub priority: u8,
}

/// Another master of the same virtual router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rival {
    /// The address that its adverts come from.
    pub address: IpAddr,
    /// The priority in them.
    pub priority: u8,
    /// Their VRRP version.
    pub version: u8,
    /// Why its adverts are discarded; none: they are taken.
    pub refused: Option<String>,
}

/// A peer whose configuration is not ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// The address that its adverts come from.
    pub address: IpAddr,
    /// What is not as here.
    pub text: String,
}

/// A station that answers for a VIP that this host holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VipConflict {
    /// The VIP.
    pub address: IpAddr,
    /// The station's hardware address.
    pub mac: String,
}

/// A host whose packets are discarded for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// The address that they come from.
    pub address: IpAddr,
    /// The reason by the name of its counter, e.g. `auth_password`.
    pub reason: String,
    /// The reason in words.
    pub text: String,
    /// How many there were since this host was noticed.
    pub count: u64,
    /// When the newest came.
    pub last: Timestamp,
}

/// Something that a virtual router tracks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracker {
    /// Its name.
    pub name: String,
    /// `interface`, `script`, `process`, `file` or `virtual_server`.
    pub kind: String,
    /// `up`, `down`, or `unknown` before anybody has looked.
    pub state: String,
    /// Since when.
    pub since: Timestamp,
    /// Why it is down; else empty.
    pub reason: String,
    /// The configured weight; none: it is a fault while down.
    pub weight: Option<i16>,
    /// What it adds to the priority now.
    pub adds: i16,
    /// What it says that cannot be used.
    pub unclear: Option<String>,
}

impl Director {
    /// What is tracked, a line each; empty where nothing is.
    pub(super) fn tracker_table(&self) -> String {
        let head = [
            "TRACKER", "OF", "KIND", "STATE", "FOR", "WEIGHT", "ADDS", "BECAUSE",
        ];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for router in &self.vrrp {
            rows.extend(router.trackers.iter().map(|it| {
                let weight = it.weight.map(|weight| format!("{weight:+}"));
                let weight = weight.unwrap_or_else(|| match it.kind.as_str() {
                    "file" => "its number".to_owned(),
                    _ => "fault".to_owned(),
                });
                vec![
                    it.name.clone(),
                    router.name.clone(),
                    it.kind.clone(),
                    it.state.clone(),
                    elapsed(it.since, self.now),
                    weight,
                    it.adds.to_string(),
                    it.unclear.clone().unwrap_or_else(|| it.reason.clone()),
                ]
            }));
        }
        if rows.len() == 1 {
            return String::new();
        }
        use Align::{Left, Right};
        let table = text::table(&[Left, Left, Left, Left, Right, Left, Right, Left], &rows);
        format!("\n{table}")
    }

    pub(super) fn vrrp_table(&self) -> String {
        let head = [
            "VRRP",
            "STATE",
            "FOR",
            "PRIO",
            "INTERFACE",
            "VRID",
            "ADDRESSES",
            "MASTER",
            "BECAUSE",
        ];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(self.vrrp.iter().map(|router| {
            let master = match &router.master {
                _ if router.state == "master" => router.masters(),
                Some(Peer { address, priority }) => format!("{address} (prio {priority})"),
                None => "-".to_owned(),
            };
            vec![
                router.name.clone(),
                router.state_and_phase(),
                elapsed(router.since, self.now),
                router.priority.to_string(),
                router.interface.clone(),
                router.vrid.to_string(),
                router.addresses.join(" "),
                master,
                router.cause.clone(),
            ]
        }));
        use Align::{Left, Right};
        text::table(
            &[Left, Left, Left, Right, Left, Right, Left, Left, Left],
            &rows,
        )
    }

    /// A line for each thing that is wrong: what is heard first, because it
    /// explains what follows.
    pub(super) fn vrrp_troubles(&self) -> String {
        let mut lines = String::new();
        for router in &self.vrrp {
            let name = &router.name;
            let recent = RECENT.max(3 * Duration::from_millis(router.advert_interval_ms));
            let rival = router.rival.iter().map(Rival::warning);
            let rejected = router.rejected.iter();
            let rejected = rejected.filter_map(|it| it.warning(self.now, recent));
            let mismatches = router.mismatches.iter();
            let mismatches =
                mismatches.map(|it| format!("{} is configured otherwise: {}", it.address, it.text));
            let problems = router.problems.iter().cloned();
            for line in rival.chain(rejected).chain(mismatches).chain(problems) {
                let _ = writeln!(lines, "{name}: {line}");
            }
        }
        for interface in &self.vrrp_interfaces {
            if let Some(line) = interface.dropped.and_then(|it| it.warning(self.now)) {
                let _ = writeln!(lines, "{}: {line}", interface.name);
            }
            let rejected = interface.rejected.iter();
            let matter = rejected.filter(|it| it.reason != UNKNOWN_VRID || self.is_torn(interface));
            for line in matter.filter_map(|it| it.warning(self.now, RECENT)) {
                let _ = writeln!(lines, "{}: {line}", interface.name);
            }
        }
        lines
    }

    /// Whether somebody else answers for a VIP on the interface. Then virtual
    /// routers that are not configured here, which are nobody's business else,
    /// may tell who: one of the two has a wrong `virtual_router_id`.
    fn is_torn(&self, interface: &VrrpInterface) -> bool {
        let mut routers = self.vrrp.iter();
        routers.any(|router| router.interface == interface.name && !router.conflicts.is_empty())
    }
}

/// The reason of packets that belong to other people's virtual routers.
const UNKNOWN_VRID: &str = "unknown_vrid";

impl VirtualRouter {
    /// `master, handing over`
    pub(crate) fn state_and_phase(&self) -> String {
        match self.phase.as_str() {
            "steady" => self.state.clone(),
            phase => format!("{}, {phase}", self.state),
        }
    }

    /// Who is master, as seen by one.
    fn masters(&self) -> String {
        match &self.rival {
            Some(Rival {
                address, priority, ..
            }) => format!("this host AND {address} (prio {priority})"),
            None => "this host".to_owned(),
        }
    }
}

impl Rival {
    fn warning(&self) -> String {
        let Self {
            address,
            priority,
            version,
            refused,
        } = self;
        let why = match refused {
            None => "it does not hear this host, or discards its adverts; ask lvsd status there",
            Some(why) => &format!("the two do not agree: {why}"),
        };
        format!(
            "SPLIT BRAIN: {address} is master too (priority {priority}, version {version}): {why}"
        )
    }
}

impl Overrun {
    /// None: it is long past.
    fn warning(self, now: Timestamp) -> Option<String> {
        let Self { packets, last } = self;
        let ago = elapsed(last, now);
        is_recent(last, now, RECENT).then(|| {
            format!(
                "{packets} packets were dropped by the kernel before lvsd read them (last {ago} ago): \
                 adverts may be among them; see who floods (lvsd_vrrp_discarded_total), or \
                 realtime_priority where the processor is short"
            )
        })
    }
}

fn is_recent(last: Timestamp, now: Timestamp, recent: Duration) -> bool {
    let recent = SignedDuration::try_from(recent).unwrap_or(SignedDuration::MAX);
    now.duration_since(last) <= recent
}

impl Rejected {
    /// None: it is long past.
    fn warning(&self, now: Timestamp, recent: Duration) -> Option<String> {
        let Self {
            address,
            text,
            count,
            last,
            ..
        } = self;
        let ago = elapsed(*last, now);
        is_recent(*last, now, recent)
            .then(|| format!("discards adverts of {address}: {text} ({count}, last {ago} ago)"))
    }
}
