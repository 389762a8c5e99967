//! Leaving without loss: while mastership is handed over, everything that serves
//! goes on serving.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::interval;
use tracing::{error, info};

use super::balance::{after, reported, until};
use super::{Core, LOOK_AFTER, STOP_WITHIN};
use crate::config::director::{DirectorConfig, OnStop};
use crate::director::api::Ask;
use crate::director::control::{Refused, VrrpChanged, VrrpWish, VrrpWishKind};
use crate::director::vrrp::{Command, REMOVED};
use crate::status::text::chain;
use crate::sys::signal::{Signal, Signals};
use crate::sys::systemd;
use crate::vrrp::router::State;

/// A configuration whose removals wait until these virtual routers, which it
/// removes, have handed over.
#[derive(Debug)]
pub(super) struct Pending {
    config: DirectorConfig,
    leaving: BTreeSet<String>,
}

impl Core {
    /// Has every virtual router hand over, and serves on until that is done or
    /// its time is over. A second signal ends it at once.
    pub(super) async fn hand_over(
        &mut self,
        signals: &mut Signals,
        asks: &mut mpsc::Receiver<Ask>,
    ) {
        // What was drained stays at rest.
        let serves = self.config.on_stop != OnStop::Drain;
        let limit = self.longest_handover() + STOP_WITHIN;
        systemd::stopping("handing the virtual addresses over", limit);
        self.vrrp.commands.send(Command::Shutdown);
        let mut alive = interval(LOOK_AFTER);
        loop {
            self.pulses.core.beat();
            tokio::select! {
                changed = self.vrrp.status.changed() => match changed {
                    Ok(()) if serves => self.follow_vrrp(),
                    Ok(()) => {}
                    Err(_) => return,
                },
                signal = signals.next() => match signal {
                    Signal::Terminate => self.vrrp.commands.send(Command::Shutdown),
                    Signal::Reload => info!("not reloading: lvsd stops"),
                },
                Some(occurrence) = self.vrrp.occurrences.recv() => self.note(&occurrence),
                Some(_) = after(self.rest_until, self.changes.next()), if serves => self.rebalance(),
                () = reported(&mut self.reports), if serves => self.follow_report(),
                () = after(self.rest_until, until(self.pools_deadline)), if serves => self.rebalance(),
                Some(ask) = asks.recv() => self.answer_while_stopping(ask),
                _ = alive.tick() => systemd::alive(),
            }
        }
    }

    fn longest_handover(&self) -> Duration {
        let instances = self.config.vrrp.values();
        let limits = instances.map(|it| it.settings.takeover.handover_timeout);
        limits.max().unwrap_or_default()
    }

    /// What to run with until the virtual routers that `config` removes have
    /// handed over: what it removes of virtual servers stays so long.
    pub(super) fn with_removals_postponed(&mut self, config: DirectorConfig) -> DirectorConfig {
        let vrrp = Arc::clone(&self.vrrp.status.borrow());
        let leaving = self.config.vrrp.keys().filter(|name| {
            let status = vrrp.instances.get(*name);
            let is_master = status.is_some_and(|status| status.state == State::Master);
            is_master && !config.vrrp.contains_key(*name)
        });
        let leaving: BTreeSet<String> = leaving.cloned().collect();
        drop(vrrp);
        if leaving.is_empty() {
            self.pending = None;
            return config;
        }
        let mut merged = config.clone();
        for (id, server) in &self.config.virtual_servers {
            let server = || server.clone();
            merged.virtual_servers.entry(*id).or_insert_with(server);
        }
        self.pending = Some(Pending { config, leaving });
        merged
    }

    /// The configuration that was read last, whether it is carried out or not.
    pub(super) fn newest_config(&self) -> &DirectorConfig {
        let pending = self.pending.as_ref().map(|pending| &pending.config);
        pending.unwrap_or(&self.config)
    }

    /// Carries out what waited for virtual routers that have handed over now.
    pub(super) fn finish_removals(&mut self) {
        let Some(pending) = &self.pending else {
            return;
        };
        let vrrp = Arc::clone(&self.vrrp.status.borrow());
        let is_there = |name: &String| {
            vrrp.instances.contains_key(name)
                || vrrp.instances.contains_key(&(name.clone() + REMOVED))
        };
        let waits = pending.leaving.iter().any(is_there);
        drop(vrrp);
        if waits {
            return;
        }
        if let Some(Pending { config, .. }) = self.pending.take() {
            let before = std::mem::replace(&mut self.config, config);
            if let Err(error) = self.apply(&before.virtual_servers) {
                error!(error = chain(&error), "cannot carry out the configuration");
            }
        }
    }

    /// Hands mastership over, or takes it back.
    pub(super) fn move_mastership(&self, wish: &VrrpWish) -> Result<VrrpChanged, Refused> {
        let vrrp = Arc::clone(&self.vrrp.status.borrow());
        let Some(named) = vrrp.instances.get(&wish.name) else {
            let known: Vec<_> = vrrp.instances.keys().cloned().collect();
            return Err(Refused::unknown(format!(
                "there is no virtual router {}; there are: {}",
                wish.name,
                known.join(", ")
            )));
        };
        let of_group = vrrp.instances.iter().filter(|(name, instance)| {
            **name == wish.name || (named.group.is_some() && instance.group == named.group)
        });
        let names = of_group.map(|(name, _)| name.clone()).collect();
        let instance = wish.name.clone();
        info!(instance, wish = ?wish.kind, "the operator's wish");
        self.vrrp.commands.send(match wish.kind {
            VrrpWishKind::Yield => Command::Yield { instance },
            VrrpWishKind::Reclaim => Command::Reclaim { instance },
        });
        Ok(VrrpChanged { names })
    }
}
