//! Connections outlive the director they came through.

use crate::lab::echo::{Echo, Talk};
use crate::lab::lvsd::{DirectorFile, Running};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, Site, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(open_connections_survive_two_failovers).limited_to(secs(240)),
    scenario!(without_sync_a_connection_ends_with_its_director),
    scenario!(a_sync_daemon_is_held_and_a_foreign_one_left_alone),
];

const SYNC: &str = "[ipvs.sync]\nvrrp = 'VI_1'";

/// Each director sends and receives always.
const BOTH: &str = "[ipvs.sync]\nrole = 'both'\ninterface = 'ens192'\nid = 51";

/// Directors with this `[ipvs]` that do not preempt, and echo servers on port 7.
fn running(lab: &Lab, ipvs: &str) -> (Running, Vec<Echo>) {
    let site = Site::build(lab);
    let echoes = site.real_servers.iter().map(|rs| rs.echo(7)).collect();
    let agents = site.real_servers.each_ref().map(Host::agent);
    // Without preemption the first to come is master, whatever the priorities.
    let first = site.lvs51.director(&file(100, ipvs));
    eventually("51 is master", within(secs(15)), || {
        site.lvs51.vrrp_state() == "master"
    });
    let second = site.lvs52.director(&file(50, ipvs));
    let running = Running {
        site,
        directors: [first, second],
        agents,
    };
    for director in [&running.site.lvs51, &running.site.lvs52] {
        eventually("the pool is in the table", within(secs(5)), || {
            director.balances_onto("192.168.1.55:7")
        });
    }
    (running, echoes)
}

fn file(priority: u8, ipvs: &str) -> DirectorFile {
    let file = DirectorFile::quick(priority).ipvs(ipvs);
    // Adverts that a busy machine delivers in time, or mastership comes and goes.
    file.vrrp_key("advert_interval", "'1s'")
        .vrrp_key("preempt", "false")
        .server_key("address", &format!("'{VIP}:7'"))
        .pool("['192.168.1.53', '192.168.1.54', '192.168.1.55']")
}

/// Whether this director knows the connection as established.
fn knows(director: &Host, talk: &Talk) -> bool {
    let client = format!(" 192.168.1.10:{} ", talk.port());
    let connections = director.run("ipvsadm -Lnc").ok();
    let mut connections = connections.lines();
    connections.any(|line| line.contains(&client) && line.contains("ESTABLISHED"))
}

fn open_connections_survive_two_failovers(lab: &Lab) {
    let (mut running, _echoes) = running(lab, SYNC);
    let site = running.site.clone();
    the_daemons_are(lab, &site.lvs51, &site.lvs52);
    let vip = format!("{VIP}:7");
    let (mut busy, mut idle) = (site.client.talk(&vip), site.client.talk(&vip));
    idle.say().unwrap();
    busy.say_for(secs(1)).unwrap();
    let took = eventually("the backup knows both", within(secs(10)), || {
        busy.say().unwrap();
        knows(&site.lvs52, &busy) && knows(&site.lvs52, &idle)
    });
    lab.say(&format!(
        "the backup knew both connections after {took:.1?}"
    ));

    site.lvs51.die();
    let gap = busy.say_for(within(secs(6)).limit()).unwrap();
    idle.say().unwrap();
    lab.say(&format!(
        "51 is dead: the connection waited {gap:.1?} and goes on"
    ));
    eventually("52 is master", within(secs(5)), || {
        site.lvs52.vrrp_state() == "master"
    });

    // A new boot: it knows nothing. From here on both send and receive.
    site.lvs52
        .reload(&running.directors[1], &file(50, BOTH).text());
    let lvs51 = site.lan.host_with_nic("lvs51", "ens192", "192.168.1.51/24");
    running.directors[0] = lvs51.director(&file(100, BOTH));
    let took = eventually(
        "51 is back, and knows what is spoken",
        within(secs(20)),
        || {
            busy.say().unwrap();
            knows(&lvs51, &busy)
        },
    );
    lab.say(&format!(
        "51 is back as backup, and knew the connection after {took:.1?}"
    ));
    assert_eq!(lvs51.vrrp_state(), "backup", "preempt = false");
    for director in [&site.lvs52, &lvs51] {
        let daemons = director.sync_daemons();
        lab.say(&format!("{}: {daemons}", director.name()));
        assert_eq!(
            daemons.matches("mcast=ens192, syncid=51").count(),
            2,
            "{daemons}"
        );
    }
    idle.say().unwrap();

    site.lvs52.unplug();
    running.directors[1].kill9();
    let gap = busy.say_for(within(secs(6)).limit()).unwrap();
    eventually("51 is master", within(secs(5)), || {
        lvs51.vrrp_state() == "master"
    });
    lab.say(&format!(
        "52 is dead too: the connection waited {gap:.1?} and goes on"
    ));

    assert!(running.directors[0].terminate().success());
    assert_eq!(lvs51.sync_daemons(), "");
}

/// ipvsadm is the witness.
fn the_daemons_are(lab: &Lab, master: &Host, backup: &Host) {
    for (director, role) in [(master, "master"), (backup, "backup")] {
        eventually("the sync daemons have their roles", within(secs(5)), || {
            let daemons = director.sync_daemons();
            daemons.lines().count() == 1
                && daemons.starts_with(&format!("{role} sync daemon (mcast=ens192, syncid=51"))
        });
        lab.say(&format!(
            "{}: {}",
            director.name(),
            director.sync_daemons().trim()
        ));
        eventually("status says so too", within(secs(5)), || {
            director.status()["ipvs"]["sync"][0]["role"] == role
        });
    }
}

/// The control: what the scenario above would see if nothing were synchronised.
fn without_sync_a_connection_ends_with_its_director(lab: &Lab) {
    let (running, _echoes) = running(lab, "");
    let site = &running.site;
    let mut talk = site.client.talk(&format!("{VIP}:7"));
    talk.say_for(secs(3)).unwrap();
    assert!(knows(&site.lvs51, &talk) && !knows(&site.lvs52, &talk));
    site.lvs51.unplug();
    running.directors[0].kill9();
    let ended = talk.say_for(within(secs(6)).limit());
    lab.say(&format!("51 is dead: {ended:?}"));
    assert!(ended.is_err(), "the backup cannot know it");
}

fn a_sync_daemon_is_held_and_a_foreign_one_left_alone(lab: &Lab) {
    let site = Site::build(lab);
    let director = &site.lvs51;
    director
        .run("ipvsadm --start-daemon master --mcast-interface lo --syncid 9")
        .ok();
    let file = file(
        100,
        "[ipvs.sync]\nrole = 'both'\ninterface = 'later0'\nid = 3\nport = 9000",
    );
    let program = director.director(&file);
    let problems = || director.status()["ipvs"]["problems"].to_string();
    eventually("what is in the way is named", within(secs(10)), || {
        let problems = problems();
        problems.contains("ipvsadm --stop-daemon master")
            && problems.contains("there is no interface later0")
    });
    director
        .run("ipvsadm --stop-daemon master; ip link add later0 type dummy; ip addr add 10.9.9.9/24 dev later0; ip link set later0 up")
        .ok();
    eventually("both run once they can", within(secs(5)), || {
        let daemons = director.sync_daemons();
        daemons.matches("mcast=later0, syncid=3").count() == 2 && problems() == "[]"
    });
    director.run("ipvsadm --stop-daemon backup").ok();
    eventually("a stopped one is started again", within(secs(5)), || {
        director.sync_daemons().lines().count() == 2
    });
    assert_eq!(director.status()["ipvs"]["settings_repaired"], 1);
    director
        .run("ip link del later0; ip link add later0 type dummy; ip addr add 10.9.9.9/24 dev later0; ip link set later0 up")
        .ok();
    eventually("the new interface has new ones", within(secs(5)), || {
        program
            .log()
            .contains("the interface of the sync daemon is new")
            && director.sync_daemons().lines().count() == 2
    });
    program.kill9();
    assert_eq!(
        director.sync_daemons().lines().count(),
        2,
        "the kernel's go on"
    );
    let program = director.director(&file);
    eventually("it is there again", within(secs(5)), || {
        director.status()["ipvs"]["sync"][1]["role"] == "backup"
    });
    assert!(program.terminate().success());
    assert_eq!(director.sync_daemons(), "", "adopted, and so stopped");
}
