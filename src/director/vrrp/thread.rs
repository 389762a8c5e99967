//! The loop of the VRRP thread.

mod members;
mod parts;
mod ports;
pub(super) mod unread;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use tokio::sync::watch;

use self::parts::Parts;
use self::unread::{BACKLOG, Looked};
use super::Command;
use super::instance::Instance;
use super::interface::Interface;
use super::log::{Line, Log, Quieter};
use super::occurrence::Outlet;
use super::status::VrrpStatus;
use crate::config::director::VrrpInstance;
use crate::lvs::Family;
use crate::pulse::Pulses;
use crate::sys::clock;
use crate::sys::wakeup::Wakeup;
use crate::vrrp::influence::Influence;
use crate::vrrp::router::Event;

/// Longer than the longest advert: 60 bytes of IP header, 8 of message header,
/// 255 addresses of 16 bytes, 8 of password.
const BUFFER_LEN: usize = 8192;

/// How long the thread sleeps when `ppoll` itself fails.
const POLL_FAILED: Duration = Duration::from_millis(10);

/// How many packets of one socket are read before the deadlines are looked at
/// again: some hundred microseconds of work.
const BURST: usize = 64;

/// A deadline that is handled so late tells of a thread that did not run.
const STARVED: Duration = Duration::from_millis(50);

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
    /// Why virtual routers cannot hold any of their addresses.
    vipless: BTreeMap<String, String>,
    parts: Parts,
    /// What follows those that hand over under their own name.
    successors: BTreeMap<String, VrrpInstance>,
    /// How many instances were made.
    made: u32,
    configured: bool,
    /// Whether this host has what it takes to serve.
    ready: bool,
    /// It ends when every router has stopped.
    stops: bool,
    changed: bool,
}

impl VrrpThread {
    pub(super) fn new(
        commands: mpsc::Receiver<Command>,
        wakeup: Wakeup,
        publisher: watch::Sender<Arc<VrrpStatus>>,
        outlet: Outlet,
        log: Log<Line>,
        pulses: Pulses,
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
            vipless: BTreeMap::new(),
            parts: Parts::new(pulses),
            successors: BTreeMap::new(),
            made: 0,
            configured: false,
            ready: true,
            stops: false,
            changed: false,
        }
    }

    /// Runs until it is told to shut down, and has handed over.
    pub(super) fn run(mut self) {
        let mut buffer = [0; BUFFER_LEN];
        loop {
            let readable = self.wait();
            let most = self.most_packets();
            for (interface, family) in readable {
                self.read(&interface, family, most, &mut buffer);
            }
            if !self.take_commands() {
                break;
            }
            self.obey_groups();
            self.look_at_parts();
            self.open_sockets();
            self.fire_deadlines(&mut buffer);
            self.obey_groups();
            self.forget_stopped();
            self.publish();
            if self.stops && self.instances.is_empty() {
                break;
            }
        }
        // What is left has had its time.
        self.instances.clear();
        self.changed = true;
        self.publish();
    }

    /// Sleeps until a socket is readable, a command comes or a deadline is due.
    /// Returns the sockets that have something to read.
    fn wait(&self) -> Vec<(String, Family)> {
        let sockets: Vec<_> = self
            .interfaces
            .iter()
            .flat_map(|(name, interface)| interface.sockets().map(move |it| (name, it)))
            .collect();
        let mut fds = vec![PollFd::new(self.wakeup.as_fd(), PollFlags::POLLIN)];
        fds.extend(
            sockets
                .iter()
                .map(|(_, (_, socket))| PollFd::new(*socket, PollFlags::POLLIN)),
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
            .map(|((name, (family, _)), _)| ((*name).clone(), *family))
            .collect()
    }

    /// How many packets of one socket are read before anything else is done. After a time
    /// without the processor, as many as a socket holds: whoever took over meanwhile is
    /// among them.
    fn most_packets(&self) -> usize {
        let due = self.deadline();
        match due.is_some_and(|due| clock::now() > due + STARVED) {
            true => BACKLOG,
            false => BURST,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let routers = self.instances.values().filter_map(Instance::deadline);
        let retries = self.interfaces.values().filter_map(Interface::retry_at);
        routers.chain(retries).chain(self.parts.deadline()).min()
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
                    self.influences.insert(instance.clone(), influence);
                    self.feed_influence(&instance);
                }
                Ok(Command::CannotHold { instance, why }) => {
                    match why {
                        Some(why) => self.vipless.insert(instance.clone(), why),
                        None => self.vipless.remove(&instance),
                    };
                    self.feed_influence(&instance);
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
                Ok(Command::VipsLeft { instance }) => self.feed_one(&instance, Event::VipsLeft),
                Ok(Command::Ready(ready)) => {
                    self.ready = ready;
                    self.feed_all(&Event::Ready(ready));
                }
                Ok(Command::StuckAfter(limit)) => self.watch_parts(limit),
                Ok(Command::Yield { instance }) => self.feed_group(&instance, &Event::Yield),
                Ok(Command::Reclaim { instance }) => self.feed_group(&instance, &Event::Reclaim),
                Err(mpsc::TryRecvError::Empty) => return true,
                Ok(Command::Shutdown) if !self.stops => self.shut_down(),
                Ok(Command::Shutdown) | Err(mpsc::TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn configure(&mut self, wanted: BTreeMap<String, VrrpInstance>) {
        let now = clock::now();
        self.changed |= !self.configured;
        let is_first = !std::mem::replace(&mut self.configured, true);
        let was_there: BTreeSet<String> = self.instances.keys().cloned().collect();
        let gone: Vec<String> = self
            .instances
            .iter()
            .filter(|(_, instance)| !instance.stops())
            .filter(|(name, instance)| !wanted.get(*name).is_some_and(|it| instance.is_same_as(it)))
            .map(|(name, _)| name.clone())
            .collect();
        let mut without_vips = BTreeSet::new();
        for name in gone {
            self.changed = true;
            if self.retire(now, name.clone(), &wanted) {
                without_vips.insert(name);
            }
        }
        let mut added = BTreeMap::new();
        self.successors.clear();
        for (name, config) in wanted {
            match self.instances.get_mut(&name) {
                Some(instance) if instance.stops() => {
                    self.successors.insert(name, config);
                }
                Some(instance) => {
                    if let Some(interface) = self.interfaces.get(instance.interface()) {
                        instance.reconfigure(now, config, interface, &mut self.log);
                    }
                }
                None => {
                    // What an earlier run left is the first configuration's.
                    if !is_first && !was_there.contains(&name) {
                        without_vips.insert(name.clone());
                    }
                    added.insert(name, config);
                }
            }
        }
        self.add(now, added, &without_vips);
    }

    fn fire_deadlines(&mut self, buffer: &mut [u8]) {
        let looked = self.hear_out(buffer);
        for instance in self.instances.values_mut() {
            let port = (instance.interface().to_owned(), instance.family());
            if instance.ends_silence(clock::now())
                && !instance.has_heard_out(looked.get(&port).copied().unwrap_or_default())
            {
                continue;
            }
            if let Some(interface) = self.interfaces.get(instance.interface()) {
                instance.fire(clock::now(), interface, &mut self.log);
            }
        }
    }

    /// Looks into the sockets of routers that are about to say that nobody was heard.
    fn hear_out(&mut self, buffer: &mut [u8]) -> BTreeMap<(String, Family), Looked> {
        let now = clock::now();
        let silent = self.instances.values().filter(|it| it.ends_silence(now));
        let ports: BTreeSet<_> = silent
            .map(|it| (it.interface().to_owned(), it.family()))
            .collect();
        let looks = ports.into_iter().map(|(name, family)| {
            let looked = self.read(&name, family, BURST, buffer);
            ((name, family), looked)
        });
        looks.collect()
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
            parts: self.parts.status(),
        }));
    }
}
