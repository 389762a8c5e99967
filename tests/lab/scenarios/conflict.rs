//! A VIP that two hosts answer for: the master says who the other one is, and why it may be.

use crate::lab::lvsd::{DirectorFile, Pair, number, text};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Program, Scenario, Site, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(a_real_server_that_answers_arp_for_the_vip_is_named),
    scenario!(directors_that_do_not_hear_each_other_name_each_other).on_any_linux(),
    scenario!(a_wrong_password_explains_two_masters).on_any_linux(),
    scenario!(a_healthy_site_finds_nobody_else),
];

/// The administrator forgot the sysctls on 192.168.1.54.
fn a_real_server_that_answers_arp_for_the_vip_is_named(lab: &Lab) {
    let site = Site::build(lab);
    let [rs53, rs54, rs55] = &site.real_servers;
    let _agents = [rs53.agent(), rs55.agent()];
    rs54.run(&format!("ip addr add {VIP}/32 dev lo label lo:0"))
        .ok();
    let director = site.lvs51.director(&DirectorFile::quick(100));
    let took = eventually("192.168.1.54 is named", within(secs(20)), || {
        others(&site.lvs51) == [mac(54)]
    });
    lab.say(&format!("named after {took:.1?}"));
    let status = site.lvs51.run("lvsd status").ok();
    lab.say(&status);
    let finding = format!(
        "VI_1: {VIP} is also answered by {} on ens192: a real server that answers ARP for the VIP \
         (start lvsd realserver there)",
        mac(54)
    );
    assert!(status.contains(&finding), "{status}");
    assert!(metrics(&site.lvs51).contains("lvsd_vrrp_vip_conflicts{name=\"VI_1\"} 1"));

    let agent = rs54.agent();
    let took = eventually("192.168.1.54 no longer answers", within(secs(20)), || {
        others(&site.lvs51).is_empty()
    });
    lab.say(&format!(
        "lvsd realserver is started there: clear after {took:.1?}"
    ));
    assert_eq!(troubles(&site.lvs51), "");
    assert!(metrics(&site.lvs51).contains("lvsd_vrrp_vip_conflicts{name=\"VI_1\"} 0"));
    assert_eq!(findings(&director), 1, "{}", director.log());
    assert!(agent.is_running() && director.is_running());
}

/// A firewall between two directors: first in both directions, then in one.
fn directors_that_do_not_hear_each_other_name_each_other(lab: &Lab) {
    let pair = Pair::build(lab);
    for director in [&pair.lvs51, &pair.lvs52] {
        director.run("iptables -A INPUT -p 112 -j DROP").ok();
    }
    let first = pair.lvs51.director(&DirectorFile::vrrp_only(100));
    let second = pair.lvs52.director(&DirectorFile::vrrp_only(50));
    pair.become_states("master", "master");
    let took = eventually("each names the other", within(secs(20)), || {
        others(&pair.lvs51) == [mac(52)] && others(&pair.lvs52) == [mac(51)]
    });
    lab.say(&format!(
        "both are masters and name each other after {took:.1?}"
    ));
    for director in [&pair.lvs51, &pair.lvs52] {
        let status = director.run("lvsd status").ok();
        assert!(
            status.contains("another director that is not heard (VRRP blocked by a firewall?"),
            "{status}"
        );
    }

    pair.lvs51.run("iptables -F INPUT").ok();
    eventually("51 hears the other master", within(secs(5)), || {
        pair.lvs51.status()["vrrp"][0]["rival"]["address"] == "192.168.1.52"
    });
    let status = pair.lvs51.run("lvsd status").ok();
    lab.say(&status);
    assert!(status.contains("SPLIT BRAIN: 192.168.1.52 is master too (priority 50, version 3)"));
    assert!(metrics(&pair.lvs51).contains("lvsd_vrrp_rival{name=\"VI_1\"} 1"));

    pair.lvs52.run("iptables -F INPUT").ok();
    pair.become_states("master", "backup");
    eventually("nobody else is found", within(secs(20)), || {
        troubles(&pair.lvs51).is_empty() && troubles(&pair.lvs52).is_empty()
    });
    // A starved host may lose sight of the other master and hear it anew.
    assert!(!metrics(&pair.lvs51).contains("lvsd_vrrp_rivals_heard_total{name=\"VI_1\"} 0"));
    assert_eq!([findings(&first), findings(&second)], [1, 1]);
}

fn a_wrong_password_explains_two_masters(lab: &Lab) {
    let pair = Pair::build(lab);
    let seed = |priority| DirectorFile {
        server: String::new(),
        ..DirectorFile::seed(priority)
    };
    pair.lvs51.director(&seed(100));
    let wrong = seed(50).vrrp_key("auth_pass", "'2222'");
    let second = pair.lvs52.director(&wrong);
    pair.become_states("master", "master");
    for (director, other) in [(&pair.lvs51, 52), (&pair.lvs52, 51)] {
        eventually("status says who and why", within(secs(20)), || {
            let lines = troubles(director);
            lines.contains(&format!(
                "VI_1: discards adverts of 192.168.1.{other}: its password is not ours ("
            )) && lines.contains(&format!("{VIP} is also answered by {}", mac(other)))
        });
        lab.say(&director.run("lvsd status").ok());
    }
    let rejected = pair.lvs51.status()["vrrp"][0]["rejected"][0].clone();
    assert_eq!(text(&rejected["reason"]), "auth_password");
    assert!(number(&rejected["count"]) >= 1);

    pair.lvs52.reload(&second, &seed(50).text());
    pair.become_states("master", "backup");
    eventually("all is quiet again", within(secs(20)), || {
        troubles(&pair.lvs51).is_empty() && troubles(&pair.lvs52).is_empty()
    });
}

/// Start, a pulled cable, a return, a change of priorities, a stop: mastership moves each time,
/// and a master asks twice before the next.
fn a_healthy_site_finds_nobody_else(lab: &Lab) {
    let site = Site::build(lab);
    let probes = site.client.spawn(&format!(
        "tcpdump -Z root -lnn -i ens192 arp and host {VIP}"
    ));
    eventually("the capture runs", within(secs(10)), || {
        probes.log().contains("listening on")
    });
    // Adverts each second: a host that is short of processor time is no second master.
    let file = |priority| DirectorFile::quick(priority).vrrp_key("advert_interval", "'1s'");
    let (lvs51, lvs52) = (site.lvs51.clone(), site.lvs52.clone());
    let agents_and_directors = site.start([file(100), file(50)]);
    let [first, second] = &agents_and_directors.directors;
    let asked_twice = |master: &Host, when: &str| {
        eventually(when, within(secs(10)), || master.vrrp_state() == "master");
        let asked = count(&probes, "tell 0.0.0.0");
        let took = eventually("the new master has asked twice", within(secs(20)), || {
            count(&probes, "tell 0.0.0.0") >= asked + 2
        });
        lab.say(&format!("{when}: has asked twice after {took:.1?}"));
        assert_eq!(troubles(&lvs51) + &troubles(&lvs52), "");
    };
    asked_twice(&lvs51, "51 is master after the start");
    lvs51.unplug();
    asked_twice(&lvs52, "52 is master while the cable of 51 is out");
    lvs51.plug();
    asked_twice(&lvs51, "51 preempts");
    lvs51.reload(first, &file(40).text());
    asked_twice(&lvs52, "51 yields");
    second.terminate();
    asked_twice(&lvs51, "52 is stopped");
    assert_eq!([findings(first), findings(second)], [0, 0]);
    assert_eq!(count(&probes, "Reply 192.168.1.200"), 0, "{}", probes.log());
}

/// The hardware addresses that the host's director says its VIP is answered by too.
fn others(host: &Host) -> Vec<String> {
    let status = host.status();
    let conflicts = status["vrrp"][0]["conflicts"].as_array().into_iter();
    conflicts
        .flatten()
        .map(|conflict| text(&conflict["mac"]))
        .collect()
}

/// The hardware address of 192.168.1.`last`.
fn mac(last: u8) -> String {
    format!("02:00:c0:a8:01:{last:02x}")
}

/// The lines of `lvsd status` below the table of virtual routers.
fn troubles(host: &Host) -> String {
    let status = host.run("lvsd status").stdout;
    let lines = status.lines();
    lines
        .filter(|line| line.starts_with("VI_1: ") || line.starts_with("ens192: "))
        .map(|line| format!("{line}\n"))
        .collect()
}

fn metrics(host: &Host) -> String {
    host.run("curl -sS http://127.0.0.1:9481/metrics").ok()
}

/// How often the log warns of somebody else.
fn findings(director: &Program) -> usize {
    count(director, "is also answered by")
}

fn count(program: &Program, text: &str) -> usize {
    program.log().matches(text).count()
}
