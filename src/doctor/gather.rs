//! Looking: the kernel, files, programs of the packet filter, lvsd's sockets and
//! a few seconds of wire, each in a file of its own. Nothing is changed, no module
//! loaded, no neighbour told anything; what cannot be looked at is noted.

mod boot;
mod firewall;
mod host;
mod ipvs;
mod lvsd;
mod sockets;
mod wire;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::Facts;
use super::facts::Heard;
use crate::config::Error;
use crate::status::text::chain;

/// How much is looked at.
#[derive(Debug)]
pub struct Scope {
    /// Where lvsd's sockets are.
    pub runtime_dir: PathBuf,
    /// A file of either role; none: those that lvsd itself would read.
    pub config: Option<PathBuf>,
    /// Whether to leave out the wire, and the seconds that it takes.
    pub quick: bool,
}

/// How many real servers' routes and hardware addresses are asked for: a site has
/// fewer on one LAN, and nobody waits for a site that has more.
const MOST_NEIGHBOURS: usize = 64;

/// Looks at everything. Needs a tokio runtime.
///
/// # Errors
/// The configuration that was named and cannot be used.
pub async fn gather(scope: &Scope) -> Result<Facts, Error> {
    let root = Path::new("/");
    let mut facts = Facts {
        boot: boot::look(root),
        ..Facts::default()
    };
    lvsd::look(scope, root, &mut facts).await?;
    facts.ipvs = ipvs::look(&mut facts.unseen);
    facts.listening = sockets::tcp(root, &mut facts.unseen);
    facts.receiving = sockets::udp(root, &mut facts.unseen);
    firewall::look(root, &mut facts).await;
    if let Err(error) = host::look(&mut facts).await {
        facts.unseen.push(chain(&error));
    }
    if !scope.quick {
        wire::look(&mut facts).await;
        if facts.incoming().any(Heard::is_kept_out) {
            firewall::look_again(root, &mut facts).await;
        }
        // What the wire said is compared with what is so now, not seconds ago.
        lvsd::look_again(scope, &mut facts).await;
        host::look_again(&mut facts).await;
    }
    Ok(facts)
}

/// The real servers of the table, the first so many.
fn neighbours(facts: &Facts) -> BTreeSet<IpAddr> {
    let servers = facts.table().values();
    let rips = servers.flat_map(|server| server.real_servers.keys());
    let rips: BTreeSet<_> = rips.map(|rip| rip.ip()).collect();
    rips.into_iter().take(MOST_NEIGHBOURS).collect()
}
