//! lvsd and Debian's keepalived as routers of one virtual router: every wire format, in both
//! roles, and every rule by which the two must agree who is master.

use nix::sys::signal::Signal;

use crate::lab::lvsd::{DirectorFile, Pair};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::wait::side_by_side;
use crate::lab::{Host, Lab, Program, Scenario, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(lvsd_and_keepalived_elect_one_master_in_either_role_on_every_wire).on_any_linux(),
    scenario!(lvsd_and_keepalived_agree_by_preempt_rank_ownership_and_tracking).on_any_linux(),
    scenario!(three_routers_of_two_makes_have_one_master_whoever_fails).on_any_linux(),
    scenario!(a_keepalived_that_only_listens_hears_whichever_lvsd_is_master).on_any_linux(),
];

const VIP6: &str = "2001:db8::200";

/// One way to speak VRRP, as both write it.
struct Wire {
    name: &'static str,
    vip: &'static str,
    /// Keys of lvsd's table beyond name, interface and VRID.
    lvsd: &'static str,
    /// Keywords of keepalived's block, its addresses among them.
    keepalived: &'static str,
}

const WIRES: [Wire; 6] = [
    Wire {
        name: "version 2",
        vip: VIP,
        lvsd: "version = 2\nvirtual_addresses = ['192.168.1.200']",
        keepalived: "advert_int 1\n virtual_ipaddress {\n 192.168.1.200\n }",
    },
    Wire {
        name: "version 2 with password",
        vip: VIP,
        lvsd: "version = 2\nauth_pass = '1111'\nvirtual_addresses = ['192.168.1.200']",
        keepalived: "advert_int 1\n authentication {\n auth_type PASS\n auth_pass 1111\n }\n \
                     virtual_ipaddress {\n 192.168.1.200\n }",
    },
    Wire {
        name: "version 3",
        vip: VIP,
        lvsd: "advert_interval = '200ms'\nvirtual_addresses = ['192.168.1.200']",
        keepalived: "version 3\n advert_int 0.2\n virtual_ipaddress {\n 192.168.1.200\n }",
    },
    Wire {
        name: "version 3 over IPv6",
        vip: VIP6,
        lvsd: "advert_interval = '200ms'\nvirtual_addresses = ['fe80::200', '2001:db8::200']",
        keepalived: "version 3\n advert_int 0.2\n virtual_ipaddress {\n fe80::200\n 2001:db8::200\n }",
    },
    Wire {
        name: "version 3 by unicast",
        vip: VIP,
        lvsd: "advert_interval = '200ms'\nunicast_peers = ['192.168.1.52']\n\
               virtual_addresses = ['192.168.1.200']",
        keepalived: "version 3\n advert_int 0.2\n unicast_src_ip 192.168.1.52\n unicast_peer {\n \
                     192.168.1.51\n }\n virtual_ipaddress {\n 192.168.1.200\n }",
    },
    // This keepalived sends unicast over IPv6 with the kernel's hop limit of 64.
    Wire {
        name: "version 3 over IPv6 by unicast",
        vip: VIP6,
        lvsd: "advert_interval = '200ms'\nsource_address = '2001:db8::51'\n\
               unicast_peers = ['2001:db8::52']\nunicast_min_ttl = 64\nvirtual_addresses = ['2001:db8::200']",
        keepalived: "version 3\n advert_int 0.2\n unicast_src_ip 2001:db8::52\n unicast_peer {\n \
                     2001:db8::51\n }\n virtual_ipaddress {\n 2001:db8::200\n }",
    },
];

impl Wire {
    fn lvsd(&self, priority: u8) -> DirectorFile {
        let Self { lvsd, .. } = self;
        DirectorFile {
            vrrp: format!(
                "name = 'VI_1'\ninterface = 'ens192'\nvirtual_router_id = 51\n\
                 priority = {priority}\n{lvsd}"
            ),
            ..DirectorFile::vrrp_only(priority)
        }
    }

    fn keepalived(&self, host: &Host, priority: u8) -> Program {
        keepalived(host, priority, "", self.keepalived)
    }
}

/// Starts keepalived on a host; `global` stands before its block.
fn keepalived(host: &Host, priority: u8, global: &str, block: &str) -> Program {
    host.write(
        "/etc/keepalived/keepalived.conf",
        &format!(
            "{global}vrrp_instance VI_1 {{\n state BACKUP\n interface ens192\n \
             virtual_router_id 51\n priority {priority}\n {block}\n}}\n"
        ),
    );
    host.spawn("keepalived --dont-fork --log-console --log-detail --vrrp")
}

/// A pair with addresses of both families.
fn pair(lab: &Lab) -> Pair {
    let pair = Pair::build(lab);
    for (host, last) in [(&pair.lvs51, 51), (&pair.lvs52, 52)] {
        let add = format!("ip address add 2001:db8::{last}/64 dev ens192 nodad");
        host.run(&add).ok();
    }
    pair
}

/// Waits until `holder` has the address and `other` has not.
#[track_caller]
fn moves(what: &str, vip: &str, (holder, other): (&Host, &Host)) {
    eventually(what, within(secs(10)), || {
        holder.holds(vip) && !other.holds(vip)
    });
}

fn lvsd_and_keepalived_elect_one_master_in_either_role_on_every_wire(lab: &Lab) {
    side_by_side(&WIRES, |wire| {
        let Wire { name, vip, .. } = wire;
        let pair = pair(lab);
        let Pair { lvs51, lvs52, .. } = &pair;
        let keepalived = wire.keepalived(lvs52, 90);
        let lvsd = lvs51.director(&wire.lvsd(50));
        is_backup(name, lvs51);
        moves(
            &format!("{name}: keepalived is master"),
            vip,
            (lvs52, lvs51),
        );
        lvs51.reload(&lvsd, &wire.lvsd(100).text());
        moves(&format!("{name}: lvsd preempts"), vip, (lvs51, lvs52));
        lvsd.signal(Signal::SIGTERM);
        let what = format!("{name}: lvsd resigns, keepalived follows");
        moves(&what, vip, (lvs52, lvs51));
        lvsd.expect_exit(0);
        lvs51.director(&wire.lvsd(50));
        is_backup(name, lvs51);
        keepalived.signal(Signal::SIGTERM);
        let what = format!("{name}: keepalived resigns, lvsd follows");
        moves(&what, vip, (lvs51, lvs52));
        // The addresses come before the advert.
        eventually(&what, within(secs(10)), || lvs51.vrrp_state() == "master");
        let cause = lvs51.status()["vrrp"][0]["cause"].to_string();
        assert!(cause.contains("resigned"), "{name}: {cause}");
        lab.say(&format!("{name}: master and backup in either role"));
    });
}

/// Waits until lvsd follows keepalived.
#[track_caller]
fn is_backup(name: &str, lvsd: &Host) {
    let what = format!("{name}: lvsd hears keepalived");
    eventually(&what, within(secs(10)), || {
        let router = &lvsd.status()["vrrp"][0];
        router["state"] == "backup" && router["master"]["priority"] == 90
    });
}

/// Version 3 over IPv4: what the following contests speak.
const PLAIN: &Wire = &WIRES[2];

fn lvsd_and_keepalived_agree_by_preempt_rank_ownership_and_tracking(lab: &Lab) {
    let contests: [(&str, Contest); 8] = [
        ("lvsd without preempt", lvsd_leaves_a_working_master_alone),
        ("keepalived without preempt", keepalived_leaves_lvsd_alone),
        (
            "equal priority, keepalived higher",
            keepalived_at_the_higher_address_stays,
        ),
        (
            "equal priority, lvsd higher",
            lvsd_at_the_higher_address_stays,
        ),
        ("lvsd as owner", lvsd_owns_the_address),
        ("keepalived as owner", keepalived_owns_the_address),
        ("keepalived's tracking", keepalived_lowers_its_priority),
        ("lvsd's tracking", lvsd_lowers_its_priority),
    ];
    side_by_side(&contests, |(name, contest)| {
        contest(&Pair::build(lab));
        lab.say(&format!("{name}: agreed"));
    });
}

type Contest = fn(&Pair);

fn lvsd_leaves_a_working_master_alone(pair: &Pair) {
    let Pair { lvs51, lvs52, .. } = pair;
    let other = PLAIN.keepalived(lvs52, 50);
    eventually("keepalived is master", within(secs(10)), || {
        lvs52.holds(VIP)
    });
    lvs51.director(&PLAIN.lvsd(100).vrrp_key("preempt", "false"));
    hears(lvs51, 10);
    assert!(lvs52.holds(VIP) && !lvs51.holds(VIP), "left alone");
    other.signal(Signal::SIGTERM);
    moves("lvsd takes over what is free", VIP, (lvs51, lvs52));
}

/// Waits until lvsd accepted so many adverts more.
#[track_caller]
fn hears(host: &Host, adverts: u64) {
    let heard = || crate::lab::lvsd::number(&host.status()["vrrp"][0]["adverts_received"]);
    let before = heard();
    eventually("lvsd hears adverts", within(secs(10)), || {
        heard() >= before + adverts
    });
}

fn keepalived_leaves_lvsd_alone(pair: &Pair) {
    let Pair { lvs51, lvs52, .. } = pair;
    let first = lvs51.director(&PLAIN.lvsd(50));
    eventually("lvsd is master", within(secs(10)), || lvs51.holds(VIP));
    let block = format!("nopreempt\n {}", PLAIN.keepalived);
    let other = keepalived(lvs52, 100, "", &block);
    eventually("keepalived listens", within(secs(10)), || {
        other.log().contains("Entering BACKUP STATE")
    });
    let sent = || crate::lab::lvsd::number(&lvs51.status()["vrrp"][0]["adverts_sent"]);
    let before = sent();
    eventually("lvsd sends ten adverts", within(secs(10)), || {
        sent() >= before + 10
    });
    assert!(lvs51.holds(VIP) && !lvs52.holds(VIP), "left alone");
    first.signal(Signal::SIGTERM);
    moves("keepalived takes over what is free", VIP, (lvs52, lvs51));
}

fn keepalived_at_the_higher_address_stays(pair: &Pair) {
    let Pair { lvs51, lvs52, .. } = pair;
    PLAIN.keepalived(lvs52, 100);
    lvs51.director(&PLAIN.lvsd(100));
    hear_each_other_as_masters(pair);
    moves(
        "keepalived, at the higher address, stays",
        VIP,
        (lvs52, lvs51),
    );
    let cause = lvs51.status()["vrrp"][0]["cause"].to_string();
    assert!(
        cause.contains("heard 192.168.1.52 with priority 100"),
        "{cause}"
    );
}

fn lvsd_at_the_higher_address_stays(pair: &Pair) {
    let Pair { lvs51, lvs52, .. } = pair;
    PLAIN.keepalived(lvs51, 100);
    lvs52.director(&PLAIN.lvsd(100));
    hear_each_other_as_masters(pair);
    moves("lvsd, at the higher address, stays", VIP, (lvs52, lvs51));
}

/// Both become master, deaf to each other, and then hear again.
fn hear_each_other_as_masters(pair: &Pair) {
    let Pair {
        lvs51, lvs52, lan, ..
    } = pair;
    lan.loss(lvs51, 100);
    eventually("both are master", within(secs(10)), || {
        lvs51.holds(VIP) && lvs52.holds(VIP)
    });
    lan.loss(lvs51, 0);
}

fn lvsd_owns_the_address(pair: &Pair) {
    let Pair { lvs51, lvs52, .. } = pair;
    PLAIN.keepalived(lvs52, 254);
    eventually("keepalived is master", within(secs(10)), || {
        lvs52.holds(VIP)
    });
    lvs51.director(&PLAIN.lvsd(255));
    moves("the owner takes its address", VIP, (lvs51, lvs52));
    let cause = lvs51.status()["vrrp"][0]["cause"].to_string();
    assert_eq!(cause, "\"owns the addresses\"");
}

fn keepalived_owns_the_address(pair: &Pair) {
    let Pair { lvs51, lvs52, .. } = pair;
    lvs51.director(&PLAIN.lvsd(254));
    eventually("lvsd is master", within(secs(10)), || lvs51.holds(VIP));
    PLAIN.keepalived(lvs52, 255);
    moves("the owner takes its address", VIP, (lvs52, lvs51));
    assert_eq!(lvs51.status()["vrrp"][0]["master"]["priority"], 255);
}

/// While a file is there keepalived takes 60 off its priority.
fn keepalived_lowers_its_priority(pair: &Pair) {
    let Pair { lvs51, lvs52, .. } = pair;
    let global = "global_defs {\n script_user root\n}\n\
                  vrrp_script good {\n script \"/usr/bin/test ! -e /run/bad\"\n interval 1\n \
                  weight -60\n}\n";
    let block = format!("track_script {{\n good\n }}\n {}", PLAIN.keepalived);
    keepalived(lvs52, 100, global, &block);
    lvs51.director(&PLAIN.lvsd(70));
    moves("keepalived is master", VIP, (lvs52, lvs51));
    lvs52.run("mkdir -p /run && touch /run/bad").ok();
    moves("lvsd has more than 40", VIP, (lvs51, lvs52));
    lvs52.run("rm /run/bad").ok();
    moves("keepalived has its 100 again", VIP, (lvs52, lvs51));
}

/// Each kind of tracker takes 60 off lvsd's priority, and gives it back.
fn lvsd_lowers_its_priority(pair: &Pair) {
    let Pair { lvs51, lvs52, .. } = pair;
    lvs51
        .run("ip link add uplink type veth peer name far && ip link set uplink up && ip link set far up")
        .ok();
    PLAIN.keepalived(lvs52, 70);
    let mut file = PLAIN.lvsd(100);
    file.vrrp += "\n[[vrrp.track]]\ninterface = 'uplink'\nweight = -60\n\
                  [[vrrp.track]]\nscript = ['/usr/bin/test', '!', '-e', '/run/bad']\n\
                  interval = '200ms'\ntimeout = '5s'\nweight = -60\n\
                  [[vrrp.track]]\nfile = '/run/priority'\ninterval = '200ms'";
    lvs51.director(&file);
    moves("lvsd is master", VIP, (lvs51, lvs52));
    for (what, breaks, mends) in [
        ("interface", "ip link set far down", "ip link set far up"),
        ("script", "touch /run/bad", "rm /run/bad"),
        ("file", "echo -60 > /run/priority", "rm /run/priority"),
    ] {
        lvs51.run(breaks).ok();
        let lowered = format!("{what}: keepalived has more than 40");
        moves(&lowered, VIP, (lvs52, lvs51));
        let priority = &lvs51.status()["vrrp"][0]["priority"];
        assert_eq!(priority, 40, "{what}");
        lvs51.run(mends).ok();
        moves(
            &format!("{what}: lvsd has its 100 again"),
            VIP,
            (lvs51, lvs52),
        );
    }
}

fn three_routers_of_two_makes_have_one_master_whoever_fails(lab: &Lab) {
    let pair = Pair::build(lab);
    let lvs53 = pair.lan.host_with_nic("lvs53", "ens192", "192.168.1.53/24");
    let all = [&pair.lvs51, &pair.lvs52, &lvs53];
    pair.lvs51.director(&PLAIN.lvsd(100));
    PLAIN.keepalived(&pair.lvs52, 90);
    lvs53.director(&PLAIN.lvsd(80));
    // One that has no link is no master, whatever it holds.
    let holds = |expected: &str, unplugged: &[&Host]| {
        eventually(
            &format!("{expected} alone is master"),
            within(secs(10)),
            || {
                let linked = all
                    .iter()
                    .filter(|host| !unplugged.iter().any(|gone| gone.name() == host.name()));
                let holders: Vec<_> = linked.filter(|host| host.holds(VIP)).collect();
                holders.len() == 1 && holders[0].name() == expected
            },
        );
    };
    holds("lvs51", &[]);
    pair.lvs51.unplug();
    holds("lvs52", &[&pair.lvs51]);
    lab.say("lvsd's cable is pulled: keepalived is master, the other lvsd its backup");
    pair.lvs52.unplug();
    holds("lvs53", &[&pair.lvs51, &pair.lvs52]);
    lab.say("keepalived's too: the other lvsd is master");
    pair.lvs52.plug();
    holds("lvs52", &[&pair.lvs51]);
    pair.lvs51.plug();
    holds("lvs51", &[]);
    lab.say("plugged in again, each takes back what is its by rank");
}

/// Two lvsd that hand over to each other, and a keepalived of least rank, which they never hear.
fn a_keepalived_that_only_listens_hears_whichever_lvsd_is_master(lab: &Lab) {
    let pair = Pair::build(lab);
    let Pair { lvs51, lvs52, .. } = &pair;
    let lvs53 = pair.lan.host_with_nic("lvs53", "ens192", "192.168.1.53/24");
    lvs51.director(&PLAIN.lvsd(150));
    lvs52.director(&PLAIN.lvsd(120));
    moves("the first lvsd is master", VIP, (lvs51, lvs52));
    let listens = |keepalived: &Program| {
        eventually("keepalived listens", within(secs(10)), || {
            keepalived.log().contains("Entering BACKUP STATE")
        });
    };
    let silent = PLAIN.keepalived(&lvs53, 50);
    listens(&silent);
    let hand_over = |command: &str, to: (&Host, &Host), keepalived: &Program| {
        lvs51.run(&format!("lvsd vrrp {command} VI_1")).ok();
        moves(command, VIP, to);
        hears(to.1, 10);
        let log = keepalived.log();
        assert!(!log.contains("Entering MASTER STATE"), "{command}: {log}");
        assert!(!lvs53.holds(VIP), "{command}: one master");
    };
    hand_over("yield", (lvs52, lvs51), &silent);
    hand_over("reclaim", (lvs51, lvs52), &silent);
    lab.say("keepalived hears both lvsd, before and after each hand-over");
    silent.terminate();
    hand_over("yield", (lvs52, lvs51), &silent);
    let late = PLAIN.keepalived(&lvs53, 50);
    listens(&late);
    hand_over("reclaim", (lvs51, lvs52), &late);
    lab.say("so does one that joins after they have heard each other");
}
