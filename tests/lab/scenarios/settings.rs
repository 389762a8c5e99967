//! What holds for the whole of the kernel's IPVS: timeouts, sysctls, the size of its table.

use crate::lab::lvsd::DirectorFile;
use crate::lab::scenario::scenario;
use crate::lab::{Host, Lab, Scenario, Site, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(settings_are_held_and_given_back),
    scenario!(the_connection_table_has_the_size_it_was_loaded_with).under_systemd(&[]),
];

const IPVS: &str = "[ipvs]\ntimeouts = { tcp = '1m', udp = '5m' }\nconn_tab_bits = 20\n\
    [ipvs.sysctl]\nsloppy_tcp = true\nexpire_quiescent_template = 'keep'\n\
    sync_threshold = [5, 40]\nsync_refresh_period = '20s'";

const KEYS: [&str; 5] = [
    "sloppy_tcp",
    "expire_nodest_conn",
    "expire_quiescent_template",
    "sync_threshold",
    "sync_refresh_period",
];

fn values(host: &Host) -> [String; 5] {
    KEYS.map(|key| {
        let value = host.sysctl(&format!("net.ipv4.vs.{key}"));
        value.split_whitespace().collect::<Vec<_>>().join(" ")
    })
}

fn timeouts(host: &Host) -> String {
    let listed = host.run("ipvsadm -L --timeout").ok();
    listed
        .trim()
        .rsplit(": ")
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn settings_are_held_and_given_back(lab: &Lab) {
    let site = Site::build(lab);
    let director = &site.lvs51;
    director.run("ipvsadm --set 800 90 300").ok();
    let before = values(director);
    assert_eq!(before, ["0", "0", "0", "3 50", "0"]);
    let file = DirectorFile::alone().ipvs(IPVS);
    let program = director.director(&file);
    let wanted =
        || timeouts(director) == "60 90 300" && values(director) == ["1", "1", "0", "5 40", "20"];
    let took = eventually("everything is as the file says", within(secs(5)), wanted);
    lab.say(&format!("timeouts and sysctls are set after {took:.1?}"));

    director.run("ipvsadm --set 7 8 9").ok();
    director.set_sysctl("net.ipv4.vs.sloppy_tcp", 0);
    let back = || timeouts(director) == "60 8 300" && values(director)[0] == "1";
    let took = eventually("what somebody changed is put right", within(secs(5)), back);
    lab.say(&format!(
        "somebody's changes are undone after {took:.1?}, but for what is not asked for"
    ));
    eventually("it is counted", within(secs(5)), || {
        director.status()["ipvs"]["settings_repaired"] == 2
    });
    let problems = director.status()["ipvs"]["problems"].to_string();
    assert!(
        problems.contains("options ip_vs conn_tab_bits=20"),
        "{problems}"
    );
    let metrics = director.run("curl -s http://127.0.0.1:9481/metrics").ok();
    assert!(
        metrics.contains("lvsd_ipvs_timeout_seconds{kind=\"tcp\"} 60"),
        "{metrics}"
    );

    program.kill9();
    let program = director.director(&file);
    eventually("it is there again", within(secs(5)), || {
        director.status()["ipvs"]["timeouts"]["tcp_s"] == 60
    });
    assert!(program.terminate().success());
    assert_eq!(
        timeouts(director),
        "800 8 300",
        "as before, but for what somebody else set"
    );
    assert_eq!(values(director), before);
    lab.say("a crash and a stop later everything is as it was");
}

/// The boot loaded the module; where it is not there, lvsd loads it as it is wanted.
fn the_connection_table_has_the_size_it_was_loaded_with(lab: &Lab) {
    let lan = lab.lan();
    let machine = lan.this_machine("ens192", "192.168.1.51/24");
    let modules = "lsmod | awk '$1 ~ /^ip_vs/ {print $1}'";
    let unload = format!(
        "for i in 1 2 3; do for m in $({modules}); do modprobe -r $m; done; done 2>/dev/null; {modules}"
    );
    assert_eq!(machine.run(&unload).ok(), "", "ip_vs is gone");
    let file = DirectorFile::alone().ipvs("[ipvs]\nconn_tab_bits = 14");
    let size = || {
        machine
            .run("ipvsadm -Ln")
            .ok()
            .lines()
            .next()
            .map(str::to_owned)
    };
    let program = machine.director(&file);
    eventually("the director runs", within(secs(10)), || {
        machine.status()["ipvs"]["connection_table_size"] == 16_384
    });
    lab.say(&format!("{:?}", size()));
    assert!(size().unwrap().contains("size=16384"));
    assert_eq!(machine.status()["ipvs"]["problems"].to_string(), "[]");
    let other = DirectorFile::alone().ipvs("[ipvs]\nconn_tab_bits = 15");
    machine.write("/etc/lvsd/director.toml", &other.text());
    program.signal(nix::sys::signal::Signal::SIGHUP);
    eventually("what cannot change is told", within(secs(5)), || {
        let problems = machine.status()["ipvs"]["problems"].to_string();
        problems.contains("16384 buckets, not the 2^15")
    });
    assert!(program.terminate().success());
}
