//! Planned changes of mastership, seen by a client that asks every 10 ms: nothing is lost.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::table::OpenConnection;
use crate::lab::lvsd::{DirectorFile, Pair, Running, number, text};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, Site, eventually, millis, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(planned_changes_of_master_cost_clients_nothing),
    scenario!(a_stop_before_two_equal_successors_costs_clients_nothing)
        .alone()
        .on_any_linux(),
    scenario!(a_master_that_is_killed_and_started_again_keeps_mastership_and_connections),
    scenario!(a_director_whose_cable_was_out_takes_over_when_it_knows_its_servers_again),
    scenario!(a_director_whose_checks_do_not_answer_preempts_after_a_minute).limited_to(secs(150)),
];

/// Adverts each 500 ms, so that a busy lab does not elect by itself. Both directors choose
/// alike, and take over connections in their middle: a request that is under way when the
/// address moves goes on at the same real server.
fn file(priority: u8) -> DirectorFile {
    DirectorFile::quick(priority)
        .vrrp_key("advert_interval", "'500ms'")
        .server_key("scheduler", "'mh'")
        .server_key("scheduler_flags", "['port']")
        .ipvs("[ipvs.sysctl]\nsloppy_tcp = true")
}

fn planned_changes_of_master_cost_clients_nothing(lab: &Lab) {
    let Running {
        site,
        directors: [first, _second],
        agents: _agents,
    } = serving(lab, [file(200), file(100)]);

    nothing_is_lost(lab, &site, "yield", || {
        let told = site.lvs51.run("lvsd vrrp yield VI_1").ok();
        assert!(told.contains("VI_1: backup, yielded"), "{told}");
        becomes_master(&site.lvs52, &site.lvs51);
    });
    nothing_is_lost(lab, &site, "reclaim", || {
        let told = site.lvs51.run("lvsd vrrp reclaim VI_1").ok();
        assert_eq!(told.trim(), "VI_1: master; this host is master");
        becomes_master(&site.lvs51, &site.lvs52);
    });
    nothing_is_lost(lab, &site, "clean stop", || {
        first.signal(Signal::SIGTERM);
        becomes_master(&site.lvs52, &site.lvs51);
        first.expect_exit(0);
    });
    let mut first = None;
    nothing_is_lost(lab, &site, "return with preemption", || {
        first = Some(site.lvs51.director(&file(200)));
        becomes_master(&site.lvs51, &site.lvs52);
    });
    let first = first.expect("it was started");
    nothing_is_lost(lab, &site, "reload that removes all there is", || {
        let other = DirectorFile {
            vrrp: file(200)
                .vrrp
                .replace("VI_1", "VI_9")
                .replace("= 51", "= 99")
                .replace(VIP, "192.168.1.209"),
            ..file(200).server_key("address", "'192.168.1.209:80'")
        };
        site.lvs51.reload(&first, &other.text());
        eventually("52 has the VIP, 51 has not", within(secs(5)), || {
            site.lvs52.holds(VIP) && !site.lvs51.holds(VIP)
        });
    });
    // Nobody asks any more: what is left to do has the processor.
    eventually("its virtual server is gone", within(secs(5)), || {
        !site.lvs51.ipvsadm().contains(&format!("{VIP}:80"))
    });
}

/// Both are as fast, and tell the client of the VIP at the same moment.
fn a_stop_before_two_equal_successors_costs_clients_nothing(lab: &Lab) {
    let pair = Pair::build(lab);
    let third = pair.lan.host_with_nic("lvs53", "ens192", "192.168.1.53/24");
    let file = DirectorFile::steady;
    let mut first = pair.lvs51.director(&file(100));
    let _others = [&pair.lvs52, &third].map(|host| host.director(&file(50)));
    for round in 1..=8 {
        eventually("51 is master", within(secs(10)), || {
            let masters = [&pair.lvs51, &pair.lvs52, &third].map(|host| host.holds(VIP));
            masters == [true, false, false]
        });
        let pings = pair.client.spawn(&format!("ping -i 0.002 -W 1 {VIP}"));
        eventually("pings are answered", within(secs(5)), || {
            pings.log().matches("ttl=").count() > 100
        });
        first.terminate();
        let mut log = String::new();
        eventually("one other has the VIP", within(secs(10)), || {
            !pair.lvs51.holds(VIP) && third.holds(VIP) != pair.lvs52.holds(VIP)
        });
        let answered = pings.log().matches("ttl=").count();
        eventually("pings are answered", within(secs(5)), || {
            pings.log().matches("ttl=").count() > answered + 200
        });
        pings.signal(Signal::SIGINT);
        eventually("it counts", within(secs(5)), || {
            log = pings.log();
            log.contains("packet loss")
        });
        let counted = log.lines().find(|line| line.contains("packet loss"));
        lab.say(&format!("{round}: {}", counted.unwrap_or_default()));
        assert!(log.contains(" 0% packet loss"), "{counted:?}");
        first = pair.lvs51.director(&file(100));
    }
}

fn a_director_whose_cable_was_out_takes_over_when_it_knows_its_servers_again(lab: &Lab) {
    // It would preempt long before the next attempts are due.
    let file = |priority: u8| {
        file(priority)
            .vrrp_key("advert_interval", "'250ms'")
            .check_key("interval", "'4s'")
            .check_key("timeout", "'500ms'")
            .check_key("retries", "0")
    };
    let Running {
        site,
        directors: _directors,
        agents: _agents,
    } = serving(lab, [file(200), file(100)]);
    site.lvs51.unplug();
    eventually("51 has lost its servers", within(secs(15)), || {
        balances(&site.lvs51) == [false; 3]
    });
    becomes_master(&site.lvs52, &site.lvs51);
    nothing_is_lost(lab, &site, "the cable is plugged in again", || {
        site.lvs51.plug();
        becomes_master(&site.lvs51, &site.lvs52);
        assert_eq!(balances(&site.lvs51), [true; 3], "it knows its servers");
    });
}

/// One real server lets its checks of 192.168.1.51 wait for longer than that.
fn a_director_whose_checks_do_not_answer_preempts_after_a_minute(lab: &Lab) {
    let Running {
        site,
        directors: [first, _second],
        agents: _agents,
    } = serving(lab, [file(200), file(100)]);
    first.terminate();
    becomes_master(&site.lvs52, &site.lvs51);
    let deaf = "INPUT -p tcp -s 192.168.1.51 --dport 80 -j DROP";
    site.real_servers[0]
        .run(&format!("iptables -I {deaf}"))
        .ok();
    let began = Instant::now();
    let slow = file(200).check_key("timeout", "'200s'");
    site.lvs51.director(&slow);
    eventually("it knows the other two", within(secs(20)), || {
        balances(&site.lvs51) == [false, true, true]
    });
    eventually("it preempts all the same", within(secs(90)), || {
        site.lvs51.holds(VIP) && !site.lvs52.holds(VIP)
    });
    let took = began.elapsed();
    lab.say(&format!("it left the working master alone for {took:.1?}"));
    assert!(took >= secs(60), "{took:?}");
    assert_eq!(balances(&site.lvs51), [false, true, true]);
}

/// The site, with its first director as master.
fn serving(lab: &Lab, files: [DirectorFile; 2]) -> Running {
    let running = Site::build(lab).start(files);
    let site = &running.site;
    becomes_master(&site.lvs51, &site.lvs52);
    // Directors that know different pools choose otherwise for a request that is under way.
    eventually("both balance onto all", within(secs(10)), || {
        balances(&site.lvs51) == [true; 3] && balances(&site.lvs52) == [true; 3]
    });
    eventually("the site serves", within(secs(5)), || {
        site.client.get(&format!("http://{VIP}/")).is_ok()
    });
    running
}

/// Onto which of the real servers it balances.
fn balances(host: &Host) -> [bool; 3] {
    ["53", "54", "55"].map(|last| host.balances_onto(&format!("192.168.1.{last}:80")))
}

#[track_caller]
fn becomes_master(holder: &Host, other: &Host) {
    eventually(
        "one holds the VIP, the other does not",
        within(secs(10)),
        || {
            holder.holds(VIP)
                && !other.holds(VIP)
                && text(&holder.status()["vrrp"][0]["state"]) == "master"
        },
    );
}

/// Makes a change under load, and looks at what became of the requests.
#[track_caller]
fn nothing_is_lost(lab: &Lab, site: &Site, what: &str, change: impl FnOnce()) {
    let load = site
        .client
        .load_within(&format!("http://{VIP}/"), millis(10), LIMIT);
    change();
    // What was sent to the former master has been answered by then.
    std::thread::sleep(millis(300));
    let report = load.stop();
    let failures = report.failures();
    lab.say(&format!(
        "{what}: {} requests, {} failed, longest gap {} ms",
        report.asked.len(),
        failures.len(),
        report.longest_gap().as_millis()
    ));
    assert!(failures.is_empty(), "{what}: {failures:?}");
}

/// A SYN that is lost is sent again after a second, so an answer that needs one is late.
const LIMIT: Duration = millis(900);

fn a_master_that_is_killed_and_started_again_keeps_mastership_and_connections(lab: &Lab) {
    let file = |priority| DirectorFile::quick(priority).vrrp_key("advert_interval", "'2s'");
    let Running {
        site,
        directors: [first, _second],
        agents: _agents,
    } = serving(lab, [file(200), file(100)]);
    let mut open = OpenConnection::to_vip(&site.client);
    let server = open.asks();
    let transitions = number(&site.lvs52.status()["vrrp"][0]["transitions"]);
    first.kill9();
    assert_eq!(open.asks(), server, "the kernel goes on without lvsd");
    let first = site.lvs51.director(&file(200));
    let took = eventually("it is master again", within(secs(5)), || {
        site.lvs51.vrrp_state() == "master"
    });
    lab.say(&format!(
        "master again {} ms after the start",
        took.as_millis()
    ));
    assert_eq!(open.asks(), server, "{}", first.log());
    assert_eq!(
        number(&site.lvs52.status()["vrrp"][0]["transitions"]),
        transitions,
        "the backup has not moved"
    );
    assert!(!first.log().contains("address removed"), "{}", first.log());
}
