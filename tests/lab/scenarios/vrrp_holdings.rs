//! What comes and goes with mastership: addresses of every kind, the virtual MAC, routes, rules,
//! and what the neighbours are told of them.

use std::time::Instant;

use crate::lab::lvsd::{DIRECTOR_FILE, DirectorFile, Pair};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Program, Scenario, Site, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(everything_that_moves_with_a_master_comes_stays_and_goes).on_any_linux(),
    scenario!(a_client_knows_one_hardware_address_over_a_failover_with_a_virtual_mac)
        .on_any_linux(),
    scenario!(lvsd_and_keepalived_share_a_virtual_mac).on_any_linux(),
    scenario!(clients_are_balanced_through_a_virtual_mac),
    scenario!(five_hundred_vips_are_held_and_announced_at_once_and_without_a_flood)
        .alone()
        .on_any_linux(),
];

/// One of each.
const MORE: &str = "
extra_addresses = [
    { address = '192.168.1.210/24', label = 'ens192:out' },
    '2001:db8::200',
]
[vrrp.announce]
delay = '1s'
repeat = 2
[[vrrp.route]]
to = '10.9.0.0/16'
via = '192.168.1.1'
src = '192.168.1.210'
mtu = 1400
[[vrrp.route]]
to = '10.66.0.0/16'
type = 'blackhole'
table = 100
[[vrrp.route]]
to = '2001:db8:9::/48'
via = '2001:db8::1'
dev = 'ens192'
[[vrrp.rule]]
priority = 100
from = '192.168.1.210'
table = 100
[[vrrp.rule]]
priority = 101
to = '2001:db8:66::/48'
table = 100
";

fn everything_that_moves_with_a_master_comes_stays_and_goes(lab: &Lab) {
    let pair = Pair::build(lab);
    for host in [&pair.lvs51, &pair.lvs52] {
        host.run("sysctl -qw net.ipv6.conf.ens192.disable_ipv6=0; ip addr add 2001:db8::5/64 dev ens192 nodad").ok();
    }
    let file = |priority| DirectorFile::steady(priority).text() + MORE;
    let start = |host: &Host, priority| {
        host.write(DIRECTOR_FILE, &file(priority));
        host.spawn("lvsd director")
    };
    let before = everything(&pair.lvs51);
    let capture = pair
        .client
        .spawn("tcpdump -Z root -lnnvv -i ens192 icmp6 or arp");
    eventually("the capture runs", within(secs(5)), || {
        capture.log().contains("listening on")
    });
    let first = start(&pair.lvs51, 100);
    eventually("51 has everything", within(secs(5)), || {
        has_everything(&pair.lvs51)
    });
    let labelled = pair.lvs51.run("ip -o -4 addr show dev ens192").ok();
    assert!(labelled.contains("192.168.1.210/24"), "{labelled}");
    assert!(labelled.contains("ens192:out"), "{labelled}");
    // Usable at once, and never the source of what this host sends by itself.
    let v6 = pair.lvs51.run("ip -o -6 addr show to 2001:db8::200").ok();
    assert!(
        v6.contains("2001:db8::200/128") && !v6.contains("tentative") && v6.contains("deprecated"),
        "{v6}"
    );
    lab.say(&pair.lvs51.run("ip -br addr; ip route; ip rule").ok());
    let told = |text: &str| {
        eventually(&format!("the LAN is told {text}"), within(secs(5)), || {
            capture.log().contains(text)
        });
    };
    told("tgt is 2001:db8::200, Flags [override]");
    told("who-has 192.168.1.210 (ff:ff:ff:ff:ff:ff) tell 192.168.1.210");
    assert!(
        !capture.log().contains("bad icmp6 cksum"),
        "{}",
        capture.log()
    );
    assert!(capture.log().contains("icmp6 sum ok"), "{}", capture.log());

    for words in [
        "route del 10.9.0.0/16",
        "route del blackhole 10.66.0.0/16 table 100",
        "-6 route del 2001:db8:9::/48",
        "rule del priority 100",
        "-6 rule del priority 101",
        "addr del 2001:db8::200/128 dev ens192",
        "addr del 192.168.1.210/24 dev ens192",
    ] {
        pair.lvs51.run(&format!("ip {words}")).ok();
        let took = eventually(&format!("`ip {words}` is undone"), within(secs(3)), || {
            has_everything(&pair.lvs51)
        });
        lab.say(&format!("`ip {words}`: back after {took:.1?}"));
    }

    first.kill9();
    assert!(has_everything(&pair.lvs51), "nobody removed it");
    let first = start(&pair.lvs51, 100);
    eventually("51 is master again", within(secs(5)), || {
        pair.lvs51.vrrp_state() == "master"
    });
    assert!(has_everything(&pair.lvs51));
    assert!(!first.log().contains(" added"), "adopted: {}", first.log());
    lab.say("killed and started again: all of it is adopted");

    let index = |host: &Host| host.run("ip -o route show table 100").ok();
    let untouched = index(&pair.lvs51);
    let without = file(100).replace("'2001:db8::200',", "'2001:db8::201',");
    pair.lvs51.reload(&first, &without);
    eventually("one address is another", within(secs(3)), || {
        let v6 = pair.lvs51.run("ip -o -6 addr show dev ens192").ok();
        v6.contains("2001:db8::201/128") && !v6.contains("2001:db8::200/128")
    });
    assert_eq!(index(&pair.lvs51), untouched);
    let log = first.log();
    assert_eq!(log.matches(" added").count(), 1, "{log}");
    assert_eq!(log.matches(" removed").count(), 1, "{log}");
    pair.lvs51.reload(&first, &file(100));

    let metrics = pair
        .lvs51
        .run("curl -sS http://127.0.0.1:9481/metrics")
        .ok();
    let held = "lvsd_vrrp_holdings{name=\"VI_1\",kind=\"route\",state=\"held\"} 3";
    assert!(metrics.contains(held), "{metrics}");
    pair.lvs51
        .run("ip route add 10.77.0.0/16 via 192.168.1.1")
        .ok();
    let clash = file(100) + "[[vrrp.route]]\nto = '10.77.0.0/16'\nvia = '192.168.1.2'\n";
    pair.lvs51.reload(&first, &clash);
    eventually("a route in the way is named", within(secs(5)), || {
        let status = pair.lvs51.run("lvsd status").stdout;
        status.contains("route 10.77.0.0/16 is there already, not put there by lvsd")
    });

    let second = start(&pair.lvs52, 50);
    eventually("52 listens", within(secs(5)), || {
        pair.lvs52.vrrp_state() == "backup"
    });
    first.terminate();
    eventually("52 has everything", within(secs(5)), || {
        has_everything(&pair.lvs52)
    });
    pair.lvs51.run("ip route del 10.77.0.0/16").ok();
    assert_eq!(everything(&pair.lvs51), before, "51 is as it was");
    second.terminate();
    assert_eq!(everything(&pair.lvs52).matches("10.").count(), 0);
}

/// Addresses, routes and rules of a host, as `ip` lists them.
fn everything(host: &Host) -> String {
    let all = "ip -o addr | grep -v fe80 | sed 's/ valid_lft.*//'; ip -4 route show table all; ip rule; ip -6 rule; \
               ip -6 route show proto 112";
    host.run(all).ok()
}

fn has_everything(host: &Host) -> bool {
    let all = everything(host);
    [
        "192.168.1.200/32",
        "192.168.1.210/24",
        "2001:db8::200/128",
        "10.9.0.0/16 via 192.168.1.1 dev ens192 proto 112 src 192.168.1.210 mtu 1400",
        "blackhole 10.66.0.0/16 table 100 proto 112",
        "2001:db8:9::/48 via 2001:db8::1 dev ens192",
        "100:\tfrom 192.168.1.210 lookup 100",
        "101:\tfrom all to 2001:db8:66::/48 lookup 100",
    ]
    .iter()
    .all(|line| all.contains(line))
}

/// The hardware address of 192.168.1.52 where keepalived is that director.
const KEEPALIVED: &str = "02:00:c0:a8:01:34";

const VIRTUAL_MAC: &str = "00:00:5e:00:01:33";

/// 3-7.2, 3-7.3, 6.4.2-a, 6.4.2-b, 6.4.3-a, 8.1.2-a, 8.1.2-b, 8.1.2-c.
fn a_client_knows_one_hardware_address_over_a_failover_with_a_virtual_mac(lab: &Lab) {
    let pair = Pair::build(lab);
    let file = |priority| DirectorFile::steady(priority).vrrp_key("virtual_mac", "true");
    let sysctl = "net.ipv4.conf.ens192.arp_ignore";
    let before = pair.lvs51.sysctl(sysctl);
    let capture = pair
        .client
        .spawn("tcpdump -Z root -lnne -i ens192 arp or ip proto 112");
    let neighbours = pair.client.spawn("ip monitor neigh");
    eventually("the capture runs", within(secs(5)), || {
        capture.log().contains("listening on")
    });
    let first = pair.lvs51.director(&file(100));
    let second = pair.lvs52.director(&file(50));
    pair.become_states("master", "backup");
    asks(&pair.client);
    let neighbour = pair.client.run(&format!("ip neigh show {VIP}")).ok();
    assert!(neighbour.contains(VIRTUAL_MAC), "{neighbour}");
    assert_eq!(
        link(&pair.lvs52),
        "DOWN",
        "a backup drops what is sent there"
    );
    lab.say(&pair.lvs51.run("ip -br link; ip -br addr").ok());

    pair.lvs51.unplug();
    eventually("52 is master", within(secs(5)), || pair.lvs52.holds(VIP));
    asks(&pair.client);
    pair.lvs51.plug();
    pair.become_states("master", "backup");
    asks(&pair.client);
    eventually("52 is down again", within(secs(3)), || {
        link(&pair.lvs52) == "DOWN"
    });
    lab.say("a cable was pulled and plugged: the client's neighbour table never changed");

    // 192.168.1.51's own address is its own still, and from its own hardware address.
    pair.client.run("ping -c 1 -W 2 192.168.1.51").ok();
    let own = pair.client.run("ip neigh show 192.168.1.51").ok();
    assert!(own.contains("02:00:c0:a8:01:33"), "{own}");

    first.kill9();
    let first = pair.lvs51.director(&file(100));
    pair.become_states("master", "backup");
    assert!(!first.log().contains("interface added"), "{}", first.log());
    asks(&pair.client);
    // Somebody takes it down: it is up again.
    pair.lvs51.run("ip link set vrrp51.ens192 down").ok();
    eventually("it is up again", within(secs(3)), || {
        link(&pair.lvs51) == "UP"
    });
    pair.lvs51.run("ip link del vrrp51.ens192").ok();
    eventually("it is made again", within(secs(3)), || {
        link(&pair.lvs51) == "UP" && pair.lvs51.holds(VIP)
    });
    asks(&pair.client);

    judge(&capture, None);
    let learnt = neighbours.log();
    let of_vip = learnt.lines().filter(|line| line.starts_with(VIP));
    let other: Vec<_> = of_vip
        .filter(|line| line.contains("lladdr") && !line.contains(VIRTUAL_MAC))
        .collect();
    assert!(other.is_empty(), "{other:?}");

    first.terminate();
    second.terminate();
    assert_eq!(link(&pair.lvs51), "", "its interface is gone");
    assert_eq!(pair.lvs51.sysctl(sysctl), before);
}

/// The client forgets the VIP's hardware address, and asks for it.
fn asks(client: &Host) {
    client.run(&format!("ip neigh flush to {VIP}")).ok();
    eventually("the VIP answers", within(secs(3)), || {
        client
            .run(&format!("ping -c 1 -W 1 {VIP}"))
            .status
            .success()
    });
}

/// `UP`, `DOWN`, or nothing where there is no such interface.
fn link(host: &Host) -> String {
    let listed = host.run("ip -o link show dev vrrp51.ens192").stdout;
    if listed.contains(",UP") {
        "UP".to_owned()
    } else if listed.is_empty() {
        String::new()
    } else {
        "DOWN".to_owned()
    }
}

/// No frame of lvsd's says that the VIP is anywhere but at the virtual MAC, and every advert is from there.
fn judge(capture: &Program, keepalived: Option<&str>) {
    let log = capture.log();
    let says = |line: &&str| {
        line.contains(&format!("Reply {VIP} is-at")) || line.contains(&format!("tell {VIP}"))
    };
    // keepalived asks from its own hardware address where the client is, "tell 192.168.1.200".
    let foreign = |line: &str| keepalived.is_some_and(|mac| line.contains(&format!("{mac} > ")));
    let own = log.lines().filter(|line| !foreign(line));
    let of_vip: Vec<_> = own.filter(says).collect();
    assert!(of_vip.iter().any(|line| line.contains("Reply")), "{log}");
    for line in of_vip {
        assert!(line.contains(&format!("{VIRTUAL_MAC} > ")), "{line}");
        let wrong = line.contains("is-at") && !line.contains(&format!("is-at {VIRTUAL_MAC}"));
        assert!(!wrong, "{line}");
    }
    let adverts: Vec<_> = log.lines().filter(|it| it.contains("224.0.0.18")).collect();
    assert!(!adverts.is_empty());
    for line in adverts {
        assert!(
            line.contains(&format!("{VIRTUAL_MAC} > 01:00:5e:00:00:12")),
            "{line}"
        );
    }
}

fn lvsd_and_keepalived_share_a_virtual_mac(lab: &Lab) {
    let pair = Pair::build(lab);
    let conf = format!(
        "vrrp_instance VI_1 {{\n state BACKUP\n interface ens192\n use_vmac\n \
         virtual_router_id 51\n version 3\n priority 90\n advert_int 1\n \
         virtual_ipaddress {{\n {VIP}\n }}\n virtual_ipaddress_excluded {{\n \
         192.168.1.210\n }}\n}}\n"
    );
    pair.lvs52.write("/etc/keepalived/keepalived.conf", &conf);
    let capture = pair
        .client
        .spawn("tcpdump -Z root -lnne -i ens192 arp or ip proto 112");
    pair.lvs52
        .spawn("keepalived --dont-fork --log-console --log-detail --vrrp");
    let file = DirectorFile::vrrp_only(50)
        .vrrp_key("advert_interval", "'1s'")
        .vrrp_key("virtual_mac", "true")
        .vrrp_key("extra_addresses", "['192.168.1.210']");
    let director = pair.lvs51.director(&file);
    eventually("lvsd hears keepalived", within(secs(15)), || {
        let router = &pair.lvs51.status()["vrrp"][0];
        router["state"] == "backup" && router["master"]["priority"] == 90
    });
    eventually("keepalived has both addresses", within(secs(5)), || {
        pair.lvs52.holds(VIP) && pair.lvs52.holds("192.168.1.210")
    });
    asks(&pair.client);
    pair.lvs51
        .reload(&director, &file.vrrp_key("priority", "100").text());
    eventually("lvsd preempts", within(secs(10)), || {
        pair.lvs51.holds(VIP) && pair.lvs51.holds("192.168.1.210") && !pair.lvs52.holds(VIP)
    });
    asks(&pair.client);
    lab.say("lvsd took over from keepalived, and the client's neighbour is the same");
    director.terminate();
    eventually("keepalived takes over", within(secs(5)), || {
        pair.lvs52.holds(VIP) && !pair.lvs51.holds("192.168.1.210")
    });
    asks(&pair.client);
    judge(&capture, Some(KEEPALIVED));
}

fn clients_are_balanced_through_a_virtual_mac(lab: &Lab) {
    let site = Site::build(lab);
    let file = |priority| DirectorFile::quick(priority).vrrp_key("virtual_mac", "true");
    let (lvs51, lvs52, client) = (site.lvs51.clone(), site.lvs52.clone(), site.client.clone());
    let _running = site.start([file(100), file(50)]);
    let fetch = |when: &str| {
        eventually(when, within(secs(10)), || {
            let got = client.run(&format!("curl -sS -m 2 http://{VIP}/"));
            got.status.success()
        });
        let neighbour = client.run(&format!("ip neigh show {VIP}")).ok();
        assert!(neighbour.contains(VIRTUAL_MAC), "{neighbour}");
    };
    fetch("the client is served through 51");
    lvs51.unplug();
    eventually("52 is master", within(secs(10)), || {
        lvs52.vrrp_state() == "master"
    });
    fetch("the client is served through 52");
    lab.say("direct routing works through the virtual MAC, before and after a failover");
}

/// 500 addresses: 100 in the adverts, 400 beside them.
fn five_hundred_vips_are_held_and_announced_at_once_and_without_a_flood(lab: &Lab) {
    let pair = Pair::build(lab);
    let list = |range: std::ops::Range<u32>| {
        let all = range.map(|n| format!("'10.1.{}.{}'", n / 250, n % 250 + 1));
        format!("[{}]", all.collect::<Vec<_>>().join(", "))
    };
    let file = DirectorFile::steady(100)
        .vrrp_key("virtual_addresses", &list(0..100))
        .vrrp_key("extra_addresses", &list(100..500));
    let capture = pair
        .client
        .spawn("tcpdump -Z root -lnn -tt -B 8192 -i ens192 arp");
    eventually("the capture runs", within(secs(5)), || {
        capture.log().contains("listening on")
    });
    let begun = Instant::now();
    let director = pair.lvs51.director(&file);
    eventually("51 is master", within(secs(10)), || {
        pair.lvs51.vrrp_state() == "master"
    });
    let master = begun.elapsed();
    eventually("all of them are held", within(secs(10)), || {
        let held = pair.lvs51.status()["vrrp"][0]["holdings"].clone();
        let held = held.as_array().map_or(0, |all| {
            all.iter().filter(|it| it["state"] == "held").count()
        });
        held == 500
    });
    let held = begun.elapsed();
    lab.say(&format!(
        "master after {master:.1?}, all held after {held:.1?}"
    ));
    let announced = || {
        let log = capture.log();
        let lines = log.lines().filter(|line| line.contains("who-has 10.1."));
        let parsed = lines.filter_map(|line| {
            let (time, rest) = line.split_once(' ')?;
            let address = rest.split_once("who-has ")?.1.split(' ').next()?;
            Some((
                time.replace('.', "").parse::<u64>().ok()?,
                address.to_owned(),
            ))
        });
        parsed.collect::<Vec<_>>()
    };
    eventually("each was announced five times", within(secs(15)), || {
        announced().len() >= 2_500
    });
    let announced = announced();
    let mut first = std::collections::BTreeMap::new();
    for (at, address) in &announced {
        first.entry(address.clone()).or_insert(*at);
    }
    assert_eq!(first.len(), 500);
    let start = announced[0].0;
    let last = first.values().copied().fold(start, u64::max);
    lab.say(&format!(
        "the last address was first announced {} ms after the first",
        (last - start) / 1_000
    ));
    assert!(u128::from(last - start) < within(secs(1)).limit().as_micros());
    let fullest = announced.iter().map(|(from, _)| {
        let within = announced
            .iter()
            .filter(|(at, _)| (*from..*from + 10_000).contains(at));
        within.count()
    });
    let fullest = fullest.max().unwrap_or(0);
    lab.say(&format!("at most {fullest} frames in 10 ms"));
    assert!(fullest <= 200, "{fullest}");

    let stopped = Instant::now();
    director.terminate();
    lab.say(&format!(
        "all of them are gone after {:.1?}",
        stopped.elapsed()
    ));
    assert_eq!(
        pair.lvs51.run("ip -o addr").ok().matches(" 10.1.").count(),
        0
    );
}
