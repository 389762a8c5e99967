//! The loop of the VRRP thread.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use tokio::sync::watch;

use super::instance::Instance;
use super::interface::Interface;
use super::log::{Line, Log, Quieter};
use super::occurrence::Outlet;
use super::status::VrrpStatus;
use super::{Command, Link};
use crate::config::director::VrrpInstance;
use crate::sys::clock;
use crate::sys::wakeup::Wakeup;
use crate::vrrp::advert;
use crate::vrrp::discard::Discard;
use crate::vrrp::influence::Influence;
use crate::vrrp::ipv4;
use crate::vrrp::router::{Event, LinkFault};

/// How many packets of one socket are read before the deadlines are looked at
/// again: some hundred microseconds of work.
const BURST: usize = 64;

/// Longer than the longest advert: 60 bytes of IP header, 8 of message header,
/// 255 addresses, 8 of password.
const BUFFER_LEN: usize = 2048;

/// How long the thread sleeps when `ppoll` itself fails.
const POLL_FAILED: Duration = Duration::from_millis(10);

pub(super) struct VrrpThread {
    commands: mpsc::Receiver<Command>,
    wakeup: Wakeup,
    publisher: watch::Sender<Arc<VrrpStatus>>,
    outlet: Outlet,
    log: Log<Line>,
    quieter: Quieter,
    interfaces: BTreeMap<String, Interface>,
    instances: BTreeMap<String, Instance>,
    /// What is thought of virtual routers, whether they are configured or not.
    influences: BTreeMap<String, Influence>,
    /// How many instances were made.
    made: u32,
    configured: bool,
    changed: bool,
}

impl VrrpThread {
    pub(super) fn new(
        commands: mpsc::Receiver<Command>,
        wakeup: Wakeup,
        publisher: watch::Sender<Arc<VrrpStatus>>,
        outlet: Outlet,
        log: Log<Line>,
    ) -> Self {
        Self {
            commands,
            wakeup,
            publisher,
            outlet,
            log,
            quieter: Quieter::default(),
            interfaces: BTreeMap::new(),
            instances: BTreeMap::new(),
            influences: BTreeMap::new(),
            made: 0,
            configured: false,
            changed: false,
        }
    }

    /// Runs until it is told to shut down.
    pub(super) fn run(mut self) {
        let mut buffer = [0; BUFFER_LEN];
        loop {
            let readable = self.wait();
            if !self.take_commands() {
                break;
            }
            for interface in readable {
                self.read(&interface, &mut buffer);
            }
            self.open_sockets();
            self.fire_deadlines();
            self.publish();
        }
        let now = clock::now();
        self.feed(now, None, &Event::Shutdown);
        self.publish();
    }

    /// Sleeps until a socket is readable, a command comes or a deadline is due.
    /// Returns the interfaces that have something to read.
    fn wait(&self) -> Vec<String> {
        let sockets: Vec<_> = self
            .interfaces
            .iter()
            .filter_map(|(name, interface)| Some((name, interface.socket()?)))
            .collect();
        let mut fds = vec![PollFd::new(self.wakeup.as_fd(), PollFlags::POLLIN)];
        fds.extend(
            sockets
                .iter()
                .map(|(_, socket)| PollFd::new(socket.as_fd(), PollFlags::POLLIN)),
        );
        let timeout = self
            .deadline()
            .map(|deadline| TimeSpec::from(deadline.saturating_duration_since(clock::now())));
        match ppoll(&mut fds, timeout, None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(_) => std::thread::sleep(POLL_FAILED),
        }
        sockets
            .iter()
            .zip(&fds[1..])
            .filter(|(_, fd)| fd.any().unwrap_or(false))
            .map(|((name, _), _)| (*name).clone())
            .collect()
    }

    fn deadline(&self) -> Option<Instant> {
        let routers = self.instances.values().filter_map(Instance::deadline);
        let retries = self.interfaces.values().filter_map(Interface::retry_at);
        routers.chain(retries).min()
    }

    /// Carries out what was asked. False: the thread must end.
    fn take_commands(&mut self) -> bool {
        self.wakeup.take();
        loop {
            match self.commands.try_recv() {
                Ok(Command::Configure(instances)) => self.configure(instances),
                Ok(Command::LinkChanged { interface, link }) => self.set_link(&interface, link),
                Ok(Command::Influence {
                    instance,
                    influence,
                }) => {
                    self.feed_one(&instance, Event::Influence(influence.clone()));
                    self.influences.insert(instance, influence);
                }
                Ok(Command::VipsHeld {
                    instance,
                    announcements,
                }) => {
                    let asked = self.instances.get(&instance).map(Instance::announcements);
                    if asked == Some(announcements) {
                        self.feed_one(&instance, Event::VipsHeld);
                    }
                }
                Err(mpsc::TryRecvError::Empty) => return true,
                Ok(Command::Shutdown) | Err(mpsc::TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn configure(&mut self, mut wanted: BTreeMap<String, VrrpInstance>) {
        let now = clock::now();
        self.changed |= !self.configured;
        self.configured = true;
        let gone: Vec<String> = self
            .instances
            .iter()
            .filter(|(name, instance)| !wanted.get(*name).is_some_and(|it| instance.is_same_as(it)))
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            self.changed = true;
            if !wanted.contains_key(&name) {
                self.influences.remove(&name);
            }
            if let Some(mut instance) = self.instances.remove(&name)
                && let Some(interface) = self.interfaces.get(instance.interface())
            {
                instance.handle(now, Event::Shutdown, interface, &mut self.log);
            }
        }
        for (name, instance) in &mut self.instances {
            if let Some(config) = wanted.remove(name)
                && let Some(interface) = self.interfaces.get(instance.interface())
            {
                instance.reconfigure(now, config, interface, &mut self.log);
            }
        }
        for (name, config) in wanted {
            self.changed = true;
            let interface = config.interface.clone();
            let mut instance = Instance::new(&name, config, now, (self.made, self.outlet.clone()));
            self.made += 1;
            let interface = self.interfaces.entry(interface).or_default();
            if let Some(influence) = self.influences.get(&name) {
                let influence = Event::Influence(influence.clone());
                instance.handle(now, influence, interface, &mut self.log);
            }
            self.instances.insert(name.clone(), instance);
            let fault = interface.socket().is_none().then_some(LinkFault::Missing);
            if let (Some(link), Some(instance)) =
                (interface.usable(fault), self.instances.get_mut(&name))
            {
                instance.handle(now, link_event(link), interface, &mut self.log);
                instance.handle(now, Event::Startup, interface, &mut self.log);
            }
        }
        let used: BTreeSet<_> = self.instances.values().map(Instance::interface).collect();
        self.interfaces
            .retain(|name, _| used.contains(name.as_str()));
    }

    /// An interface changed. Its routers resign while the old socket is open,
    /// and come back when the new one is.
    fn set_link(&mut self, name: &str, link: Link) {
        let now = clock::now();
        let Some(interface) = self.interfaces.get(name) else {
            return;
        };
        let fault = match (interface.link(), link) {
            (Some(before), after) if before == after => return,
            (Some(Link::Up { index: a, .. }), Link::Up { index: b, .. }) if a != b => {
                Some(LinkFault::Missing)
            }
            (_, Link::Down(fault)) => Some(fault),
            (_, Link::Up { .. }) => None,
        };
        if let Some(fault) = fault {
            self.feed(now, Some(name), &Event::LinkDown(fault));
        }
        self.changed = true;
        if let Some(interface) = self.interfaces.get_mut(name) {
            let fault = interface.set_link(name, now, link);
            self.tell_link(now, name, fault);
        }
    }

    /// Tells the routers of an interface what they can expect of it.
    fn tell_link(&mut self, now: Instant, name: &str, fault: Option<LinkFault>) {
        if let Some(fault) = fault
            && self.quieter.admit(now, "socket").is_some()
        {
            let interface = name.to_owned();
            self.log.write(Line::SocketFailed { interface, fault });
        }
        if let Some(link) = self
            .interfaces
            .get(name)
            .and_then(|interface| interface.usable(fault))
        {
            self.feed(now, Some(name), &link_event(link));
            self.feed(now, Some(name), &Event::Startup);
        }
    }

    /// Opens again the sockets that broke or could not be opened.
    fn open_sockets(&mut self) {
        let now = clock::now();
        let due: Vec<String> = self
            .interfaces
            .iter()
            .filter(|(_, interface)| interface.retry_at().is_some_and(|at| at <= now))
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            if let Some(interface) = self.interfaces.get_mut(&name) {
                let fault = interface.open(&name, now);
                self.tell_link(now, &name, fault);
            }
        }
    }

    /// Feeds an event to one router, if it is there.
    fn feed_one(&mut self, name: &str, event: Event) {
        if let Some(instance) = self.instances.get_mut(name)
            && let Some(interface) = self.interfaces.get(instance.interface())
        {
            instance.handle(clock::now(), event, interface, &mut self.log);
        }
    }

    /// Feeds an event to the routers of one interface, or to all.
    fn feed(&mut self, now: Instant, only: Option<&str>, event: &Event) {
        for instance in self.instances.values_mut() {
            if only.is_none_or(|only| only == instance.interface())
                && let Some(interface) = self.interfaces.get(instance.interface())
            {
                instance.handle(now, event.clone(), interface, &mut self.log);
            }
        }
    }

    /// Reads one burst of packets from an interface.
    fn read(&mut self, name: &str, buffer: &mut [u8]) {
        for _ in 0..BURST {
            let Some(interface) = self.interfaces.get_mut(name) else {
                return;
            };
            let Some(socket) = interface.socket() else {
                return;
            };
            match socket.receive(buffer) {
                Ok(None) => return,
                Ok(Some(len)) => self.dispatch(name, &buffer[..len], len == buffer.len()),
                Err(error) => {
                    let now = clock::now();
                    interface.socket_broke(now);
                    if self.quieter.admit(now, "receive").is_some() {
                        self.log.write(Line::ReceiveFailed {
                            interface: name.to_owned(),
                            errno: error.raw_os_error().unwrap_or(0),
                        });
                    }
                    return;
                }
            }
        }
    }

    /// Gives a packet to the router that its VRID names.
    fn dispatch(&mut self, name: &str, packet: &[u8], is_full: bool) {
        let now = clock::now();
        let Some(interface) = self.interfaces.get(name) else {
            return;
        };
        let parsed = if is_full {
            Err(Discard::Giant)
        } else {
            ipv4::parse(packet)
        };
        let source = parsed.as_ref().ok().map(|datagram| datagram.source);
        let discard = match parsed {
            Err(discard) => discard,
            Ok(datagram) => {
                let vrid = advert::vrid(datagram.message).unwrap_or(0);
                let instance = self
                    .instances
                    .values_mut()
                    .find(|it| it.vrid() == vrid && it.interface() == name);
                if let Some(instance) = instance {
                    instance.hear(now, &datagram, interface, &mut self.log);
                    return;
                }
                Discard::UnknownVrid(vrid)
            }
        };
        interface.counters.count_discard(&discard);
        if let Some(source) = source {
            let rejections = &interface.counters.rejections;
            rejections.note(clock::wall(), source, discard);
        }
        if let Some(kept_quiet) = self.quieter.admit(now, discard.counter()) {
            self.log.write(Line::Discarded {
                place: name.to_owned(),
                source,
                discard,
                kept_quiet,
            });
        }
    }

    fn fire_deadlines(&mut self) {
        for instance in self.instances.values_mut() {
            if let Some(interface) = self.interfaces.get(instance.interface()) {
                instance.fire(clock::now(), interface, &mut self.log);
            }
        }
    }

    /// Publishes the status if anybody would notice a difference.
    fn publish(&mut self) {
        for instance in self.instances.values_mut() {
            self.changed |= instance.take_change();
        }
        if !std::mem::take(&mut self.changed) {
            return;
        }
        self.publisher.send_replace(Arc::new(VrrpStatus {
            configured: self.configured,
            instances: self
                .instances
                .iter()
                .map(|(name, instance)| (name.clone(), instance.status()))
                .collect(),
            interfaces: self
                .interfaces
                .iter()
                .map(|(name, interface)| (name.clone(), interface.status()))
                .collect(),
        }));
    }
}

fn link_event(link: Link) -> Event {
    match link {
        Link::Up { address, .. } => Event::LinkUp { address },
        Link::Down(fault) => Event::LinkDown(fault),
    }
}
