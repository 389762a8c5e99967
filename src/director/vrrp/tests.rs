use super::*;
use crate::pulse::Part;
use crate::vrrp::router::{Claim, LinkFault, Notice, State};
use crate::vrrp::transport::Transport;
use crate::vrrp::{Settings, Version};
use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

fn instance(interface: &str, vrid: u8, priority: u8) -> VrrpInstance {
    VrrpInstance {
        group: None,
        interface: interface.to_owned(),
        settings: Settings {
            vrid: vrid.try_into().unwrap(),
            priority: priority.try_into().unwrap(),
            version: Version::V3,
            advert_interval: Duration::from_secs(1),
            preempt: true,
            addresses: vec!["192.0.2.200".parse().unwrap()],
            checksum: None,
            takeover: crate::vrrp::Takeover::default(),
        },
        transport: Transport::default(),
        addresses: vec!["192.0.2.200".parse().unwrap()],
        holdings: Arc::default(),
        trackers: Arc::default(),
        hooks: Arc::default(),
    }
}

fn configure(instances: &[(&str, VrrpInstance)]) -> Command {
    let instances = instances.iter().cloned();
    Command::Configure(instances.map(|(name, it)| (name.to_owned(), it)).collect())
}

fn link_changed(interface: &str, link: Link) -> Command {
    let interface = interface.to_owned();
    Command::LinkChanged { interface, link }
}

/// The status once it is as wanted; within 10 s, or the test fails.
fn wait_for(vrrp: &VrrpHandle, is_so: impl Fn(&VrrpStatus) -> bool) -> Arc<VrrpStatus> {
    for _ in 0..1_000 {
        let status = vrrp.status.borrow().clone();
        if is_so(&status) {
            return status;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{:#?}", vrrp.status.borrow());
}

fn state(status: &VrrpStatus) -> Option<State> {
    Some(status.instances.get("VI_1")?.state)
}

fn stop(vrrp: VrrpHandle) {
    vrrp.commands.send(Command::Shutdown);
    vrrp.join.join().unwrap();
}

#[test]
fn a_virtual_router_waits_for_news_of_its_interface_and_then_follows_it() {
    let vrrp = spawn(Pulses::default()).unwrap();
    assert!(!vrrp.status.borrow().configured);
    vrrp.commands
        .send(configure(&[("VI_1", instance("nowhere0", 51, 100))]));
    let status = wait_for(&vrrp, |status| status.configured);
    assert_eq!(status.instances["VI_1"].state, State::Initialize);
    assert_eq!(status.instances["VI_1"].claim, Claim::Undecided);
    assert_eq!(status.interfaces["nowhere0"].link, None);

    let down = Link::Down(LinkFault::NoCarrier);
    vrrp.commands.send(link_changed("nowhere0", down.clone()));
    vrrp.commands.send(link_changed("another0", down.clone()));
    let status = wait_for(&vrrp, |it| state(it) == Some(State::Fault));
    let instance = &status.instances["VI_1"];
    assert_eq!(instance.cause, "the interface does not work: no carrier");
    assert_eq!(instance.claim, Claim::Release);
    assert_eq!(status.interfaces["nowhere0"].link, Some(down));
    assert!(!status.interfaces.contains_key("another0"));
    stop(vrrp);
}

#[test]
fn an_interface_that_no_socket_opens_on_is_a_fault_with_the_kernels_reason() {
    let vrrp = spawn(Pulses::default()).unwrap();
    vrrp.commands
        .send(configure(&[("VI_1", instance("nowhere0", 51, 100))]));
    let link = Link::Up {
        mtu: 1_500,
        index: NonZeroU32::new(4_000_000).unwrap(),
        addresses: Addresses {
            usable: vec!["192.0.2.1".parse().unwrap()],
            ..Addresses::default()
        },
    };
    vrrp.commands.send(link_changed("nowhere0", link));
    let status = wait_for(&vrrp, |it| state(it) == Some(State::Fault));
    let cause = &status.instances["VI_1"].cause;
    assert!(
        cause.contains("cannot open the VRRP socket on it: "),
        "{cause}"
    );
    stop(vrrp);
}

#[test]
fn a_new_configuration_keeps_adds_replaces_and_removes() {
    let vrrp = spawn(Pulses::default()).unwrap();
    vrrp.commands.send(configure(&[
        ("kept", instance("nowhere0", 51, 100)),
        ("moved", instance("nowhere0", 52, 100)),
        ("removed", instance("nowhere1", 53, 100)),
    ]));
    let down = Link::Down(LinkFault::Missing);
    vrrp.commands.send(link_changed("nowhere0", down.clone()));
    vrrp.commands.send(link_changed("nowhere1", down));
    wait_for(&vrrp, |it| {
        it.instances.len() == 3 && it.instances.values().all(|it| it.state == State::Fault)
    });
    vrrp.commands.send(configure(&[
        ("kept", instance("nowhere0", 51, 150)),
        ("moved", instance("nowhere0", 54, 100)),
        ("added", instance("nowhere2", 55, 100)),
    ]));
    let status = wait_for(&vrrp, |it| it.instances.contains_key("added"));
    let states: Vec<_> = status
        .instances
        .iter()
        .map(|(name, it)| (name.as_str(), it.state, it.transitions))
        .collect();
    assert_eq!(
        states,
        [
            ("added", State::Initialize, 0),
            ("kept", State::Fault, 1),
            ("moved", State::Fault, 1),
        ]
    );
    assert_eq!(status.instances["kept"].settings.priority.get(), 150);
    let interfaces: Vec<_> = status.interfaces.keys().map(String::as_str).collect();
    assert_eq!(interfaces, ["nowhere0", "nowhere2"]);
    stop(vrrp);
}

#[test]
fn the_thread_ends_and_says_so_when_it_is_told_to_stop() {
    let vrrp = spawn(Pulses::default()).unwrap();
    let status = vrrp.status.clone();
    stop(vrrp);
    assert!(status.has_changed().is_err(), "the publisher is gone");
}

#[test]
fn a_fault_that_was_told_before_the_router_was_configured_counts_and_every_change_is_handed_on() {
    let mut vrrp = spawn(Pulses::default()).unwrap();
    let influence = |faults: &[&str]| Command::Influence {
        instance: "VI_1".to_owned(),
        influence: Influence {
            faults: faults.iter().map(|name| (*name).to_owned()).collect(),
            priority: -10,
        },
    };
    vrrp.commands.send(influence(&["disk"]));
    vrrp.commands
        .send(configure(&[("VI_1", instance("lo", 51, 100))]));
    let link = Link::Down(LinkFault::NoCarrier);
    vrrp.commands.send(link_changed("lo", link));
    let status = wait_for(&vrrp, |it| state(it) == Some(State::Fault));
    assert_eq!(status.instances["VI_1"].priority.get(), 90);
    assert_eq!(status.instances["VI_1"].settings.priority.get(), 100);
    vrrp.commands.send(Command::Shutdown);
    let mut changes = Vec::new();
    while let Some(occurrence) = vrrp.occurrences.blocking_recv() {
        assert_eq!(occurrence.instance, "VI_1");
        if let Notice::Changed(change) = occurrence.notice {
            changes.push((change.from, change.to));
        }
    }
    assert_eq!(
        changes,
        [
            (State::Initialize, State::Fault),
            (State::Fault, State::Initialize)
        ]
    );
    vrrp.join.join().unwrap();
}

#[test]
fn a_part_that_stands_still_is_told_until_it_moves_and_how_often() {
    let pulses = Pulses::default();
    let vrrp = spawn(pulses.clone()).unwrap();
    pulses.table.beat();
    vrrp.commands
        .send(Command::StuckAfter(Some(Duration::from_secs(1))));
    for times in 1..=2 {
        let status = wait_for(&vrrp, |status| {
            let part = status.parts.get(&Part::Table);
            part.is_some_and(|part| part.stuck.is_some() && part.times == times)
        });
        assert_eq!(status.parts.len(), 1, "the others have not begun");
        let stuck = status.parts[&Part::Table].stuck.unwrap().to_string();
        assert!(
            stuck.starts_with("the IPVS thread has not moved for "),
            "{stuck}"
        );
        pulses.table.beat();
        wait_for(&vrrp, |status| status.parts[&Part::Table].stuck.is_none());
    }
    stop(vrrp);
}

#[test]
fn a_master_whose_adverts_do_not_leave_says_so_with_the_reason_and_the_way_out() {
    let mut status = InstanceStatus::backup(&instance("ens192", 51, 100));
    let problems = |status: &InstanceStatus| {
        let described = status.describe("VI_1", vec![], vec![], vec![], vec![]);
        described.problems
    };
    let errno = nix::libc::EPERM;
    status.counters.unsent.store(errno, Ordering::Relaxed);
    assert_eq!(problems(&status), [""; 0], "a backup sends none");
    status.state = State::Master;
    let told = problems(&status);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("do not leave by ens192") && told[0].contains("let protocol 112 out"),
        "{told:?}"
    );
    status.counters.unsent.store(0, Ordering::Relaxed);
    assert_eq!(problems(&status), [""; 0]);
}
