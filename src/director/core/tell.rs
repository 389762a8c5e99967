//! What the core tells of itself: the snapshot for `lvsd status`, `/metrics` and hooks,
//! and the line that systemd shows.

use std::sync::Arc;

use super::Core;
use super::balance::standing;
use crate::director::reconcile::Report;
use crate::director::snapshot;
use crate::director::summary::Summary;
use crate::pool::Standing;
use crate::status::director as status;
use crate::sys::{clock, systemd};

impl Core {
    /// Tells systemd when its line is no longer true.
    pub(super) fn tell_systemd(&mut self) {
        let line = self.summary();
        if line != self.told {
            systemd::status(&line);
            self.told = line;
        }
    }

    /// The line of `systemctl status`.
    pub(super) fn summary(&self) -> String {
        let pools = self.config.virtual_servers.values();
        let servers = pools.flat_map(|server| server.real_servers.values());
        let verdicts = self.checks.verdicts();
        let (mut up, mut real_servers) = (0, 0);
        for server in servers {
            real_servers += 1;
            up += usize::from(standing(&verdicts, server) == Standing::Up);
        }
        let vrrp = Arc::clone(&self.vrrp.status.borrow());
        let routers = vrrp.instances.iter();
        let routers = routers.map(|(name, router)| (name.clone(), router.state.to_string()));
        Summary {
            routers: routers.collect(),
            up,
            real_servers,
            refused: self.refused.is_some(),
            refusals: (self.reports.as_ref()).map_or(0, |it| it.borrow().refused.len()),
        }
        .line()
    }

    /// All there is to see, for whoever asks.
    pub(super) fn snapshot(&self) -> status::Director {
        let report = self
            .balancer
            .as_ref()
            .map(|balancer| balancer.report().borrow().clone());
        let report: Option<&Report> = report.as_deref();
        let vrrp = Arc::clone(&self.vrrp.status.borrow());
        let vips = Arc::clone(&self.vips.status.borrow());
        let routers = vrrp.instances.iter();
        status::Director {
            role: "director".to_owned(),
            router_id: self.config.router_id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            now: clock::wall(),
            started: self.started,
            config: status::Config {
                path: self.path.display().to_string(),
                loaded: self.loaded,
                refused: self.refused.clone(),
            },
            vrrp: routers
                .map(|(name, router)| {
                    let conflicts = vips.describe_conflicts_of(router);
                    router.describe(
                        name,
                        vips.problems_of(router),
                        conflicts,
                        vips.describe_holdings_of(router),
                        self.describe_trackers(name),
                    )
                })
                .collect(),
            vrrp_interfaces: vrrp
                .interfaces
                .iter()
                .map(|(name, interface)| interface.describe(name))
                .collect(),
            realtime_priority: self.realtime.priority,
            parts: vrrp.parts.iter().map(snapshot::part).collect(),
            not_accepted: vips.describe_dropped(),
            ipvs: self.ipvs_status(report),
            virtual_servers: snapshot::virtual_servers(
                &self.config,
                self.loaded,
                &self.checks.snapshot(),
                report,
                &self.pools,
                &self.held_back,
            ),
        }
    }
}
