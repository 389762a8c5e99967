//! Every scenario, by what it is about.

mod checks;
mod conflict;
mod demo;
mod doctor;
mod faults;
mod forwarding;
mod ipvs_commands;
mod ipvs_traffic;
mod lab_itself;
mod local;
mod local_peers;
mod nat;
mod pools;
mod readiness;
mod readme;
mod realserver;
mod realserver_adopt;
mod realserver_crash;
mod realserver_forwarding;
mod realserver_networkd;
mod realserver_networkmanager;
mod realserver_silence;
mod reload;
mod schedulers;
mod servers;
mod settings;
mod storm;
mod sync;
mod systemd;
mod table;
mod track;
mod vrrp;
mod vrrp_accept;
mod vrrp_announce;
mod vrrp_choices;
mod vrrp_faults;
mod vrrp_flood;
mod vrrp_groups;
mod vrrp_handover;
mod vrrp_holdings;
mod vrrp_interop;
mod vrrp_split_brain;
mod vrrp_stalls;
mod vrrp_virtual_mac;
mod vrrp_virtual_mac6;
mod vrrp_wire;

use super::bench::BENCHES;
use super::scenario::Scenario;

/// Each file's scenarios; a new file is added here.
const ALL: &[&[Scenario]] = &[
    checks::SCENARIOS,
    conflict::SCENARIOS,
    demo::SCENARIOS,
    doctor::BALANCING,
    doctor::BOOT,
    doctor::FILTERS,
    doctor::REAL_SERVERS,
    doctor::STALLS,
    doctor::VIPS,
    doctor::VRRP,
    faults::SCENARIOS,
    forwarding::SCENARIOS,
    ipvs_commands::SCENARIOS,
    ipvs_traffic::SCENARIOS,
    lab_itself::SCENARIOS,
    local::SCENARIOS,
    local_peers::SCENARIOS,
    nat::SCENARIOS,
    pools::SCENARIOS,
    readme::SCENARIOS,
    readiness::SCENARIOS,
    realserver::SCENARIOS,
    realserver_adopt::SCENARIOS,
    realserver_crash::SCENARIOS,
    realserver_forwarding::SCENARIOS,
    realserver_networkd::SCENARIOS,
    realserver_networkmanager::SCENARIOS,
    realserver_silence::SCENARIOS,
    reload::SCENARIOS,
    schedulers::SCENARIOS,
    servers::SCENARIOS,
    settings::SCENARIOS,
    storm::SCENARIOS,
    sync::SCENARIOS,
    systemd::SCENARIOS,
    table::SCENARIOS,
    track::SCENARIOS,
    vrrp::SCENARIOS,
    vrrp_accept::SCENARIOS,
    vrrp_announce::SCENARIOS,
    vrrp_choices::SCENARIOS,
    vrrp_faults::SCENARIOS,
    vrrp_flood::SCENARIOS,
    vrrp_groups::SCENARIOS,
    vrrp_handover::SCENARIOS,
    vrrp_holdings::SCENARIOS,
    vrrp_interop::SCENARIOS,
    vrrp_split_brain::SCENARIOS,
    vrrp_stalls::SCENARIOS,
    vrrp_virtual_mac::SCENARIOS,
    vrrp_virtual_mac6::SCENARIOS,
    vrrp_wire::SCENARIOS,
];

pub(crate) fn all() -> impl Iterator<Item = &'static Scenario> {
    ALL.iter().copied().flatten()
}

/// The scenario, or bench, of this name.
pub(crate) fn find(name: &str) -> &'static Scenario {
    let benches = BENCHES.iter().map(|bench| &bench.scenario);
    let mut known = all().chain(benches);
    known
        .find(|scenario| scenario.name == name)
        .unwrap_or_else(|| panic!("no scenario {name}"))
}
