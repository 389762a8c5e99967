//! Accept mode turned off: the master takes what it balances, answers for its addresses, and drops the rest.

use crate::lab::lvsd::{DIRECTOR_FILE, DirectorFile, Pair, number};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, Site, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(without_accept_mode_clients_are_balanced_and_nothing_else_is_taken).with_nftables(),
    scenario!(the_filter_comes_stays_and_goes_with_the_addresses_and_touches_nobody_elses)
        .on_any_linux()
        .with_nftables(),
    scenario!(the_unit_lets_the_director_filter_and_the_kernel_load_what_that_takes)
        .under_systemd(&[
            ("/etc/lvsd/director.toml", UNIT_FILE),
            ("lvsd-director.service", ""),
        ])
        .with_nftables(),
    scenario!(accept_mode_cannot_be_off_where_the_kernel_has_no_nf_tables)
        .on_any_linux()
        .without_nftables(),
];

/// The director of a machine under systemd.
const UNIT_FILE: &str = r#"
[[vrrp]]
name = "VI_1"
interface = "ens192"
virtual_router_id = 51
advert_interval = "100ms"
accept = false
virtual_addresses = ["192.168.1.200"]
"#;

const VIP6: &str = "2001:db8::200";

/// What the host dropped so far.
fn dropped(host: &Host) -> u64 {
    number(&host.status()["not_accepted"]["packets"])
}

/// Whether the VIP answers one ping.
fn answers(client: &Host, vip: &str) -> bool {
    let ping = client.run(&format!("ping -c 1 -W 1 {vip}"));
    ping.status.success()
}

/// The client's pings reach the host, which drops and counts them.
#[track_caller]
fn drops(client: &Host, host: &Host, vip: &str) {
    let before = dropped(host);
    eventually("a ping is dropped", within(secs(10)), || {
        assert!(!answers(client, vip), "{} answers for {vip}", host.name());
        dropped(host) > before
    });
}

/// 6.4.3-d, 8.3.1.
fn without_accept_mode_clients_are_balanced_and_nothing_else_is_taken(lab: &Lab) {
    let site = Site::build(lab);
    let file = |priority| DirectorFile::quick(priority).vrrp_key("accept", "false");
    let (lvs51, lvs52, client) = (site.lvs51.clone(), site.lvs52.clone(), site.client.clone());
    let running = site.start([file(100), file(50)]);
    let fetch = |when: &str| {
        eventually(when, within(secs(10)), || client.get(&Site::url()).is_ok());
    };
    eventually("51 is master", within(secs(10)), || {
        lvs51.vrrp_state() == "master" && lvs51.holds(VIP)
    });
    fetch("a client is served through 51");
    drops(&client, &lvs51, VIP);
    let neighbour = client.run(&format!("ip neigh show {VIP}")).ok();
    assert!(neighbour.contains("02:00:c0:a8:01:33"), "ARP: {neighbour}");
    // A service of the director itself, which is on every address.
    let own = |address: &str| client.run(&format!("curl -sS -m 1 http://{address}:8080/"));
    lvs51.spawn("busybox httpd -f -p 8080");
    eventually("the director's own service is up", within(secs(5)), || {
        own("192.168.1.51").status.success() || own("192.168.1.51").stderr.contains("404")
    });
    let refused = own(VIP);
    assert_eq!(refused.status.code(), Some(28), "in vain: {refused}");
    fetch("the client is served all the same");
    let metrics = lvs51.get("http://127.0.0.1:9481/metrics").unwrap().body;
    assert!(
        metrics.contains("lvsd_vrrp_not_accepted_packets_total "),
        "{metrics}"
    );
    let status = lvs51.run("lvsd status").ok();
    assert!(
        status.contains("accept = false: ") && status.contains("to virtual addresses dropped"),
        "{status}"
    );
    lab.say(&status);
    lab.say(&lvs51.run("nft list table inet lvsd").ok());
    let doctor = lvs51.run("lvsd doctor --quick");
    assert!(doctor.status.success(), "{doctor}");

    lvs51.unplug();
    eventually("52 is master", within(secs(10)), || {
        lvs52.vrrp_state() == "master" && lvs52.holds(VIP)
    });
    fetch("a client is served through 52");
    drops(&client, &lvs52, VIP);
    lvs51.plug();
    eventually("51 is master again", within(secs(10)), || {
        lvs51.vrrp_state() == "master" && !lvs52.holds(VIP)
    });
    fetch("a client is served through 51 again");

    lvs51.reload(&running.directors[0], &DirectorFile::quick(100).text());
    eventually("with accept mode the VIP answers", within(secs(5)), || {
        answers(&client, VIP)
    });
    assert!(lvs51.run("nft list tables").ok().is_empty());
    let local = file(100).pool("['192.168.1.53:80', '192.168.1.51:80']");
    lvs51.reload(&running.directors[0], &local.text());
    let refused = lvs51.status()["config"]["refused"].to_string();
    assert!(
        refused
            .contains("accept = false of VI_1: this host is a real server of tcp 192.168.1.200:80"),
        "{refused}"
    );
    lab.say(&refused);
}

/// Somebody else's table.
const OTHER: &str = "nft add table inet other && \
    nft add chain inet other input '{ type filter hook input priority 0; }' && \
    nft add rule inet other input tcp dport 9 drop";

fn the_filter_comes_stays_and_goes_with_the_addresses_and_touches_nobody_elses(lab: &Lab) {
    let pair = Pair::build(lab);
    let Pair {
        lvs51,
        lvs52,
        client,
        ..
    } = &pair;
    for (host, last) in [(lvs51, 51), (lvs52, 52), (client, 10)] {
        let add = format!("ip address add 2001:db8::{last}/64 dev ens192 nodad");
        host.run(&add).ok();
    }
    let file = |priority, accept| {
        let v4 = DirectorFile::steady(priority).vrrp_key("accept", accept);
        let v6 = v4
            .clone()
            .vrrp_key("name", "'VI_6'")
            .vrrp_key("virtual_addresses", &format!("['{VIP6}']"));
        v4.text() + &v6.text()
    };
    let start = |host: &Host, priority, accept| {
        host.write(DIRECTOR_FILE, &file(priority, accept));
        host.spawn("lvsd director")
    };
    lvs51.run(OTHER).ok();
    let others = || lvs51.run("nft list table inet other").ok();
    let before = others();
    let tables = |host: &Host| host.run("nft list tables").ok();
    let filters = |host: &Host| {
        let table = host.run("nft list table inet lvsd").stdout;
        [VIP, VIP6].iter().all(|vip| table.contains(vip)) && table.contains("priority 150")
    };
    let first = start(lvs51, 100, "false");
    eventually("51 is master of both", within(secs(15)), || {
        lvs51.holds(VIP) && lvs51.holds(VIP6)
    });
    assert!(filters(lvs51), "{}", tables(lvs51));
    let log = first.log();
    let place = |what: &str| log.find(what).unwrap_or_else(|| panic!("{what}: {log}"));
    for vip in [VIP, VIP6] {
        let filter = place(&format!("filter added holding=filter of {vip}"));
        assert!(
            filter < place(&format!("address added holding={vip}/")),
            "{log}"
        );
    }
    drops(client, lvs51, VIP);
    drops(client, lvs51, VIP6);
    // RFC 9568 §6.1: neighbours are answered whatever is dropped.
    for (vip, command) in [(VIP, "ip neigh show"), (VIP6, "ip -6 neigh show")] {
        let neighbour = client.run(&format!("{command} {vip}")).ok();
        assert!(
            neighbour.contains("02:00:c0:a8:01:33"),
            "{vip}: {neighbour}"
        );
    }
    // So is one that asks this very address whether it is still there, and would be lost else.
    let probe = format!("ip -6 neigh replace {VIP6} lladdr 02:00:c0:a8:01:33 dev ens192 nud probe");
    client.run(&probe).ok();
    eventually("the neighbour is confirmed", within(secs(10)), || {
        let neighbour = client.run(&format!("ip -6 neigh show {VIP6}")).ok();
        assert!(!neighbour.contains("FAILED"), "{neighbour}");
        neighbour.contains("REACHABLE")
    });
    assert!(answers(client, "192.168.1.51") && answers(client, "2001:db8::51"));
    lab.say("packets to the addresses are dropped, ARP and neighbour solicitations answered");

    for words in [
        "flush ruleset",
        "delete table inet lvsd",
        "flush chain inet lvsd input",
        "insert rule inet lvsd input accept",
        "delete element inet lvsd v4 '{ 192.168.1.200 }'",
        "add table inet lvsd '{ flags dormant; }'",
    ] {
        lvs51.run(&format!("nft {words}")).ok();
        let took = eventually(&format!("`nft {words}` is undone"), within(secs(5)), || {
            let rules = lvs51.run("nft list table inet lvsd").stdout;
            filters(lvs51)
                && rules.matches("drop").count() == 2
                && !rules.contains("dormant")
                && rules.matches("accept").count() == 2
        });
        lab.say(&format!("`nft {words}`: back after {took:.1?}"));
    }
    drops(client, lvs51, VIP);
    lvs51.run(OTHER).ok();

    first.kill9();
    assert!(filters(lvs51), "a killed one leaves it");
    let first = start(lvs51, 100, "false");
    eventually("51 is master again", within(secs(15)), || {
        lvs51.status()["vrrp"].as_array().is_some_and(|routers| {
            !routers.is_empty() && routers.iter().all(|it| it["state"] == "master")
        })
    });
    assert!(
        filters(lvs51) && !first.log().contains("filter added"),
        "adopted: {}",
        first.log()
    );
    first.kill9();
    let first = start(lvs51, 100, "true");
    eventually("what the killed one left is gone", within(secs(15)), || {
        !tables(lvs51).contains("lvsd") && answers(client, VIP)
    });
    start(lvs52, 50, "false");
    eventually("52 listens", within(secs(15)), || {
        lvs52.vrrp_state() == "backup"
    });
    assert_eq!(tables(lvs52), "", "a backup filters nothing");
    lvs51.reload(&first, &file(100, "false"));
    eventually("the filter is back", within(secs(5)), || filters(lvs51));
    first.terminate();
    assert_eq!(tables(lvs51), "table inet other\n");
    assert_eq!(others(), before, "nobody else's table was touched");
    eventually("52 is master and filters", within(secs(10)), || {
        lvs52.holds(VIP) && lvs52.holds(VIP6) && filters(lvs52)
    });
}

fn accept_mode_cannot_be_off_where_the_kernel_has_no_nf_tables(lab: &Lab) {
    let pair = Pair::build(lab);
    let host = &pair.lvs51;
    let file = DirectorFile::steady(100).vrrp_key("accept", "false");
    host.write(DIRECTOR_FILE, &file.text());
    let refused = host.run("lvsd director").fails_with(78);
    assert!(
        refused.contains("accept = false of VI_1: this kernel has no nf_tables: "),
        "{refused}"
    );
    assert!(
        refused.contains("write accept = true, or use a kernel"),
        "{refused}"
    );
    lab.say(&refused);
    assert!(!host.holds(VIP));
    let director = host.director(&DirectorFile::steady(100));
    eventually("with accept mode it is master", within(secs(10)), || {
        host.holds(VIP)
    });
    host.reload(&director, &file.text());
    let refused = host.status()["config"]["refused"].to_string();
    assert!(
        refused.contains("this kernel has no nf_tables"),
        "{refused}"
    );
    assert!(host.holds(VIP), "the older configuration runs on");
}

fn the_unit_lets_the_director_filter_and_the_kernel_load_what_that_takes(lab: &Lab) {
    let lan = lab.lan();
    let machine = lan.this_machine("ens192", "192.168.1.51/24");
    let client = lan.host_with_nic("client", "ens192", "192.168.1.10/24");
    eventually("it is master", within(secs(30)), || machine.holds(VIP));
    drops(&client, &machine, VIP);
    lab.say(
        &machine
            .run("nft list table inet lvsd; lsmod | grep nf_tables")
            .ok(),
    );
    machine.run("systemctl stop lvsd-director").ok();
    assert_eq!(machine.run("nft list tables").ok(), "");
}
