//! That the lab is what it claims to be: IPVS forwards, cables can be pulled, scenarios do not
//! see each other, and keepalived elects.

use std::collections::BTreeMap;

use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, Site, eventually, millis, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(a_site_programmed_by_hand_balances_evenly),
    scenario!(a_pulled_cable_stops_answers_until_it_is_back).on_any_linux(),
    scenario!(the_same_addresses_side_by_side_stay_apart).on_any_linux(),
    scenario!(a_dead_host_says_nothing_and_can_be_replaced).on_any_linux(),
    scenario!(loss_and_delay_reach_the_client),
    scenario!(a_keepalived_pair_elects_one_master),
    scenario!(an_enabled_unit_is_up_after_boot_under_systemd).under_systemd(&[
        ("/etc/lab/greeting", "from a unit"),
        (
            "greeter.service",
            "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=cat /etc/lab/greeting\n\
             [Install]\nWantedBy=multi-user.target\n",
        ),
        ("idle.service", "[Service]\nExecStart=sleep infinity\n"),
    ]),
];

fn a_site_programmed_by_hand_balances_evenly(lab: &Lab) {
    let site = Site::build(lab);
    lab.say("the site is up");
    site.configure_real_servers_by_hand();
    site.lvs51
        .run(&format!("ip addr add {VIP}/32 dev ens192"))
        .ok();
    site.lvs51
        .run(&format!("ipvsadm -A -t {VIP}:80 -s wrr"))
        .ok();
    for last in [53, 54, 55] {
        site.lvs51
            .run(&format!("ipvsadm -a -t {VIP}:80 -r 192.168.1.{last}:80 -g"))
            .ok();
    }
    let counts = site.client.ask(30, &Site::url());
    lab.say(&format!("30 requests: {counts:?}"));
    let even = ["I am 53", "I am 54", "I am 55"].map(|body| (body.to_owned(), 10));
    assert_eq!(counts, BTreeMap::from(even));
}

fn a_pulled_cable_stops_answers_until_it_is_back(lab: &Lab) {
    let lan = lab.lan();
    let server = lan.host("server", "10.0.0.1/24");
    let client = lan.host("client", "10.0.0.2/24");
    server.nginx("here\n");
    assert_eq!(client.get("http://10.0.0.1/").unwrap().body, "here\n");

    let load = client.load_within("http://10.0.0.1/", millis(20), millis(200));
    server.unplug();
    client
        .get("http://10.0.0.1/")
        .expect_err("the cable is pulled");
    server.plug();
    eventually("it answers again", within(secs(5)), || {
        client.get("http://10.0.0.1/").is_ok()
    });
    let report = load.stop();
    lab.say(&format!(
        "without an answer for {:.3?}",
        report.longest_gap()
    ));
    assert!(
        !report.failures().is_empty(),
        "requests failed while the cable was out"
    );
    assert!(report.longest_gap() >= secs(2), "{:?}", report.failures());
}

fn the_same_addresses_side_by_side_stay_apart(lab: &Lab) {
    let pair = |body: &str| -> Host {
        let lan = lab.lan();
        lan.host("server", "10.0.0.1/24").nginx(body);
        lan.host("client", "10.0.0.2/24")
    };
    let clients = [pair("left\n"), pair("right\n")];
    let bodies = clients.map(|client| client.ask(5, "http://10.0.0.1/"));
    assert_eq!(bodies[0], BTreeMap::from([("left".to_owned(), 5)]));
    assert_eq!(bodies[1], BTreeMap::from([("right".to_owned(), 5)]));
}

fn a_dead_host_says_nothing_and_can_be_replaced(lab: &Lab) {
    let lan = lab.lan();
    let client = lan.host("client", "10.0.0.2/24");
    let server = lan.host("server", "10.0.0.1/24");
    server.nginx("before\n");
    let sleeper = server.spawn("sleep 1000");
    assert_eq!(client.get("http://10.0.0.1/").unwrap().body, "before\n");

    server.die();
    assert!(
        !sleeper.is_running(),
        "every process of a dead host is gone"
    );
    client
        .get("http://10.0.0.1/")
        .expect_err("the host is dead");

    lan.host("server", "10.0.0.1/24").nginx("after\n");
    eventually("the new host answers", within(secs(5)), || {
        client
            .get("http://10.0.0.1/")
            .is_ok_and(|answer| answer.body == "after\n")
    });
}

fn loss_and_delay_reach_the_client(lab: &Lab) {
    let lan = lab.lan();
    let client = lan.host("client", "10.0.0.2/24");
    let server = lan.host("server", "10.0.0.1/24");
    server.nginx("here\n");
    lan.delay(&server, millis(50));
    let slow = client.get("http://10.0.0.1/").unwrap();
    assert!(
        slow.took >= millis(200),
        "two round trips of 100 ms took {:?}",
        slow.took
    );
    lan.loss(&server, 100);
    client
        .get("http://10.0.0.1/")
        .expect_err("every packet is lost");
    lan.loss(&server, 0);
    eventually("it answers again", within(secs(5)), || {
        client.get("http://10.0.0.1/").is_ok()
    });
}

/// The pair of a small site as its administrators configure it, with the second node's state
/// and priority lower.
fn a_keepalived_pair_elects_one_master(lab: &Lab) {
    let site = Site::build(lab);
    site.configure_real_servers_by_hand();
    let directors = [&site.lvs51, &site.lvs52];
    for (director, (state, priority)) in directors.iter().zip([("MASTER", 100), ("BACKUP", 90)]) {
        director.write(
            "/etc/keepalived/keepalived.conf",
            &keepalived(state, priority),
        );
        director.spawn("keepalived --dont-fork --log-console --log-detail");
    }
    // The second may have been first, for a moment, if the first was slow to start.
    let took = eventually("only the first one holds the VIP", within(secs(15)), || {
        site.lvs51.has_address(VIP) && !site.lvs52.has_address(VIP)
    });
    lab.say(&format!("elected after {took:.2?}"));
    eventually("the table has three real servers", within(secs(30)), || {
        site.lvs51.run("ipvsadm -Ln").ok().matches("Route").count() == 3
    });
    let counts = site.client.ask(30, &Site::url());
    assert_eq!(
        counts.values().copied().collect::<Vec<_>>(),
        [10, 10, 10],
        "{counts:?}"
    );
}

fn keepalived(state: &str, priority: u8) -> String {
    let real_server = |last: u8| {
        format!(
            "real_server 192.168.1.{last} 80 {{\n weight 1\n TCP_CHECK {{\n connect_timeout 10\n \
             nb_get_retry 3\n delay_before_retry 3\n connect_port 80\n }}\n}}\n"
        )
    };
    let real_servers: String = [53, 54, 55].map(real_server).concat();
    format!(
        "global_defs {{\n router_id LVS_DEVEL\n}}\nvrrp_instance VI_1 {{\n state {state}\n \
         interface ens192\n virtual_router_id 51\n priority {priority}\n advert_int 1\n \
         authentication {{\n auth_type PASS\n auth_pass 1111\n }}\n \
         virtual_ipaddress {{\n {VIP}\n }}\n}}\n\
         virtual_server {VIP} 80 {{\n delay_loop 6\n lb_algo wrr\n lb_kind DR\n \
         persistence_timeout 0\n protocol TCP\n{real_servers}}}\n"
    )
}

fn an_enabled_unit_is_up_after_boot_under_systemd(lab: &Lab) {
    let lan = lab.lan();
    let machine = lan.this_machine("ens192", "192.168.1.51/24");
    let client = lan.host("client", "192.168.1.10/24");
    eventually("the boot is complete", within(secs(30)), || {
        machine.run("systemctl is-system-running").stdout == "running\n"
    });
    machine.run("systemctl is-active greeter.service").ok();
    machine
        .run("systemctl is-active idle.service")
        .fails_with(3);
    let log = machine.run("journalctl --no-pager -u greeter.service").ok();
    assert!(log.contains("from a unit"), "{log}");
    client.run("ping -c 1 -W 5 192.168.1.51").ok();
    lab.say(&machine.run("systemd-analyze 2>&1 | head -1").ok());
}
