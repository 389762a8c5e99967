//! The agent's side of every forwarding method, with client traffic through a director, and
//! what is left when it stops.

use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Balanced, Host, Lab, Program, Scenario, Site, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(agents_unwrap_every_tunnel_and_leave_nothing_of_it),
    scenario!(an_ipv6_vip_is_served_and_never_advertised_by_a_real_server),
    scenario!(behind_nat_an_agent_is_ready_only_while_answers_pass_the_director),
];

const VIP6: &str = "2001:db8::200";

/// The site with IPv6 too, the VIPs on the director by hand, and no agent yet.
fn build(lab: &Lab) -> Site {
    let site = Site::build(lab);
    let lasts = [(&site.lvs51, 51), (&site.client, 10)];
    let real_servers = site.real_servers.iter().zip([53, 54, 55]);
    for (host, last) in lasts.into_iter().chain(real_servers) {
        host.run(&format!("ip addr add 2001:db8::{last}/64 dev ens192 nodad"))
            .ok();
    }
    site.lvs51
        .run(&format!(
            "ip addr add {VIP}/32 dev ens192 &&
             ip addr add {VIP6}/128 dev ens192 nodad preferred_lft 0"
        ))
        .ok();
    site
}

/// Starts an agent with this file, which must become ready.
fn agent(host: &Host, file: &str) -> Program {
    host.write("/etc/lvsd/realserver.toml", file);
    let agent = host.spawn("lvsd realserver --config /etc/lvsd/realserver.toml");
    is_ready(host);
    agent
}

fn is_ready(host: &Host) {
    eventually("its agent is ready", within(secs(10)), || {
        host.agent_status()["ready"] == true
    });
}

fn pool(servers: [&str; 3]) -> String {
    let tables = servers.map(|keys| format!("[[virtual_server.real_server]]\n{keys}\n"));
    let tables = tables.concat();
    format!("scheduler = 'rr'\ncheck = {{ type = 'none', port = 80 }}\n{tables}")
}

fn each_answers(lab: &Lab, site: &Site, url: &str, what: &str) {
    let counts = site.client.ask(30, url);
    lab.say(&format!("{what}: {counts:?}"));
    assert!(counts.values().eq(&[10, 10, 10]), "{what}: {counts:?}");
}

/// What a host has of tunnels, rules and routes for the VIP. The devices of the kernel's
/// modules cannot be deleted: they are to be down, without an address, and filtered as any
/// new device.
fn leftovers(host: &Host) -> String {
    host.run(
        "ip -br link show up | grep -E 'tunl0|sit0|gre0|lvsd' ; ip fou show 2>/dev/null ;
         cd /proc/sys/net/ipv4/conf
         for device in tunl0 sit0 gre0; do test -d $device || continue
           ip -o -4 address show dev $device
           cmp -s $device/rp_filter default/rp_filter || echo $device $(cat $device/rp_filter)
         done
         ip rule show | grep 9480 ; ip -6 rule show | grep 9480 ; ip route show table 9480 ; true",
    )
    .ok()
}

fn agents_unwrap_every_tunnel_and_leave_nothing_of_it(lab: &Lab) {
    let site = build(lab);
    for host in &site.real_servers {
        // Strict, so that it matters that the agent loosens the tunnels.
        host.set_sysctl("net.ipv4.conf.all.rp_filter", 1);
        assert_eq!(leftovers(host), "", "{}", host.name());
    }
    let tunnels = [
        "",
        "tunnel = { type = 'gue', port = 6080 }",
        "tunnel = { type = 'gre', checksum = 'plain', local = '192.168.1.55' }",
    ];
    let file = |tunnel: &str| format!("vips = ['{VIP}']\nforwarding = 'tun'\n{tunnel}\n");
    let agents: Vec<_> = site
        .real_servers
        .iter()
        .zip(tunnels)
        .map(|(host, tunnel)| agent(host, &file(tunnel)))
        .collect();
    let director = Balanced::start(
        &site.lvs51,
        &format!(
            "[[virtual_server]]\naddress = '{VIP}:80'\nforwarding = 'tun'\n{}",
            pool([
                "address = '192.168.1.53'",
                "address = '192.168.1.54'\ntunnel = { type = 'gue', port = 6080 }",
                "address = '192.168.1.55'\ntunnel = { type = 'gre', checksum = 'plain' }",
            ])
        ),
        &format!(
            "-A -t {VIP}:80 -s rr\n\
             -a -t {VIP}:80 -r 192.168.1.53:80 -i -w 1 --tun-type ipip\n\
             -a -t {VIP}:80 -r 192.168.1.54:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum\n\
             -a -t {VIP}:80 -r 192.168.1.55:80 -i -w 1 --tun-type gre --tun-csum\n"
        ),
    );
    each_answers(lab, &site, &Site::url(), "ipip, gue and gre with checksums");
    lab.say(&site.real_servers[1].run("lvsd status").ok());
    large_requests_fit(lab, &site);

    // The first one is reached over IPv6 from now on.
    let first = &site.real_servers[0];
    let over_ipv6 = file("tunnel = { local = '2001:db8::53' }");
    first.write("/etc/lvsd/realserver.toml", &over_ipv6);
    agents[0].signal(nix::sys::signal::Signal::SIGHUP);
    eventually("the other device is there", within(secs(5)), || {
        leftovers(first).contains("lvsd-ip6")
    });
    is_ready(first);
    let pool = pool([
        "address = '2001:db8::53'",
        "address = '192.168.1.54'\ntunnel = { type = 'gue', port = 6080 }",
        "address = '192.168.1.55'\ntunnel = { type = 'gre', checksum = 'plain' }",
    ]);
    site.lvs51.reload(
        &director.lvsd,
        &format!("[[virtual_server]]\naddress = '{VIP}:80'\nforwarding = 'tun'\n{pool}"),
    );
    eventually("the table has it", within(secs(5)), || {
        site.lvs51.balances_onto("[2001:db8::53]:80")
    });
    each_answers(lab, &site, &Site::url(), "IPv4 within IPv6, gue and gre");

    for (agent, host) in agents.iter().zip(&site.real_servers) {
        agent.signal(nix::sys::signal::Signal::SIGTERM);
        agent.signal(nix::sys::signal::Signal::SIGINT);
        agent.expect_exit(0);
        assert_eq!(leftovers(host), "", "{}", host.name());
        assert_eq!(host.sysctl("net.ipv4.conf.all.rp_filter"), "1");
    }
    lab.say("no device is up, no port is open, no rule and no route is left");
}

/// Full segments, which would not fit into the LAN's MTU once they are wrapped.
fn large_requests_fit(lab: &Lab, site: &Site) {
    site.client
        .run("head -c 200000 /dev/zero | tr '\\0' x >/tmp/large")
        .ok();
    for _ in 0..3 {
        let sent = site.client.run(&format!(
            "curl -sS --max-time 10 --data-binary @/tmp/large {}",
            Site::url()
        ));
        lab.say(&format!("200 kB sent to {}", sent.ok().trim()));
    }
    for host in &site.real_servers {
        let routes = host.run("ip route show table 9480").ok();
        lab.say(&format!("{}: {routes}", host.name()));
        assert!(routes.contains("advmss 14"), "{routes}");
    }
}

fn an_ipv6_vip_is_served_and_never_advertised_by_a_real_server(lab: &Lab) {
    let site = build(lab);
    let wire = site
        .client
        .spawn("tcpdump -Z root --immediate-mode -lnei ens192 icmp6");
    eventually("the capture runs", within(secs(10)), || {
        wire.log().contains("listening on")
    });
    let agents = site
        .real_servers
        .each_ref()
        .map(|host| agent(host, &format!("vips = ['{VIP6}']\n")));
    for host in &site.real_servers {
        let lo = host.run("ip -6 address show dev lo").ok();
        assert!(lo.contains(&format!("inet6 {VIP6}/128")), "{lo}");
        assert!(
            !lo.contains("tentative") && lo.contains("deprecated"),
            "{lo}"
        );
    }
    let rips = [53, 54, 55].map(|last| format!("address = '2001:db8::{last}'"));
    let entries =
        [53, 54, 55].map(|last| format!("-a -t [{VIP6}]:80 -r [2001:db8::{last}]:80 -g -w 1\n"));
    let _director = Balanced::start(
        &site.lvs51,
        &format!(
            "[[virtual_server]]\naddress = '[{VIP6}]:80'\n{}",
            pool(rips.each_ref().map(String::as_str))
        ),
        &format!("-A -t [{VIP6}]:80 -s rr\n{}", entries.concat()),
    );
    let url = format!("http://[{VIP6}]:80/");
    each_answers(lab, &site, &url, "IPv6 by direct routing");
    // Asked anew, with nobody but the real servers left to answer.
    site.lvs51.unplug();
    site.client.run("ip -6 neighbour flush all").ok();
    site.client
        .run(&format!("ping -6 -c 3 -W 1 {VIP6}"))
        .fails_with(1);
    eventually("the question is in the capture", within(secs(5)), || {
        wire.log().matches(&format!("who has {VIP6}")).count() >= 2
    });
    let log = wire.log();
    let advertised = |line: &&str| {
        line.contains(&format!("tgt is {VIP6}")) && line.contains("neighbor advertisement")
    };
    // The MAC address is the first in the line: 51 is 33 in hexadecimal.
    let by = |line: &str, last: &str| line.contains(&format!(":{last} >"));
    let advertisers: Vec<_> = log.lines().filter(advertised).collect();
    assert!(
        advertisers.iter().any(|line| by(line, "33")),
        "the director does: {log}"
    );
    for last in ["35", "36", "37"] {
        assert!(!advertisers.iter().any(|line| by(line, last)), "{log}");
    }
    let probes = log
        .lines()
        .filter(|line| line.contains(":: > ") && line.contains(&format!("who has {VIP6}")));
    assert_eq!(probes.count(), 0, "no duplicate-address detection: {log}");
    let heard = site.real_servers[0].agent_status();
    lab.say(&format!("53 heard: {}", heard["arp"]));
    assert!(
        agents
            .iter()
            .all(|agent| !agent.log().contains("told the LAN"))
    );
}

fn behind_nat_an_agent_is_ready_only_while_answers_pass_the_director(lab: &Lab) {
    let site = Site::build(lab);
    let outside = lab.lan();
    outside.connect(&site.lvs51, "outside", "192.0.2.51/24");
    let client = outside.host("far-client", "192.0.2.10/24");
    site.lvs51
        .run("ip addr add 192.0.2.200/32 dev outside")
        .ok();
    let file = "forwarding = 'nat'\ngateways = ['192.168.1.51']\ndrain = '0s'\n";
    for host in &site.real_servers {
        host.write("/etc/lvsd/realserver.toml", file);
        host.spawn("lvsd realserver --config /etc/lvsd/realserver.toml");
    }
    let [first, others @ ..] = &site.real_servers;
    first.run("ip route add default via 192.168.1.10").ok();
    let reason = |host: &Host| {
        host.agent_status()["reasons"][0]
            .as_str()
            .map(str::to_owned)
    };
    eventually("the wrong gateway is told", within(secs(5)), || {
        reason(first).is_some_and(|why| why.contains("IPv4 is by 192.168.1.10,"))
    });
    for host in others {
        eventually("no gateway is told", within(secs(5)), || {
            reason(host).is_some_and(|why| why.contains("there is no default route of IPv4"))
        });
    }
    assert_eq!(first.addresses("lo"), ["127.0.0.1/8", "::1/128"]);
    let servers = [53, 54, 55]
        .map(|last| format!("'192.168.1.{last}:80'"))
        .join(", ");
    site.lvs51.write(
        "/etc/lvsd/director.toml",
        &format!(
            "[[virtual_server]]\naddress = '192.0.2.200:80'\nscheduler = 'rr'\n\
             forwarding = 'nat'\nreal_servers = [{servers}]\n\
             check = {{ type = 'readiness', interval = '200ms', retries = 0 }}\n"
        ),
    );
    site.lvs51.spawn("lvsd director");
    for host in &site.real_servers {
        host.run("ip route replace default via 192.168.1.51").ok();
        is_ready(host);
    }
    eventually("all three are in the table", within(secs(10)), || {
        [53, 54, 55]
            .iter()
            .all(|last| site.lvs51.balances_onto(&format!("192.168.1.{last}:80")))
    });
    let counts = client.ask(30, "http://192.0.2.200/");
    lab.say(&format!("through NAT: {counts:?}"));
    assert!(counts.values().eq(&[10, 10, 10]), "{counts:?}");
    first.run("ip route add 10.0.0.0/8 via 192.168.1.10").ok();
    eventually("a route past the director is told", within(secs(5)), || {
        let warnings = first.agent_status()["warnings"].to_string();
        warnings.contains("10.0.0.0/8 leave by 192.168.1.10,")
    });
    lab.say(&first.run("lvsd status").ok());
    assert_eq!(first.agent_status()["ready"], true, "nobody need be there");
    first.run("ip route del default").ok();
    eventually("53 is out", within(secs(10)), || {
        !site.lvs51.balances_onto("192.168.1.53:80")
    });
    assert_eq!(client.ask(20, "http://192.0.2.200/").len(), 2);
    lab.say("without its gateway 53 gets no clients");
}
