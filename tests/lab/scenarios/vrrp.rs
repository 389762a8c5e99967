//! Elections between two directors: who is master, and that it stays so.

use std::time::Instant;

use nix::sys::signal::Signal;

use crate::lab::lvsd::{DIRECTOR_FILE, DirectorFile, Pair, number};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, eventually, millis, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(two_routers_of_equal_priority_settle_on_one_master_and_stay_there).on_any_linux(),
    scenario!(without_preempt_a_working_master_of_lower_priority_is_left_alone).on_any_linux(),
    scenario!(a_director_that_is_stopped_hands_over_within_a_second).on_any_linux(),
    scenario!(clients_learn_the_new_master_at_once_by_gratuitous_arp).on_any_linux(),
    scenario!(what_a_killed_master_left_is_adopted_or_removed).on_any_linux(),
    scenario!(a_deleted_vip_is_back_within_two_seconds).on_any_linux(),
    scenario!(a_log_that_nobody_reads_stops_nothing).on_any_linux(),
    scenario!(virtual_routers_of_one_interface_have_a_master_each).on_any_linux(),
    scenario!(a_yield_lasts_until_nobody_else_is_master_and_is_refused_where_nobody_is)
        .on_any_linux(),
];

fn two_routers_of_equal_priority_settle_on_one_master_and_stay_there(lab: &Lab) {
    let pair = Pair::build(lab);
    let first = pair.lvs51.director(&DirectorFile::steady(100));
    let second = pair.lvs52.director(&DirectorFile::steady(100));
    eventually("one of them is master", within(secs(5)), || {
        pair.lvs51.holds(VIP) != pair.lvs52.holds(VIP)
    });

    pair.lan.loss(&pair.lvs51, 100);
    pair.become_states("master", "master");
    lab.say("they do not hear each other: both are master");
    pair.lan.loss(&pair.lvs51, 0);
    let took = pair.become_states("backup", "master");
    lab.say(&format!(
        "they hear each other again: the higher address is master after {took:.1?}"
    ));
    let heard = "to=backup cause=heard 192.168.1.52 with priority 100";
    assert!(first.log().contains(heard), "{}", first.log());
    stays_as_it_is(&pair);

    first.terminate();
    let first = pair.lvs51.director(&DirectorFile::steady(100));
    pair.become_states("backup", "master");
    lab.say("the backup was restarted: the master is the same");
    stays_as_it_is(&pair);

    second.terminate();
    eventually("51 takes over", within(secs(5)), || pair.lvs51.holds(VIP));
    pair.lvs52.director(&DirectorFile::steady(100));
    pair.become_states("master", "backup");
    lab.say("the master was restarted: the other one took over, and is left alone");
    stays_as_it_is(&pair);
    assert_eq!(first.log().matches("to=master").count(), 1);
}

/// Nothing changes while the backup hears ten adverts.
fn stays_as_it_is(pair: &Pair) {
    let seen = |host: &Host| {
        let router = &host.status()["vrrp"][0];
        (
            router["state"].clone(),
            number(&router["became_master"]),
            number(&router["adverts_received"]),
        )
    };
    let before = [seen(&pair.lvs51), seen(&pair.lvs52)];
    eventually("the backup hears ten more adverts", within(secs(8)), || {
        let heard = seen(&pair.lvs51).2 + seen(&pair.lvs52).2;
        heard >= before[0].2 + before[1].2 + 10
    });
    let after = [seen(&pair.lvs51), seen(&pair.lvs52)];
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((&before.0, before.1), (&after.0, after.1));
    }
}

fn without_preempt_a_working_master_of_lower_priority_is_left_alone(lab: &Lab) {
    let pair = Pair::build(lab);
    let patient = DirectorFile::steady(100).vrrp_key("preempt", "false");
    let second = pair.lvs52.director(&DirectorFile::steady(50));
    eventually("52 is master", within(secs(5)), || pair.lvs52.holds(VIP));
    let first = pair.lvs51.director(&patient);
    pair.become_states("backup", "master");
    stays_as_it_is(&pair);
    lab.say(&pair.lvs51.run("lvsd status").ok());

    second.terminate();
    eventually("51 takes over", within(secs(5)), || pair.lvs51.holds(VIP));
    pair.lvs52.director(&DirectorFile::steady(50));
    pair.become_states("master", "backup");
    lab.say("it takes over when the master leaves, and keeps what it has");

    pair.lvs51
        .reload(&first, &patient.vrrp_key("priority", "40").text());
    pair.become_states("backup", "master");
    lab.say("reloaded with a lower priority, it is preempted by the other one");
    pair.lvs51.reload(&first, &DirectorFile::steady(100).text());
    pair.become_states("master", "backup");
    lab.say("and reloaded with preempt, it takes back");
}

fn a_director_that_is_stopped_hands_over_within_a_second(lab: &Lab) {
    let pair = Pair::build(lab);
    let seed = |priority| DirectorFile {
        server: String::new(),
        ..DirectorFile::seed(priority)
    };
    let first = pair.lvs51.director(&seed(100));
    pair.lvs52.director(&seed(50));
    pair.become_states("master", "backup");
    let capture = pair
        .client
        .spawn("tcpdump -Z root -lnnv -i ens192 ip proto 112");
    eventually("the capture sees adverts", within(secs(5)), || {
        capture.log().contains("prio 100")
    });

    let asked = Instant::now();
    first.signal(Signal::SIGTERM);
    while pair.lvs51.holds(VIP) {
        assert!(
            asked.elapsed() < within(secs(2)).limit(),
            "51 keeps the VIP"
        );
    }
    let gone = Instant::now();
    while !pair.lvs52.holds(VIP) {
        assert!(gone.elapsed() < within(secs(2)).limit(), "52 takes nothing");
    }
    lab.say(&format!(
        "stopped: the VIP is gone after {} ms, and on the other one {} ms later",
        (gone - asked).as_millis(),
        gone.elapsed().as_millis()
    ));
    assert!(gone.elapsed() < within(secs(1)).limit());
    first.expect_exit(0);
    let cause = pair.lvs52.status()["vrrp"][0]["cause"].to_string();
    assert_eq!(cause, "\"master 192.168.1.51 resigned\"");
    eventually("the capture saw priority 0", within(secs(2)), || {
        capture.log().contains("prio 0,")
    });
    assert_eq!(capture.log().matches("prio 0,").count(), 1);
}

fn clients_learn_the_new_master_at_once_by_gratuitous_arp(lab: &Lab) {
    let pair = Pair::build(lab);
    let first = pair.lvs51.director(&DirectorFile::vrrp_only(100));
    pair.lvs52.director(&DirectorFile::vrrp_only(50));
    pair.become_states("master", "backup");
    pair.client.run(&format!("ping -c 1 -W 2 {VIP}")).ok();
    let neighbour = || pair.client.run(&format!("ip neigh show {VIP}")).ok();
    eventually("the client knows 51", within(secs(2)), || {
        neighbour().contains("02:00:c0:a8:01:33")
    });
    let capture = pair.client.spawn("tcpdump -Z root -lne -i ens192 arp");
    eventually("the capture runs", within(secs(5)), || {
        capture.log().contains("listening on")
    });

    pair.lvs51.unplug();
    first.kill9();
    eventually("52 is master", within(secs(5)), || pair.lvs52.holds(VIP));
    let took = eventually("the client knows the new master", within(secs(1)), || {
        neighbour().contains("02:00:c0:a8:01:34")
    });
    lab.say(&format!("the client's ARP cache follows after {took:.1?}"));
    eventually("the announcement was seen", within(secs(2)), || {
        let log = capture.log();
        log.lines().any(|line| {
            line.contains("02:00:c0:a8:01:34 > ff:ff:ff:ff:ff:ff") && line.contains(VIP)
        })
    });
    let asked = |line: &str| {
        line.contains("02:00:c0:a8:01:0a >") && line.contains(&format!("who-has {VIP}"))
    };
    assert!(
        !capture.log().lines().any(asked),
        "the client never asked: {}",
        capture.log()
    );
}

fn what_a_killed_master_left_is_adopted_or_removed(lab: &Lab) {
    let pair = Pair::build(lab);
    let times = |host: &Host| {
        let all = host.run("ip -o addr").ok();
        all.matches(&format!(" {VIP}/")).count()
    };
    let first = pair.lvs51.director(&DirectorFile::steady(100));
    eventually("51 is master", within(secs(5)), || pair.lvs51.holds(VIP));
    first.kill9();
    assert!(pair.lvs51.holds(VIP), "nobody removed it");
    let first = pair.lvs51.director(&DirectorFile::steady(100));
    eventually("51 is master again", within(secs(5)), || {
        assert!(pair.lvs51.holds(VIP), "the VIP stays where it is");
        pair.lvs51.vrrp_state() == "master"
    });
    assert_eq!(times(&pair.lvs51), 1);
    assert!(
        !first.log().contains("address added"),
        "adopted: {}",
        first.log()
    );
    lab.say("killed and started again as master: the VIP it left is adopted");

    pair.lvs52.director(&DirectorFile::steady(50));
    pair.become_states("master", "backup");
    first.kill9();
    eventually("52 takes over", within(secs(5)), || pair.lvs52.holds(VIP));
    assert!(pair.lvs51.holds(VIP), "nobody removed it");
    pair.lvs51.director(&DirectorFile::steady(20));
    pair.become_states("backup", "master");
    assert_eq!(times(&pair.lvs51), 0);
    assert_eq!(times(&pair.lvs52), 1);
    lab.say("killed and started again as backup: the VIP it left is removed");
}

fn a_deleted_vip_is_back_within_two_seconds(lab: &Lab) {
    let pair = Pair::build(lab);
    pair.lvs51.director(&DirectorFile::vrrp_only(100));
    eventually("51 is master", within(secs(5)), || pair.lvs51.holds(VIP));
    assert!(
        pair.lvs51
            .addresses("ens192")
            .contains(&format!("{VIP}/32")),
        "{:?}",
        pair.lvs51.addresses("ens192")
    );
    pair.lvs51
        .run(&format!("ip addr del {VIP}/32 dev ens192"))
        .ok();
    let took = eventually("the VIP is back", within(secs(2)), || pair.lvs51.holds(VIP));
    lab.say(&format!(
        "deleted by hand, back after {} ms",
        took.as_millis()
    ));
    pair.lvs51.run("ip addr flush dev ens192").ok();
    eventually(
        "without an own address it is in fault",
        within(secs(2)),
        || pair.lvs51.vrrp_state() == "fault" && !pair.lvs51.holds(VIP),
    );
    let cause = pair.lvs51.status()["vrrp"][0]["cause"].to_string();
    assert!(cause.contains("no address of its own"), "{cause}");
    pair.lvs51
        .run("ip addr add 192.168.1.51/24 dev ens192")
        .ok();
    eventually("it heals by itself", within(secs(5)), || {
        pair.lvs51.holds(VIP)
    });
}

/// Standard error is a pipe that is full already and that nobody reads.
fn a_log_that_nobody_reads_stops_nothing(lab: &Lab) {
    let pair = Pair::build(lab);
    pair.lvs51.write(
        "/etc/lvsd/director.toml",
        &DirectorFile::vrrp_only(50).text(),
    );
    pair.lvs51
        .spawn("sh -c '(head -c 65536 /dev/zero; exec lvsd director 2>&1) | tail -f /dev/null'");
    eventually("51 is master", within(secs(10)), || {
        pair.lvs51.vrrp_state() == "master" && pair.lvs51.holds(VIP)
    });
    let second = pair.lvs52.director(&DirectorFile::vrrp_only(100));
    pair.become_states("backup", "master");
    second.terminate();
    let took = eventually("51 is master again", within(secs(2)), || {
        pair.lvs51.holds(VIP)
    });
    lab.say(&format!(
        "with a log that nobody reads it takes over within {} ms",
        took.max(millis(1)).as_millis()
    ));
}

const VIPS: [&str; 3] = [VIP, "192.168.1.201", "2001:db8::200"];

/// Three on one interface, two of them with one VRID in different families: the host is to be
/// master of the first and the third, or of the second.
fn three(is_first: bool) -> String {
    let all = [("VI_1", 51, 0), ("VI_2", 52, 1), ("VI_6", 51, 2)];
    let tables = all.map(|(name, vrid, nth)| {
        let priority = if is_first == (nth != 1) { 100 } else { 50 };
        let interval = within(millis(250)).limit().as_millis();
        format!(
            "[[vrrp]]\nname = '{name}'\ninterface = 'ens192'\nvirtual_router_id = {vrid}\n\
             priority = {priority}\nadvert_interval = '{interval}ms'\n\
             virtual_addresses = ['{}']\n",
            VIPS[nth]
        )
    });
    tables.concat()
}

fn virtual_routers_of_one_interface_have_a_master_each(lab: &Lab) {
    let pair = Pair::build(lab);
    let hosts = [(&pair.lvs51, "51", true), (&pair.lvs52, "52", false)];
    let directors = hosts.map(|(host, last, is_first)| {
        host.run("sysctl -qw net.ipv6.conf.ens192.disable_ipv6=0")
            .ok();
        let address = format!("ip address add 2001:db8::{last}/64 dev ens192 nodad");
        host.run(&address).ok();
        host.write(DIRECTOR_FILE, &three(is_first));
        host.spawn("lvsd director")
    });
    let holders = || VIPS.map(|vip| [pair.lvs51.holds(vip), pair.lvs52.holds(vip)]);
    let (on_51, on_52) = ([true, false], [false, true]);
    let shared = [on_51, on_52, on_51];
    eventually("each has its own", within(secs(20)), || holders() == shared);
    pair.lvs51.unplug();
    eventually("52 has all", within(secs(10)), || holders() == [on_52; 3]);
    pair.lvs51.plug();
    eventually("each has its own again", within(secs(20)), || {
        holders() == shared
    });
    lab.say(&pair.lvs52.run("lvsd status").ok());

    let others = || {
        let status = pair.lvs51.status();
        let all = status["vrrp"].as_array().cloned().unwrap_or_default();
        let others = all.iter().filter(|it| it["name"] != "VI_2");
        let seen = others.map(|it| (it["state"].clone(), number(&it["transitions"])));
        (all.len(), seen.collect::<Vec<_>>())
    };
    let before = others();
    let text = three(true);
    let (first, rest) = text.split_once("[[vrrp]]\nname = 'VI_2'").unwrap();
    let third = &rest[rest.find("[[vrrp]]").unwrap()..];
    pair.lvs51.reload(&directors[0], &format!("{first}{third}"));
    eventually("one is gone", within(secs(10)), || others().0 == 2);
    assert_eq!((before.0, before.1), (3, others().1), "the others go on");
    assert_eq!(holders(), shared);
}

fn a_yield_lasts_until_nobody_else_is_master_and_is_refused_where_nobody_is(lab: &Lab) {
    let pair = Pair::build(lab);
    let first = pair.lvs51.director(&DirectorFile::steady(100));
    eventually("51 is master", within(secs(10)), || {
        pair.lvs51.vrrp_state() == "master"
    });
    let told = pair.lvs51.run("lvsd vrrp yield VI_1").fails_with(1);
    lab.say(&told);
    assert_eq!(pair.lvs51.vrrp_state(), "master");
    assert!(pair.lvs51.holds(VIP), "there is nobody else");

    let second = pair.lvs52.director(&DirectorFile::steady(50));
    pair.become_states("master", "backup");
    pair.lvs51.run("lvsd vrrp yield VI_1").ok();
    pair.become_states("backup", "master");
    let phase = || pair.lvs51.status()["vrrp"][0]["phase"].clone();
    stays_as_it_is(&pair);
    assert_eq!(phase(), "yielded", "though its priority is higher");

    pair.lvs52.unplug();
    second.kill9();
    eventually("51 serves again", within(secs(15)), || {
        pair.lvs51.vrrp_state() == "master" && pair.lvs51.holds(VIP)
    });
    assert_eq!(phase(), "steady", "the yield is over");
    pair.lvs52.plug();
    let second = pair.lvs52.director(&DirectorFile::steady(50));
    pair.become_states("master", "backup");
    stays_as_it_is(&pair);

    pair.lvs51.run("lvsd vrrp yield VI_1").ok();
    pair.become_states("backup", "master");
    first.terminate();
    pair.lvs51.director(&DirectorFile::steady(100));
    pair.become_states("master", "backup");
    lab.say("a restart ends a yield too");
    assert!(second.is_running());
}
