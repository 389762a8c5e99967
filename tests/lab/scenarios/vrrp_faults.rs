//! Interfaces that fail and routers that disagree: each is told, and heals by itself.

use crate::lab::lvsd::{DirectorFile, Pair};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(an_interface_that_goes_down_is_a_fault_until_it_is_back).on_any_linux(),
    scenario!(an_interface_that_is_missing_is_a_fault_until_it_appears).on_any_linux(),
    scenario!(routers_that_disagree_are_both_master_and_say_why).on_any_linux(),
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
    for (reason, pair, logs) in pairs {
        pair.become_states("master", "master");
        for (host, log) in [&pair.lvs51, &pair.lvs52].into_iter().zip(&logs) {
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
    }
}
