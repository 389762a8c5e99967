//! What the next boot brings, and what runs beside lvsd.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// Start-up files and processes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Boot {
    /// Names of the units and init scripts that start at boot.
    pub enabled: BTreeSet<String>,
    /// Names of processes of this host that matter: `keepalived`.
    pub running: BTreeSet<String>,
    /// Whether `keepalived.conf` has a virtual router.
    pub keepalived_routes: bool,
    /// Whether it has a virtual server.
    pub keepalived_balances: bool,
    /// Its virtual and real servers of different ports, under direct routing or
    /// tunnels.
    pub keepalived_maps: Vec<(SocketAddr, SocketAddr)>,
    /// What puts VIPs on `lo`, or set out to.
    pub scripts: Vec<Script>,
    /// The lines of `sysctl.conf` and its like that matter.
    pub settings: Vec<Setting>,
    /// The size of the connection table, as a power of two, that
    /// `modprobe.d` asks for.
    pub conn_tab_bits: Option<u8>,
    /// Whether this kernel has the module `ip_vs`, loaded or not.
    pub has_ip_vs: bool,
}

impl Boot {
    /// Whether a unit or init script of this name starts at boot.
    pub fn enables(&self, name: &str) -> bool {
        self.enabled.contains(name)
    }
}

/// A file of the administrator's that puts VIPs on `lo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Where it is.
    pub path: String,
    /// The VIPs in it.
    pub vips: BTreeSet<IpAddr>,
    /// Whether something runs it at boot.
    pub runs_at_boot: bool,
    /// What is missing where something was meant to run it at boot.
    pub missing: Option<String>,
    /// Whether nothing was: it lies about, and may be somebody's old one.
    pub by_hand: bool,
    /// How to be rid of it, the VIP staying where it is.
    pub removal: String,
}

/// A line that sets a kernel parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// `/etc/sysctl.conf:12`
    pub place: String,
    /// The parameter with dots, e.g. `net.ipv4.conf.all.arp_ignore`.
    pub key: String,
    /// What it is set to.
    pub value: i32,
}
