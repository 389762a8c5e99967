//! Virtual routers of a group on two LANs, as NAT needs them: all move together, and return together.

use crate::lab::lvsd::{DIRECTOR_FILE, text};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] =
    &[
        scenario!(a_group_moves_together_when_one_cable_is_pulled_and_returns_together)
            .on_any_linux(),
    ];

const INSIDE: &str = "10.0.0.200";

fn file(priority: u8) -> String {
    let interval = within(std::time::Duration::from_millis(250))
        .limit()
        .as_millis();
    let instance = |name: &str, nic: &str, vrid: u8, vip: &str| {
        format!(
            "[[vrrp]]\nname = '{name}'\ninterface = '{nic}'\nvirtual_router_id = {vrid}\n\
             priority = {priority}\nadvert_interval = '{interval}ms'\nvirtual_addresses = ['{vip}']\n"
        )
    };
    instance("outside", "ens192", 51, VIP)
        + &instance("inside", "ens224", 52, INSIDE)
        + "[[vrrp_group]]\nname = 'gateway'\ninstances = ['outside', 'inside']\n"
}

fn states(host: &Host) -> Vec<String> {
    let status = host.status();
    let routers = status["vrrp"].as_array().into_iter().flatten();
    routers.map(|router| text(&router["state"])).collect()
}

/// Waits until the whole group is in one state on each host, with both addresses where they belong.
fn become_states(hosts: [&Host; 2], expected: [&str; 2]) -> std::time::Duration {
    let what = format!("51 is {} and 52 {} with both", expected[0], expected[1]);
    eventually(&what, within(secs(10)), || {
        hosts.iter().zip(expected).all(|(host, state)| {
            let holds = state == "master";
            states(host) == [state; 2] && [VIP, INSIDE].iter().all(|it| host.holds(it) == holds)
        })
    })
}

fn a_group_moves_together_when_one_cable_is_pulled_and_returns_together(lab: &Lab) {
    let (outside, inside) = (lab.lan(), lab.lan());
    let host = |name: &str, last: u8| {
        let host = outside.host_with_nic(name, "ens192", &format!("192.168.1.{last}/24"));
        inside.connect(&host, "ens224", &format!("10.0.0.{last}/24"));
        host
    };
    let (lvs51, lvs52) = (host("lvs51", 51), host("lvs52", 52));
    let hosts = [&lvs51, &lvs52];
    let start = |host: &Host, priority| {
        host.write(DIRECTOR_FILE, &file(priority));
        host.spawn("lvsd director")
    };
    let first = start(&lvs51, 100);
    start(&lvs52, 50);
    become_states(hosts, ["master", "backup"]);
    for (nic, name) in [("ens224", "inside"), ("ens192", "outside")] {
        lvs51.unplug_nic(nic);
        let took = become_states(hosts, ["fault", "master"]);
        let status = lvs51.status();
        let routers = status["vrrp"].as_array().unwrap();
        for router in routers {
            let (of, cause) = (text(&router["name"]), text(&router["cause"]));
            let expected = match of == name {
                true => "no carrier".to_owned(),
                false => name.to_owned(),
            };
            assert!(cause.contains(&expected), "{of}: {cause}");
            assert_eq!(router["group"], "gateway");
        }
        lvs51.plug_nic(nic);
        let back = become_states(hosts, ["master", "backup"]);
        lab.say(&format!(
            "the cable of {nic} pulled: both at 52 after {took:.1?}; plugged: both back after {back:.1?}"
        ));
    }
    first.terminate();
    eventually("52 has both", within(secs(10)), || {
        states(&lvs52) == ["master"; 2] && lvs52.holds(VIP) && lvs52.holds(INSIDE)
    });
    assert!(!lvs51.holds(VIP) && !lvs51.holds(INSIDE));
}
