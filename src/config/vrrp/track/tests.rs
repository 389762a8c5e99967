use std::path::Path;

use super::*;
use crate::config::director::DirectorConfig;

const ROUTER: &str = "[[vrrp]]\nname = 'VI_1'\ninterface = 'eth0'\nvirtual_router_id = 51\n\
                      virtual_addresses = ['10.0.0.9']\n";

fn read(keys: &str) -> Result<DirectorConfig, String> {
    let text = format!(
        "{ROUTER}{keys}\n[[virtual_server]]\naddress = '10.0.0.9:80'\nreal_servers = ['10.0.0.1']\n"
    );
    DirectorConfig::parse(Path::new("d.toml"), &text).map_err(|error| error.to_string())
}

fn trackers_of(keys: &str) -> Vec<Tracker> {
    let config = read(keys).unwrap_or_else(|error| panic!("{error}"));
    config.vrrp["VI_1"].trackers.to_vec()
}

#[track_caller]
fn refused(keys: &str, wanted: &str) {
    let told = read(keys).expect_err(keys);
    assert!(told.contains(wanted), "{told}");
}

const ALL: &str = "track_interfaces = ['eth1']
[[vrrp.track]]
interface = 'eth2'
weight = -20
[[vrrp.track]]
name = 'gateway'
script = ['/bin/ping', '-c1', '10.0.0.254']
interval = '2s'
timeout = '1s'
rise = 2
fall = 3
user = 'nobody'
[[vrrp.track]]
process = 'nginx'
cmdline = 'master'
weight = 10
[[vrrp.track]]
file = '/run/lvsd/priority'
[[vrrp.track]]
virtual_server = '10.0.0.9:80'
weight = -254
";

#[test]
fn each_kind_is_told_by_its_key_and_interfaces_have_a_short_form() {
    let trackers = trackers_of(ALL);
    let told: Vec<_> = trackers
        .iter()
        .map(|tracker| (tracker.name.as_str(), tracker.source.kind(), tracker.weight))
        .collect();
    let wanted = [
        ("interface eth1", "interface", None),
        ("interface eth2", "interface", Some(-20)),
        ("gateway", "script", None),
        ("process nginx", "process", Some(10)),
        ("file /run/lvsd/priority", "file", None),
        (
            "virtual_server tcp 10.0.0.9:80",
            "virtual_server",
            Some(-254),
        ),
    ];
    assert_eq!(told, wanted);
    let Source::Script(script) = &trackers[2].source else {
        panic!("{:?}", trackers[2]);
    };
    let seconds = Duration::from_secs;
    assert_eq!((script.pace.rise, script.pace.fall), (2, 3));
    assert_eq!(
        (script.pace.interval, script.timeout),
        (seconds(2), seconds(1))
    );
}

#[test]
fn what_is_shown_reads_as_the_same() {
    let config = read(&format!(
        "on_master = ['/bin/notify', 'm']\nhook_user = 'root'\n{ALL}"
    ));
    let config = config.unwrap();
    let again = DirectorConfig::parse(Path::new("d.toml"), &config.to_toml()).unwrap();
    assert_eq!(again, config);
}

#[test]
fn what_makes_no_sense_is_refused_by_line() {
    let track = "[[vrrp.track]]\n";
    let of = |keys: &str| format!("{track}{keys}");
    refused(track, "d.toml:6: vrrp[0].track[0].interface: missing");
    let two = of("interface = 'eth1'\nfile = '/run/x'");
    refused(
        &two,
        "d.toml:8: vrrp[0].track[0].file = '/run/x': a tracker is of one kind",
    );
    refused(
        &of("interface = 'a name too long by far'"),
        "not an interface name",
    );
    refused(
        &of("interface = 'eth1'\nweight = -255"),
        "d.toml:8: vrrp[0].track[0].weight = -255",
    );
    refused(&of("interface = 'eth1'\nweight = 0"), "changes nothing");
    refused(
        &of("interface = 'eth1'\nrise = 2"),
        "only for a script or process",
    );
    refused(
        &of("file = '/run/x'\nweight = 2"),
        "whose number is its weight",
    );
    refused(&of("file = 'x'"), "not an absolute path");
    refused(
        &of("script = ['check']"),
        "the program has no absolute path",
    );
    refused(&of("process = '/usr/sbin/nginx'"), "not a program's name");
    refused(
        &of("virtual_server = 'tcp 10.0.0.8:80'"),
        "use one of: tcp 10.0.0.9:80",
    );
    refused(
        "track_interfaces = ['eth1', 'eth1']",
        "the name \"interface eth1\" is taken",
    );
    let owner = of("interface = 'eth1'\nweight = -2");
    refused(
        &format!("priority = 255\n{owner}"),
        "priority 255 stays what it is",
    );
}

#[test]
fn on_the_host_itself_programs_and_users_must_be_there() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("d.toml");
    let text = format!(
        "{ROUTER}on_master = ['/nonexistent/hook']\nhook_user = 'no-such-user'\n\
         [[vrrp.track]]\nscript = ['/nonexistent/check']\n"
    );
    assert!(DirectorConfig::parse(&file, &text).is_ok(), "elsewhere");
    std::fs::write(&file, text).unwrap();
    let told = DirectorConfig::read(&file).unwrap_err().to_string();
    for wanted in [
        ":6: vrrp[0].on_master: cannot look at /nonexistent/hook: no such",
        ":7: vrrp[0].hook_user = 'no-such-user': there is no such user on this host",
        ":9: vrrp[0].track[0].script: cannot look at",
    ] {
        assert!(told.contains(wanted), "{told}");
    }
}
