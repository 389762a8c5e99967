//! Forwarding by NAT, and what it needs of the director: sysctls, put back at the end.

use std::collections::{BTreeMap, BTreeSet};

use crate::lab::lvsd::DIRECTOR_FILE;
use crate::lab::scenario::scenario;
use crate::lab::{Host, Lab, Program, Scenario, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[scenario!(
    nat_maps_ports_and_forwards_only_as_long_as_it_must
)];

/// The director has its VIP on the clients' LAN, and is the router of the real servers'.
const FILE: &str = "[[vrrp]]\nname = 'VI_1'\ninterface = 'ens192'\nvirtual_router_id = 51\n\
    advert_interval = '100ms'\nvirtual_addresses = ['10.0.0.200']\n\
    [[virtual_server]]\naddress = '10.0.0.200:8080'\nscheduler = 'rr'\nforwarding = 'nat'\n\
    real_servers = ['192.168.1.53:80', '192.168.1.54:80']\n\
    check = { interval = '200ms', timeout = '2s' }\n";

/// The same by a firewall mark, and in IPv6.
const OTHERS: &str = "[[virtual_server]]\nfwmark = 7\nscheduler = 'rr'\nforwarding = 'nat'\n\
    real_servers = ['192.168.1.53:80', '192.168.1.54:80']\n\
    check = { interval = '200ms', timeout = '2s' }\n\
    [[virtual_server]]\naddress = '[2001:db8:1::200]:8080'\nscheduler = 'rr'\n\
    forwarding = 'nat'\nreal_servers = ['[2001:db8:2::53]:80', '[2001:db8:2::54]:80']\n\
    check = { interval = '200ms', timeout = '2s' }\n";

const URL: &str = "http://10.0.0.200:8080/";

const SYSCTLS: [&str; 4] = [
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
    "net.ipv4.conf.all.send_redirects",
    "net.ipv4.conf.ens192.send_redirects",
];

fn sysctls(host: &Host) -> [String; 4] {
    SYSCTLS.map(|key| host.sysctl(key))
}

/// The director and a client.
fn build(lab: &Lab) -> (Host, Host) {
    let (front, back) = (lab.lan(), lab.lan());
    let client = front.host("client", "10.0.0.10/24");
    let host = front.host_with_nic("lvs51", "ens192", "10.0.0.51/24");
    back.connect(&host, "ens224", "192.168.1.51/24");
    client
        .run("ip addr add 2001:db8:1::10/64 dev eth0 nodad")
        .ok();
    host.run(
        "ip addr add 2001:db8:1::51/64 dev ens192 nodad &&
         ip addr add 2001:db8:1::200/128 dev ens192 nodad &&
         ip addr add 2001:db8:2::51/64 dev ens224 nodad",
    )
    .ok();
    for last in [53, 54] {
        let rs = back.host(&format!("rs{last}"), &format!("192.168.1.{last}/24"));
        rs.run(&format!(
            "ip route add default via 192.168.1.51 &&
             ip addr add 2001:db8:2::{last}/64 dev eth0 nodad &&
             ip -6 route add default via 2001:db8:2::51"
        ))
        .ok();
        rs.nginx(&format!("I am {last}\n"));
    }
    (host, client)
}

fn five_each() -> BTreeMap<String, usize> {
    ["I am 53", "I am 54"]
        .map(|body| (body.to_owned(), 5))
        .into()
}

fn nat_maps_ports_and_forwards_only_as_long_as_it_must(lab: &Lab) {
    let (host, client) = build(lab);
    host.set_sysctl("net.ipv4.ip_forward", 0);
    let before = sysctls(&host);
    assert_eq!(before, ["0", "0", "1", "1"]);

    let director = start(&host, FILE);
    assert_eq!(client.ask(10, URL), five_each());
    assert_eq!(sysctls(&host), ["1", "0", "0", "0"]);
    host.set_sysctl("net.ipv4.ip_forward", 0);
    eventually("it forwards again", within(secs(5)), || {
        sysctls(&host)[0] == "1"
    });
    let traffic = || host.status()["virtual_servers"][0]["traffic"].clone();
    eventually("status counts both directions", within(secs(4)), || {
        let traffic = traffic();
        traffic["connections"] == 10 && traffic["packets_out"].as_u64() > Some(10)
    });
    lab.say(&format!("10 requests by port mapping: {}", traffic()));
    marks_and_ipv6_are_mapped_too(lab, &host, &client, &director);

    director.kill9();
    assert_eq!(sysctls(&host), ["1", "1", "0", "0"]);
    let director = start(&host, FILE);
    client.ask(2, URL);
    let sticky = FILE.replace("scheduler = 'rr'", "scheduler = 'rr'\npersistence = '60s'");
    host.reload(&director, &sticky);
    eventually("persistence is in the table", within(secs(3)), || {
        host.ipvsadm().contains("-s rr -p 60")
    });
    assert_eq!(client.ask(10, URL).len(), 1, "a client keeps its server");
    let routed = FILE.replace("'nat'", "'dr'").replace(":80'", ":8080'");
    host.reload(&director, &routed);
    eventually("direct routing needs none of it", within(secs(3)), || {
        sysctls(&host) == before
    });
    host.reload(&director, FILE);
    assert!(director.terminate().success());
    assert_eq!(sysctls(&host), before, "as it was before the first start");
    lab.say("ip_forward is set while it is needed, through a crash, and then as before");

    let director = start(&host, FILE);
    director.kill9();
    let without = FILE.split("[[virtual_server]]").next().unwrap();
    let director = start(&host, without);
    eventually("what the crash left is put back", within(secs(3)), || {
        sysctls(&host) == before && host.ipvsadm().is_empty()
    });
    director.terminate();

    host.set_sysctl("net.ipv4.ip_forward", 1);
    start(&host, FILE).terminate();
    assert_eq!(sysctls(&host)[0], "1", "it was set before lvsd came");
}

fn marks_and_ipv6_are_mapped_too(lab: &Lab, host: &Host, client: &Host, director: &Program) {
    host.run(
        "iptables -t mangle -A PREROUTING -d 10.0.0.200 -p tcp --dport 8081 -j MARK --set-mark 7",
    )
    .ok();
    host.reload(director, &format!("{FILE}{OTHERS}"));
    let wanted = [
        "-A -t 10.0.0.200:8080 -s rr",
        "-a -t 10.0.0.200:8080 -r 192.168.1.53:80 -m -w 1",
        "-a -t 10.0.0.200:8080 -r 192.168.1.54:80 -m -w 1",
        "-A -t [2001:db8:1::200]:8080 -s rr",
        "-a -t [2001:db8:1::200]:8080 -r [2001:db8:2::53]:80 -m -w 1",
        "-a -t [2001:db8:1::200]:8080 -r [2001:db8:2::54]:80 -m -w 1",
        "-A -f 7 -s rr",
        "-a -f 7 -r 192.168.1.53:80 -m -w 1",
        "-a -f 7 -r 192.168.1.54:80 -m -w 1",
    ];
    let wanted = BTreeSet::from(wanted.map(str::to_owned));
    eventually("ipvsadm sees all three", within(secs(5)), || {
        let table = host.ipvsadm();
        table.lines().map(str::to_owned).collect::<BTreeSet<_>>() == wanted
    });
    assert_eq!(sysctls(host), ["1", "1", "0", "0"]);
    for url in [
        URL,
        "http://10.0.0.200:8081/",
        "http://[2001:db8:1::200]:8080/",
    ] {
        let counts = client.ask(10, url);
        lab.say(&format!("{url} is port 80 of the real servers: {counts:?}"));
        assert_eq!(counts, five_each(), "{url}");
    }
}

fn start(host: &Host, file: &str) -> Program {
    host.write(DIRECTOR_FILE, file);
    let director = host.spawn("lvsd director");
    eventually("it is ready and master", within(secs(8)), || {
        director.log().contains("director is ready") && host.vrrp_state() == "master"
    });
    director
}
