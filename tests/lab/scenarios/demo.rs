//! The main job of lvsd on the site of seed 000, from the first election to a clean stop: what
//! `make demo` shows, and what `make test` holds it to.

use std::time::Instant;

use crate::lab::lvsd::{DirectorFile, Running};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Lab, Scenario, Site, eventually, millis, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[scenario!(demo)];

fn demo(lab: &Lab) {
    let site = Site::build(lab);
    lab.say("a site: two directors, three real servers with nginx, a client");
    let arp_before = site.real_servers[0].sysctl("net.ipv4.conf.all.arp_ignore");
    let mut running = site.start([DirectorFile::seed(100), DirectorFile::seed(50)]);
    the_higher_priority_is_elected(lab, &running);
    requests_are_spread(lab, &running);
    a_stopped_nginx_is_taken_out_and_put_back(lab, &running);
    the_backup_takes_over_and_gives_back(lab, &mut running);
    an_agent_leaves_as_it_came(lab, &running, &arp_before);
}

fn the_higher_priority_is_elected(lab: &Lab, running: &Running) {
    let site = &running.site;
    eventually("51 is master and 52 backup", within(secs(10)), || {
        site.lvs51.vrrp_state() == "master" && site.lvs52.vrrp_state() == "backup"
    });
    assert!(site.lvs51.has_address(VIP) && !site.lvs52.has_address(VIP));
    lab.say("192.168.1.51 is master and holds 192.168.1.200; 192.168.1.52 is backup");
    eventually(
        "all three real servers are in the table",
        within(secs(5)),
        || {
            ["53", "54", "55"]
                .iter()
                .all(|last| site.lvs51.balances_onto(&format!("192.168.1.{last}:80")))
        },
    );
}

fn requests_are_spread(lab: &Lab, running: &Running) {
    let counts = running.site.client.ask(30, &Site::url());
    lab.say(&format!("30 requests were answered so: {counts:?}"));
    assert!(
        counts.len() == 3 && counts.values().all(|count| *count == 10),
        "wrr with equal weights spreads evenly: {counts:?}"
    );
}

/// The check's time, by the file: 6 s to the next attempt, then three more, 3 s apart.
fn a_stopped_nginx_is_taken_out_and_put_back(lab: &Lab, running: &Running) {
    let site = &running.site;
    let rs54 = &site.real_servers[1];
    let load = site.client.load(&Site::url(), millis(50));
    rs54.stop_nginx();
    lab.say("nginx on 192.168.1.54 is stopped");
    let took = eventually("192.168.1.54 is out of the table", within(secs(16)), || {
        !site.lvs51.balances_onto("192.168.1.54:80")
    });
    let out = Instant::now();
    lab.say(&format!(
        "192.168.1.54 is out of the table after {took:.1?} (the check allows 15 s)"
    ));
    let after = site.client.ask(30, &Site::url());
    let report = load.stop();
    assert!(
        !after.contains_key("I am 54") && after.values().sum::<usize>() == 30,
        "{after:?}"
    );
    let lost = report
        .asked
        .iter()
        .filter(|asked| asked.at > out && asked.result.is_err())
        .count();
    lab.say(&format!(
        "since then {} requests, {lost} lost",
        report.asked.iter().filter(|a| a.at > out).count() + 30
    ));
    assert_eq!(lost, 0, "{:?}", report.failures());
    let because = site.lvs51.real_server("192.168.1.54:80")["reason"].to_string();
    lab.say(&format!("lvsd status says why: {because}"));
    assert!(because.contains("refused"), "{because}");
    rs54.start_nginx();
    let took = eventually(
        "192.168.1.54 is back in the table",
        within(secs(10)),
        || site.lvs51.balances_onto("192.168.1.54:80"),
    );
    lab.say(&format!(
        "nginx is started again: back in the table after {took:.1?}"
    ));
}

fn the_backup_takes_over_and_gives_back(lab: &Lab, running: &mut Running) {
    let site = &running.site;
    let load = site
        .client
        .load_within(&Site::url(), millis(10), within(millis(200)).limit());
    site.lvs51.unplug();
    running.directors[0].kill9();
    lab.say("director 192.168.1.51 is killed and its cable pulled");
    eventually("52 is master", within(secs(6)), || {
        site.lvs52.vrrp_state() == "master"
    });
    eventually("52 answers", within(secs(5)), || {
        site.client.get(&Site::url()).is_ok()
    });
    let report = load.stop();
    lab.say(&format!(
        "192.168.1.52 has taken over: {} ms without an answer",
        report.longest_gap().as_millis()
    ));
    assert!(
        report.longest_gap() < within(secs(5)).limit(),
        "{:?}",
        report.longest_gap()
    );
    site.lvs51.plug();
    running.directors[0] = site.lvs51.director(&DirectorFile::seed(100));
    let took = eventually("51 is master again, 52 backup", within(secs(10)), || {
        site.lvs51.vrrp_state() == "master" && site.lvs52.vrrp_state() == "backup"
    });
    lab.say(&format!(
        "192.168.1.51 is back, and master again after {took:.1?}"
    ));
    eventually("52 has let go of the VIP", within(secs(2)), || {
        !site.lvs52.has_address(VIP)
    });
    assert_eq!(
        site.client.ask(30, &Site::url()).values().sum::<usize>(),
        30
    );
}

fn an_agent_leaves_as_it_came(lab: &Lab, running: &Running, arp_before: &str) {
    let rs55 = &running.site.real_servers[2];
    assert_eq!(rs55.sysctl("net.ipv4.conf.all.arp_ignore"), "1");
    let asked = Instant::now();
    let status = running.agents[2].terminate();
    assert!(status.success(), "{status}");
    lab.say(&format!(
        "the agent of 192.168.1.55 is stopped: drained for {:.1?}, then its last connection was over",
        asked.elapsed()
    ));
    let log = running.agents[2].log();
    assert!(log.contains("to=draining"), "it drains first: {log}");
    // 10 s of drain at most, and the stop itself.
    let limit = secs(10) + within(secs(2)).limit();
    assert!(asked.elapsed() < limit, "{:?}", asked.elapsed());
    assert!(!rs55.has_address(VIP), "the VIP is gone from lo");
    assert_eq!(rs55.sysctl("net.ipv4.conf.all.arp_ignore"), arp_before);
    lab.say("its VIP is gone from lo, its ARP sysctls are as they were before");
}
