use std::path::Path;

use super::known::Known;
use super::*;
use crate::director::vrrp::InstanceStatus;
use crate::sys::neighbour_table::Neighbour;
use crate::vrrp::router::Peer;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

const MAC: Mac = [2, 0, 0, 0, 0, 0x52];
const OTHER: Mac = [2, 0, 0, 0, 0, 0x99];

const VRRP: &str = "[[vrrp]]\nname = 'VI_1'\ninterface = 'ens192'\nvirtual_router_id = 51\n\
                    virtual_addresses = ['192.168.1.200']\n";

fn config(virtual_servers: &str) -> DirectorConfig {
    let text = format!("{VRRP}{virtual_servers}");
    DirectorConfig::parse(Path::new("d.toml"), &text).unwrap()
}

/// What 192.168.1.51 wants.
fn wanted_by(virtual_servers: &str) -> Wanted {
    let here = ["192.168.1.51", "192.168.1.200", "127.0.0.1"].map(ip);
    wanted(
        &config(virtual_servers),
        &here.into(),
        &VrrpStatus::default(),
    )
}

fn server(address: &str, forwarding: &str, pool: &str) -> String {
    format!(
        "[[virtual_server]]\naddress = '{address}'\nforwarding = '{forwarding}'\n\
         real_servers = {pool}\n"
    )
}

const BOTH: &str = "['192.168.1.51:80', '192.168.1.52:80']";

fn on_lan(address: &str, vips: &[&str]) -> Wanted {
    Wanted {
        lan: BTreeMap::from([(ip(address), vips.iter().map(|it| ip(it)).collect())]),
        ..Wanted::default()
    }
}

#[test]
fn the_other_servers_of_a_pool_are_hidden_from_where_this_host_is_in_it() {
    let wanted = wanted_by(&server("192.168.1.200:80", "dr", BOTH));
    assert_eq!(wanted, on_lan("192.168.1.52", &["192.168.1.200"]));
    let others = "['192.168.1.52:80', '192.168.1.53:80']";
    let wanted = wanted_by(&server("192.168.1.200:80", "dr", others));
    assert_eq!(wanted, Wanted::default(), "this host is not in the pool");
}

#[test]
fn nat_cannot_loop_and_its_servers_may_be_clients() {
    let both = "['192.168.1.51:80', '192.168.1.52:80']";
    assert!(wanted_by(&server("192.168.1.200:80", "nat", both)).is_empty());
    let mixed = "[[virtual_server]]\naddress = '192.168.1.200:80'\n\
                 [[virtual_server.real_server]]\naddress = '192.168.1.51:80'\n\
                 [[virtual_server.real_server]]\naddress = '192.168.1.52:80'\nforwarding = 'nat'\n";
    assert!(wanted_by(mixed).is_empty());
}

#[test]
fn what_comes_by_tunnel_is_known_by_the_device_and_not_by_the_hardware_address() {
    let wanted = wanted_by(&server("192.168.1.200:80", "tun", BOTH));
    let tunnels = BTreeSet::from([ip("192.168.1.200")]);
    assert_eq!(
        wanted,
        Wanted {
            tunnels,
            ..Wanted::default()
        }
    );
    let pairs = Known::default().pairs(&wanted);
    assert!(pairs.contains(&(Origin::Device("tunl0".into()), ip("192.168.1.200"))));
}

#[test]
fn forwarding_local_does_not_say_how_others_reach_this_host() {
    let local = |forwarding: &str| {
        wanted_by(&format!(
            "[[virtual_server]]\naddress = '192.168.1.200:80'\n\
             [[virtual_server.real_server]]\naddress = '192.168.1.51:80'\nforwarding = 'local'\n\
             [[virtual_server.real_server]]\naddress = '192.168.1.52:80'\n\
             forwarding = '{forwarding}'\n"
        ))
    };
    let lan = on_lan("192.168.1.52", &["192.168.1.200"]);
    assert_eq!(local("dr"), lan);
    let tunnels = BTreeSet::from([ip("192.168.1.200")]);
    assert_eq!(local("tun"), Wanted { tunnels, ..lan });
}

#[test]
fn a_firewall_mark_is_of_every_address_of_a_virtual_router() {
    let wanted = wanted_by(
        "[[virtual_server]]\nfwmark = 7\ncheck = { port = 80 }\n\
         real_servers = ['192.168.1.51', '192.168.1.52']\n",
    );
    assert_eq!(wanted, on_lan("192.168.1.52", &["192.168.1.200"]));
}

#[test]
fn a_virtual_router_may_send_from_its_own_hardware_address() {
    let text = format!(
        "{}{}",
        VRRP.replace("virtual_addresses", "virtual_mac = true\nvirtual_addresses"),
        server("192.168.1.200:80", "dr", BOTH)
    );
    let config = DirectorConfig::parse(Path::new("d.toml"), &text).unwrap();
    let wanted = wanted(
        &config,
        &[ip("192.168.1.51")].into(),
        &VrrpStatus::default(),
    );
    let virtual_mac = ([0, 0, 0x5E, 0, 1, 51], ip("192.168.1.200"));
    assert_eq!(wanted.virtual_macs, [virtual_mac].into());
    let pairs = Known::default().pairs(&wanted);
    let virtual_mac = (Origin::Lan(virtual_mac.0), virtual_mac.1);
    assert_eq!(pairs, [virtual_mac, own()].into());
}

/// `ens192` is link 2.
const LINK: u32 = 2;

fn neighbour(address: &str, mac: Mac) -> Neighbour {
    Neighbour {
        link: LINK,
        address: ip(address),
        mac,
    }
}

fn learn(known: &mut Known, wanted: &Wanted, neighbours: &[Neighbour]) {
    known.learn(wanted, neighbours, |name| {
        (name == "ens192").then_some(LINK)
    });
}

/// What this host sends itself.
fn own() -> Pair {
    (Origin::Here, ip("192.168.1.200"))
}

fn pair(mac: Mac) -> Pair {
    (Origin::Lan(mac), ip("192.168.1.200"))
}

#[test]
fn a_hardware_address_is_followed_and_kept_while_its_host_is_silent() {
    let wanted = on_lan("192.168.1.52", &["192.168.1.200"]);
    let mut known = Known::default();
    let at = |mac| {
        [
            neighbour("192.168.1.52", mac),
            neighbour("192.168.1.1", OTHER),
        ]
    };
    assert_eq!(
        known.missing(&wanted).collect::<Vec<_>>(),
        [ip("192.168.1.52")]
    );
    learn(&mut known, &wanted, &at(MAC));
    assert_eq!(known.pairs(&wanted), [pair(MAC), own()].into());
    learn(&mut known, &wanted, &[]);
    assert_eq!(known.pairs(&wanted), [pair(MAC), own()].into(), "silent");
    learn(&mut known, &wanted, &at(OTHER));
    assert_eq!(
        known.pairs(&wanted),
        [pair(OTHER), own()].into(),
        "another card"
    );
    learn(&mut known, &Wanted::default(), &at(OTHER));
    assert_eq!(known.pairs(&wanted), [own()].into(), "no longer known");
}

#[test]
fn what_an_earlier_run_left_stays_until_everybody_is_known_anew() {
    let wanted = on_lan("192.168.1.52", &["192.168.1.200"]);
    let foreign = (Origin::Lan(OTHER), ip("192.168.1.201"));
    let mut known = Known::default();
    known.inherit([pair(OTHER), foreign].into());
    learn(&mut known, &wanted, &[]);
    assert_eq!(known.pairs(&wanted), [pair(OTHER), own()].into());
    learn(&mut known, &wanted, &[neighbour("192.168.1.52", MAC)]);
    assert_eq!(known.pairs(&wanted), [pair(MAC), own()].into());
}

/// 192.168.1.51 as backup of the master with this address.
fn heard(config: &DirectorConfig, master: Option<&str>) -> VrrpStatus {
    let master = master.map(|address| Peer {
        address: ip(address),
        priority: 100,
    });
    let status = InstanceStatus {
        master,
        ..InstanceStatus::backup(&config.vrrp["VI_1"])
    };
    VrrpStatus {
        instances: BTreeMap::from([("VI_1".to_owned(), status)]),
        ..VrrpStatus::default()
    }
}

/// Whether all is hidden that comes to the first virtual server, after one look at these
/// neighbours.
fn are_hidden_by(pool: &str, master: Option<&str>, neighbours: &[Neighbour]) -> bool {
    let config = config(&server("192.168.1.200:80", "dr", pool));
    let here = [ip("192.168.1.51")].into();
    let vrrp = heard(&config, master);
    let wanted = wanted(&config, &here, &vrrp);
    let mut known = Known::default();
    learn(&mut known, &wanted, neighbours);
    let report = Report {
        pairs: known.pairs(&wanted),
        masters: known.masters().clone(),
        known: known.macs().clone(),
        ..Report::default()
    };
    let mut servers = config.virtual_servers.iter();
    are_hidden(&config, &here, &vrrp, &report, servers.next().unwrap())
}

#[test]
fn a_master_that_is_a_known_real_server_sends_nothing_that_ipvs_sees() {
    let known = [neighbour("192.168.1.52", MAC)];
    assert!(are_hidden_by(BOTH, Some("192.168.1.52"), &known));
    assert!(!are_hidden_by(BOTH, Some("192.168.1.52"), &[]), "not known");
    assert!(!are_hidden_by(BOTH, None, &known), "nobody is heard");
    let three = "['192.168.1.51:80', '192.168.1.52:80', '192.168.1.53:80']";
    assert!(
        !are_hidden_by(three, Some("192.168.1.52"), &known),
        "the third may be a director too"
    );
}

#[test]
fn a_master_is_known_by_its_hardware_address_where_it_speaks_from_another_address() {
    let known = neighbour("192.168.1.52", MAC);
    let speaks = |mac| [known, neighbour("fe80::52", mac)];
    assert!(are_hidden_by(BOTH, Some("fe80::52"), &speaks(MAC)));
    assert!(
        !are_hidden_by(BOTH, Some("fe80::52"), &speaks(OTHER)),
        "a director that is no real server, or sends by another interface"
    );
    let elsewhere = Neighbour {
        link: LINK + 1,
        ..neighbour("fe80::52", MAC)
    };
    assert!(!are_hidden_by(BOTH, Some("fe80::52"), &[known, elsewhere]));
}
