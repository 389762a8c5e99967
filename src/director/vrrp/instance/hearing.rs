//! What a virtual router makes of the packets that come in for it.

use std::net::IpAddr;
use std::time::Instant;

use super::super::interface::Interface;
use super::super::log::{Line, Log};
use super::super::status::InstanceCounters;
use super::Instance;
use crate::sys::clock;
use crate::vrrp::discard::Discard;
use crate::vrrp::ipv4::Datagram;
use crate::vrrp::mismatch::oddities;
use crate::vrrp::receive::{Heard, receive};
use crate::vrrp::router::{Event, Notice, Peer, State};

impl Instance {
    /// A packet with this router's VRID came in on its interface.
    pub(in crate::director::vrrp) fn hear(
        &mut self,
        now: Instant,
        datagram: &Datagram<'_>,
        interface: &Interface,
        log: &mut Log<Line>,
    ) {
        let Some(own) = self.router.address() else {
            return;
        };
        let transport = &self.config.transport;
        match receive(datagram, self.router.settings(), transport, own) {
            Ok(heard) => {
                InstanceCounters::add(&self.counters.adverts_received);
                self.compare(now, &heard, log);
                self.handle(now, Event::Heard(heard), interface, log);
            }
            Err(discard) => self.discard(now, datagram, discard, log),
        }
    }

    /// Tells how a peer's configuration differs from ours, when that is news.
    fn compare(&mut self, now: Instant, heard: &Heard, log: &mut Log<Line>) {
        let found = oddities(&heard.advert, self.router.settings());
        let Some(news) = self.mismatches.note(now, heard.source, found) else {
            return;
        };
        self.mismatches_told += 1;
        let (instance, source) = (self.name.clone(), heard.source);
        if news.is_empty() {
            log.write(Line::Agrees { instance, source });
            return;
        }
        for oddity in news {
            let instance = self.name.clone();
            log.write(Line::Odd {
                instance,
                source,
                oddity,
            });
        }
    }

    /// Counts it, and tells of it once while it goes on.
    fn discard(
        &mut self,
        now: Instant,
        datagram: &Datagram<'_>,
        discard: Discard,
        log: &mut Log<Line>,
    ) {
        self.counters.count_discard(&discard);
        let rejections = &self.counters.rejections;
        if rejections.note(clock::wall(), datagram.source, discard)
            && let Some(kept_quiet) = self.quieter.admit(now, discard.counter())
        {
            log.write(Line::Discarded {
                place: self.name.clone(),
                source: Some(datagram.source),
                discard,
                kept_quiet,
            });
        }
        let is_the_first = self.rival().is_none();
        if self.router.state() == State::Master
            && let Some(rival) = self
                .refused
                .see(now, datagram, &self.config.transport, discard)
        {
            if is_the_first {
                InstanceCounters::add(&self.counters.rivals_heard);
            }
            self.report(Notice::RivalRefused(rival), log);
        }
    }

    /// Forgets a refused master that fell silent. The neighbours may have
    /// believed it last, so they are told again who has the addresses.
    pub(super) fn tend_rivals(&mut self, now: Instant, log: &mut Log<Line>) {
        if self.router.state() != State::Master {
            self.refused.forget();
        } else if let Some(gone) = self.refused.tend(now) {
            self.announcements += 1;
            self.report(Notice::RivalGone(gone.peer), log);
        }
    }

    /// Another master, whether its adverts are taken or not.
    pub(super) fn rival(&self) -> Option<Peer> {
        let refused = self.refused.current().map(|rival| rival.peer);
        self.router.rival().or(refused)
    }

    pub(super) fn mismatches_in_words(&self) -> Vec<(IpAddr, String)> {
        let told = self.mismatches.iter();
        told.map(|(peer, oddity)| (peer, oddity.to_string()))
            .collect()
    }
}
