//! What is logged of an action that was done, and who made it necessary.

use std::path::Path;

use tracing::{debug, error, info, warn};

use super::Kernel;
use crate::realserver::agent::{Action, Agent, Cause};
use crate::realserver::{mss, tunnel};
use crate::sys::owners;

impl Kernel {
    /// One log line for what was done, and who made it necessary.
    pub(super) fn tell(&mut self, agent: &mut Agent, action: &Action) {
        let (Action::WriteSysctl { cause, .. }
        | Action::AddVip { cause, .. }
        | Action::RenewVip { cause, .. }
        | Action::RemoveVip { cause, .. }) = action
        else {
            return tell_plain(action);
        };
        let Cause::Repair { count } = cause else {
            return tell_plain(action);
        };
        let known = match action {
            Action::AddVip { address, .. } => self.culprits.remove(&address.address.address),
            _ => None,
        };
        let by = known.unwrap_or_else(suspects);
        let contested = agent.blame(action, &by);
        match action {
            Action::WriteSysctl { write, .. } => {
                let (key, found, wanted) = (&write.key, write.from, write.to);
                warn!(%key, found, wanted, count, by, "sysctl was changed by somebody: put back");
            }
            Action::AddVip { address, .. } => {
                let (vip, label) = (address.address, address.label.as_deref().unwrap_or("-"));
                warn!(%vip, label, count, by, "VIP was taken away by somebody: put back");
            }
            Action::RenewVip { address, .. } => {
                let vip = address.address;
                warn!(%vip, count, by, "the VIP's route in the table local was taken away by somebody: put back");
            }
            Action::RemoveVip { vip, .. } => {
                warn!(%vip, count, by, "VIP was put on this drained host by somebody: removed");
            }
            _ => {}
        }
        if contested {
            error!(by, "the third time within a minute: see docs/realserver.md");
        }
    }
}

/// Who may have done what nobody can be proved to have done.
fn suspects() -> String {
    match owners::running(Path::new("/proc"), Path::new("/sys")).as_slice() {
        [] => "somebody: none of the usual programs runs".to_owned(),
        [one] => format!("{one}, perhaps"),
        several => format!("one of {}, perhaps", several.join(", ")),
    }
}

/// One log line for what was done as planned.
fn tell_plain(action: &Action) {
    match action {
        Action::Record(_) => {}
        Action::WriteSysctl { write, cause } => {
            let (key, found, wanted) = (&write.key, write.from, write.to);
            match cause {
                Cause::Restore => info!(%key, found, wanted, "sysctl restored"),
                _ => info!(%key, found, wanted, "sysctl set"),
            }
        }
        Action::AddVip { address, .. } => {
            let (vip, label) = (address.address, address.label.as_deref().unwrap_or("-"));
            info!(%vip, label, "VIP added");
        }
        Action::RenewVip { address, .. } => {
            let vip = address.address;
            info!(%vip, "VIP added anew: it had no route in the table local");
        }
        Action::RemoveVip { vip, .. } => info!(%vip, "VIP removed"),
        Action::Tunnel(step) => match step {
            tunnel::Step::Make(new) => info!(device = new.name, "tunnel made"),
            tunnel::Step::Address { name, .. } => info!(device = name, "tunnel given an address"),
            tunnel::Step::NoAddress { name, .. } => {
                info!(device = name, "address of the tunnel taken away");
            }
            tunnel::Step::Set { name, up, .. } => info!(device = name, up, "tunnel set"),
            // The kernel says yes and keeps it.
            tunnel::Step::Delete { name, .. } if tunnel::is_of_module(name) => {}
            tunnel::Step::Delete { name, .. } => info!(device = name, "tunnel deleted"),
            tunnel::Step::Open(port) => info!(port, "GUE is unpacked"),
            tunnel::Step::Close(port) => info!(port, "GUE is unpacked no more"),
        },
        Action::Route(step) => match step {
            mss::Step::AddRoute(route) => {
                debug!(to = %route.to, advmss = route.advmss, "route added");
            }
            mss::Step::DeleteRoute(route) => debug!(to = %route.to, "route deleted"),
            mss::Step::AddRule(rule) => info!(from = %rule.from, table = rule.table, "rule added"),
            mss::Step::DeleteRule(rule) => info!(from = %rule.from, "rule deleted"),
        },
    }
}
