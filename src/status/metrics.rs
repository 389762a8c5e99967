//! A director's snapshot in the text format of Prometheus.

mod vrrp;

use std::fmt::{Display, Write};

use super::director::{Director, Ipvs, Part, RealServer, Traffic, VirtualServer};
use crate::pulse::Part as Watched;

/// A metric of each `T`: name, help and value.
type Metric<T> = (&'static str, &'static str, fn(&T) -> u64);

/// Counters of [`Traffic`]; each name is a suffix.
const TRAFFIC: [Metric<Traffic>; 5] = [
    ("connections_total", "Connections scheduled", |t| {
        t.connections
    }),
    ("packets_in_total", "Packets from clients", |t| t.packets_in),
    ("packets_out_total", "Packets to clients", |t| t.packets_out),
    ("bytes_in_total", "Bytes from clients", |t| t.bytes_in),
    ("bytes_out_total", "Bytes to clients", |t| t.bytes_out),
];

/// Writes every metric of the snapshot.
pub fn render(status: &Director) -> String {
    let mut text = Exposition(String::new());
    text.family("lvsd_info", "gauge", "Version and name of this director");
    text.sample(
        "lvsd_info",
        &[
            ("version", &status.version),
            ("router_id", &status.router_id),
        ],
        1,
    );
    text.family(
        "lvsd_config_refused",
        "gauge",
        "1 while the newest configuration file is refused",
    );
    text.sample(
        "lvsd_config_refused",
        &[],
        u64::from(status.config.refused.is_some()),
    );
    parts(&mut text, status);
    vrrp::vrrp(&mut text, status);
    ipvs(&mut text, status);
    virtual_servers(&mut text, status);
    real_servers(&mut text, status);
    text.0
}

fn parts(text: &mut Exposition, status: &Director) {
    let name = "lvsd_stuck";
    let help = "1 while the part stands still, and this host is not master for that";
    text.family(name, "gauge", help);
    let known = |part| status.parts.iter().find(|known| known.name == part);
    for part in Watched::ALL.map(Watched::as_str) {
        let stuck = known(part).is_some_and(|known: &Part| known.stuck.is_some());
        text.sample(name, &[("part", part)], u64::from(stuck));
    }
    let name = "lvsd_stuck_total";
    text.family(
        name,
        "counter",
        "Times the part stood still for stuck_after",
    );
    for part in Watched::ALL.map(Watched::as_str) {
        text.sample(
            name,
            &[("part", part)],
            known(part).map_or(0, |known| known.times),
        );
    }
}

fn ipvs(text: &mut Exposition, status: &Director) {
    let ipvs = &status.ipvs;
    text.family(
        "lvsd_ipvs_connected",
        "gauge",
        "1 while the kernel's table can be reached",
    );
    text.sample(
        "lvsd_ipvs_connected",
        &[],
        u64::from(ipvs.version.is_some()),
    );
    text.family(
        "lvsd_ipvs_operations_total",
        "counter",
        "Operations sent to the kernel",
    );
    text.sample("lvsd_ipvs_operations_total", &[], ipvs.operations);
    text.family(
        "lvsd_ipvs_repaired_total",
        "counter",
        "Entries put right after somebody changed them",
    );
    text.sample("lvsd_ipvs_repaired_total", &[], ipvs.repaired);
    text.family(
        "lvsd_ipvs_refused",
        "gauge",
        "Operations that the kernel refuses now",
    );
    text.sample("lvsd_ipvs_refused", &[], ipvs.refused.len());
    ipvs_settings(text, ipvs);
    peers(text, ipvs);
}

fn peers(text: &mut Exposition, ipvs: &Ipvs) {
    let Some(peers) = &ipvs.peers else {
        return;
    };
    for (unit, value) in [("packets", peers.packets), ("bytes", peers.bytes)] {
        let name = format!("lvsd_ipvs_hidden_{unit}_total");
        let help = "Hidden from IPVS because another director had balanced them";
        text.family(&name, "counter", help);
        text.sample(&name, &[], value);
    }
    let name = "lvsd_ipvs_peers_unknown";
    let help = "Other real servers whose hardware address is not known";
    text.family(name, "gauge", help);
    text.sample(name, &[], peers.unknown.len());
}

fn ipvs_settings(text: &mut Exposition, ipvs: &Ipvs) {
    let numbers: [Metric<Ipvs>; 2] = [
        (
            "lvsd_ipvs_connection_table_buckets",
            "Buckets of the connection table",
            |ipvs| ipvs.connection_table_size.into(),
        ),
        (
            "lvsd_ipvs_problems",
            "Settings of IPVS that are not as configured",
            |ipvs| ipvs.problems.len() as u64,
        ),
    ];
    for (name, help, value) in numbers {
        text.family(name, "gauge", help);
        text.sample(name, &[], value(ipvs));
    }
    let name = "lvsd_ipvs_settings_repaired_total";
    text.family(
        name,
        "counter",
        "Settings put right after somebody changed them",
    );
    text.sample(name, &[], ipvs.settings_repaired);
    let name = "lvsd_ipvs_timeout_seconds";
    text.family(name, "gauge", "How long a connection is remembered");
    if let Some(timeouts) = &ipvs.timeouts {
        let kinds = [
            ("tcp", timeouts.tcp_s),
            ("tcp_fin", timeouts.tcp_fin_s),
            ("udp", timeouts.udp_s),
        ];
        for (kind, seconds) in kinds {
            text.sample(name, &[("kind", kind)], seconds);
        }
    }
    let name = "lvsd_ipvs_sync_daemon";
    text.family(name, "gauge", "1 while the connection sync daemon runs");
    for role in ["master", "backup"] {
        let runs = ipvs.sync.iter().any(|daemon| daemon.role == role);
        text.sample(name, &[("role", role)], u64::from(runs));
    }
}

fn virtual_servers(text: &mut Exposition, status: &Director) {
    let gauges: [Metric<VirtualServer>; 5] = [
        (
            "lvsd_virtual_server_refused",
            "1 while the kernel refuses to have it as it should be",
            |s| u64::from(s.refused.is_some()),
        ),
        (
            "lvsd_virtual_server_quorum",
            "1 while it has its quorum",
            |s| u64::from(s.quorum.state == "up"),
        ),
        (
            "lvsd_virtual_server_usable_weight",
            "Weight of its usable real servers",
            |s| s.quorum.weight,
        ),
        (
            "lvsd_virtual_server_backup",
            "1 while the backup pool serves",
            |s| u64::from(s.served_by == "backup"),
        ),
        (
            "lvsd_virtual_server_sorry",
            "1 while the sorry server serves",
            |s| u64::from(s.served_by == "sorry"),
        ),
    ];
    for (name, help, value) in gauges {
        text.family(name, "gauge", help);
        for server in &status.virtual_servers {
            let id = server.id.to_string();
            text.sample(name, &[("virtual_server", &id)], value(server));
        }
    }
    for (suffix, help, value) in TRAFFIC {
        let name = format!("lvsd_virtual_server_{suffix}");
        text.family(&name, "counter", help);
        for server in &status.virtual_servers {
            let id = server.id.to_string();
            text.sample(&name, &[("virtual_server", &id)], value(&server.traffic));
        }
    }
}

fn real_servers(text: &mut Exposition, status: &Director) {
    let gauges: [Metric<RealServer>; 8] = [
        (
            "lvsd_real_server_refused",
            "1 while the kernel refuses to have it as it should be",
            |s| u64::from(s.refused.is_some()),
        ),
        ("lvsd_real_server_draining", "1 while it drains", |s| {
            u64::from(s.draining.is_some())
        }),
        (
            "lvsd_real_server_overridden",
            "1 while the operator has changed it",
            |s| u64::from(s.overridden.is_some()),
        ),
        ("lvsd_real_server_up", "1 while it is up", |s| {
            u64::from(s.health == "up")
        }),
        (
            "lvsd_real_server_weight",
            "Weight in the kernel, 0 if absent",
            |s| u64::from(s.weight.unwrap_or(0)),
        ),
        (
            "lvsd_real_server_share_percent",
            "How much of its weight it wants, 100 unless it tells",
            |s| u64::from(s.share_percent.unwrap_or(100)),
        ),
        (
            "lvsd_real_server_active_connections",
            "Established connections",
            |s| u64::from(s.active),
        ),
        (
            "lvsd_real_server_inactive_connections",
            "Other connections",
            |s| u64::from(s.inactive),
        ),
    ];
    let of_all = |text: &mut Exposition, name: &str, value: &dyn Fn(&RealServer) -> u64| {
        for VirtualServer {
            id, real_servers, ..
        } in &status.virtual_servers
        {
            let id = id.to_string();
            for server in real_servers {
                let address = server.address.to_string();
                let labels = [("virtual_server", id.as_str()), ("real_server", &address)];
                text.sample(name, &labels, value(server));
            }
        }
    };
    for (name, help, value) in gauges {
        text.family(name, "gauge", help);
        of_all(text, name, &value);
    }
    for (suffix, help, value) in TRAFFIC {
        let name = format!("lvsd_real_server_{suffix}");
        text.family(&name, "counter", help);
        of_all(text, &name, &|server: &RealServer| value(&server.traffic));
    }
}

/// The text being written. Writing to a `String` cannot fail.
pub(super) struct Exposition(pub(super) String);

impl Exposition {
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}.\n# TYPE {name} {kind}\n");
    }

    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            self.0.push(if index == 0 { '{' } else { ',' });
            let text = text
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let _ = write!(self.0, "{label}=\"{text}\"");
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::director::tests::example;

    #[test]
    fn the_snapshot_reads_as_prometheus_expects_it() {
        insta::assert_snapshot!(render(&example()));
    }

    #[test]
    fn labels_are_escaped() {
        let mut text = Exposition(String::new());
        text.sample("m", &[("l", "a\"b\\c\nd")], 1);
        assert_eq!(text.0, "m{l=\"a\\\"b\\\\c\\nd\"} 1\n");
    }
}
