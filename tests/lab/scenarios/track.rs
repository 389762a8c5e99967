//! What virtual routers track moves mastership, and what happens to them is told: to hooks and to
//! those who follow.

use std::cell::RefCell;

use serde_json::Value;

use crate::lab::lvsd::{DirectorFile, Pair, number as number_of, text};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, Site, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(each_tracker_moves_mastership_by_weight_and_by_fault_and_back).on_any_linux(),
    scenario!(the_vip_goes_where_a_real_server_can_be_reached),
];

/// A script that fails while `/run/bad` is there, and hangs while `/run/hang` is, with children in
/// its own process group, in another one and in another session.
const SCRIPT: &str = "test ! -e /run/hang || \
    { sleep 4242 & timeout 900 sleep 4242 & setsid sleep 4242 & wait; }; test ! -e /run/bad";

/// Four kinds of trackers, and hooks that write down what they are told and who they are.
fn tracking(weight: &str, timeout: &str) -> DirectorFile {
    let hook = "'/bin/sh', '-c', 'echo $LVSD_EVENT $LVSD_INSTANCE $LVSD_PREVIOUS $LVSD_STATE \
                $(id -un) >> /run/hooks/log'";
    let mut file = DirectorFile::steady(100);
    for event in ["on_master", "on_backup", "on_fault", "on_stop"] {
        file = file.vrrp_key(event, &format!("[{hook}]"));
    }
    file = file.vrrp_key("hook_user", "'nobody'");
    file.vrrp += &format!(
        "\n[[vrrp.track]]\ninterface = 'uplink'\n{weight}\n\
         [[vrrp.track]]\nname = 'script'\nscript = ['/bin/sh', '-c', '{SCRIPT}']\n\
         interval = '200ms'\ntimeout = '{timeout}'\nuser = 'nobody'\n{weight}\n\
         [[vrrp.track]]\nprocess = 'sleep'\ncmdline = 'sleep 7261'\ninterval = '200ms'\n{weight}\n\
         [[vrrp.track]]\nfile = '/run/priority'\ninterval = '200ms'"
    );
    file
}

fn each_tracker_moves_mastership_by_weight_and_by_fault_and_back(lab: &Lab) {
    let pair = Pair::build(lab);
    let first = &pair.lvs51;
    let run = |command: &str| drop(first.run(command).ok());
    run(
        "ip link add uplink type veth peer name far && ip link set uplink up && ip link set far up",
    );
    run("mkdir -p /run/hooks && chown nobody /run/hooks");
    let sleep = || first.spawn("sleep 7261");
    let process = RefCell::new(sleep());
    let director = first.director(&tracking("weight = -60", "2s"));
    pair.lvs52.director(&DirectorFile::steady(50));
    pair.become_states("master", "backup");
    let follower = first.spawn("lvsd events --follow");
    lab.say(&first.run("lvsd status").ok());

    for (way, state, number) in [("weight", "backup", "-60"), ("fault", "fault", "fault")] {
        if way == "fault" {
            first.reload(&director, &tracking("", "2s").text());
            assert_eq!(
                first.vrrp_state(),
                "master",
                "what is known of them is kept"
            );
        }
        let moves = |what: &str, breaking: &dyn Fn(), mending: &dyn Fn()| {
            breaking();
            let took = pair.become_states(state, "master");
            let router = &first.status()["vrrp"][0];
            match way {
                "weight" => assert_eq!(number_of(&router["priority"]), 40, "{what}"),
                _ => assert!(text(&router["cause"]).contains(what), "{}", router["cause"]),
            }
            mending();
            let back = pair.become_states("master", "backup");
            lab.say(&format!(
                "{what} by {way}: moved after {took:.1?}, back after {back:.1?}"
            ));
        };
        let (down, up) = ("ip link set far down", "ip link set far up");
        moves("interface uplink", &|| run(down), &|| run(up));
        let (bad, good) = ("touch /run/bad", "rm /run/bad");
        moves("script", &|| run(bad), &|| run(good));
        let (kill, start) = (
            || process.borrow().kill9(),
            || drop(process.replace(sleep())),
        );
        moves("process sleep", &kill, &start);
        let mend = || run("rm /run/priority");
        let write = || first.write("/run/priority", number);
        moves("file /run/priority", &write, &mend);
    }

    run("touch /run/hang");
    pair.become_states("fault", "master");
    let router = &first.status()["vrrp"][0];
    let cause = text(&router["cause"]);
    assert!(
        cause.contains("takes longer than 2s and is killed"),
        "{cause}"
    );
    first.reload(&director, &tracking("", "60s").text());
    // timeout(1) itself is the fourth.
    eventually(
        "one script hangs, with its children",
        within(secs(5)),
        || children(first) == 4,
    );
    director.terminate();
    assert_eq!(children(first), 0, "none is left");
    hooks_tell_what_the_log_tells(first, &director.log());
    follower.expect_exit(0);
    events_tell_what_the_hooks_were_told(&follower.log(), &first.read("/run/hooks/log"));
}

/// How many children of the hanging script run.
fn children(host: &Host) -> usize {
    let listed = host.run("ps -eo stat,args").ok();
    let mut lines = listed.lines().map(str::trim);
    let alive = |line: &&str| line.ends_with("sleep 4242") && !line.starts_with('Z');
    lines.by_ref().filter(alive).count()
}

/// Each transition, in order, under the given user.
fn hooks_tell_what_the_log_tells(host: &Host, log: &str) {
    let word = |line: &str, key: &str| {
        let (_, rest) = line.split_once(&format!(" {key}="))?;
        rest.split_whitespace().next().map(str::to_owned)
    };
    let transitions = log.lines().filter(|line| line.contains("state changed"));
    let wanted: Vec<_> = transitions
        .map(|line| {
            let (from, to) = (word(line, "from").unwrap(), word(line, "to").unwrap());
            let event = if to == "initialize" { "stop" } else { &to };
            format!("{event} VI_1 {from} {to} nobody")
        })
        .collect();
    let told = host.read("/run/hooks/log");
    assert_eq!(told.lines().collect::<Vec<_>>(), wanted);
    assert!(
        told.ends_with("stop VI_1 fault initialize nobody\n"),
        "{told}"
    );
}

/// From the first to the last, though the follower came later.
fn events_tell_what_the_hooks_were_told(events: &str, hooks: &str) {
    let events: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    let numbers: Vec<_> = events
        .iter()
        .map(|event| number_of(&event["seq"]))
        .collect();
    let all: Vec<_> = (1..).take(events.len()).collect();
    assert_eq!(numbers, all, "none is missing");
    let changes = events.iter().filter(|event| event["event"] == "vrrp_state");
    let told: Vec<_> = changes
        .map(|event| {
            let (previous, state) = (text(&event["previous"]), text(&event["state"]));
            let name = if state == "initialize" {
                "stop"
            } else {
                &state
            };
            format!("{name} VI_1 {previous} {state} nobody")
        })
        .collect();
    assert_eq!(told, hooks.lines().collect::<Vec<_>>());
    for kind in ["tracker", "reloaded", "ready", "stopping"] {
        let there = events.iter().any(|event| event["event"] == kind);
        assert!(there, "no {kind} among {events:?}");
    }
}

fn the_vip_goes_where_a_real_server_can_be_reached(lab: &Lab) {
    let file = |priority, weight: &str| {
        let file = DirectorFile::quick(priority).vrrp_key("advert_interval", "'250ms'");
        let track = format!("[[vrrp.track]]\nvirtual_server = '{VIP}:80'\n{weight}");
        DirectorFile {
            vrrp: format!("{}\n{track}", file.vrrp),
            ..file
        }
    };
    let running = Site::build(lab).start([file(100, "weight = -80"), file(50, "weight = -80")]);
    let (first, second) = (&running.site.lvs51, &running.site.lvs52);
    let become_master = |host: &Host, other: &Host, state: &str| {
        let what = format!("{} is master, the other {state}", host.name());
        eventually(&what, within(secs(15)), || {
            host.vrrp_state() == "master" && host.holds(VIP) && other.vrrp_state() == state
        })
    };
    let client = &running.site.client;
    let routes = |verb: &str| {
        for last in [53, 54, 55] {
            let route = format!("ip route {verb} unreachable 192.168.1.{last}");
            first.run(&route).ok();
        }
    };
    become_master(first, second, "backup");
    for (weight, state) in [("weight", "backup"), ("fault", "fault")] {
        if weight == "fault" {
            first.reload(&running.directors[0], &file(100, "").text());
        }
        routes("add");
        let took = become_master(second, first, state);
        lab.say(&format!(
            "51 reaches no real server: by {weight}, 52 is master after {took:.1?}"
        ));
        lab.say(&first.run("lvsd status").ok());
        eventually("the site answers", within(secs(5)), || {
            client.get(&Site::url()).is_ok()
        });
        routes("del");
        let took = become_master(first, second, "backup");
        lab.say(&format!(
            "51 reaches them again, and is master after {took:.1?}"
        ));
    }
    let events = first.run("lvsd events -n 1000").ok();
    for wanted in [
        "\"event\":\"real_server\",\"virtual_server\":",
        "\"event\":\"quorum\"",
        "no real server is usable",
    ] {
        assert!(events.contains(wanted), "{wanted} is not in {events}");
    }
}
