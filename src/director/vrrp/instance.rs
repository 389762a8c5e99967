//! One virtual router, what it counts, and its actions on the wire.

mod hearing;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use jiff::Timestamp;

use super::Link;
use super::interface::Interface;
use super::lease::Lease;
use super::log::{Line, Log, Quieter};
use super::occurrence::{Occurrence, Outlet};
use super::status::{InstanceCounters, InstanceStatus};
use super::thread::unread::{Looked, Unread};
use crate::config::director::VrrpInstance;
use crate::lvs::Family;
use crate::sys::clock;
use crate::vrrp::Version;
use crate::vrrp::advert::Checksum;
use crate::vrrp::mismatch::Mismatches;
use crate::vrrp::refused::{Refused, RefusedMaster};
use crate::vrrp::router::{
    Action, Cause, Claim, Event, LinkFault, Notice, Peer, Phase, Router, State,
};

#[derive(Debug)]
pub(super) struct Instance {
    name: String,
    config: VrrpInstance,
    /// It is not to start again.
    stops: bool,
    router: Router,
    since_wall: Timestamp,
    announcements: u64,
    outlet: Outlet,
    counters: Arc<InstanceCounters>,
    lease: Arc<Lease>,
    quieter: Quieter,
    unread: Unread,
    refused: RefusedMaster,
    mismatches: Mismatches,
    /// Grows with what `mismatches` has to tell.
    mismatches_told: u64,
    /// What was last published; none: what it is configured with changed since.
    published: Option<Face>,
}

/// What others would notice if it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Face {
    state: State,
    cause: Cause,
    transitions: u64,
    master: Option<Peer>,
    rival: Option<Peer>,
    phase: Phase,
    refused: Option<Refused>,
    mismatches_told: u64,
    claim: Claim,
    announcements: u64,
    priority: u8,
}

impl Instance {
    /// The `serial`-th of this thread.
    pub(super) fn new(
        name: &str,
        config: VrrpInstance,
        now: Instant,
        (serial, outlet): (u32, Outlet),
    ) -> Self {
        Self {
            name: name.to_owned(),
            router: Router::new(config.settings.clone(), now),
            config,
            stops: false,
            since_wall: clock::wall(),
            // Never what another router of this name has counted.
            announcements: u64::from(serial) << 32,
            outlet,
            counters: Arc::default(),
            lease: Arc::new(Lease::new(now)),
            quieter: Quieter::default(),
            unread: Unread::default(),
            refused: RefusedMaster::default(),
            mismatches: Mismatches::default(),
            mismatches_told: 0,
            published: None,
        }
    }

    /// The same, where none of its addresses is to be here before it is master.
    pub(super) fn without_vips(self) -> Self {
        Self {
            router: self.router.without_vips(),
            ..self
        }
    }

    pub(super) fn interface(&self) -> &str {
        &self.config.interface
    }

    pub(super) fn family(&self) -> Family {
        self.config.settings.family()
    }

    pub(super) fn is_multicast(&self) -> bool {
        self.config.transport.is_multicast()
    }

    /// The sync group that it belongs to, unless it is on its way out.
    pub(super) fn group(&self) -> Option<&str> {
        self.config.group.as_deref().filter(|_| !self.stops)
    }

    pub(super) fn router(&self) -> &Router {
        &self.router
    }

    /// Whether it was told to stop; it may hand over still.
    pub(super) fn stops(&self) -> bool {
        self.stops
    }

    /// Whether it was told to stop, and has.
    pub(super) fn has_stopped(&self) -> bool {
        self.stops && self.router.is_idle()
    }

    /// Has it hand over and then take part no more.
    pub(super) fn stop(&mut self, now: Instant, interface: &Interface, log: &mut Log<Line>) {
        self.handle(now, Event::Shutdown, interface, log);
        self.stops = true;
    }

    /// Where its adverts come from on this link.
    pub(super) fn source_on(&self, link: &Link) -> Result<IpAddr, LinkFault> {
        link.source_for(&self.config)
    }

    pub(super) fn vrid(&self) -> u8 {
        self.config.settings.vrid.get()
    }

    /// How often the addresses were to be announced.
    pub(super) fn announcements(&self) -> u64 {
        self.announcements
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.router.deadline()
    }

    /// Whether `config` describes the same virtual router, perhaps with other
    /// values.
    pub(super) fn is_same_as(&self, config: &VrrpInstance) -> bool {
        let version = |config: &VrrpInstance| matches!(config.settings.version, Version::V3);
        self.config.interface == config.interface
            && self.config.settings.vrid == config.settings.vrid
            && self.config.settings.family() == config.settings.family()
            && version(&self.config) == version(config)
    }

    /// Goes on with other values, if they are other.
    pub(super) fn reconfigure(
        &mut self,
        now: Instant,
        config: VrrpInstance,
        interface: &Interface,
        log: &mut Log<Line>,
    ) {
        if self.config == config {
            log.write(Line::Spent(Box::new(config)));
            return;
        }
        let settings = config.settings.clone();
        let before = std::mem::replace(&mut self.config, config);
        log.write(Line::Spent(Box::new(before)));
        self.published = None;
        self.mismatches.clear();
        if *self.router.settings() != settings {
            self.handle(now, Event::Reconfigure(settings), interface, log);
        }
    }

    /// Whether its deadline has come, and is one that an advert would have put off.
    pub(super) fn ends_silence(&self, now: Instant) -> bool {
        self.router.listens() && self.deadline().is_some_and(|at| at <= now)
    }

    /// Whether all adverts that came before its deadline were heard.
    pub(super) fn has_heard_out(&mut self, looked: Looked) -> bool {
        let deadline = self.deadline();
        deadline.is_none_or(|deadline| self.unread.is_nothing(deadline, looked))
    }

    /// Feeds the deadline if it has come.
    pub(super) fn fire(&mut self, now: Instant, interface: &Interface, log: &mut Log<Line>) {
        if let Some(deadline) = self.deadline()
            && deadline <= now
        {
            let tolerance = self.config.settings.advert_interval / 2;
            self.counters.note_lateness(now - deadline, tolerance);
            self.handle(now, Event::Deadline, interface, log);
        }
        self.tend_rivals(now, log);
    }

    /// Feeds an event and performs what follows from it.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        event: Event,
        interface: &Interface,
        log: &mut Log<Line>,
    ) {
        if self.stops && event == Event::Startup {
            return;
        }
        if let Event::Dropped { .. } = event {
            self.refused.lose_packets();
        }
        for action in self.router.handle(now, event) {
            match action {
                Action::SendAdvert {
                    source,
                    priority,
                    forms,
                } => {
                    for form in forms.each() {
                        self.send(now, (source, priority, form), interface, log);
                    }
                }
                Action::ClaimVips | Action::AnnounceVips => self.announcements += 1,
                // Claim and state tell it: see `Face`.
                Action::ReleaseVips => {}
                Action::Report(notice) => self.report(notice, log),
            }
        }
        self.lease.set(self.router.announces_until());
    }

    fn send(
        &mut self,
        now: Instant,
        (source, priority, checksum): (IpAddr, u8, Checksum),
        interface: &Interface,
        log: &mut Log<Line>,
    ) {
        let advert = self.router.settings().advert(priority);
        let virtual_mac = self.config.holdings.virtual_mac.as_ref().map(|it| it.mac);
        let mut unsent = 0;
        for destination in self.config.transport.destinations(self.family()) {
            let message = advert.encode(checksum, source, destination);
            match interface.send(&message, virtual_mac, source, destination) {
                Ok(()) => InstanceCounters::add(&self.counters.adverts_sent),
                Err(error) => {
                    unsent = error.raw_os_error().unwrap_or(nix::libc::EIO);
                    self.note_send_error(now, &error, log);
                }
            }
        }
        self.counters.unsent.store(unsent, Ordering::Relaxed);
    }

    fn note_send_error(&mut self, now: Instant, error: &io::Error, log: &mut Log<Line>) {
        InstanceCounters::add(&self.counters.send_errors);
        if let Some(kept_quiet) = self.quieter.admit(now, "send") {
            log.write(Line::SendFailed {
                instance: self.name.clone(),
                errno: error.raw_os_error().unwrap_or(0),
                kept_quiet,
            });
        }
    }

    fn report(&mut self, notice: Notice, log: &mut Log<Line>) {
        if let Notice::Changed(change) = &notice {
            self.since_wall = clock::wall();
            if change.to == State::Master {
                InstanceCounters::add(&self.counters.became_master);
            }
        }
        if let Notice::RivalHeard(peer) = &notice {
            if self.refused.is_taken_now(peer.address) {
                // The split brain was told, and goes on.
                return;
            }
            InstanceCounters::add(&self.counters.rivals_heard);
        }
        // Nobody listens any more: the director stops.
        let _ = self.outlet.send(Occurrence {
            at: clock::wall(),
            instance: self.name.clone(),
            interface: self.config.interface.clone(),
            state: self.router.state(),
            priority: self.router.priority().get(),
            version: self.config.settings.version.number(),
            peer: self.router.master().or(self.rival()),
            notice: notice.clone(),
        });
        log.write(Line::Notice {
            instance: self.name.clone(),
            interface: self.config.interface.clone(),
            notice,
        });
    }

    /// Whether the published status no longer shows this router as it is; the
    /// caller publishes then.
    pub(super) fn take_change(&mut self) -> bool {
        let face = Face {
            state: self.router.state(),
            cause: self.router.cause().clone(),
            transitions: self.router.transitions(),
            master: self.router.master(),
            rival: self.router.rival(),
            phase: self.router.phase(),
            refused: self.refused.current(),
            mismatches_told: self.mismatches_told,
            claim: self.router.claim(),
            announcements: self.announcements,
            priority: self.router.priority().get(),
        };
        if self.published.as_ref() == Some(&face) {
            return false;
        }
        self.published = Some(face);
        true
    }

    pub(super) fn status(&self) -> InstanceStatus {
        InstanceStatus {
            interface: self.config.interface.clone(),
            settings: self.config.settings.clone(),
            priority: self.router.priority(),
            addresses: self.config.addresses.clone(),
            holdings: Arc::clone(&self.config.holdings),
            group: self.config.group.clone(),
            state: self.router.state(),
            phase: self.router.phase(),
            since: self.router.since(),
            since_wall: self.since_wall,
            cause: self.router.cause().to_string(),
            master: self.router.master(),
            rival: self.router.rival(),
            refused: self.refused.current(),
            mismatches: self.mismatches_in_words(),
            transitions: self.router.transitions(),
            claim: self.router.claim(),
            announcements: self.announcements,
            counters: Arc::clone(&self.counters),
            lease: Arc::clone(&self.lease),
        }
    }
}
