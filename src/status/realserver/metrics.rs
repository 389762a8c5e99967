//! The agent's snapshot in the text format of Prometheus.

use super::{Health, State, Status};
use crate::status::metrics::Exposition;

/// The states, each a series of its own with the value 0 or 1.
const STATES: [(State, &str); 5] = [
    (State::Ready, "ready"),
    (State::NotReady, "not-ready"),
    (State::Draining, "draining"),
    (State::Drained, "drained"),
    (State::Stopping, "stopping"),
];

/// Writes every metric of the snapshot.
pub fn render(status: &Status) -> String {
    let mut text = Exposition(String::new());
    text.family("lvsd_agent_info", "gauge", "Version of this agent");
    let labels = [
        ("version", status.version.as_str()),
        ("forwarding", &status.forwarding),
    ];
    text.sample("lvsd_agent_info", &labels, 1);
    text.family("lvsd_agent_state", "gauge", "1 for the state it is in");
    for (state, name) in STATES {
        let value = u8::from(status.state == state);
        text.sample("lvsd_agent_state", &[("state", name)], value);
    }
    let name = "lvsd_agent_errors";
    text.family(name, "gauge", "Things repaired again and again");
    text.sample(name, &[], status.errors.len());
    let name = "lvsd_agent_warnings";
    text.family(name, "gauge", "Things that people should look at");
    text.sample(name, &[], status.warnings.len());
    if let Some(weight) = status.weight {
        let name = "lvsd_agent_weight";
        text.family(name, "gauge", "Wanted share of clients, of 100");
        text.sample(name, &[], weight);
    }
    if let Some(connections) = status.connections {
        let name = "lvsd_agent_draining_connections";
        text.family(name, "gauge", "Connections of the VIPs while it drains");
        text.sample(name, &[], connections);
    }
    vips(&mut text, status);
    sysctls(&mut text, status);
    arp(&mut text, status);
    services(&mut text, status);
    text.0
}

fn vips(text: &mut Exposition, status: &Status) {
    let name = "lvsd_agent_vip_present";
    text.family(name, "gauge", "1 while the VIP is bound");
    for vip in &status.vips {
        let address = vip.address.to_string();
        text.sample(name, &[("vip", &address)], u8::from(vip.present));
    }
    let name = "lvsd_agent_vip_repaired_total";
    text.family(name, "counter", "Times somebody took the VIP away");
    for vip in &status.vips {
        let address = vip.address.to_string();
        text.sample(name, &[("vip", &address)], vip.repaired);
    }
}

fn sysctls(text: &mut Exposition, status: &Status) {
    let name = "lvsd_agent_sysctl_ok";
    text.family(name, "gauge", "1 while the parameter is right");
    for sysctl in &status.sysctls {
        text.sample(name, &[("key", &sysctl.key)], u8::from(sysctl.ok));
    }
    let name = "lvsd_agent_sysctl_repaired_total";
    text.family(name, "counter", "Times somebody changed the parameter");
    for sysctl in &status.sysctls {
        text.sample(name, &[("key", &sysctl.key)], sysctl.repaired);
    }
}

fn arp(text: &mut Exposition, status: &Status) {
    let families = [
        (
            "lvsd_agent_arp_asked_total",
            "Questions about the VIP that came in",
        ),
        (
            "lvsd_agent_arp_leaked_total",
            "Answers about the VIP that left this host",
        ),
    ];
    for (name, help) in families {
        text.family(name, "counter", help);
        for arp in &status.arp {
            let vip = arp.vip.to_string();
            let labels = [("interface", arp.interface.as_str()), ("vip", &vip)];
            let value = if name.contains("asked") {
                arp.asked
            } else {
                arp.leaked
            };
            text.sample(name, &labels, value);
        }
    }
}

fn services(text: &mut Exposition, status: &Status) {
    let name = "lvsd_agent_service_up";
    text.family(name, "gauge", "1 while the service answers");
    for service in &status.services {
        let up = u8::from(service.health == Health::Up);
        text.sample(name, &[("service", &service.name)], up);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::status;
    use super::*;
    use crate::status::realserver::Arp;

    #[test]
    fn every_part_of_the_snapshot_is_a_metric() {
        let mut status = status();
        (status.weight, status.connections) = (Some(40), Some(2));
        status.arp.push(Arp {
            interface: "eth0".into(),
            vip: "192.168.1.200".parse().unwrap(),
            asked: 7,
            leaked: 1,
        });
        let text = render(&status);
        for line in [
            "lvsd_agent_state{state=\"ready\"} 1",
            "lvsd_agent_state{state=\"drained\"} 0",
            "lvsd_agent_errors 0",
            "lvsd_agent_weight 40",
            "lvsd_agent_draining_connections 2",
            "lvsd_agent_vip_present{vip=\"192.168.1.200\"} 1",
            "lvsd_agent_vip_repaired_total{vip=\"192.168.1.200\"} 2",
            "lvsd_agent_sysctl_ok{key=\"net.ipv4.conf.all.arp_ignore\"} 1",
            "lvsd_agent_arp_asked_total{interface=\"eth0\",vip=\"192.168.1.200\"} 7",
            "lvsd_agent_arp_leaked_total{interface=\"eth0\",vip=\"192.168.1.200\"} 1",
            "lvsd_agent_service_up{service=\"nginx\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}:\n{text}");
        }
    }
}
