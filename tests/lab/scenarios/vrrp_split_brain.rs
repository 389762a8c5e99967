//! Two masters that hear each other, or of which one hears the other: told by status, metrics, log,
//! hook and event, and mended for the LAN when it is over.

use std::net::{Ipv4Addr, SocketAddrV4};

use serde_json::Value;

use super::vrrp_stalls::{heard, listen};
use super::vrrp_wire::{GROUP, advert_each, socket};
use crate::lab::lvsd::{DirectorFile, Pair, number};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::wait::side_by_side;
use crate::lab::{Host, Lab, Program, Scenario, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(a_split_brain_is_told_everywhere_and_healed_for_the_lan).on_any_linux(),
    scenario!(a_split_brain_that_heals_is_announced_though_the_better_one_speaks_first)
        .on_any_linux(),
    scenario!(a_rival_with_a_longer_interval_is_one_split_brain).on_any_linux(),
];

/// A way to two masters, and what 192.168.1.51 is to tell of the other.
struct Split {
    name: &'static str,
    file: fn(u8) -> DirectorFile,
    version: u64,
    /// The other one's adverts are discarded for this.
    why: Option<&'static str>,
    begin: fn(&Pair, &Program),
    end: fn(&Pair, &Program),
}

const SPLITS: [Split; 2] = [
    Split {
        name: "52 does not hear 51",
        file: DirectorFile::steady,
        version: 3,
        why: None,
        begin: |pair, _| drop(pair.lvs52.run("iptables -I INPUT -p 112 -j DROP").ok()),
        end: |pair, _| drop(pair.lvs52.run("iptables -D INPUT -p 112 -j DROP").ok()),
    },
    Split {
        name: "52 has another password",
        file: with_password,
        version: 2,
        why: Some("its password is not ours"),
        begin: |pair, second| {
            let other = with_password(50).vrrp_key("auth_pass", "'2222'");
            pair.lvs52.reload(second, &other.text());
        },
        end: |pair, second| pair.lvs52.reload(second, &with_password(50).text()),
    },
];

fn with_password(priority: u8) -> DirectorFile {
    DirectorFile {
        server: String::new(),
        ..DirectorFile::seed(priority)
    }
}

/// Writes a line for each event, with its whole environment.
const HOOK: &str = "'/bin/sh', '-c', 'echo $(env | grep ^LVSD_ | sort) >> /run/hooks'";

fn a_split_brain_is_told_everywhere_and_healed_for_the_lan(lab: &Lab) {
    side_by_side(&SPLITS, |split| {
        let pair = Pair::build(lab);
        let capture = pair.client.spawn("tcpdump -Z root -tt -lnne -i ens192 arp");
        eventually("the capture runs", within(secs(5)), || {
            capture.log().contains("listening on")
        });
        let file = (split.file)(100)
            .vrrp_key("on_split_brain", &format!("[{HOOK}]"))
            // One round, so that a later announcement has one reason only.
            .vrrp_key("announce", "{ delay = '0s' }");
        let first = pair.lvs51.director(&file);
        let second = pair.lvs52.director(&(split.file)(50));
        pair.become_states("master", "backup");
        let follower = pair.lvs51.spawn("lvsd events --follow");

        (split.begin)(&pair, &second);
        pair.become_states("master", "master");
        is_told(split, &pair, &first, &follower);
        (split.end)(&pair, &second);
        pair.become_states("master", "backup");
        is_over(&pair, &first, &follower);
        let told = hooks(&pair.lvs51);
        let over = told.last().and_then(|line| line.split("LVSD_TIME=").nth(1));
        let over = over.expect("when it was over");
        let over = pair.lvs51.run(&format!("date -d {over} +%s.%N")).ok();
        let over: f64 = over.trim().parse().unwrap();
        eventually("the LAN is told again", within(secs(10)), || {
            announced_since(&capture, over) == 5
        });
        lab.say(&format!(
            "{}: told, healed, announced again\n{}",
            split.name,
            pair.lvs51.read("/run/hooks")
        ));
    });
}

/// The lesser one gives way before the better one has heard of it, and was announced last.
fn a_split_brain_that_heals_is_announced_though_the_better_one_speaks_first(lab: &Lab) {
    side_by_side(&["2", "3"], |version| {
        let pair = Pair::build(lab);
        let ear = listen(&pair.client);
        let file = |priority| {
            DirectorFile::vrrp_only(priority)
                .vrrp_key("version", version)
                .vrrp_key("advert_interval", "'1s'")
                // No round that would mend it by chance.
                .vrrp_key("announce", "{ delay = '0s' }")
        };
        let _first = pair.lvs51.director(&file(100));
        eventually("51 is master", within(secs(10)), || pair.lvs51.holds(VIP));
        let _second = pair.lvs52.director(&file(50));
        pair.become_states("master", "backup");
        eventually("the client reaches it", within(secs(5)), || {
            let ping = pair.client.run(&format!("ping -c 1 -W 1 {VIP}"));
            ping.status.success()
        });
        let sends_to = |last: u8| {
            let known = pair.client.run(&format!("ip neigh show {VIP}")).ok();
            known.contains(&format!("02:00:c0:a8:01:{last:02x}"))
        };
        eventually("the client knows 51", within(secs(5)), || sends_to(51));

        let cut = |how: &str| {
            for port in ["lvs51.0", "lvs52.1"] {
                let set = format!("ip link set {port} type bridge_slave isolated {how}");
                pair.lan.run(&set);
            }
        };
        cut("on");
        pair.become_states("master", "master");
        eventually("the client knows 52", within(secs(5)), || sends_to(52));
        heard(&ear);
        // The next advert is the other one's.
        let of_second = Ipv4Addr::new(192, 168, 1, 52);
        eventually("52 has sent an advert", within(secs(5)), || {
            heard(&ear).last() == Some(&of_second)
        });
        cut("off");
        eventually("52 gives way", within(secs(5)), || {
            pair.lvs52.vrrp_state() == "backup"
        });
        eventually("the client knows 51", within(secs(2)), || sends_to(51));
        assert_eq!(rivals(&pair.lvs51), ["1", "1"], "it is told of the other");
        assert_eq!(rivals(&pair.lvs52), ["0", "0"]);
        lab.say(&format!("version {version}: healed and announced"));
    });
}

/// Of twenty times ours: it is not gone between two of its adverts.
fn a_rival_with_a_longer_interval_is_one_split_brain(lab: &Lab) {
    let pair = Pair::build(lab);
    let file = DirectorFile::vrrp_only(100).vrrp_key("advert_interval", "'100ms'");
    let _first = pair.lvs51.director(&file);
    eventually("it is master", within(secs(10)), || pair.lvs51.holds(VIP));
    let follower = pair.lvs51.spawn("lvsd events --follow");
    let adverts = || number(&pair.lvs51.status()["vrrp"][0]["adverts_sent"]);
    let sent = adverts();
    eventually("it has been for a while", within(secs(5)), || {
        adverts() > sent + 20
    });
    pair.client.within(|| {
        let socket = socket(255).unwrap();
        let group = SocketAddrV4::new(GROUP, 0).into();
        for _ in 0..4 {
            let message = advert_each(51, 50, 200);
            socket.send_to(&message, &group).unwrap();
            std::thread::sleep(secs(2));
        }
    });
    eventually("it is over", within(secs(15)), || {
        !events(&follower, "split_brain_over").is_empty()
    });
    assert_eq!(events(&follower, "split_brain").len(), 1);
    assert_eq!(events(&follower, "split_brain_over").len(), 1);
    assert_eq!(rivals(&pair.lvs51), ["0", "1"]);
    lab.say(&follower.log());
}

/// How often 192.168.1.51 has said since then that the VIP is there.
fn announced_since(capture: &Program, since: f64) -> usize {
    let told = format!("who-has {VIP} (ff:ff:ff:ff:ff:ff) tell {VIP}");
    let log = capture.log();
    let own = log
        .lines()
        .filter(|line| line.contains(&told) && line.contains("02:00:c0:a8:01:33 > "));
    let times = own.filter_map(|line| line.split(' ').next()?.parse::<f64>().ok());
    times.filter(|at| *at >= since).count()
}

/// Gauge and counter of rivals.
fn rivals(host: &Host) -> [String; 2] {
    let metrics = host.get("http://127.0.0.1:9481/metrics").unwrap().body;
    ["lvsd_vrrp_rival{", "lvsd_vrrp_rivals_heard_total{"].map(|name| {
        let line = metrics.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.rsplit_once(' '));
        value.expect("the metric").1.to_owned()
    })
}

fn events(follower: &Program, kind: &str) -> Vec<Value> {
    let log = follower.log();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines
        .filter(|event: &Value| event["event"] == kind)
        .collect()
}

fn hooks(host: &Host) -> Vec<String> {
    let log = host.run("cat /run/hooks").stdout;
    log.lines().map(str::to_owned).collect()
}

fn is_told(split: &Split, pair: &Pair, first: &Program, follower: &Program) {
    let Split {
        name, version, why, ..
    } = split;
    let rival = || pair.lvs51.status()["vrrp"][0]["rival"].clone();
    eventually(&format!("{name}: 51 knows"), within(secs(10)), || {
        !rival().is_null()
    });
    let rival = rival();
    assert_eq!(rival["address"], "192.168.1.52", "{name}: {rival}");
    assert_eq!(rival["priority"], 50, "{name}: {rival}");
    assert_eq!(rival["version"], *version, "{name}: {rival}");
    assert_eq!(rival["refused"].as_str(), *why, "{name}: {rival}");
    let status = pair.lvs51.run("lvsd status").ok();
    let line = format!(
        "VI_1: SPLIT BRAIN: 192.168.1.52 is master too (priority 50, version {version}): {}",
        why.map_or_else(
            || "it does not hear this host".to_owned(),
            |why| format!("the two do not agree: {why}")
        )
    );
    assert!(status.contains(&line), "{name}: {line} is not in\n{status}");
    assert_eq!(rivals(&pair.lvs51), ["1", "1"], "{name}");
    let logged = match why {
        None => "another master: heard 192.168.1.52 with priority 50 while master".to_owned(),
        Some(why) => format!(
            "another master: 192.168.1.52 with priority 50 while master, whose adverts are \
             discarded: {why}"
        ),
    };
    eventually(&format!("{name}: the log"), within(secs(5)), || {
        first.log().matches(&logged).count() == 1
    });

    eventually(&format!("{name}: an event"), within(secs(5)), || {
        !events(follower, "split_brain").is_empty()
    });
    let told = events(follower, "split_brain");
    assert_eq!(told.len(), 1, "{name}: {told:?}");
    let event = &told[0];
    assert_eq!(event["instance"], "VI_1");
    assert_eq!(event["peer"], "192.168.1.52");
    assert_eq!(event["peer_priority"], 50);
    assert_eq!(event["peer_version"], *version);
    assert_eq!(event["priority"], 100);
    assert_eq!(event["discarded"].as_str(), *why, "{name}: {event}");

    eventually(&format!("{name}: a hook"), within(secs(5)), || {
        !hooks(&pair.lvs51).is_empty()
    });
    let told = hooks(&pair.lvs51);
    assert_eq!(told.len(), 1, "{name}: {told:?}");
    let wanted = [
        "LVSD_EVENT=split_brain".to_owned(),
        "LVSD_INSTANCE=VI_1".to_owned(),
        "LVSD_INTERFACE=ens192".to_owned(),
        "LVSD_STATE=master".to_owned(),
        "LVSD_PRIORITY=100".to_owned(),
        "LVSD_PEER=192.168.1.52".to_owned(),
        "LVSD_PEER_PRIORITY=50".to_owned(),
        format!("LVSD_PEER_VERSION={version}"),
        format!("LVSD_CAUSE={}", why.unwrap_or_default()),
    ];
    for wanted in wanted.iter().filter(|it| !it.ends_with("CAUSE=")) {
        assert!(told[0].contains(wanted), "{name}: {wanted}: {}", told[0]);
    }
}

fn is_over(pair: &Pair, first: &Program, follower: &Program) {
    eventually("51 is alone again", within(secs(20)), || {
        pair.lvs51.status()["vrrp"][0]["rival"].is_null()
    });
    assert_eq!(rivals(&pair.lvs51), ["0", "1"]);
    let over = || {
        let mut told = hooks(&pair.lvs51);
        told.retain(|line| line.contains("LVSD_EVENT=split_brain_over "));
        told
    };
    eventually("the hook is told", within(secs(5)), || !over().is_empty());
    assert_eq!(over().len(), 1, "{:?}", over());
    let all = hooks(&pair.lvs51);
    assert_eq!(all.len(), 2, "one at its begin, one at its end: {all:#?}");
    let over = &over()[0];
    assert!(over.contains("LVSD_PEER=192.168.1.52"), "{over}");
    assert_eq!(events(follower, "split_brain").len(), 1);
    let told = events(follower, "split_brain_over");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["peer"], "192.168.1.52");
    let logged = "the other master is no longer heard";
    assert_eq!(first.log().matches(logged).count(), 1, "{}", first.log());
}
