//! Commands that mend: they start what administrators put VIPs on `lo` with, and
//! have a packet filter let something pass.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::doctor::Facts;
use crate::doctor::facts::Script;
use crate::doctor::firewall::{ChainId, Hook, Packet};

/// The command that has a boot script put the VIP on `lo` now; none: none is known for
/// such a file.
pub(super) fn start(script: &Script) -> Option<String> {
    let path = &script.path;
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let extension = name.rsplit_once('.').map_or("", |(_, last)| last);
    if let Some(alias) = name.strip_prefix("ifcfg-") {
        return Some(format!("ifup {alias}"));
    }
    match extension {
        "service" => Some(format!("systemctl start {name}")),
        _ if directory.ends_with("/init.d") => Some(format!("{path} start")),
        // Which shell its first line names makes no difference to such lines.
        "sh" => Some(format!("sh {path}")),
        "local" if name == "rc.local" => Some(format!("sh {path}")),
        "" if directory.ends_with("bin") => Some(format!("sh {path}")),
        _ => None,
    }
}

/// The commands that have the agent look after the VIPs from now on.
pub(super) fn agent(vips: &BTreeSet<IpAddr>) -> String {
    let quoted = vips.iter().map(|vip| format!("\"{vip}\""));
    let list: Vec<_> = quoted.collect();
    format!(
        "mkdir -p /etc/lvsd && echo 'vips = [{}]' >/etc/lvsd/realserver.toml; systemctl enable --now lvsd-realserver",
        list.join(", ")
    )
}

/// The command that has a base chain let such packets pass, now and after a boot.
/// firewalld undoes what others write into its tables, and is asked itself.
pub(super) fn let_pass(facts: &Facts, base: &ChainId, packet: &Packet) -> String {
    let by_firewalld = facts.boot.enables("firewalld.service") && packet.hook == Hook::Input;
    match (by_firewalld, packet.port) {
        (true, Some(port)) => {
            format!("firewall-cmd --permanent --add-port={port}/tcp; firewall-cmd --reload")
        }
        (true, None) => "firewall-cmd --permanent --add-rich-rule='rule protocol \
                         value=\"vrrp\" accept'; firewall-cmd --reload"
            .to_owned(),
        (false, _) => format!(
            "{}; and in the file that is loaded at boot, before what drops them",
            base.accept(packet)
        ),
    }
}
