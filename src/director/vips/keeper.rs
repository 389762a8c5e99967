//! The loop of the VIP keeper.

mod announce;
mod apply;
mod filter;
mod settle;

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Notify, watch};

use super::announce::Schedule;
use super::confirm::Confirmations;
use super::holding::Holding;
use super::kernel::Kernel;
use super::left::Left;
use super::link::{link_of, virtual_addresses};
use super::log::{self, Line};
use super::names::{Names, Owned};
use super::plan;
use super::sentry::Sentry;
use super::vipless::Vipless;
use super::wanted::Wanted;
use super::{Error, VipsStatus};
use crate::director::vrrp::log::{self as deferred, Log};
use crate::director::vrrp::{Command, Commands, Link, VrrpStatus};
use crate::pulse::{BEAT, Pulse};
use crate::status::text::chain;
use crate::sys::clock;
use crate::sys::neighbour::Announcer;
use crate::sys::rtnetlink::{self, Changes, Rtnetlink};
use crate::sys::state_file::StateFile;
use crate::vrrp::router::LinkFault;
use apply::Applied;
use filter::Filter;
use settle::settle;

/// How long until everything is looked at again although nothing was reported.
const RECHECK: Duration = Duration::from_secs(30);

/// How long until what went wrong is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Between two looks that the kernel's reports lead to: a host that makes many
/// interfaces at once reports many times.
const SPACING: Duration = Duration::from_millis(20);

/// What a keeper is made of.
pub(super) struct Config {
    pub(super) store: StateFile<Owned>,
    pub(super) vrrp: watch::Receiver<Arc<VrrpStatus>>,
    pub(super) commands: Commands,
    pub(super) publisher: watch::Sender<Arc<VipsStatus>>,
    pub(super) stop: Arc<Notify>,
    pub(super) pulse: Pulse,
}

struct Keeper {
    config: Config,
    log: Log<Line>,
    netlink: Rtnetlink,
    announcer: Announcer,
    owned: BTreeSet<Holding>,
    /// What the file says is owned.
    saved: Owned,
    schedule: Schedule,
    sentry: Sentry,
    filter: Filter,
    kernel: Kernel,
    names: Names,
    /// What was announced last, by virtual router: how often it asked.
    announced: BTreeMap<String, u64>,
    /// What was carried out last.
    carried_out: Arc<VrrpStatus>,
    confirmations: Confirmations,
    vipless: Vipless,
    left: Left,
    /// Routes and rules are reported too, since there are some.
    hears_routes: bool,
    reconciled_at: Instant,
    recheck_at: Instant,
}

/// Why the loop woke.
enum Wake {
    Vrrp,
    VrrpEnded,
    Kernel,
    KernelSilent,
    Timer,
    Stop,
}

/// Starts, reports that on `ready`, and runs until it is told to stop.
pub(super) async fn run(config: Config, ready: &mpsc::Sender<Result<(), Error>>) {
    match start(config) {
        Ok((keeper, changes)) => {
            let _ = ready.send(Ok(()));
            keeper.keep(changes).await;
        }
        Err(error) => {
            let _ = ready.send(Err(error));
        }
    }
}

fn start(config: Config) -> Result<(Keeper, Changes), Error> {
    let saved = config.store.load()?;
    let now = clock::now();
    let changes = Changes::subscribe().map_err(Error::Netlink)?;
    let keeper = Keeper {
        log: deferred::spawn("lvsd-vips-log", log::write_line).map_err(Error::Start)?,
        netlink: Rtnetlink::open().map_err(Error::Netlink)?,
        announcer: Announcer::open().map_err(Error::Announce)?,
        config,
        left: Left::default(),
        owned: saved.things.clone(),
        names: saved.interfaces.clone(),
        saved,
        schedule: Schedule::default(),
        sentry: Sentry::default(),
        filter: Filter::default(),
        kernel: Kernel::default(),
        announced: BTreeMap::new(),
        carried_out: Arc::default(),
        confirmations: Confirmations::default(),
        vipless: Vipless::default(),
        hears_routes: false,
        reconciled_at: now,
        recheck_at: now,
    };
    Ok((keeper, changes))
}

impl Keeper {
    async fn keep(mut self, mut changes: Changes) {
        let mut vrrp_runs = true;
        let mut kernel_reports = true;
        loop {
            self.config.pulse.beat();
            match self.wake(&mut changes, vrrp_runs, kernel_reports).await {
                Wake::Stop => break,
                Wake::Vrrp => self.recheck_at = clock::now(),
                Wake::VrrpEnded => {
                    vrrp_runs = false;
                    self.recheck_at = clock::now();
                }
                Wake::Kernel => {
                    while changes.next().now_or_never().flatten().is_some() {}
                    self.recheck_at = self.recheck_at.min(self.reconciled_at + SPACING);
                }
                Wake::KernelSilent => kernel_reports = self.listen_to(&mut changes),
                Wake::Timer => {}
            }
            if clock::now() >= self.recheck_at {
                self.reconcile().await;
            }
            self.announce();
            self.confirm();
            self.give_up();
            self.look_out();
            self.watch_filter();
            if !self.hears_routes && self.owned.iter().any(Holding::is_routing) {
                self.hears_routes = true;
                kernel_reports = self.listen_to(&mut changes);
            }
        }
        self.config.pulse.rest();
        self.release_all().await;
    }

    /// Subscribes anew, to what matters now. False: the kernel refuses.
    fn listen_to(&mut self, changes: &mut Changes) -> bool {
        let fresh = match self.hears_routes {
            true => Changes::subscribe_with_routes(),
            false => Changes::subscribe(),
        };
        match fresh {
            Ok(fresh) => {
                *changes = fresh;
                self.recheck_at = clock::now();
                true
            }
            Err(error) => {
                self.log.write(Line::Deaf(chain(&error)));
                false
            }
        }
    }

    async fn wake(&mut self, changes: &mut Changes, vrrp: bool, kernel: bool) -> Wake {
        let deadlines = [
            self.schedule.deadline(),
            self.sentry.deadline(),
            self.filter.deadline(),
            self.vipless.deadline(),
        ];
        let at = deadlines.into_iter().flatten();
        let beat = self.recheck_at.min(clock::now() + BEAT);
        let at = at.fold(beat, Instant::min);
        let changed = async {
            match vrrp {
                true => self.config.vrrp.changed().await,
                false => pending().await,
            }
        };
        let reported = async {
            match kernel {
                true => changes.next().await,
                false => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.config.stop.notified() => Wake::Stop,
            changed = changed => changed.map_or(Wake::VrrpEnded, |()| Wake::Vrrp),
            report = reported => report.map_or(Wake::KernelSilent, |_| Wake::Kernel),
            () = tokio::time::sleep_until(at.into()) => Wake::Timer,
        }
    }

    /// Looks at everything, and makes it what is wanted.
    async fn reconcile(&mut self) {
        let now = clock::now();
        self.reconciled_at = now;
        self.recheck_at = now + RECHECK;
        let vrrp = self.config.vrrp.borrow_and_update().clone();
        let wanted = Wanted::from_status(&vrrp);
        let applied = match self.bring_about(&vrrp, &wanted).await {
            Ok(applied) => applied,
            Err(error) => {
                self.recheck_at = now + RETRY;
                let mut status = VipsStatus::clone(&self.config.publisher.borrow());
                status.error = Some(chain(&error));
                self.publish(status);
                return;
            }
        };
        if applied.failed {
            self.recheck_at = now + RETRY;
        }
        let held = applied.status.places();
        self.sentry.watch(now, &held, &self.kernel);
        self.schedule_announcements(&vrrp, &applied.added, &held);
        let conflicts = self.sentry.found();
        self.publish(VipsStatus {
            conflicts,
            dropped: self.kernel.filter.counted(),
            ..applied.status
        });
        self.carried_out = vrrp;
    }

    /// Makes interfaces, if there are to be some, and then the rest.
    async fn bring_about(
        &mut self,
        vrrp: &VrrpStatus,
        wanted: &Wanted,
    ) -> Result<Applied, rtnetlink::Error> {
        self.kernel = self.look(wanted).await?;
        self.follow_names(vrrp, wanted);
        let known = plan::known_by_looks(wanted, &self.owned, &self.kernel);
        self.owned.extend(known);
        self.tell_links(vrrp);
        for command in self.left.tell(vrrp, &self.owned, &self.kernel) {
            self.config.commands.send(command);
        }
        let mut plan = plan::plan(wanted, &self.owned, &self.kernel);
        let mut failures = VipsStatus::default();
        if let Some(first_step) = plan.first_step() {
            failures = self.apply(first_step).await.status;
            self.kernel = self.look(wanted).await?;
            self.follow_names(vrrp, wanted);
            plan = plan::plan(wanted, &self.owned, &self.kernel);
            plan.ops
                .retain(|op| !failures.problems.contains_key(op.holding()));
        }
        let interfaces = plan.present.iter().filter_map(|holding| match holding {
            Holding::Interface(name) => Some((holding.clone(), settle(name)?)),
            _ => None,
        });
        let unsettled: Vec<_> = interfaces.collect();
        plan.problems.extend(unsettled);
        let failed = !failures.problems.is_empty();
        plan.problems.extend(failures.problems);
        let mut applied = self.apply(plan).await;
        applied.failed |= failed;
        Ok(applied)
    }

    /// Knows again what is on interfaces that have another name now.
    fn follow_names(&mut self, vrrp: &VrrpStatus, wanted: &Wanted) {
        self.owned = self.names.follow(&self.owned, &self.kernel);
        let things = wanted.held.keys().chain(&wanted.undecided);
        let things = things.chain(&self.owned).filter_map(Holding::interface);
        let names = vrrp.interfaces.keys().map(String::as_str).chain(things);
        self.names.note(names, &self.kernel, !vrrp.configured);
    }

    /// Routes and rules are listed only where there may be some of lvsd's.
    async fn look(&mut self, wanted: &Wanted) -> Result<Kernel, rtnetlink::Error> {
        let links = self.netlink.links().await?;
        self.config.pulse.beat();
        let addresses = self.netlink.addresses().await?;
        let things = wanted.held.keys().chain(&wanted.undecided);
        let (mut routes, mut rules) = (vec![], vec![]);
        if things.chain(&self.owned).any(Holding::is_routing) {
            routes = self.netlink.routes(&links).await?;
            rules = self.netlink.rules().await?;
        }
        Ok(Kernel {
            links,
            addresses,
            routes,
            rules,
            filter: self.look_at_filter(wanted),
        })
    }

    /// Tells the VRRP thread what it does not know yet of its interfaces.
    fn tell_links(&self, vrrp: &VrrpStatus) {
        let virtual_addresses = virtual_addresses(vrrp);
        for (name, interface) in &vrrp.interfaces {
            let link = match self.names.renamed(name, &self.kernel) {
                Some(other) => Link::Down(LinkFault::Renamed(other.into())),
                None => link_of(name, &self.kernel, &virtual_addresses, &self.owned),
            };
            if interface.link.as_ref() != Some(&link) {
                let interface = name.clone();
                self.config
                    .commands
                    .send(Command::LinkChanged { interface, link });
            }
        }
    }

    /// Asks who else has the addresses, if it is time, after all that clients
    /// wait for.
    fn look_out(&mut self) {
        for (interface, error) in self.sentry.tend(clock::now(), &self.kernel) {
            self.log.write(Line::NotWatched(interface, error));
        }
        let conflicts = self.sentry.found();
        let published = self.config.publisher.borrow().clone();
        if published.conflicts != conflicts {
            self.publish(VipsStatus {
                conflicts,
                ..VipsStatus::clone(&published)
            });
        }
    }

    /// Removes what lvsd added, as far as it can, and says what it cannot.
    async fn release_all(mut self) {
        let nothing = Wanted::default();
        let mut status = match self.look(&nothing).await {
            Ok(kernel) => {
                self.kernel = kernel;
                self.owned = self.names.follow(&self.owned, &self.kernel);
                let plan = plan::plan(&nothing, &self.owned, &self.kernel);
                self.apply(plan).await.status
            }
            Err(error) => VipsStatus {
                error: Some(chain(&error)),
                ..VipsStatus::default()
            },
        };
        status.stopped = true;
        self.publish(status);
    }

    /// Publishes a status that is news, and says what is newly wrong.
    fn publish(&mut self, status: VipsStatus) {
        let published = self.config.publisher.borrow().clone();
        if *published == status {
            return;
        }
        for line in log::news(&published, &status) {
            self.log.write(line);
        }
        self.config.publisher.send_replace(Arc::new(status));
    }
}
