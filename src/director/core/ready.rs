//! Telling systemd and the VRRP thread that this host serves as well as it can.

use std::sync::Arc;

use tracing::info;

use super::Core;
use crate::director::vrrp::{Command, Link};
use crate::health::verdict::Moment;
use crate::status::event::Event;
use crate::sys::{clock, systemd};

impl Core {
    /// Ready as soon as the kernel holds what the checks found.
    pub(super) fn call_ready_if_checked(&mut self) {
        let Some(since) = self.readiness.waits_since() else {
            return;
        };
        let report = self
            .balancer
            .as_ref()
            .map(|balancer| balancer.report().borrow().clone());
        let programmed = report.is_none_or(|report| report.generation == self.generation);
        if programmed && self.checks.verdicts().are_complete_since(since) {
            self.let_preempt();
            if !self.ready {
                self.call_ready();
            }
        }
    }

    /// From here on this host serves as well as it ever will.
    pub(super) fn let_preempt(&mut self) {
        self.readiness.done();
        self.vrrp.commands.send(Command::Ready(true));
    }

    /// An interface that failed took the servers out of reach of the checks.
    pub(super) fn wait_for_checks_where_links_changed(&mut self) {
        let vrrp = Arc::clone(&self.vrrp.status.borrow());
        let interfaces = vrrp.interfaces.iter().map(|(name, interface)| {
            let works = interface
                .link
                .as_ref()
                .map(|link| matches!(link, Link::Up { .. }));
            (name, works)
        });
        if self.readiness.see(moment(), interfaces) {
            self.vrrp.commands.send(Command::Ready(false));
        }
    }

    pub(super) fn call_ready(&mut self) {
        self.ready = true;
        self.journal.tell(Event::Ready);
        self.tidy_soon();
        info!(router_id = self.config.router_id, file = %self.path.display(), "director is ready");
        self.told = self.summary();
        systemd::ready(&self.told);
    }
}

pub(super) fn moment() -> Moment {
    Moment {
        at: clock::now(),
        wall: clock::wall(),
    }
}
