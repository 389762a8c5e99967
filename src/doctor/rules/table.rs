//! IPVS itself: whether the kernel has it, and the size of its connection table.

use crate::doctor::facts::Ipvs;
use crate::doctor::{Facts, Finding, Kind};

pub(super) const IPVS_MISSING: Kind = Kind::broken(
    "ipvs-missing",
    "packets for the VIP reach this host and nothing sends them on to a real server",
);

pub(super) const CONNECTION_TABLE: Kind = Kind::warning(
    "connection-table-small",
    "each packet searches the connections of its bucket one by one, so a director with many \
     connections spends its time there",
);

/// Connections for each bucket of the table, on average, from which on searching
/// is worth a word: the next size up is free.
const CROWDED: u64 = 4;

/// The largest exponent of kernels before 6.5.
const MOST_BITS: u32 = 20;

/// The module is not loaded, and a file wants virtual servers.
pub(super) fn ipvs_missing(facts: &Facts) -> Vec<Finding> {
    let mut files = facts.director_config.iter();
    let wants = files.any(|file| !file.virtual_servers.is_empty());
    if !matches!(facts.ipvs, Ipvs::Absent) || !(wants || facts.boot.keepalived_balances) {
        return vec![];
    }
    let mend = match facts.boot.has_ip_vs {
        true => "modprobe ip_vs; and `ip_vs` in /etc/modules-load.d/ip_vs.conf for the next boot",
        false => {
            "install the kernel's package of modules (of Debian linux-image-amd64, not the cloud \
             flavour; of RHEL kernel-modules): this kernel has no ip_vs to load"
        }
    };
    let seen = "a file here has virtual servers, and the module ip_vs is not loaded";
    vec![IPVS_MISSING.found(seen, mend)]
}

/// The table is smaller than asked for, or too small for what is in it.
pub(super) fn too_small(facts: &Facts) -> Vec<Finding> {
    let Some(kernel) = facts.kernel() else {
        return vec![];
    };
    let buckets = u64::from(kernel.info.connection_table_size);
    let file = facts.director_config.as_ref();
    let wanted = file.and_then(|file| file.ipvs.conn_tab_bits);
    let wanted = wanted.or(facts.boot.conn_tab_bits);
    if let Some(bits) = wanted.filter(|bits| 1 << u64::from(*bits).min(63) != buckets) {
        let seen = format!(
            "conn_tab_bits = {bits} is asked for, and the connection table has {buckets} buckets: \
             the module was loaded before it was asked"
        );
        return vec![CONNECTION_TABLE.found(
            seen,
            format!(
                "echo 'options ip_vs conn_tab_bits={bits}' >/etc/modprobe.d/ip_vs.conf, then \
                 reboot (or stop what balances here, `modprobe -r` the ip_vs modules, and start it)"
            ),
        )];
    }
    let connections: u64 = connections(facts);
    if connections <= buckets * CROWDED || wanted.is_some_and(|bits| u32::from(bits) >= MOST_BITS) {
        return vec![];
    }
    let bits = (connections.ilog2() + 1).min(MOST_BITS);
    let seen = format!("{connections} connections in a table of {buckets} buckets");
    let mend = format!(
        "echo 'options ip_vs conn_tab_bits={bits}' >/etc/modprobe.d/ip_vs.conf, and reboot when \
         it suits"
    );
    vec![CONNECTION_TABLE.found(seen, mend)]
}

fn connections(facts: &Facts) -> u64 {
    let servers = facts.table().values();
    let pools = servers.flat_map(|server| server.real_servers.values());
    pools
        .map(|server| {
            let counts = [
                server.active_connections,
                server.inactive_connections,
                server.persistent_connections,
            ];
            counts.into_iter().map(u64::from).sum::<u64>()
        })
        .sum()
}
