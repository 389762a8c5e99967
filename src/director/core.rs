//! The task that knows every part of the director and tells them what is wanted.

mod balance;
mod control;
mod drain;
mod events;
mod handover;
mod plan;
mod ready;
mod tell;
mod threads;
mod track;
mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{error, info};

use self::balance::{after, reported, until};
use self::track::Tracking;
use super::api::Ask;
use super::balancer::Balancer;
use super::control::Refused;
use super::events::Journal;
use super::hooks::Hooks;
use super::peers::Peers;
use super::readiness::Readiness;
use super::realtime::Realtime;
use super::reconcile::{Object, Report};
use super::settings::Settings;
use super::settling::Waiting;
use super::sysctls::{self, Sysctls};
use super::vips::{self, VipsHandle};
use super::vrrp::{self, Command, VrrpHandle};
use super::{Error, join, preflight};
use crate::config::director::{DirectorConfig, OnStop, VrrpHooks};
use crate::health::runner::{self, Changes, Runner};
use crate::ipvs::table::Table;
use crate::lvs::VirtualServerId;
use crate::pool::{Configured, Overrides, Pools};
use crate::pulse::Pulses;
use crate::status::event::Event;
use crate::status::text::chain;
use crate::sys::signal::{Signal, Signals};
use crate::sys::state_file::StateFile;
use crate::sys::{clock, systemd};

/// How long the first checks may take before the director calls itself ready
/// without their answers.
const FIRST_CHECKS: Duration = Duration::from_secs(2);

/// How often it looks whether they have answered.
const READINESS_LOOK: Duration = Duration::from_millis(20);

/// How often threads are looked after, unless the watchdog wants it sooner.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// How long stopping takes at most; systemd is told.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// The director, running.
pub(super) struct Core {
    path: PathBuf,
    runtime_dir: PathBuf,
    started: Timestamp,
    config: DirectorConfig,
    loaded: Timestamp,
    /// What waits for virtual routers to hand over.
    pending: Option<handover::Pending>,
    /// Virtual routers may take over from working masters.
    readiness: Readiness,
    /// Why the newest file was refused.
    refused: Option<String>,
    sysctls: Sysctls,
    checks: Runner,
    changes: Changes,
    pools: Pools,
    overrides_file: StateFile<Overrides>,
    /// When the pools want to be looked at again.
    pools_deadline: Option<Instant>,
    /// Those who are told when checks have answered and it is decided upon them.
    waiting: Waiting,
    /// Verdicts wait until then: see [`balance::REST`].
    rest_until: Instant,
    /// The pools wait for the kernel, such as for it to count no connections.
    awaits_report: bool,
    /// What it refuses to have, as the pools were told last.
    missing: Vec<Object>,
    hooks: Hooks,
    journal: Journal,
    /// Repairs of the table that were told.
    repaired: u64,
    /// Those of the virtual routers that run, or have yet to tell their end.
    router_hooks: BTreeMap<String, Arc<VrrpHooks>>,
    /// None until a configuration has virtual servers.
    balancer: Option<Balancer>,
    /// What it reports; here for as long as it is.
    reports: Option<watch::Receiver<Arc<Report>>>,
    /// The newest wanted table.
    wanted: Option<Arc<Table>>,
    /// As the balancer.
    settings: Option<Settings>,
    /// None until there is anything to hide from IPVS.
    peers: Option<Peers>,
    /// Virtual servers that must not be in the table now.
    held_back: BTreeSet<VirtualServerId>,
    /// The generation of the newest wanted table.
    generation: u64,
    tracking: Tracking,
    /// When what was freed is given back to the system.
    tidy_at: Option<Instant>,
    vrrp: VrrpHandle,
    vips: VipsHandle,
    pulses: Pulses,
    realtime: Realtime,
    ready: bool,
    /// The line that systemd was told last.
    told: String,
}

impl Core {
    /// Starts every part and tells it what is wanted.
    ///
    /// # Errors
    /// The part that could not start; those before it are stopped again.
    pub(super) async fn start(
        config: DirectorConfig,
        path: PathBuf,
        runtime_dir: &Path,
    ) -> Result<Self, Error> {
        preflight::check(&config, None)?;
        let overrides_file = StateFile::new(runtime_dir.join(super::OVERRIDES_FILE));
        let overrides = overrides_file.load()?;
        let pulses = Pulses::default();
        let vrrp = vrrp::spawn(pulses.clone()).map_err(Error::Vrrp)?;
        let vips = vips::spawn(runtime_dir, &vrrp, pulses.vips.clone())?;
        let (checks, changes) = runner::spawn(u64::from(std::process::id()), pulses.checks.clone());
        let now = clock::wall();
        let mut core = Self {
            path,
            runtime_dir: runtime_dir.to_owned(),
            started: now,
            loaded: now,
            pending: None,
            readiness: Readiness::starting(ready::moment()),
            refused: None,
            sysctls: Sysctls::new(runtime_dir.join(super::SYSCTLS_FILE)),
            checks,
            changes,
            pools: Pools::new(overrides),
            overrides_file,
            pools_deadline: None,
            waiting: Waiting::default(),
            rest_until: clock::now(),
            awaits_report: false,
            missing: Vec::new(),
            hooks: Hooks::start(),
            journal: Journal::new(),
            repaired: 0,
            router_hooks: BTreeMap::new(),
            balancer: None,
            reports: None,
            wanted: None,
            settings: None,
            peers: None,
            held_back: BTreeSet::new(),
            generation: 0,
            tracking: Tracking::new(),
            realtime: Realtime::of(vec![vrrp.thread, vips.thread]),
            tidy_at: None,
            vrrp,
            vips,
            pulses,
            ready: false,
            told: String::new(),
            config,
        };
        core.vrrp.commands.send(Command::Ready(false));
        match core.apply(&Configured::new()) {
            Ok(()) => Ok(core),
            Err(error) => {
                core.stop(OnStop::Keep).await;
                Err(error)
            }
        }
    }

    /// Serves until a signal says to stop or a thread fails, then stops.
    pub(super) async fn run(
        mut self,
        mut signals: Signals,
        mut asks: mpsc::Receiver<Ask>,
    ) -> Result<(), Error> {
        let look_after = systemd::watchdog_interval().map_or(LOOK_AFTER, |i| i.min(LOOK_AFTER));
        let mut look_after = interval(look_after);
        look_after.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.warn_of_watchdog();
        let mut readiness = interval(READINESS_LOOK);
        let first_checks = sleep(FIRST_CHECKS);
        tokio::pin!(first_checks);
        let outcome = loop {
            self.pulses.core.beat();
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Terminate => break Ok(()),
                    Signal::Reload => self.reload_by_signal(),
                },
                Some(changes) = after(self.rest_until, self.changes.next()) => {
                    self.tell_checks(&changes);
                    self.rebalance();
                }
                () = reported(&mut self.reports) => self.follow_report(),
                () = after(self.rest_until, until(self.pools_deadline)) => self.rebalance(),
                Ok(()) = self.vrrp.status.changed() => self.follow_vrrp(),
                Some((source, seen)) = self.tracking.eyes.next() => self.observe(&source, &seen),
                Some(occurrence) = self.vrrp.occurrences.recv() => self.note(&occurrence),
                Some(ask) = asks.recv() => self.answer(ask),
                _ = readiness.tick(), if self.readiness.waits_since().is_some() => {
                    self.call_ready_if_checked();
                }
                () = &mut first_checks, if !self.ready => self.call_ready(),
                () = until(self.readiness.deadline()) => self.let_preempt(),
                _ = look_after.tick() => match self.failed_thread() {
                    None => {
                        self.look_after();
                        self.feed_watchdog();
                        self.tell_systemd();
                    }
                    Some(thread) => break Err(Error::Thread(thread)),
                },
            }
        };
        info!("stopping");
        self.journal.tell(Event::Stopping);
        self.drain(&mut signals, &mut asks).await;
        self.hand_over(&mut signals, &mut asks).await;
        systemd::stopping("giving back addresses and virtual servers", STOP_WITHIN);
        let on_stop = self.config.on_stop;
        self.stop(on_stop).await;
        outcome
    }

    /// Tells every part what the configuration wants of it, other than the one
    /// before.
    ///
    /// IPVS comes first, so that a VIP never comes before the table that serves it.
    fn apply(&mut self, before: &Configured) -> Result<(), Error> {
        self.apply_threads()?;
        let file = self.runtime_dir.join(super::OWNED_FILE);
        // The file is there if an earlier run left virtual servers behind.
        let needed = !self.config.virtual_servers.is_empty() || file.exists();
        if self.balancer.is_none() && needed {
            let balancer = Balancer::start(file, self.pulses.table.clone())?;
            self.reports = Some(balancer.report());
            self.balancer = Some(balancer);
        }
        self.pulses.core_works();
        self.sysctls.hold(&sysctls::wanted(&self.config))?;
        self.apply_settings()?;
        self.apply_peers()?;
        self.held_back = self.to_hold_back();
        self.pulses.core_works();
        self.configure_pools(before);
        self.pulses.core_works();
        self.configure_tracking();
        let hooks = self.config.vrrp.iter();
        let hooks = hooks.map(|(name, it)| (name.clone(), Arc::clone(&it.hooks)));
        self.router_hooks.extend(hooks);
        self.vrrp
            .commands
            .send(Command::Configure(self.config.vrrp.clone()));
        Ok(())
    }

    /// Refuses what this kernel cannot do, with the way out.
    fn preflight(&self, config: &DirectorConfig, file: &Path, text: &str) -> Result<(), Refused> {
        let report = self.balancer.as_ref().map(Balancer::report);
        let seen = report.map(|report| Arc::clone(&report.borrow().kernel));
        preflight::check(config, seen.as_deref())
            .map_err(|error| Refused::by_preflight(&error, file, text))
    }

    fn failed_thread(&self) -> Option<&'static str> {
        if self.vrrp.join.is_finished() {
            Some("VRRP")
        } else if self.vips.join.is_finished() {
            Some("VIP")
        } else if self.balancer.as_ref().is_some_and(Balancer::is_finished) {
            Some("IPVS")
        } else if self.settings.as_ref().is_some_and(Settings::is_finished) {
            Some("IPVS settings")
        } else if self.peers.as_ref().is_some_and(Peers::is_finished) {
            Some("peers")
        } else if self.checks.is_finished() {
            Some("health check")
        } else {
            None
        }
    }

    /// Gives the addresses back that were handed over, then the table, settings and
    /// sysctls: the next master answers before this host stops forwarding.
    async fn stop(mut self, on_stop: OnStop) {
        self.pulses.core.rest();
        self.vrrp.commands.send(Command::Shutdown);
        while let Some(occurrence) = self.vrrp.occurrences.recv().await {
            self.note(&occurrence);
        }
        join("VRRP", self.vrrp.join).await;
        self.vips.shutdown();
        join("VIP", self.vips.join).await;
        self.tracking.eyes.stop().await;
        self.checks.stop().await;
        self.hooks.stop().await;
        if let Some(balancer) = self.balancer {
            balance::stop(balancer, on_stop).await;
        }
        if let Some(peers) = self.peers {
            // What still balances must not be without it.
            peers.stop(on_stop == OnStop::Keep).await;
        }
        if let Some(settings) = self.settings {
            settings.stop().await;
        }
        if let Err(error) = self.sysctls.hold(&sysctls::Wanted::new()) {
            error!(error = chain(&error), "cannot restore");
        }
    }
}
