//! A LAN of routers and its clock, both virtual. Adverts go through the bytes.
//!
//! A host `x.A` is in LAN `A`, and in one group with `x.B`.

use std::collections::BTreeMap;

use super::*;
use crate::vrrp::group::{self, Member, Order};
use crate::vrrp::ipv4::Datagram;
use crate::vrrp::receive::receive;
use crate::vrrp::transport::{MULTICAST_V4, Transport};

const LATENCY: Duration = Duration::from_micros(200);

pub(super) struct Lan {
    pub(super) now: Instant,
    hosts: BTreeMap<&'static str, Host>,
    flying: Vec<Flight>,
    /// Which host became what, and when since the start.
    pub(super) history: Vec<(Duration, &'static str, State)>,
    start: Instant,
}

struct Host {
    router: Router,
    address: IpAddr,
    plugged: bool,
    /// Nobody hears it, yet it hears.
    mute: bool,
    /// Its process does not run until then.
    frozen_until: Option<Instant>,
    /// The only form of checksum that it sends and accepts, as keepalived's.
    only: Option<Checksum>,
    holds_vips: bool,
    /// The addresses are held and announced then.
    held_at: Option<Instant>,
    /// How long that takes.
    claim_takes: Duration,
    /// Which router of the LAN the VIP's clients send to; see [`Lan::serves`].
    announced_at: Option<Instant>,
    events: Vec<Event>,
}

/// What the names of its hosts have in common; 0: there is but one LAN.
fn lan_of(name: &str) -> u8 {
    let of = name.split_once('.');
    of.map_or(0, |(_, lan)| lan.as_bytes()[0])
}

fn group_of(name: &str) -> Option<&str> {
    Some(name.split_once('.')?.0)
}

struct Flight {
    at: Instant,
    to: &'static str,
    source: IpAddr,
    message: Vec<u8>,
}

impl Lan {
    /// Plugs the hosts in and starts them. Addresses grow in the order given.
    pub(super) fn start<const N: usize>(hosts: [(&'static str, Settings); N]) -> Self {
        let start = start();
        let mut lan = Self {
            now: start,
            hosts: BTreeMap::new(),
            flying: vec![],
            history: vec![],
            start,
        };
        for ((name, settings), n) in hosts.into_iter().zip(51..) {
            let address = IpAddr::from([192, 168, 1, n]);
            let mut host = Host {
                router: Router::new(settings, start),
                address,
                plugged: true,
                mute: false,
                frozen_until: None,
                only: None,
                holds_vips: false,
                held_at: None,
                claim_takes: millis(2),
                announced_at: None,
                events: vec![],
            };
            let decides_ties = lan_of(name) == b'A';
            let member = group_of(name).map(|_| Event::Group(Order::Member { decides_ties }));
            host.events.extend(member);
            host.events
                .extend([Event::LinkUp { address }, Event::Startup]);
            lan.hosts.insert(name, host);
        }
        lan.settle();
        lan
    }

    pub(super) fn vip_holders(&self) -> Vec<&'static str> {
        let holders = self.hosts.iter().filter(|(_, host)| host.holds_vips);
        holders.map(|(name, _)| *name).collect()
    }

    /// Whether whoever announced the VIP last still has it: clients are served.
    pub(super) fn serves(&self) -> bool {
        let announced = self.hosts.values().filter(|host| host.plugged);
        let newest = announced.max_by_key(|host| host.announced_at);
        newest.is_some_and(|host| host.holds_vips)
    }

    /// Runs for that long, and says for how long of it clients were not served.
    pub(super) fn outage_for(&mut self, time: Duration) -> Duration {
        let end = self.now + time;
        let mut outage = Duration::ZERO;
        while self.now < end {
            outage += if self.serves() {
                Duration::ZERO
            } else {
                millis(1)
            };
            self.run_for(millis(1));
        }
        outage
    }

    /// How long it takes a host to hold and announce its addresses.
    pub(super) fn claim_takes(&mut self, name: &str, time: Duration) {
        self.host(name).claim_takes = time;
    }

    pub(super) fn router(&self, name: &str) -> &Router {
        &self.hosts[name].router
    }

    /// Cuts the cable, unnoticed by the host.
    pub(super) fn unplug(&mut self, name: &str) {
        self.host(name).plugged = false;
    }

    pub(super) fn plug(&mut self, name: &str) {
        self.host(name).plugged = true;
    }

    pub(super) fn mute(&mut self, name: &str, mute: bool) {
        self.host(name).mute = mute;
    }

    pub(super) fn freeze(&mut self, name: &str, time: Duration) {
        let until = self.now + time;
        self.host(name).frozen_until = Some(until);
    }

    pub(super) fn only(&mut self, name: &str, form: Checksum) {
        self.host(name).only = Some(form);
    }

    pub(super) fn event(&mut self, name: &str, event: Event) {
        self.host(name).events.push(event);
        self.settle();
    }

    /// The cable again, yet this time the host sees it.
    pub(super) fn link(&mut self, name: &str, up: bool) {
        let host = self.host(name);
        host.plugged = up;
        let address = host.address;
        let event = match up {
            true => Event::LinkUp { address },
            false => Event::LinkDown(LinkFault::NoCarrier),
        };
        self.event(name, event);
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.next().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.settle();
        }
        self.now = end;
    }

    fn host(&mut self, name: &str) -> &mut Host {
        self.hosts.get_mut(name).unwrap()
    }

    fn next(&self) -> Option<Instant> {
        let deadlines = self.hosts.values().filter_map(|host| {
            let deadline = host.router.deadline().into_iter().chain(host.held_at);
            let deadline = deadline.min()?;
            Some(
                host.frozen_until
                    .map_or(deadline, |until| deadline.max(until)),
            )
        });
        let flights = self.flying.iter().map(|flight| flight.at);
        deadlines.chain(flights).min()
    }

    /// Lets everything happen that happens now: packets, then deadlines, as the
    /// driver does.
    fn settle(&mut self) {
        let now = self.now;
        let (landed, flying) = std::mem::take(&mut self.flying)
            .into_iter()
            .partition(|flight| flight.at <= now);
        self.flying = flying;
        for flight in landed {
            self.land(&flight);
        }
        let names: Vec<_> = self.hosts.keys().copied().collect();
        for name in names {
            self.drive(name);
            self.drive_group(name);
        }
    }

    /// Does what the group of a router wants, until it wants nothing.
    fn drive_group(&mut self, name: &str) {
        let Some(group) = group_of(name) else { return };
        for _ in 0..10 {
            let of_group = |name: &&&'static str| group_of(name) == Some(group);
            let names: Vec<_> = self.hosts.keys().filter(of_group).copied().collect();
            let members: Vec<_> = names.iter().map(|name| self.member(name)).collect();
            let orders = group::orders(&members);
            if orders.is_empty() {
                return;
            }
            for (name, order) in orders {
                let name = names.iter().find(|known| **known == name).unwrap();
                self.feed(name, Event::Group(order));
            }
        }
        panic!("the group of {name} finds no rest");
    }

    fn member(&self, name: &str) -> Member {
        let router = self.router(name);
        Member {
            name: name.to_owned(),
            vrid: lan_of(name),
            standing: router.standing(),
            shares_fault_of: router.group_fault().map(str::to_owned),
        }
    }

    fn land(&mut self, flight: &Flight) {
        let host = self.hosts.get_mut(flight.to).unwrap();
        let datagram = Datagram {
            source: flight.source,
            destination: MULTICAST_V4.into(),
            ttl: 255,
            message: &flight.message,
        };
        if let Ok(heard) = receive(
            &datagram,
            host.router.settings(),
            &Transport::default(),
            host.address,
        ) && host.plugged
            && host.only.is_none_or(|only| only == heard.checksum)
        {
            host.events.push(Event::Heard(heard));
        }
    }

    fn drive(&mut self, name: &'static str) {
        let now = self.now;
        let host = self.hosts.get_mut(name).unwrap();
        if host.frozen_until.is_some_and(|until| now < until) {
            return;
        }
        host.frozen_until = None;
        if host.held_at.is_some_and(|at| at <= now) {
            host.held_at = None;
            host.holds_vips = true;
            host.announced_at = Some(now);
            host.events.push(Event::VipsHeld);
        }
        let mut events = std::mem::take(&mut host.events);
        events.push(Event::Deadline);
        for event in events {
            self.feed(name, event);
        }
    }

    fn feed(&mut self, name: &'static str, event: Event) {
        let now = self.now;
        let host = self.hosts.get_mut(name).unwrap();
        let actions: Vec<_> = host.router.handle(now, event).collect();
        for action in actions {
            self.perform(name, action);
        }
    }

    fn perform(&mut self, name: &'static str, action: Action) {
        let host = self.hosts.get_mut(name).unwrap();
        match action {
            Action::ClaimVips => host.held_at = Some(self.now + host.claim_takes),
            Action::ReleaseVips => {
                host.holds_vips = false;
                host.held_at = None;
            }
            Action::AnnounceVips => host.announced_at = Some(self.now),
            Action::Report(Notice::Changed(change)) => {
                let at = self.now - self.start;
                self.history.push((at, name, change.to));
            }
            Action::Report(_) => {}
            Action::SendAdvert {
                source,
                priority,
                forms,
            } => {
                if !host.plugged || host.mute {
                    return;
                }
                let forms = host.only.map_or(forms, Forms::One);
                let advert = host.router.settings().advert(priority);
                let at = self.now + LATENCY;
                for form in forms.each() {
                    let message = advert.encode(form, source, MULTICAST_V4.into());
                    let others = self.hosts.keys();
                    let others =
                        others.filter(|other| **other != name && lan_of(other) == lan_of(name));
                    self.flying.extend(others.map(|to| Flight {
                        at,
                        to,
                        source,
                        message: message.clone(),
                    }));
                }
            }
        }
    }
}
