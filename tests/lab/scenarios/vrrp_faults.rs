//! Interfaces that fail and routers that disagree: each is told, and heals by itself.

use crate::lab::lvsd::{DirectorFile, Pair};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::wait::{millis, side_by_side};
use crate::lab::{Host, Lab, Program, Scenario, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(an_interface_that_goes_down_is_a_fault_until_it_is_back).on_any_linux(),
    scenario!(an_interface_that_is_missing_is_a_fault_until_it_appears).on_any_linux(),
    scenario!(an_interface_that_is_renamed_is_a_fault_and_loses_its_vip).on_any_linux(),
    scenario!(what_a_killed_master_left_is_its_own_on_an_interface_that_was_renamed).on_any_linux(),
    scenario!(the_sysctls_of_an_interface_that_was_renamed_are_put_back).on_any_linux(),
    scenario!(a_master_that_a_reload_makes_another_router_hands_over_first).on_any_linux(),
    scenario!(routers_that_disagree_are_both_master_and_say_why).on_any_linux(),
    scenario!(routers_that_differ_are_told_once_by_name_and_again_when_they_agree).on_any_linux(),
];

fn an_interface_that_goes_down_is_a_fault_until_it_is_back(lab: &Lab) {
    let pair = Pair::build(lab);
    let first = pair.lvs51.director(&DirectorFile::vrrp_only(100));
    pair.lvs52.director(&DirectorFile::vrrp_only(50));
    pair.become_states("master", "backup");

    pair.lvs51.run("ip link set ens192 down").ok();
    let took = pair.become_states("fault", "master");
    is_in_fault(&pair.lvs51, "the interface does not work: it is down");
    lab.say(&format!(
        "set down: in fault, the other one is master after {} ms",
        took.as_millis()
    ));
    lab.say(&pair.lvs51.run("lvsd status").ok());
    pair.lvs51.run("ip link set ens192 up").ok();
    let took = pair.become_states("master", "backup");
    lab.say(&format!(
        "set up: master again after {} ms",
        took.as_millis()
    ));

    pair.lvs51.unplug();
    pair.become_states("fault", "master");
    is_in_fault(&pair.lvs51, "the interface does not work: no carrier");
    pair.lvs51.plug();
    let took = pair.become_states("master", "backup");
    lab.say(&format!(
        "unplugged, in fault, plugged in: master again after {} ms",
        took.as_millis()
    ));
    assert!(first.is_running());
}

/// The addresses are on one of the two all the time, and the other VRID begins afterwards,
/// without them.
fn a_master_that_a_reload_makes_another_router_hands_over_first(lab: &Lab) {
    let pair = Pair::build(lab);
    let file = DirectorFile::steady(100).vrrp_key("handover_timeout", "'30s'");
    let first = pair.lvs51.director(&file);
    pair.lvs52.director(&DirectorFile::steady(50));
    pair.become_states("master", "backup");
    pair.lvs52.unplug();
    let other = file.vrrp_key("virtual_router_id", "52");
    pair.lvs51.reload(&first, &other.text());
    let router = || pair.lvs51.status()["vrrp"][0].clone();
    eventually("it hands over", within(secs(2)), || {
        router()["phase"] == "handing over" && router()["vrid"] == 51
    });
    assert!(pair.lvs51.holds(VIP), "nobody has taken over");
    pair.lvs52.plug();
    eventually(
        "the new one begins when the old one is succeeded",
        within(secs(10)),
        || router()["vrid"] == 52,
    );
    eventually("the successor has the VIP", within(secs(5)), || {
        pair.lvs52.holds(VIP)
    });
    eventually("it has none", within(millis(500)), || {
        !pair.lvs51.holds(VIP)
    });
    assert_eq!(router()["state"], "backup", "it still listens");
    let log = first.log();
    let ended = log
        .find("to=initialize cause=stopped")
        .expect("the old one's end");
    let began = log.rfind("cause=started").expect("the new one's beginning");
    assert!(ended < began, "{log}");
}

/// The state and its reason, in the status, and in the answer to `/readyz`.
fn is_in_fault(host: &Host, cause: &str) {
    let router = host.status()["vrrp"][0].clone();
    assert_eq!(router["state"], "fault");
    assert_eq!(router["cause"], cause);
    eventually("/readyz says why not", within(secs(2)), || {
        let readiness = host.get("http://127.0.0.1:9481/readyz");
        readiness.is_ok_and(|answer| answer.status == 503 && answer.body.contains(cause))
    });
}

fn an_interface_that_is_missing_is_a_fault_until_it_appears(lab: &Lab) {
    let lan = lab.lan();
    let host = lan.host("lvs51", "10.0.0.51/24");
    let director = host.director(&DirectorFile::vrrp_only(100));
    eventually("it is in fault", within(secs(5)), || {
        host.vrrp_state() == "fault"
    });
    is_in_fault(&host, "the interface does not work: no such interface");
    lan.connect(&host, "ens192", "192.168.1.51/24");
    let took = eventually("it is master", within(secs(5)), || host.holds(VIP));
    lab.say(&format!(
        "the interface appears: master after {} ms",
        took.as_millis()
    ));
    host.run("ip link del ens192").ok();
    eventually("it is in fault again", within(secs(5)), || {
        host.vrrp_state() == "fault"
    });
    lan.connect(&host, "ens192", "192.168.1.51/24");
    eventually("it is master again", within(secs(5)), || host.holds(VIP));
    assert!(director.is_running());
    director.terminate();
    assert!(!host.holds(VIP), "nothing is left");
}

fn an_interface_that_is_renamed_is_a_fault_and_loses_its_vip(lab: &Lab) {
    let lan = lab.lan();
    let host = lan.host_with_nic("lvs51", "ens192", "192.168.1.51/24");
    let director = host.director(&DirectorFile::vrrp_only(100));
    eventually("it is master", within(secs(5)), || host.holds(VIP));
    rename(&host, "ens192", "nic0");
    eventually("it is in fault, and has no VIP", within(secs(5)), || {
        host.vrrp_state() == "fault" && !host.has_address(VIP)
    });
    is_in_fault(&host, "the interface does not work: it was renamed to nic0");
    rename(&host, "nic0", "ens192");
    eventually("it is master again", within(secs(10)), || host.holds(VIP));
    let log = director.log();
    assert!(!log.contains("not put there by lvsd"), "{log}");
    director.terminate();
    assert!(!host.has_address(VIP), "nothing is left");
}

/// Before Linux 6.2 an interface must be down for that.
#[track_caller]
fn rename(host: &Host, from: &str, to: &str) {
    let commands = format!(
        "ip link set {from} name {to} || (ip link set {from} down && \
         ip link set {from} name {to} && ip link set {to} up)"
    );
    host.run(&commands).ok();
}

/// Nobody of lvsd's was there to see it: it goes with the old file, stays with one that knows the
/// new name, and moves where the old name is another interface's.
fn what_a_killed_master_left_is_its_own_on_an_interface_that_was_renamed(lab: &Lab) {
    let lan = lab.lan();
    let host = lan.host_with_nic("lvs51", "ens192", "192.168.1.51/24");
    let on = |nic: &str| host.addresses(nic).contains(&format!("{VIP}/32"));
    let file = DirectorFile::vrrp_only(100);
    let is_killed_as_master = |file: &DirectorFile| {
        let director = host.director(file);
        eventually("it is master", within(secs(10)), || {
            host.vrrp_state() == "master" && host.holds(VIP)
        });
        director.kill9();
    };
    let knows_its_own = |director: Program| {
        let log = director.log();
        assert!(!log.contains("not put there by lvsd"), "{log}");
        log
    };

    is_killed_as_master(&file);
    rename(&host, "ens192", "nic0");
    assert!(on("nic0"), "the VIP went along");
    let director = host.director(&file);
    eventually("it is in fault, and has no VIP", within(secs(10)), || {
        host.vrrp_state() == "fault" && !host.has_address(VIP)
    });
    is_in_fault(&host, "the interface does not work: it was renamed to nic0");
    director.terminate();
    knows_its_own(director);
    lab.say("started with the old name: in fault, and the VIP is gone");

    rename(&host, "nic0", "ens192");
    is_killed_as_master(&file);
    rename(&host, "ens192", "nic0");
    let director = host.director(&file.clone().vrrp_key("interface", "'nic0'"));
    eventually("it is master there", within(secs(10)), || {
        assert!(on("nic0"), "the VIP stays where it is");
        host.vrrp_state() == "master"
    });
    director.terminate();
    let log = knows_its_own(director);
    assert!(!log.contains("address added"), "adopted: {log}");
    assert!(!host.has_address(VIP), "nothing is left");
    lab.say("started with the new name: the VIP is adopted, and goes at the stop");

    rename(&host, "nic0", "ens192");
    is_killed_as_master(&file);
    rename(&host, "ens192", "nic0");
    lan.connect(&host, "ens192", "192.168.1.61/24");
    let director = host.director(&file);
    eventually("the VIP moves", within(secs(10)), || {
        host.vrrp_state() == "master" && on("ens192") && !on("nic0")
    });
    director.terminate();
    knows_its_own(director);
    assert!(!host.has_address(VIP), "nothing is left");
    lab.say("started where the old name is another interface's: the VIP moves there");
}

/// As above, of what a virtual MAC needs of the interface below it.
fn the_sysctls_of_an_interface_that_was_renamed_are_put_back(lab: &Lab) {
    let lan = lab.lan();
    let host = lan.host_with_nic("lvs51", "ens192", "192.168.1.51/24");
    let sysctls = |nic: &str| {
        let names = ["arp_ignore", "arp_announce"];
        names.map(|name| host.sysctl(&format!("net.ipv4.conf.{nic}.{name}")))
    };
    let (before, held) = (["2", "1"], ["1", "2"]);
    host.run("sysctl -w net.ipv4.conf.ens192.arp_ignore=2 net.ipv4.conf.ens192.arp_announce=1")
        .ok();
    let first = DirectorFile::vrrp_only(100).vrrp_key("virtual_mac", "true");
    let renamed = first.clone().vrrp_key("interface", "'nic0'");
    for (what, file, state) in [
        ("the old name", &first, "fault"),
        ("the new name", &renamed, "master"),
    ] {
        let killed = host.director(&first);
        eventually("it is master", within(secs(10)), || host.holds(VIP));
        assert_eq!(sysctls("ens192"), held);
        killed.kill9();
        rename(&host, "ens192", "nic0");
        assert_eq!(sysctls("nic0"), held, "they went along");
        let director = host.director(file);
        eventually(&format!("it is in {state}"), within(secs(10)), || {
            host.vrrp_state() == state
        });
        director.terminate();
        assert_eq!(
            sysctls("nic0"),
            before,
            "started with {what}: {}",
            director.log()
        );
        let left = host.run("ip -o link show type macvlan").ok();
        assert_eq!(left, "", "started with {what}");
        rename(&host, "nic0", "ens192");
        lab.say(&format!("started with {what}: put back at the stop"));
    }
    let director = host.director(&first);
    eventually("it is master", within(secs(10)), || host.holds(VIP));
    rename(&host, "ens192", "nic0");
    eventually("they are put back at once", within(secs(5)), || {
        sysctls("nic0") == before
    });
    rename(&host, "nic0", "ens192");
    eventually("they are set again", within(secs(5)), || {
        sysctls("ens192") == held
    });
    director.terminate();
    assert_eq!(sysctls("ens192"), before, "{}", director.log());
}

/// Three pairs at a time, since version 2 has whole seconds only.
fn routers_that_disagree_are_both_master_and_say_why(lab: &Lab) {
    let seed = |priority| DirectorFile {
        server: String::new(),
        ..DirectorFile::seed(priority)
    };
    let third = DirectorFile::vrrp_only(50).vrrp_key("advert_interval", "'1s'");
    let cases = [
        ("auth_password", seed(50).vrrp_key("auth_pass", "'2222'")),
        ("interval", seed(50).vrrp_key("advert_interval", "'2s'")),
        ("version", third),
    ];
    let pairs = cases.map(|(reason, other)| {
        let pair = Pair::build(lab);
        let logs = [pair.lvs51.director(&seed(100)), pair.lvs52.director(&other)];
        (reason, pair, logs)
    });
    side_by_side(&pairs, |(reason, pair, logs)| {
        pair.become_states("master", "master");
        for (host, log) in [&pair.lvs51, &pair.lvs52].into_iter().zip(logs) {
            eventually(
                &format!("three packets are discarded for {reason}"),
                within(secs(8)),
                || host.discarded(reason) >= 3,
            );
            let told = format!("reason=\"{reason}\"");
            let lines: Vec<_> = log.log().lines().map(str::to_owned).collect();
            let lines: Vec<_> = lines.iter().filter(|line| line.contains(&told)).collect();
            assert_eq!(lines.len(), 1, "once, not per packet: {lines:#?}");
            lab.say(lines[0]);
        }
        let status = pair.lvs51.run("lvsd status").ok();
        assert!(
            status.contains("VI_1: discards adverts of 192.168.1.52: "),
            "{status}"
        );
        is_told_of_the_other(pair, &logs[0]);
    });
}

/// The other master in status, log and metrics, with who it is and why the two do not agree;
/// gone from them when it is gone.
fn is_told_of_the_other(pair: &Pair, log: &Program) {
    let router = || pair.lvs51.status()["vrrp"][0].clone();
    eventually("the other is a master", within(secs(8)), || {
        !router()["rival"].is_null()
    });
    let rival = router()["rival"].clone();
    assert_eq!(rival["address"], "192.168.1.52", "{rival}");
    assert_eq!(rival["priority"], 50, "{rival}");
    let why = rival["refused"].as_str().expect("the reason").to_owned();
    let told = "another master: 192.168.1.52 with priority 50 while master, \
                whose adverts are discarded: ";
    assert_eq!(log.log().matches(told).count(), 1, "{}", log.log());
    let status = pair.lvs51.run("lvsd status").ok();
    assert!(
        status.contains("SPLIT BRAIN: 192.168.1.52 is master too"),
        "{status}"
    );
    assert!(
        status.contains(&format!("the two do not agree: {why}")),
        "{status}"
    );
    let gauge = || {
        let metrics = pair
            .lvs51
            .get("http://127.0.0.1:9481/metrics")
            .unwrap()
            .body;
        let find = |name: &str| {
            let line = metrics.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.rsplit_once(' '))
                .map(|(_, value)| value.to_owned())
        };
        (
            find("lvsd_vrrp_rival{"),
            find("lvsd_vrrp_rivals_heard_total{"),
        )
    };
    assert_eq!(gauge(), (Some("1".to_owned()), Some("1".to_owned())));
    pair.lvs52.unplug();
    eventually("the other master is gone", within(secs(20)), || {
        router()["rival"].is_null() && gauge().0.as_deref() == Some("0")
    });
    assert!(
        log.log().contains("the other master is no longer heard"),
        "{}",
        log.log()
    );
}

/// Whom a backup follows although the two are configured otherwise.
fn routers_that_differ_are_told_once_by_name_and_again_when_they_agree(lab: &Lab) {
    let pair = Pair::build(lab);
    let master = DirectorFile::steady(100)
        .vrrp_key("virtual_addresses", "['192.168.1.200', '192.168.1.201']")
        .vrrp_key("advert_interval", "'300ms'");
    let first = pair.lvs51.director(&master);
    let backup = DirectorFile::steady(50)
        .vrrp_key("virtual_addresses", "['192.168.1.200', '192.168.1.202']")
        .vrrp_key("advert_interval", "'400ms'");
    let second = pair.lvs52.director(&backup);
    pair.become_states("master", "backup");
    let heard = || crate::lab::lvsd::number(&pair.lvs52.status()["vrrp"][0]["adverts_received"]);
    eventually("ten adverts are heard", within(secs(10)), || heard() >= 10);
    let expected = [
        "its addresses are not ours: it lacks 192.168.1.202, and has 192.168.1.201",
        "its advert interval is 300ms, ours is 400ms",
    ];
    let status = pair.lvs52.run("lvsd status").ok();
    for what in expected {
        let told = format!("advert accepted, yet {what}");
        assert_eq!(second.log().matches(&told).count(), 1, "{}", second.log());
        let shown = format!("VI_1: 192.168.1.51 is configured otherwise: {what}");
        assert!(status.contains(&shown), "{status}");
    }
    lab.say(&status);
    pair.lvs52
        .reload(&second, &master.vrrp_key("priority", "50").text());
    eventually("nothing is told any more", within(secs(10)), || {
        let router = &pair.lvs52.status()["vrrp"][0];
        router["state"] == "backup" && router["mismatches"].as_array().is_some_and(Vec::is_empty)
    });
    assert!(first.is_running());
}
