use std::path::Path;

use super::*;
use crate::config::director::DirectorConfig;
use crate::director::vrrp::Occurrence;
use crate::pool::Event;
use crate::sys::command::witness;
use crate::vrrp::discard::Discard;
use crate::vrrp::refused::Refused;
use crate::vrrp::router::{Cause, Notice, Peer, State, Transition};

fn hook(script: &str, limit: Duration) -> Hook {
    let command = Command {
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        user: None,
        environment: vec![("LVSD_EVENT", "quorum_up".to_owned())],
        limit,
    };
    let subject = "tcp 10.0.0.9:80".to_owned();
    Hook { subject, command }
}

const SECOND: Duration = Duration::from_secs(5);

#[tokio::test]
async fn hooks_run_one_at_a_time_in_order_and_are_told_what_happened() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log").display().to_string();
    let hooks = Hooks::start();
    hooks.run(hook(&format!("sleep 0.2; echo first >> {file}"), SECOND));
    hooks.run(hook(&format!("echo second $LVSD_EVENT >> {file}"), SECOND));
    hooks.stop().await;
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(text, "first\nsecond quorum_up\n");
}

#[tokio::test]
async fn a_hook_that_cannot_be_run_does_not_stop_those_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log").display().to_string();
    let hooks = Hooks::start();
    let mut missing = hook("", SECOND);
    missing.command.argv = vec!["/nonexistent/hook".to_owned()];
    hooks.run(missing);
    hooks.run(hook("exit 3", SECOND));
    hooks.run(hook(&format!("echo third >> {file}"), SECOND));
    hooks.stop().await;
    assert_eq!(std::fs::read_to_string(file).unwrap(), "third\n");
}

#[tokio::test]
async fn a_hook_that_takes_too_long_takes_everything_with_it_that_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let hooks = Hooks::start();
    let limit = Duration::from_millis(1_500);
    hooks.run(hook(&witness::escaping(dir.path()), limit));
    witness::escaped(dir.path()).await;
    hooks.stop().await;
    witness::caught(dir.path()).await;
}

#[test]
fn an_event_has_the_hook_of_its_virtual_server() {
    let text = "
        router_id = 'lb1'
        [[virtual_server]]
        address = '10.0.0.9:80'
        real_servers = ['10.0.0.1']
        on_quorum_down = ['/bin/notify', 'down']
        hook_timeout = '3s'
    ";
    let config = DirectorConfig::parse(Path::new("d.toml"), text).unwrap();
    let virtual_server = "tcp 10.0.0.9:80".parse().unwrap();
    let (weight, quorum) = (0, 1);
    let lost = Event::QuorumLost {
        virtual_server,
        weight,
        quorum,
    };
    let hook = of_pool(&lost, &config).unwrap();
    assert_eq!(hook.command.argv, ["/bin/notify", "down"]);
    assert_eq!(hook.command.limit, Duration::from_secs(3));
    let told = |key: &str| {
        let mut pairs = hook.command.environment.iter();
        pairs.find(|(name, _)| *name == key).unwrap().1.clone()
    };
    assert_eq!(told("LVSD_EVENT"), "quorum_down");
    assert_eq!(told("LVSD_VIRTUAL_SERVER"), "tcp 10.0.0.9:80");
    assert_eq!(told("LVSD_WEIGHT"), "0");
    let gained = Event::QuorumGained {
        virtual_server,
        weight,
        quorum,
    };
    assert_eq!(of_pool(&gained, &config), None);
}

fn about(subject: &str, event: &str) -> Hook {
    let mut hook = hook(event, SECOND);
    hook.subject = subject.to_owned();
    hook
}

#[test]
fn when_too_many_wait_the_newest_of_each_is_told_and_in_order() {
    let mut queue = Queue::default();
    assert_eq!(queue.push(about("quiet", "only")), None);
    for n in 0..queue::MOST_WAITING - 1 {
        assert_eq!(queue.push(about("busy", &n.to_string())), None);
    }
    assert_eq!(queue.push(about("other", "new")), Some(about("busy", "0")));
    assert_eq!(queue.push(about("busy", "last")), Some(about("busy", "1")));
    assert_eq!(queue.len(), queue::MOST_WAITING);
    let told: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
    assert_eq!(told[0], about("quiet", "only"));
    assert_eq!(told[1], about("busy", "2"));
    assert_eq!(told[told.len() - 2], about("other", "new"));
    assert_eq!(told[told.len() - 1], about("busy", "last"));
}

#[test]
fn a_virtual_router_has_a_hook_for_each_state_and_for_a_split_brain() {
    let text = "
        router_id = 'lb1'
        [[vrrp]]
        name = 'VI_1'
        interface = 'eth0'
        virtual_router_id = 51
        virtual_addresses = ['10.0.0.9']
        on_master = ['/bin/notify', 'master']
        on_stop = ['/bin/notify', 'stop']
        on_split_brain = ['/bin/notify', 'split']
        hook_user = 'www-data'
        hook_timeout = '3s'
    ";
    let config = DirectorConfig::parse(Path::new("d.toml"), text).unwrap();
    let hooks = &config.vrrp["VI_1"].hooks;
    let peer = Peer {
        address: "10.0.0.2".parse().unwrap(),
        priority: 50,
    };
    let happened = |state, notice| Occurrence {
        at: jiff::Timestamp::UNIX_EPOCH,
        instance: "VI_1".to_owned(),
        interface: "eth0".to_owned(),
        state,
        priority: 100,
        version: 3,
        peer: None,
        notice,
    };
    let change = |to, cause| {
        let from = State::Backup;
        happened(to, Notice::Changed(Transition { from, to, cause }))
    };
    let master = of_router(&change(State::Master, Cause::Preempts(peer)), hooks, "lb1").unwrap();
    assert_eq!(master.command.argv, ["/bin/notify", "master"]);
    assert_eq!(master.command.user.as_deref(), Some("www-data"));
    let told: Vec<_> = master.command.environment.iter().collect();
    let wanted = [
        ("LVSD_EVENT", "master"),
        ("LVSD_ROUTER_ID", "lb1"),
        ("LVSD_INSTANCE", "VI_1"),
        ("LVSD_INTERFACE", "eth0"),
        ("LVSD_STATE", "master"),
        ("LVSD_PRIORITY", "100"),
        ("LVSD_TIME", "1970-01-01T00:00:00Z"),
        ("LVSD_PREVIOUS", "backup"),
        ("LVSD_CAUSE", "preempts 10.0.0.2 with priority 50"),
        ("LVSD_PEER", "10.0.0.2"),
    ];
    let wanted: Vec<_> = wanted.map(|(key, value)| (key, value.to_owned())).to_vec();
    assert_eq!(told, wanted.iter().collect::<Vec<_>>());
    let event =
        |occurrence| of_router(&occurrence, hooks, "lb1").map(|hook| hook.event().to_owned());
    let stopped = change(State::Initialize, Cause::Shutdown);
    assert_eq!(event(stopped).as_deref(), Some("stop"));
    let backup = change(State::Backup, Cause::Started);
    assert_eq!(event(backup), None, "it has no such hook");
    let split = happened(State::Master, Notice::RivalHeard(peer));
    assert_eq!(event(split).as_deref(), Some("split_brain"));
    let other = Refused {
        peer,
        version: 2,
        why: Discard::Version(2),
    };
    let refused = happened(State::Master, Notice::RivalRefused(other));
    let hook = of_router(&refused, hooks, "lb1").unwrap();
    for wanted in [
        ("LVSD_EVENT", "split_brain"),
        ("LVSD_CAUSE", "it is of version 2, ours is 3"),
        ("LVSD_PEER", "10.0.0.2"),
        ("LVSD_PEER_PRIORITY", "50"),
        ("LVSD_PEER_VERSION", "2"),
    ] {
        let told = &hook.command.environment;
        assert!(told.contains(&(wanted.0, wanted.1.to_owned())), "{told:?}");
    }
    let over = happened(State::Master, Notice::RivalGone(peer));
    assert_eq!(event(over).as_deref(), Some("split_brain_over"));
}
