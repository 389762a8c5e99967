//! What the VRRP thread tells everybody else.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Link;
use super::lease::Lease;
use super::rejected::{Rejections, in_words};
use crate::config::director::{Holdings, VirtualAddress};
use crate::pulse::{Part, Stuck};
use crate::status::director::{
    Holding, Mismatch, Overrun, Peer as PeerStatus, Rival, Tracker, VipConflict, VirtualRouter,
    VrrpInterface,
};
use crate::vrrp::discard::Discard;
use crate::vrrp::refused::Refused;
use crate::vrrp::router::{Claim, Peer, Phase, State};
use crate::vrrp::{Priority, Settings};

/// Every virtual router and its interface. Published anew when anything but a
/// counter changes; the counters live on.
#[derive(Debug, Clone, Default)]
pub struct VrrpStatus {
    /// Whether [`Command::Configure`](super::Command::Configure) was ever
    /// carried out: before, no virtual router is listed, and that says nothing.
    pub configured: bool,
    /// Virtual routers by name.
    pub instances: BTreeMap<String, InstanceStatus>,
    /// The interfaces they run on, by name.
    pub interfaces: BTreeMap<String, InterfaceStatus>,
    /// The parts of the director that were ever stuck.
    pub parts: BTreeMap<Part, PartStatus>,
}

/// A part of the director that is stuck, or was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartStatus {
    /// It is.
    pub stuck: Option<Stuck>,
    /// How often it was.
    pub times: u64,
}

/// A virtual router.
#[derive(Debug, Clone)]
pub struct InstanceStatus {
    /// The interface it runs on.
    pub interface: String,
    /// What it runs with.
    pub settings: Settings,
    /// The priority that it runs with now.
    pub priority: Priority,
    /// The addresses, as they are put on the interface.
    pub addresses: Vec<VirtualAddress>,
    /// What else comes and goes with them.
    pub holdings: Arc<Holdings>,
    /// The sync group that it belongs to.
    pub group: Option<String>,
    /// The state.
    pub state: State,
    /// What it is about, within the state.
    pub phase: Phase,
    /// When it entered the state, for deadlines.
    pub since: Instant,
    /// When it entered the state, for people.
    pub since_wall: Timestamp,
    /// Why it is in the state.
    pub cause: String,
    /// The master that is heard, if it is another router.
    pub master: Option<Peer>,
    /// Another master while this is one: a split brain.
    pub rival: Option<Peer>,
    /// Another master whose adverts are discarded.
    pub refused: Option<Refused>,
    /// How the configuration of peers differs from ours.
    pub mismatches: Vec<(IpAddr, String)>,
    /// How often the state changed.
    pub transitions: u64,
    /// What must become of the addresses.
    pub claim: Claim,
    /// Grows each time that the addresses must be announced.
    pub announcements: u64,
    /// What it counts.
    pub counters: Arc<InstanceCounters>,
    /// For how long its addresses may be announced.
    pub lease: Arc<Lease>,
}

#[cfg(test)]
impl InstanceStatus {
    /// A backup with this configuration that nothing has happened to yet.
    pub(crate) fn backup(config: &crate::config::director::VrrpInstance) -> Self {
        use crate::sys::clock;
        Self {
            interface: config.interface.clone(),
            settings: config.settings.clone(),
            priority: config.settings.priority,
            addresses: config.addresses.clone(),
            holdings: Arc::clone(&config.holdings),
            group: None,
            state: State::Backup,
            phase: Phase::Steady,
            since: clock::now(),
            since_wall: clock::wall(),
            cause: String::new(),
            master: None,
            rival: None,
            refused: None,
            mismatches: vec![],
            transitions: 0,
            claim: Claim::Release,
            announcements: 0,
            counters: Arc::default(),
            lease: Arc::new(Lease::new(clock::now())),
        }
    }
}

/// An interface that virtual routers run on.
#[derive(Debug, Clone)]
pub struct InterfaceStatus {
    /// What the thread was told of it; none: nothing yet.
    pub link: Option<Link>,
    /// What is counted before a packet is known to be some virtual router's.
    pub counters: Arc<InterfaceCounters>,
}

/// The counters of an interface.
#[derive(Debug, Default)]
pub struct InterfaceCounters {
    discarded: Discards,
    /// Whose packets were discarded lately.
    pub rejections: Rejections,
    dropped: AtomicU64,
    /// In milliseconds of the epoch.
    last_dropped: AtomicI64,
}

/// The counters of a virtual router.
#[derive(Debug, Default)]
pub struct InstanceCounters {
    pub(super) adverts_sent: AtomicU64,
    pub(super) send_errors: AtomicU64,
    /// The errno that kept the last advert from going out; 0: it went.
    pub(super) unsent: AtomicI32,
    pub(super) adverts_received: AtomicU64,
    pub(super) became_master: AtomicU64,
    pub(super) late_wakeups: AtomicU64,
    pub(super) rivals_heard: AtomicU64,
    worst_lateness_us: AtomicU64,
    discarded: Discards,
    /// Whose packets were discarded lately.
    pub rejections: Rejections,
}

/// One counter for each of [`Discard::COUNTERS`].
#[derive(Debug, Default)]
struct Discards([AtomicU64; Discard::COUNTERS.len()]);

impl Discards {
    fn count(&self, discard: &Discard) {
        let name = discard.counter();
        if let Some(index) = Discard::COUNTERS.iter().position(|known| *known == name) {
            self.0[index].fetch_add(1, Ordering::Relaxed);
        }
    }

    fn read(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Discard::COUNTERS
            .into_iter()
            .zip(&self.0)
            .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count != 0)
    }
}

impl InterfaceCounters {
    pub(super) fn count_discard(&self, discard: &Discard) {
        self.discarded.count(discard);
    }

    /// The kernel dropped so many, because the socket was full.
    pub(super) fn count_dropped(&self, now: Timestamp, packets: u64) {
        self.last_dropped
            .store(now.as_millisecond(), Ordering::Relaxed);
        self.dropped.fetch_add(packets, Ordering::Relaxed);
    }

    /// What the kernel dropped; none if it dropped nothing.
    fn dropped(&self) -> Option<Overrun> {
        let packets = self.dropped.load(Ordering::Relaxed);
        let last = self.last_dropped.load(Ordering::Relaxed);
        let last = Timestamp::from_millisecond(last).unwrap_or_default();
        (packets > 0).then_some(Overrun { packets, last })
    }

    /// Packets discarded, by reason; reasons that never occurred are left out.
    pub fn discarded(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.discarded.read()
    }
}

impl InstanceCounters {
    /// Adds one.
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_discard(&self, discard: &Discard) {
        self.discarded.count(discard);
    }

    /// A deadline was handled late; a late one beyond `tolerance` is counted.
    pub(super) fn note_lateness(&self, late: Duration, tolerance: Duration) {
        let late_us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        self.worst_lateness_us.fetch_max(late_us, Ordering::Relaxed);
        if late > tolerance {
            Self::add(&self.late_wakeups);
        }
    }

    /// Adverts sent.
    pub fn adverts_sent(&self) -> u64 {
        self.adverts_sent.load(Ordering::Relaxed)
    }

    /// Adverts that could not be sent.
    pub fn send_errors(&self) -> u64 {
        self.send_errors.load(Ordering::Relaxed)
    }

    /// Adverts received and accepted.
    pub fn adverts_received(&self) -> u64 {
        self.adverts_received.load(Ordering::Relaxed)
    }

    /// How often it became master.
    pub fn became_master(&self) -> u64 {
        self.became_master.load(Ordering::Relaxed)
    }

    /// Deadlines that were handled more than half an advert interval late.
    pub fn late_wakeups(&self) -> u64 {
        self.late_wakeups.load(Ordering::Relaxed)
    }

    /// How often another master was heard while this was one.
    pub fn rivals_heard(&self) -> u64 {
        self.rivals_heard.load(Ordering::Relaxed)
    }

    /// The latest that a deadline was ever handled.
    pub fn worst_lateness(&self) -> Duration {
        Duration::from_micros(self.worst_lateness_us.load(Ordering::Relaxed))
    }

    /// Packets discarded, by reason; reasons that never occurred are left out.
    pub fn discarded(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.discarded.read()
    }
}

impl InterfaceStatus {
    /// The same for people and programs outside.
    pub fn describe(&self, name: &str) -> VrrpInterface {
        let discarded = self.counters.discarded();
        VrrpInterface {
            name: name.to_owned(),
            discarded: discarded
                .map(|(reason, count)| (reason.to_owned(), count))
                .collect(),
            rejected: self.counters.rejections.describe(None),
            dropped: self.counters.dropped(),
        }
    }
}

impl InstanceStatus {
    /// Why the others hear nothing of this master.
    fn unsent(&self) -> Option<String> {
        let errno = self.counters.unsent.load(Ordering::Relaxed);
        let is_told = self.state == State::Master && errno != 0;
        is_told.then(|| {
            let error = io::Error::from_raw_os_error(errno);
            let (interface, mend) = (&self.interface, mend_of_sending(errno));
            format!(
                "its adverts do not leave by {interface} ({error}), so others become master too; \
                 {mend}"
            )
        })
    }

    /// The same for people and programs outside; `problems`, `conflicts`
    /// and `trackers` are what others know of it.
    pub fn describe(
        &self,
        name: &str,
        mut problems: Vec<String>,
        conflicts: Vec<VipConflict>,
        holdings: Vec<Holding>,
        trackers: Vec<Tracker>,
    ) -> VirtualRouter {
        problems.extend(self.unsent());
        let version = self.version();
        let counters = &self.counters;
        VirtualRouter {
            name: name.to_owned(),
            interface: self.interface.clone(),
            vrid: self.settings.vrid.get(),
            version,
            group: self.group.clone(),
            state: self.state.to_string(),
            phase: self.phase.to_string(),
            since: self.since_wall,
            cause: self.cause.clone(),
            priority: self.priority.get(),
            configured_priority: self.settings.priority.get(),
            advert_interval_ms: u64::try_from(self.settings.advert_interval.as_millis())
                .unwrap_or(u64::MAX),
            preempt: self.settings.preempt,
            accept: !self.holdings.drops_packets,
            addresses: self
                .addresses
                .iter()
                .map(VirtualAddress::to_string)
                .collect(),
            master: self.master.map(|peer| PeerStatus {
                address: peer.address,
                priority: peer.priority,
            }),
            adverts_sent: counters.adverts_sent(),
            adverts_received: counters.adverts_received(),
            discarded: counters
                .discarded()
                .map(|(reason, count)| (reason.to_owned(), count))
                .collect(),
            became_master: counters.became_master(),
            rival: self.rival(),
            mismatches: self.mismatches.iter().map(mismatch).collect(),
            rivals_heard: counters.rivals_heard(),
            conflicts,
            rejected: counters.rejections.describe(Some(version)),
            transitions: self.transitions,
            send_errors: counters.send_errors(),
            late_wakeups: counters.late_wakeups(),
            worst_lateness_us: u64::try_from(counters.worst_lateness().as_micros())
                .unwrap_or(u64::MAX),
            holdings,
            problems,
            trackers,
        }
    }

    /// One that is heard is of our version.
    fn rival(&self) -> Option<Rival> {
        let ours = self.version();
        let heard = self.rival.map(|peer| Rival {
            address: peer.address,
            priority: peer.priority,
            version: ours,
            refused: None,
        });
        heard.or(self.refused.map(|rival| Rival {
            address: rival.peer.address,
            priority: rival.peer.priority,
            version: rival.version,
            refused: Some(in_words(rival.why, ours)),
        }))
    }

    fn version(&self) -> u8 {
        self.settings.version.number()
    }
}

fn mend_of_sending(errno: i32) -> &'static str {
    match errno {
        nix::libc::EPERM | nix::libc::EACCES => {
            "let protocol 112 out: see `nft list ruleset` and `iptables -S OUTPUT`"
        }
        nix::libc::ENOBUFS | nix::libc::EAGAIN => "see `tc -s qdisc` for what fills its queue",
        nix::libc::EMSGSIZE => "raise its MTU, or name fewer virtual_addresses",
        _ => "see `ip -s link` and `ip route`",
    }
}

fn mismatch((address, text): &(IpAddr, String)) -> Mismatch {
    Mismatch {
        address: *address,
        text: text.clone(),
    }
}
