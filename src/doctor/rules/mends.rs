//! Commands that mend: they start and stop what administrators put VIPs on `lo` with, and
//! have a packet filter let something pass.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::listed;
use crate::doctor::Facts;
use crate::doctor::facts::Script;
use crate::doctor::firewall::{ChainId, Hook, Packet};

/// What kind of file it is, which says how it is run.
enum Form<'a> {
    /// `rc.local` itself has the lines.
    RcLocal,
    /// An init script of this name.
    Init(&'a str),
    /// `ifcfg-lo:0`, for this alias.
    Alias(&'a str),
    /// Something that `rc.local` runs.
    Called,
}

fn form(script: &Script) -> Form<'_> {
    let (directory, name) = script.path.rsplit_once('/').unwrap_or(("", &script.path));
    match name.strip_prefix("ifcfg-") {
        Some(alias) => Form::Alias(alias),
        None if name == "rc.local" => Form::RcLocal,
        None if directory.ends_with("/init.d") => Form::Init(name),
        None => Form::Called,
    }
}

/// The command that has it put the VIP on `lo` now.
pub(super) fn start(script: &Script) -> String {
    let path = &script.path;
    match form(script) {
        // Whether its first line names another shell, or it may be executed at all,
        // makes no difference to the lines of the seeds' kind.
        Form::RcLocal | Form::Called => format!("sh {path}"),
        Form::Init(_) => format!("{path} start"),
        Form::Alias(alias) => format!("ifup {alias}"),
    }
}

/// What keeps it from putting the VIP on `lo` at the next boot, and leaves alone
/// whatever else it does.
pub(super) fn stop(script: &Script) -> String {
    let path = &script.path;
    match form(script) {
        Form::RcLocal => format!(
            "delete the lines of {path} that put {} on lo",
            listed(&script.vips)
        ),
        Form::Init(name) => format!("rm -f /etc/rc?.d/S??{name}; systemctl daemon-reload"),
        Form::Alias(_) => format!("rm {path}"),
        Form::Called => format!("delete the line of rc.local that runs {path}"),
    }
}

/// The commands that have the agent look after the VIPs from now on.
pub(super) fn agent(vips: &BTreeSet<IpAddr>) -> String {
    let quoted = vips.iter().map(|vip| format!("\"{vip}\""));
    let list: Vec<_> = quoted.collect();
    format!(
        "echo 'vips = [{}]' >/etc/lvsd/realserver.toml; systemctl enable --now lvsd-realserver",
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
