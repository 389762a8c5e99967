use std::path::Path;

use super::*;
use crate::director::vrrp::InstanceStatus;

/// Two virtual servers of one VIP, with and without this host (192.168.1.51) in
/// the pool, and one of an address that no virtual router has.
fn config(forwarding: &str) -> DirectorConfig {
    let server = |address: &str, rip: &str| {
        format!(
            "[[virtual_server]]\naddress = '{address}'\nforwarding = '{forwarding}'\n\
             real_servers = ['{rip}', '192.168.1.52']\n"
        )
    };
    let text = [
        "[[vrrp]]\nname = 'VI_1'\ninterface = 'ens192'\nvirtual_router_id = 51\n\
         virtual_addresses = ['192.168.1.200']\n",
        &server("192.168.1.200:80", "192.168.1.51"),
        &server("192.168.1.200:81", "192.168.1.53"),
        &server("192.168.1.201:80", "192.168.1.51"),
    ];
    DirectorConfig::parse(Path::new("d.toml"), &text.concat()).unwrap()
}

fn status(config: &DirectorConfig, claim: Claim) -> VrrpStatus {
    let status = InstanceStatus {
        claim,
        ..InstanceStatus::backup(&config.vrrp["VI_1"])
    };
    VrrpStatus {
        instances: BTreeMap::from([("VI_1".to_owned(), status)]),
        ..VrrpStatus::default()
    }
}

fn held_back_by(config: &DirectorConfig, claim: Claim, present: bool) -> Vec<String> {
    held_back_where(config, claim, false, present)
}

fn held_back_where(
    config: &DirectorConfig,
    claim: Claim,
    hidden: bool,
    present: bool,
) -> Vec<String> {
    let here = ["192.168.1.51", "192.168.1.200", "127.0.0.1"].map(|a| a.parse().unwrap());
    let status = status(config, claim);
    let held_back = held_back(config, &here.into(), &status, |_| hidden, |_| present);
    held_back.iter().map(ToString::to_string).collect()
}

#[test]
fn a_backup_holds_back_what_it_serves_itself_and_nothing_else() {
    let dr = config("dr");
    assert_eq!(
        held_back_by(&dr, Claim::Release, true),
        ["tcp 192.168.1.200:80"]
    );
    assert_eq!(held_back_by(&dr, Claim::Hold, false), Vec::<String>::new());
}

#[test]
fn a_backup_keeps_what_nothing_of_other_directors_comes_to() {
    let dr = config("dr");
    let held_back = held_back_where(&dr, Claim::Release, true, false);
    assert_eq!(held_back, Vec::<String>::new());
    let held_back = held_back_where(&dr, Claim::Undecided, true, false);
    assert_eq!(held_back, ["tcp 192.168.1.200:80"], "nobody is heard yet");
}

#[test]
fn nat_gives_packets_another_destination_and_so_cannot_loop() {
    let nat = config("nat");
    assert_eq!(
        held_back_by(&nat, Claim::Release, true),
        Vec::<String>::new()
    );
}

#[test]
fn before_the_election_the_table_stays_as_it_was_left() {
    let dr = config("dr");
    assert_eq!(
        held_back_by(&dr, Claim::Undecided, true),
        Vec::<String>::new()
    );
    assert_eq!(
        held_back_by(&dr, Claim::Undecided, false),
        ["tcp 192.168.1.200:80"]
    );
}

#[test]
fn a_firewall_mark_goes_by_any_virtual_router() {
    let text = "[[vrrp]]\nname = 'VI_1'\ninterface = 'ens192'\nvirtual_router_id = 51\n\
                virtual_addresses = ['192.168.1.200']\n[[virtual_server]]\nfwmark = 7\n\
                real_servers = ['192.168.1.51']\ncheck = { port = 80 }";
    let config = DirectorConfig::parse(Path::new("d.toml"), text).unwrap();
    assert_eq!(held_back_by(&config, Claim::Release, true), ["fwmark 7"]);
    assert_eq!(
        held_back_by(&config, Claim::Hold, true),
        Vec::<String>::new()
    );
}
