//! Forwarding by NAT, and what it needs of the director: `ip_forward`, put back at the end.

use std::collections::BTreeMap;

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

const URL: &str = "http://10.0.0.200:8080/";

fn nat_maps_ports_and_forwards_only_as_long_as_it_must(lab: &Lab) {
    let (front, back) = (lab.lan(), lab.lan());
    let client = front.host("client", "10.0.0.10/24");
    let host = front.host_with_nic("lvs51", "ens192", "10.0.0.51/24");
    back.connect(&host, "ens224", "192.168.1.51/24");
    for last in [53, 54] {
        let rs = back.host(&format!("rs{last}"), &format!("192.168.1.{last}/24"));
        rs.run("ip route add default via 192.168.1.51").ok();
        rs.nginx(&format!("I am {last}\n"));
    }
    let forwards = || host.sysctl("net.ipv4.ip_forward");
    host.set_sysctl("net.ipv4.ip_forward", 0);

    let director = start(&host, FILE);
    let counts = client.ask(10, URL);
    let even = ["I am 53", "I am 54"].map(|body| (body.to_owned(), 5));
    assert_eq!(counts, BTreeMap::from(even));
    assert_eq!(forwards(), "1");
    let traffic = || host.status()["virtual_servers"][0]["traffic"].clone();
    eventually("status counts both directions", within(secs(4)), || {
        let traffic = traffic();
        traffic["connections"] == 10 && traffic["packets_out"].as_u64() > Some(10)
    });
    lab.say(&format!("10 requests by port mapping: {}", traffic()));

    director.kill9();
    assert_eq!(forwards(), "1");
    let director = start(&host, FILE);
    client.ask(2, URL);
    let sticky = FILE.replace("scheduler = 'rr'", "scheduler = 'rr'\npersistence = '60s'");
    host.reload(&director, &sticky);
    eventually("persistence is in the table", within(secs(3)), || {
        host.ipvsadm().contains("-s rr -p 60")
    });
    assert_eq!(client.ask(10, URL).len(), 1, "a client keeps its server");
    assert!(director.terminate().success());
    assert_eq!(forwards(), "0", "as it was before the first start");
    lab.say("ip_forward is set while it is needed, through a crash, and then as before");

    let director = start(&host, FILE);
    director.kill9();
    let without = FILE.split("[[virtual_server]]").next().unwrap();
    let director = start(&host, without);
    eventually("what the crash left is put back", within(secs(3)), || {
        forwards() == "0" && host.ipvsadm().is_empty()
    });
    director.terminate();

    host.set_sysctl("net.ipv4.ip_forward", 1);
    start(&host, FILE).terminate();
    assert_eq!(forwards(), "1", "it was set before lvsd came");
    host.set_sysctl("net.ipv4.ip_forward", 0);
    let routed = FILE.replace("'nat'", "'dr'").replace(":80'", ":8080'");
    let director = start(&host, &routed);
    assert_eq!(forwards(), "0", "direct routing needs no forwarding");
    director.terminate();
}

fn start(host: &Host, file: &str) -> Program {
    host.write(DIRECTOR_FILE, file);
    let director = host.spawn("lvsd director");
    eventually("it is ready and master", within(secs(8)), || {
        director.log().contains("director is ready") && host.vrrp_state() == "master"
    });
    director
}
