//! What concerns the whole host rather than one virtual server: sysctls,
//! timeouts, sync daemons, and whether this host may balance at all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::Core;
use crate::config::director::{DirectorConfig, VirtualServer};
use crate::director::balancer::Balancer;
use crate::director::peers::{self, Peers};
use crate::director::reconcile::Report;
use crate::director::settings::{self, Settings};
use crate::director::vrrp::Occurrence;
use crate::director::{Error, hooks, local, module, snapshot, sysctls};
use crate::lvs::VirtualServerId;
use crate::status::director as status;
use crate::status::text::chain;
use crate::sys::{address, clock, memory};
use crate::vrrp::router::State;

/// How long after a start or a reload free memory is given back: whoever edits the file
/// again at once need not wait for it, nor for the memory to come anew.
const TIDY_AFTER: Duration = Duration::from_secs(2);

impl Core {
    /// Tells the kernel what holds for the whole of its IPVS.
    pub(super) fn apply_settings(&mut self) -> Result<(), Error> {
        let Some(balancer) = &self.balancer else {
            return Ok(());
        };
        if self.settings.is_none() {
            let file = self.runtime_dir.join(crate::director::SETTINGS_FILE);
            self.settings = Some(Settings::start(file, self.vrrp.status.clone())?);
        }
        if let Some(settings) = &self.settings {
            settings.want(settings::Wanted {
                timeouts: self.config.ipvs.timeouts,
                sync: self.config.ipvs.sync.clone(),
            });
        }
        let info = balancer.report().borrow().info;
        let size = info.map_or(0, |info| info.connection_table_size);
        if let Some(problem) = module::shortfall(self.config.ipvs.conn_tab_bits, size) {
            warn!(problem, "IPVS is not as wanted");
        }
        for advice in self.config.advice() {
            info!(advice, "advice on the configuration");
        }
        Ok(())
    }

    /// Tells what to hide from IPVS, once there is anything.
    pub(super) fn apply_peers(&mut self) -> Result<(), Error> {
        let addresses = address::of_this_host().unwrap_or_default();
        let vrrp = Arc::clone(&self.vrrp.status.borrow());
        let wanted = peers::wanted(&self.config, &addresses, &vrrp);
        let file = self.runtime_dir.join(crate::director::PEERS_FILE);
        match &self.peers {
            Some(peers) => peers.want(wanted),
            None if Peers::are_needed(&wanted, &file) => {
                self.peers = Some(Peers::start(file, wanted)?);
            }
            None => {}
        }
        Ok(())
    }

    /// What nobody reports: drift of sysctls, and addresses of this host.
    pub(super) fn look_after(&mut self) {
        // What is wrong has been told, and is in the status.
        let _ = self.sysctls.hold(&sysctls::wanted(&self.config));
        self.follow_vrrp();
        self.tell_repairs();
        self.tidy();
    }

    /// Something large was done, and much of the memory it took is free.
    pub(super) fn tidy_soon(&mut self) {
        self.tidy_at = Some(clock::now() + TIDY_AFTER);
    }

    /// Gives free memory back, once the IPVS thread has done its part too.
    fn tidy(&mut self) {
        let report = self.balancer.as_ref().map(Balancer::report);
        let settled = report.is_none_or(|report| report.borrow().generation == self.generation);
        if settled && self.tidy_at.is_some_and(|at| at <= clock::now()) {
            self.tidy_at = None;
            memory::give_back();
        }
    }

    /// Something happened to a virtual router.
    pub(super) fn note(&mut self, occurrence: &Occurrence) {
        debug!(
            instance = occurrence.instance,
            state = %occurrence.state,
            notice = ?occurrence.notice,
            "virtual router"
        );
        self.tell_router(occurrence);
        let name = &occurrence.instance;
        if let Some(hooks) = self.router_hooks.get(name)
            && let Some(hook) = hooks::of_router(occurrence, hooks, &self.config.router_id)
        {
            self.hooks.run(hook);
        }
        if occurrence.state == State::Initialize && !self.config.vrrp.contains_key(name) {
            self.router_hooks.remove(name);
        }
    }

    /// Takes virtual servers out of the table, or puts them in, as this host
    /// loses their VIPs or gets them.
    pub(super) fn follow_vrrp(&mut self) {
        self.finish_removals();
        self.wait_for_checks_where_links_changed();
        if let Err(error) = self.apply_peers() {
            warn!(error = chain(&error), "cannot hide anything from IPVS");
        }
        let held_back = self.to_hold_back();
        if held_back != self.held_back {
            for id in held_back.symmetric_difference(&self.held_back) {
                let in_table = !held_back.contains(id);
                info!(%id, in_table, "this host is a real server of it, and has it as master or while nothing loops");
            }
            self.held_back = held_back;
            self.rebalance();
        }
    }

    pub(super) fn to_hold_back(&self) -> BTreeSet<VirtualServerId> {
        self.held_back_of(&self.config)
    }

    pub(super) fn held_back_of(&self, config: &DirectorConfig) -> BTreeSet<VirtualServerId> {
        let Some(balancer) = &self.balancer else {
            return BTreeSet::new();
        };
        let kernel = Arc::clone(&balancer.report().borrow().kernel);
        let vrrp = Arc::clone(&self.vrrp.status.borrow());
        let addresses = address::of_this_host().unwrap_or_default();
        let report = self.peers.as_ref().map(Peers::report);
        let hidden = |server: (&VirtualServerId, &VirtualServer)| {
            let report = report.as_ref();
            report.is_some_and(|it| peers::are_hidden(config, &addresses, &vrrp, it, server))
        };
        local::held_back(config, &addresses, &vrrp, hidden, |id| {
            kernel.virtual_servers.contains_key(id)
        })
    }

    pub(super) fn ipvs_status(&self, report: Option<&Report>) -> status::Ipvs {
        let settings = self.settings.as_ref().map(Settings::report);
        let mut ipvs = snapshot::ipvs(report, settings.as_deref(), self.sysctls.report());
        if ipvs.version.is_some() {
            let size = ipvs.connection_table_size;
            let shortfall = module::shortfall(self.config.ipvs.conn_tab_bits, size);
            ipvs.problems.extend(shortfall);
        }
        if let Some(peers) = self.peers.as_ref().map(Peers::report) {
            ipvs.peers = peers.describe();
            ipvs.problems.extend(peers.problem());
        }
        ipvs
    }
}
