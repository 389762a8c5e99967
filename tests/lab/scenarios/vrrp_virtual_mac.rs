//! The interface of a virtual MAC, and what others do to it.

use crate::lab::lvsd::{DirectorFile, Pair, text};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(a_director_that_cannot_have_its_virtual_mac_leaves_a_working_master_alone)
        .on_any_linux(),
    scenario!(a_virtual_mac_that_is_renamed_gets_its_name_back_and_serves_on).on_any_linux(),
    scenario!(a_virtual_mac_whose_file_was_lost_is_known_again_and_goes_with_the_stop)
        .on_any_linux(),
    scenario!(adverts_longer_than_the_mtu_keep_a_second_master_away).on_any_linux(),
];

const INTERFACE: &str = "vrrp51.ens192";

fn file(priority: u8) -> DirectorFile {
    DirectorFile::steady(priority).vrrp_key("virtual_mac", "true")
}

fn is_there(host: &Host, interface: &str) -> bool {
    let shown = host.run(&format!("ip link show dev {interface}"));
    shown.status.success()
}

fn a_director_that_cannot_have_its_virtual_mac_leaves_a_working_master_alone(lab: &Lab) {
    let pair = Pair::build(lab);
    let strange = format!("ip link add {INTERFACE} type veth peer name zz");
    pair.lvs51.run(&strange).ok();
    let _second = pair.lvs52.director(&file(50));
    eventually("52 is master", within(secs(10)), || pair.lvs52.holds(VIP));
    let first = pair.lvs51.director(&file(100));
    eventually("51 is at fault", within(secs(10)), || {
        pair.lvs51.vrrp_state() == "fault"
    });
    let cause = text(&pair.lvs51.status()["vrrp"][0]["cause"]);
    assert!(
        cause.contains(INTERFACE) && cause.contains("that lvsd did not make"),
        "{cause}"
    );
    lab.say(&cause);
    let log = first.log();
    assert!(!log.contains("-> master"), "it was never master: {log}");
    let shown = pair
        .lvs51
        .run(&format!("ip -br address show dev {INTERFACE}"));
    let shown = shown.ok();
    assert!(shown.contains("DOWN") && !shown.contains(VIP), "{shown}");

    pair.lvs51.run(&format!("ip link del {INTERFACE}")).ok();
    pair.become_states("master", "backup");
}

fn a_virtual_mac_that_is_renamed_gets_its_name_back_and_serves_on(lab: &Lab) {
    let pair = Pair::build(lab);
    let first = pair.lvs51.director(&file(100));
    eventually("51 is master", within(secs(10)), || pair.lvs51.holds(VIP));
    let second = pair.lvs52.director(&file(50));
    pair.become_states("master", "backup");
    let index = |host: &Host| {
        let shown = host.run(&format!("cat /sys/class/net/{INTERFACE}/ifindex"));
        shown.ok()
    };
    let before = index(&pair.lvs51);
    // Older kernels rename none that is up, so it is taken down in between, unless lvsd was
    // quicker in taking it up again.
    let rename = format!(
        "ip link set {INTERFACE} name foo || for n in $(seq 50); do \
         printf 'link set {INTERFACE} down\\nlink set {INTERFACE} name foo\\nlink set foo up\\n' \
         | ip -batch - && exit; done"
    );
    pair.lvs51.run(&rename).ok();
    eventually("it has its name and is up", within(secs(10)), || {
        is_there(&pair.lvs51, INTERFACE) && !is_there(&pair.lvs51, "foo")
    });
    pair.become_states("master", "backup");
    eventually("the VIP answers", within(secs(10)), || {
        let ping = pair.client.run(&format!("ping -c 1 -W 1 {VIP}"));
        ping.status.success()
    });
    let problems = &pair.lvs51.status()["vrrp"][0]["problems"];
    assert_eq!(problems.as_array().map(Vec::len), Some(0), "{problems}");
    let kept = index(&pair.lvs51) == before;
    lab.say(&format!("renamed back in place: {kept}"));

    let other = file(100).vrrp_key("virtual_mac_interface", "'vm0'");
    pair.lvs51.reload(&first, &other.text());
    eventually("it has the new name", within(secs(10)), || {
        is_there(&pair.lvs51, "vm0") && !is_there(&pair.lvs51, INTERFACE)
    });
    pair.become_states("master", "backup");
    let shown = pair.lvs51.run("ip address show up dev vm0").ok();
    assert!(shown.contains(VIP), "{shown}");
    let problems = &pair.lvs51.status()["vrrp"][0]["problems"];
    assert_eq!(problems.as_array().map(Vec::len), Some(0), "{problems}");

    first.terminate();
    eventually("52 is master", within(secs(10)), || pair.lvs52.holds(VIP));
    let left = pair.lvs51.run("ip -o link show type macvlan").ok();
    assert_eq!(left, "", "{}", first.log());
    drop(second);
}

fn a_virtual_mac_whose_file_was_lost_is_known_again_and_goes_with_the_stop(lab: &Lab) {
    let pair = Pair::build(lab);
    let killed = pair.lvs51.director(&file(100));
    eventually("51 is master", within(secs(10)), || pair.lvs51.holds(VIP));
    killed.kill9();
    pair.lvs51.run("rm /run/lvsd/director-vips.json").ok();
    let first = pair.lvs51.director(&file(100));
    eventually("51 is master again", within(secs(10)), || {
        pair.lvs51.vrrp_state() == "master"
    });
    let problems = &pair.lvs51.status()["vrrp"][0]["problems"];
    assert_eq!(problems.as_array().map(Vec::len), Some(0), "{problems}");
    first.terminate();
    let left = pair.lvs51.run("ip -o link show type macvlan").ok();
    assert_eq!(left, "", "{}", first.log());
}

/// The kernel makes fragments of what it gives a header itself, and of no other.
fn adverts_longer_than_the_mtu_keep_a_second_master_away(lab: &Lab) {
    let pair = Pair::build(lab);
    let addresses = |prefix: &str, count: u32| {
        let all: Vec<_> = (1..=count).map(|it| format!("'{prefix}{it}'")).collect();
        format!("[{}]", all.join(", "))
    };
    for (what, mtu, addresses, virtual_mac) in [
        ("IPv6", 1_500, addresses("2001:db8::", 200), "true"),
        ("IPv4", 576, addresses("10.8.0.", 200), "false"),
        (
            "IPv4 with a virtual MAC",
            576,
            addresses("10.8.0.", 200),
            "true",
        ),
    ] {
        for host in [&pair.lvs51, &pair.lvs52] {
            host.run(&format!("ip link set ens192 mtu {mtu}")).ok();
        }
        let file = |priority| {
            DirectorFile::steady(priority)
                .vrrp_key("virtual_addresses", &addresses)
                .vrrp_key("virtual_mac", virtual_mac)
        };
        let first = pair.lvs51.director(&file(100));
        eventually("51 is master", within(secs(20)), || {
            pair.lvs51.vrrp_state() == "master"
        });
        let second = pair.lvs52.director(&file(50));
        eventually("52 is backup and hears it", within(secs(20)), || {
            let heard = &pair.lvs52.status()["vrrp"][0];
            heard["state"] == "backup" && heard["master"]["priority"] == 100
        });
        let status = pair.lvs51.status();
        assert_eq!(status["vrrp"][0]["send_errors"], 0, "{what}");
        lab.say(&format!("{what}: 200 addresses, MTU {mtu}: one master"));
        second.terminate();
        first.terminate();
    }
}
