//! An op that the kernel did not perform, and what that means.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use nix::errno::Errno;

use crate::ipvs::plan::Op;
use crate::ipvs::table::Settings;
use crate::lvs::{Family, Forwarding, RealServerId, VirtualServerId};

use super::error::KernelError;

/// An op that the kernel refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// What was to be done.
    pub op: Op,
    /// The kernel's reason.
    pub cause: KernelError,
}

impl Refusal {
    /// Takes what the kernel answered to an op.
    pub fn new(op: Op, cause: KernelError) -> Self {
        Self { op, cause }
    }

    /// Whether the table was not what the plan took it for: what was to be added
    /// is there already, what was to be changed or removed is not. Dump, and plan
    /// again.
    pub fn is_stale(&self) -> bool {
        match self.cause.errno() {
            Errno::EEXIST | Errno::ESRCH => true,
            Errno::ENOENT => self.missing_module().is_none(),
            _ => false,
        }
    }

    /// The settings for which the kernel has not got the module, if that is the
    /// reason: its scheduler, or its persistence engine.
    fn missing_module(&self) -> Option<&Settings> {
        match (&self.op, self.cause.errno()) {
            (
                Op::AddVirtualServer(_, settings) | Op::SetVirtualServer(_, settings),
                Errno::ENOENT,
            ) => Some(settings),
            _ => None,
        }
    }

    /// Why, the kernel's own words last.
    pub fn reason(&self) -> String {
        let cause = &self.cause;
        if let Some(settings) = self.missing_module() {
            let engine = settings.persistence.and_then(|found| found.engine);
            let engine = engine.map(|engine| format!(" or persistence engine \"{engine}\""));
            return format!(
                "scheduler \"{}\"{} is not available in this kernel ({cause})",
                settings.scheduler,
                engine.unwrap_or_default(),
            );
        }
        match self.explanation() {
            Some(explanation) => format!("{explanation} ({cause})"),
            None => cause.to_string(),
        }
    }

    /// What the errno alone does not tell.
    fn explanation(&self) -> Option<&'static str> {
        match (&self.op, self.cause.errno()) {
            (
                Op::AddRealServer(id, rip, real_server) | Op::SetRealServer(id, rip, real_server),
                Errno::EINVAL,
            ) => Some(invalid_real_server(id, rip, real_server.forwarding)),
            (Op::AddRealServer(..) | Op::SetRealServer(..), Errno::ERANGE) => {
                Some("the lower threshold is above the upper one, or the weight is too large")
            }
            (Op::AddVirtualServer(id, _) | Op::SetVirtualServer(id, _), Errno::EINVAL)
                if id.family() == Family::Ipv6 =>
            {
                Some("the mask of persistence must be 1..=128")
            }
            (Op::AddVirtualServer(..) | Op::AddRealServer(..), Errno::EEXIST) => {
                Some("it exists already")
            }
            (Op::SetVirtualServer(..) | Op::RemoveVirtualServer(_), Errno::ESRCH) => {
                Some("there is no such virtual server")
            }
            (_, Errno::ESRCH) => Some("its virtual server does not exist"),
            (Op::SetRealServer(..) | Op::RemoveRealServer(..), Errno::ENOENT) => {
                Some("there is no such real server")
            }
            (_, Errno::EAFNOSUPPORT) => Some("this kernel's IPVS has no IPv6"),
            _ => None,
        }
    }
}

/// `cannot add virtual server tcp 192.168.1.200:80: twos: scheduler "twos" is not
/// available in this kernel (no such file or directory)`: last come the kernel's own
/// words.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.op, self.reason())
    }
}

impl std::error::Error for Refusal {}

/// Leaves out the ops that failed only because their virtual server could not be
/// added.
pub(super) fn causes_only(mut refusals: Vec<Refusal>) -> Vec<Refusal> {
    let missing: BTreeSet<_> = refusals
        .iter()
        .filter(|refusal| {
            matches!(refusal.op, Op::AddVirtualServer(..)) && refusal.cause.errno() != Errno::EEXIST
        })
        .map(|refusal| *refusal.op.virtual_server())
        .collect();
    refusals.retain(|refusal| {
        refusal.cause.errno() != Errno::ESRCH || !missing.contains(refusal.op.virtual_server())
    });
    refusals
}

fn invalid_real_server(
    id: &VirtualServerId,
    rip: &RealServerId,
    forwarding: Forwarding,
) -> &'static str {
    if matches!(rip.ip(), IpAddr::V6(rip) if rip.is_unicast_link_local()) {
        "the kernel takes no link-local address for a real server's"
    } else if Family::of(rip.ip()) == id.family() {
        "the kernel does not take the RIP for the address of a host (is `lo` up?)"
    } else if matches!(forwarding, Forwarding::Tunnel(_)) {
        "a sync daemon may run here (`lvsd ipvs daemon`): connection sync and a real server of \
         the other address family exclude each other"
    } else {
        "a real server of the other address family needs forwarding \"tun\""
    }
}
