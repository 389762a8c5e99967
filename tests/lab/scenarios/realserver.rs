//! The agent on the real servers of a site: who answers ARP, what becomes of a VIP or sysctl
//! that somebody takes away, and how a real server leaves.

use std::collections::BTreeSet;
use std::time::Instant;

use nix::sys::signal::Signal;

use crate::lab::lvsd::{DirectorFile, text};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Program, Scenario, Site, eventually, millis, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(only_the_master_answers_arp_for_the_vip_and_nobody_when_there_is_none),
    scenario!(two_vips_are_lo_0_and_lo_1_and_one_of_another_interface_is_refused).on_any_linux(),
    scenario!(a_vip_or_sysctl_that_somebody_takes_away_is_put_back_and_clients_go_on),
    scenario!(a_stopping_agent_lets_downloads_finish_while_new_clients_go_elsewhere),
    scenario!(what_was_before_the_first_start_is_restored_after_a_crash_and_a_hurried_stop)
        .on_any_linux(),
    scenario!(status_of_an_agent_names_what_is_wrong).on_any_linux(),
];

/// The sysctls an agent sets, below `net.ipv4.conf`.
const ARP: [&str; 4] = [
    "all.arp_ignore",
    "all.arp_announce",
    "lo.arp_ignore",
    "lo.arp_announce",
];

/// Where a client learns whether 192.168.1.53 wants it.
const READY: &str = "http://192.168.1.53:9480/ready";

fn only_the_master_answers_arp_for_the_vip_and_nobody_when_there_is_none(lab: &Lab) {
    let running = Site::build(lab).start([steady(100), steady(50)]);
    let site = &running.site;
    let [first, second] = &running.directors;
    serves_alone(site, &site.lvs51, &site.lvs52);
    // Traffic, so that whatever real servers say of themselves is said.
    site.client.ask(30, &Site::url());
    assert_eq!(who_has_the_vip(&site.client), macs(&["33"]));
    lab.say("192.168.1.51 is master: it alone answers");

    site.lvs51.unplug();
    first.kill9();
    eventually("52 is master", within(secs(10)), || {
        site.lvs52.vrrp_state() == "master"
    });
    assert_eq!(who_has_the_vip(&site.client), macs(&["34"]));
    lab.say("192.168.1.51 is gone: 192.168.1.52 alone answers");

    site.lvs52.unplug();
    second.kill9();
    assert_eq!(who_has_the_vip(&site.client), BTreeSet::new());
    let with_vip = site.real_servers.iter().filter(|rs| rs.has_address(VIP));
    assert_eq!(with_vip.count(), 3, "every real server has the VIP on lo");
    lab.say("both are gone: nobody answers, though each real server has the address");

    // That the question is heard: a real server whose sysctl is not held does answer.
    let agent = &running.agents[0];
    agent.signal(Signal::SIGSTOP);
    for interface in ["all", "ens192"] {
        let key = format!("net.ipv4.conf.{interface}.arp_ignore");
        site.real_servers[0].set_sysctl(&key, 0);
    }
    assert_eq!(who_has_the_vip(&site.client), macs(&["35"]));
    agent.signal(Signal::SIGCONT);
    eventually("its agent has silenced it", within(secs(5)), || {
        who_has_the_vip(&site.client).is_empty()
    });
    let leaked = || {
        let status = site.real_servers[0].agent_status();
        let arp = status["arp"].as_array().cloned().unwrap_or_default();
        arp.iter()
            .any(|arp| arp["interface"] == "ens192" && arp["leaked"].as_u64() > Some(0))
    };
    eventually("it has heard itself", within(secs(5)), leaked);
    lab.say(&site.real_servers[0].run("lvsd status").ok());
}

fn two_vips_are_lo_0_and_lo_1_and_one_of_another_interface_is_refused(lab: &Lab) {
    let lan = lab.lan();
    let host = lan.host_with_nic("rs53", "ens192", "192.168.1.53/24");
    let agent = host.spawn(&format!("lvsd realserver --vip {VIP} --vip 192.168.1.201"));
    eventually("both VIPs are there", within(secs(5)), || {
        host.has_address(VIP) && host.has_address("192.168.1.201")
    });
    let lo = host.run("ip -o -4 address show dev lo").ok();
    for (vip, label) in [(VIP, "lo:0"), ("192.168.1.201", "lo:1")] {
        let line = lo.lines().find(|line| line.contains(vip)).unwrap();
        assert!(line.contains(&format!("{vip}/32 ")), "{line}");
        assert!(line.contains(label), "{line}");
    }
    lab.say(&lo);
    stop_now(&agent);

    host.run(&format!("ip address add {VIP}/32 dev ens192"))
        .ok();
    let before = arp(&host);
    let refused = host.agent();
    refused.expect_exit(1);
    lab.say(&refused.log());
    let log = refused.log();
    assert!(
        log.contains(&format!("VIP {VIP} is on ens192"))
            && log.contains(&format!("ip address del {VIP}/32 dev ens192")),
        "{log}"
    );
    assert_eq!(arp(&host), before, "nothing is touched");
    assert_eq!(host.addresses("lo"), ["127.0.0.1/8", "::1/128"]);
}

fn a_vip_or_sysctl_that_somebody_takes_away_is_put_back_and_clients_go_on(lab: &Lab) {
    let running = Site::build(lab).start([steady(100), steady(50)]);
    let site = &running.site;
    serves_alone(site, &site.lvs51, &site.lvs52);
    let (rs53, agent) = (&site.real_servers[0], &running.agents[0]);

    let load = site.client.load(&Site::url(), millis(20));
    rs53.run(&format!("ip address del {VIP}/32 dev lo")).ok();
    let took = eventually("the VIP is back on lo", within(secs(1)), || {
        rs53.has_address(VIP)
    });
    lab.say(&format!(
        "somebody took the VIP from lo: back after {took:.0?}"
    ));
    let report = load.stop();
    assert_eq!(site.client.ask(30, &Site::url())["I am 53"], 10);
    lab.say(&format!(
        "{} of {} requests failed meanwhile",
        report.failures().len(),
        report.asked.len()
    ));
    let log = agent.log();
    assert!(
        log.contains("VIP was taken away by somebody: put back"),
        "{log}"
    );

    for (key, wrong, right) in [("all.arp_ignore", 0, "1"), ("lo.arp_announce", 1, "2")] {
        let key = format!("net.ipv4.conf.{key}");
        rs53.set_sysctl(&key, wrong);
        let took = eventually("the sysctl is put back", within(millis(1500)), || {
            rs53.sysctl(&key) == right
        });
        lab.say(&format!(
            "somebody set {key} to {wrong}: put back after {took:.0?}"
        ));
        eventually("it is logged with both values", within(secs(1)), || {
            let log = agent.log();
            log.lines().any(|line| {
                line.contains("sysctl was changed by somebody: put back")
                    && line.contains(&format!("key={key} found={wrong} wanted={right}"))
            })
        });
    }
    lab.say(&rs53.run("lvsd status").ok());
    assert_eq!(site.client.ask(30, &Site::url())["I am 53"], 10);
}

fn a_stopping_agent_lets_downloads_finish_while_new_clients_go_elsewhere(lab: &Lab) {
    let site = Site::build(lab);
    for (rs, last) in site.real_servers.iter().zip([53, 54, 55]) {
        rs.stop_nginx();
        rs.write("/var/www/large", &"x".repeat(LARGE));
        rs.nginx_with(&format!(
            "location / {{ return 200 \"I am {last}\\n\"; }}\n\
             location /large {{ root /var/www; limit_rate 50k; }}"
        ));
    }
    let asked = "type = 'readiness'\ninterval = '200ms'\ntimeout = '2s'\nretries = 1\n\
                 retry_delay = '100ms'";
    let file = |priority| DirectorFile {
        check: asked.to_owned(),
        ..steady(priority)
    };
    let running = site.start([file(100), file(50)]);
    let site = &running.site;
    serves_alone(site, &site.lvs51, &site.lvs52);
    assert_eq!(site.client.get(READY).unwrap().status, 200);

    // One of three is on 53: the scheduler takes turns.
    let url = format!("{}large", Site::url());
    let downloads: Vec<_> = (0..3)
        .map(|n| {
            let to = format!("/tmp/large.{n}");
            site.client
                .spawn(&format!("curl -sS --max-time 60 -o {to} {url}"))
        })
        .collect();
    eventually("each real server has a download", within(secs(5)), || {
        let connections = site.lvs51.run("ipvsadm -Lnc").ok();
        ["53", "54", "55"].iter().all(|last| {
            connections.lines().any(|line| {
                line.contains("ESTABLISHED") && line.contains(&format!("192.168.1.{last}:80"))
            })
        })
    });
    let begun = Instant::now();
    let agent = &running.agents[0];
    agent.signal(Signal::SIGTERM);
    eventually("its agent says that it drains", within(secs(1)), || {
        let answer = site.client.get(READY);
        answer.is_ok_and(|answer| answer.status == 503 && answer.body.contains("draining"))
    });
    eventually("53 has weight 0 in the table", within(secs(2)), || {
        let table = site.lvs51.ipvsadm();
        table
            .lines()
            .any(|line| line.contains("-r 192.168.1.53:80 ") && line.contains("-w 0"))
    });
    lab.say(&format!("weight 0 after {:.1?}", begun.elapsed()));
    assert!(
        downloads.iter().all(Program::is_running) && agent.is_running(),
        "the downloads last longer, and the agent waits for them"
    );
    let counts = site.client.ask(30, &Site::url());
    lab.say(&format!("30 new requests: {counts:?}"));
    assert!(!counts.contains_key("I am 53"), "{counts:?}");
    assert!(
        site.real_servers[0].has_address(VIP),
        "it serves what it has"
    );
    lab.say(&site.real_servers[0].run("lvsd status").ok());
    lab.say(&site.lvs51.run("lvsd status").ok());

    for download in &downloads {
        download.expect_exit(0);
    }
    for n in 0..3 {
        let length = site.client.run(&format!("wc -c </tmp/large.{n}")).ok();
        assert_eq!(length.trim(), LARGE.to_string());
    }
    lab.say(&format!(
        "every download is whole after {:.1?}",
        begun.elapsed()
    ));
    agent.expect_exit(0);
    lab.say(&format!("the agent is gone after {:.1?}", begun.elapsed()));
    assert!(
        agent.log().contains("no VIP of lvsd's is left"),
        "{}",
        agent.log()
    );
    assert!(!site.real_servers[0].has_address(VIP), "the VIP is gone");
    assert_eq!(site.client.ask(30, &Site::url()).len(), 2);
}

/// At 50 kB/s, this lasts for some seconds, which the drain of ten waits for.
const LARGE: usize = 300_000;

fn what_was_before_the_first_start_is_restored_after_a_crash_and_a_hurried_stop(lab: &Lab) {
    let lan = lab.lan();
    let host = lan.host_with_nic("rs53", "ens192", "192.168.1.53/24");
    let client = lan.host_with_nic("client", "ens192", "192.168.1.10/24");
    host.set_sysctl("net.ipv4.conf.all.arp_announce", 1);
    host.set_sysctl("net.ipv4.conf.lo.arp_ignore", 3);
    let before = arp(&host);
    let ready = |status: u16| {
        move |client: &Host| {
            client
                .get(READY)
                .is_ok_and(|answer| answer.status == status)
        }
    };
    for _ in 0..2 {
        let agent = host.agent();
        eventually("it is ready", within(secs(5)), || ready(200)(&client));
        agent.kill9();
        assert_eq!(arp(&host), ["1", "2", "1", "2"]);
    }
    let agent = host.agent();
    eventually("it is ready", within(secs(5)), || ready(200)(&client));
    let begun = Instant::now();
    agent.signal(Signal::SIGTERM);
    eventually("it drains", within(secs(2)), || ready(503)(&client));
    agent.signal(Signal::SIGTERM);
    agent.expect_exit(0);
    let took = begun.elapsed();
    lab.say(&format!(
        "gone after {took:.1?}: the second signal ended the wait"
    ));
    assert!(took < within(secs(4)).limit().min(secs(9)), "{took:?}");
    assert!(!host.has_address(VIP), "the VIP is gone");
    assert_eq!(arp(&host), before);
}

fn status_of_an_agent_names_what_is_wrong(lab: &Lab) {
    let lan = lab.lan();
    let host = lan.host_with_nic("rs53", "ens192", "192.168.1.53/24");
    host.nginx("I am 53\n");
    let nothing = host.run("lvsd realserver").fails_with(2);
    assert!(
        nothing.contains("there is no /etc/lvsd/realserver.toml"),
        "{nothing}"
    );
    let file = format!(
        "vips = ['{VIP}', '192.168.1.201']\n[[service]]\nname = 'nginx'\n\
         check = {{ type = 'tcp', address = '127.0.0.1:80', interval = '200ms', retries = 0 }}\n"
    );
    host.write("/etc/lvsd/realserver.toml", &file);
    let agent = host.spawn("lvsd realserver");
    eventually("it is ready", within(secs(10)), || {
        host.run("lvsd status --json")
            .stdout
            .contains("\"ready\": true")
    });
    lab.say(&host.run("lvsd status").ok());
    host.stop_nginx();
    host.run(&format!("ip address del {VIP}/32 dev lo")).ok();
    eventually("it is not ready", within(secs(5)), || {
        let status = host.agent_status();
        status["ready"] == false && status["vips"][0]["repaired"] == 1
    });
    let shown = host.run("lvsd status").ok();
    lab.say(&shown);
    for expected in [
        "NOT READY",
        "service nginx: connection refused",
        "put back once",
    ] {
        assert!(shown.contains(expected), "{expected}:\n{shown}");
    }
    // A client that stays, so that the drain does.
    let client = host.within(|| {
        let listener = std::net::TcpListener::bind((VIP, 81)).unwrap();
        let client = std::net::TcpStream::connect((VIP, 81)).unwrap();
        (client, listener.accept().unwrap())
    });
    agent.signal(Signal::SIGTERM);
    eventually("it drains", within(secs(2)), || {
        text(&host.agent_status()["state"]) == "draining"
    });
    lab.say(&host.run("lvsd status").ok());
    agent.signal(Signal::SIGTERM);
    agent.expect_exit(0);
    drop(client);
    let gone = host.run("lvsd status").fails_with(1);
    lab.say(&gone);
    for expected in ["no lvsd answers here", "realserver.sock", "lvsd-realserver"] {
        assert!(gone.contains(expected), "{gone}");
    }
}

/// Quick checks, and adverts that a busy kernel does not miss: an election in between would break
/// connections.
fn steady(priority: u8) -> DirectorFile {
    DirectorFile::quick(priority).vrrp_key("advert_interval", "'1s'")
}

/// Waits until the first is master with all real servers in its table, and the second backup.
fn serves_alone(site: &Site, master: &Host, backup: &Host) {
    eventually(
        "there is one master, with three servers",
        within(secs(15)),
        || {
            master.vrrp_state() == "master"
                && backup.vrrp_state() == "backup"
                && !backup.has_address(VIP)
                && [53, 54, 55]
                    .iter()
                    .all(|last| master.balances_onto(&format!("192.168.1.{last}:80")))
        },
    );
    eventually("a client is answered", within(secs(5)), || {
        site.client.get(&Site::url()).is_ok()
    });
}

/// The MAC addresses that answer several ARP requests for the VIP.
fn who_has_the_vip(client: &Host) -> BTreeSet<String> {
    let asked = client.run(&format!("arping -i ens192 -c 4 -W 0.2 {VIP}"));
    let mac = |line: &str| Some(line.split_once(" from ")?.1.split(' ').next()?.to_owned());
    asked.stdout.lines().filter_map(mac).collect()
}

/// MAC addresses of hosts by the last octet of their address, in hexadecimal.
fn macs(hosts: &[&str]) -> BTreeSet<String> {
    hosts
        .iter()
        .map(|last| format!("02:00:c0:a8:01:{last}"))
        .collect()
}

fn arp(host: &Host) -> [String; 4] {
    ARP.map(|key| host.sysctl(&format!("net.ipv4.conf.{key}")))
}

/// Stops an agent without its drain.
fn stop_now(agent: &Program) {
    agent.signal(Signal::SIGTERM);
    eventually("it drains", within(secs(2)), || {
        agent.log().contains("drain")
    });
    agent.signal(Signal::SIGTERM);
    agent.expect_exit(0);
}
