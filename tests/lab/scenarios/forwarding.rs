//! How packets reach real servers: each forwarding method with client traffic, and with what
//! `ipvsadm -Sn` says of it.

use std::collections::BTreeMap;

use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Balanced, Host, Lab, Scenario, Site};

pub(crate) const SCENARIOS: &[Scenario] = &[scenario!(each_real_server_is_reached_in_its_own_way)];

fn ten_each() -> BTreeMap<String, usize> {
    ["I am 53", "I am 54", "I am 55"]
        .map(|body| (body.to_owned(), 10))
        .into()
}

fn pool(real_servers: [&str; 3]) -> String {
    let tables = real_servers.map(|keys| format!("[[virtual_server.real_server]]\n{keys}\n"));
    format!(
        "check = {{ type = 'none', port = 80 }}\n{}",
        tables.concat()
    )
}

/// What tunnels come out of on a real server: IP in IP, also within GUE, GRE, IPv4 in IPv6, and
/// IPv6 in either.
fn dig_tunnels(rs: &Host, last: u8) {
    rs.run("modprobe -a ipip ip_gre fou ip6_tunnel sit").ok();
    rs.run(&format!(
        "ip fou add port 6080 gue && ip link set tunl0 up && ip link set gre0 up &&
         ip -6 tunnel add six mode any remote any local 2001:db8::{last} dev ens192 &&
         ip link set six up && ip link set sit0 up"
    ))
    .ok();
    if last == 54 {
        // A device takes either packets with a checksum or those without one.
        rs.run("ip tunnel add sums mode gre local 192.168.1.54 csum && ip link set sums up")
            .ok();
        rs.set_sysctl("net.ipv4.conf.sums.rp_filter", 0);
    }
    for nic in ["all", "tunl0", "gre0", "six"] {
        rs.set_sysctl(&format!("net.ipv4.conf.{nic}.rp_filter"), 0);
    }
}

/// A site with IPv6 too, and every kind of tunnel at its real servers.
fn build(lab: &Lab) -> Site {
    let site = Site::build(lab);
    site.configure_real_servers_by_hand();
    let directors_and_clients = [(&site.lvs51, 51), (&site.client, 10)];
    let real_servers = site.real_servers.iter().zip([53, 54, 55]);
    for (host, last) in directors_and_clients
        .into_iter()
        .chain(real_servers.clone())
    {
        host.run(&format!("ip addr add 2001:db8::{last}/64 dev ens192 nodad"))
            .ok();
    }
    for (rs, last) in real_servers {
        dig_tunnels(rs, last);
        rs.run("ip addr add 2001:db8::200/128 dev lo nodad").ok();
    }
    // Never the source of a tunnelled packet: a real server takes none from an address of its own.
    let vip6 = "2001:db8::200/128 dev ens192 nodad preferred_lft 0";
    site.lvs51
        .run(&format!(
            "ip addr add {VIP}/32 dev ens192 && ip addr add {vip6}"
        ))
        .ok();
    site
}

fn each_real_server_is_reached_in_its_own_way(lab: &Lab) {
    let site = build(lab);
    let file = |keys: &str, servers: [&str; 3]| {
        format!(
            "[[virtual_server]]\naddress = '{VIP}:80'\nscheduler = 'rr'\n{keys}\n{}",
            pool(servers)
        )
    };
    let table = |entries: [&str; 3]| {
        let entries = entries.map(|entry| format!("-a -t {VIP}:80 -r {entry}\n"));
        format!("-A -t {VIP}:80 -s rr\n{}", entries.concat())
    };
    let director = Balanced::start(
        &site.lvs51,
        &file(
            "forwarding = 'tun'",
            [
                "address = '192.168.1.53'\nforwarding = 'dr'",
                "address = '192.168.1.54'",
                "address = '192.168.1.55'\ntunnel = { type = 'gue', port = 6080 }",
            ],
        ),
        &table([
            "192.168.1.53:80 -g -w 1",
            "192.168.1.54:80 -i -w 1 --tun-type ipip",
            "192.168.1.55:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
        ]),
    );
    let answered = |what: &str| {
        let counts = site.client.ask(30, &Site::url());
        lab.say(&format!("{what}: {counts:?}"));
        assert_eq!(counts, ten_each(), "{what}");
    };
    answered("dr, ipip and gue");
    director.becomes(
        &file(
            "forwarding = 'tun'\ntunnel = { type = 'gue', port = 6080, checksum = 'plain' }",
            [
                "address = '192.168.1.53'",
                "address = '192.168.1.54'\ntunnel = { type = 'gre', checksum = 'plain' }",
                "address = '192.168.1.55'\n\
                 tunnel = { type = 'gue', port = 6080, checksum = 'remote' }",
            ],
        ),
        &table([
            "192.168.1.53:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum",
            "192.168.1.54:80 -i -w 1 --tun-type gre --tun-csum",
            "192.168.1.55:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum",
        ]),
    );
    answered("gue with checksum, gre with checksum, gue with remote checksum offload");
    director.becomes(
        &file(
            "forwarding = 'tun'\ntunnel = { type = 'gre' }",
            [
                "address = '192.168.1.53'",
                "address = '2001:db8::54'\ntunnel = { type = 'ipip' }",
                "address = '192.168.1.55'\nforwarding = 'dr'",
            ],
        ),
        &table([
            "192.168.1.53:80 -i -w 1 --tun-type gre --tun-nocsum",
            "[2001:db8::54]:80 -i -w 1 --tun-type ipip",
            "192.168.1.55:80 -g -w 1",
        ]),
    );
    answered("gre, IPv4 within IPv6, and dr");
    ipv6_has_them_all_too(lab, &site, &director);
}

fn ipv6_has_them_all_too(lab: &Lab, site: &Site, director: &Balanced) {
    let address = "[2001:db8::200]:80";
    let file = |keys: &str, servers: [&str; 3]| {
        let keys = format!("address = '{address}'\nscheduler = 'rr'\n{keys}");
        format!("[[virtual_server]]\n{keys}\n{}", pool(servers))
    };
    let table = |service: &str, entries: [&str; 3]| {
        let entries = entries.map(|entry| format!("-a -t {address} -r {entry}\n"));
        format!("-A -t {address} -s {service}\n{}", entries.concat())
    };
    let tunnelled = [
        "address = '192.168.1.53'\nforwarding = 'tun'",
        "address = '2001:db8::54'\nforwarding = 'tun'",
        "address = '2001:db8::55'",
    ];
    director.becomes(
        &file("", tunnelled),
        &table(
            "rr",
            [
                "192.168.1.53:80 -i -w 1 --tun-type ipip",
                "[2001:db8::54]:80 -i -w 1 --tun-type ipip",
                "[2001:db8::55]:80 -g -w 1",
            ],
        ),
    );
    let counts = site.client.ask(30, &format!("http://{address}/"));
    lab.say(&format!(
        "IPv6 within IPv4, IPv6 within IPv6, and dr: {counts:?}"
    ));
    assert_eq!(counts, ten_each());

    // Two clients of one network, and one of another.
    let client = &site.client;
    client
        .run("ip addr add 2001:db8::11/64 dev ens192 nodad && ip addr add 2001:db8:9::1/128 dev lo")
        .ok();
    for host in site.real_servers.iter().chain([&site.lvs51]) {
        host.run("ip -6 route add 2001:db8:9::/64 via 2001:db8::10")
            .ok();
    }
    let routed = [
        "address = '2001:db8::53'",
        "address = '2001:db8::54'",
        "address = '2001:db8::55'",
    ];
    director.becomes(
        &file("persistence = '60s'\npersistence_prefix = 64", routed),
        &table(
            "rr -p 60 -M 64",
            [
                "[2001:db8::53]:80 -g -w 1",
                "[2001:db8::54]:80 -g -w 1",
                "[2001:db8::55]:80 -g -w 1",
            ],
        ),
    );
    let of = |source: &str| client.get_from(source, address);
    let first = of("2001:db8::10");
    assert_eq!(of("2001:db8::11"), first, "of the same /64");
    assert_ne!(of("2001:db8:9::1"), first, "of another, and next in turn");
    assert_eq!(of("2001:db8::10"), first);
}
