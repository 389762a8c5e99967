use std::path::Path;

use super::*;
use crate::config::director::DirectorConfig;
use crate::config::pool::tests::parse;
use crate::config::rules::{DRAIN, OnFailure};
use crate::config::values::show_duration;
use crate::lvs::Forwarding;
use crate::lvs::RealServerId;

const FILE: &str = "[[virtual_server]]
address = '10.0.0.9:80'
scheduler = 'wrr'
quorum = 3
hysteresis = 1
on_quorum_up = ['/bin/notify', 'up']
on_failure = 'quiesce'
slow_start = '30s'
drain = '1m'
sorry_server = '10.0.0.7'
sorry_forwarding = 'nat'
[virtual_server.check]
interval = '3s'
[[virtual_server.real_server]]
address = '10.0.0.1'
weight = 4
[[virtual_server.real_server]]
address = '10.0.0.2'
on_failure = 'remove'
slow_start = '0s'
drain = '0s'
[[virtual_server.backup_server]]
address = '10.0.0.5'
check = { type = 'http', path = '/backup' }
";

fn read(text: &str) -> Result<VirtualServer, String> {
    let config = DirectorConfig::parse(Path::new("director.toml"), text);
    let config = config.map_err(|error| error.to_string())?;
    let shown = DirectorConfig::parse(Path::new("shown.toml"), &config.to_toml());
    assert_eq!(shown.unwrap(), config, "{}", config.to_toml());
    Ok(config.virtual_servers.into_values().next().unwrap())
}

fn refused(line: &str, replacement: &str) -> String {
    assert!(FILE.contains(line), "{line}");
    read(&FILE.replacen(line, replacement, 1)).expect_err("it must be refused")
}

#[test]
fn the_rules_of_a_pool_are_read_and_shown_as_they_are() {
    let server = read(FILE).unwrap();
    let rules = &server.rules;
    assert_eq!((rules.quorum, rules.hysteresis), (3, 1));
    assert_eq!(rules.on_quorum_up.as_ref().unwrap()[1], "up");
    assert_eq!(rules.on_quorum_down, None);
    let (sorry, settings) = rules.sorry_server.as_ref().unwrap();
    assert_eq!(sorry.to_string(), "10.0.0.7:80", "the port of the VIP");
    assert_eq!(settings.settings.forwarding, Forwarding::Nat);
    let backup = &rules.backup_servers[&"10.0.0.5:80".parse().unwrap()];
    let check = backup.check.as_ref().unwrap();
    assert_eq!(check.probe.to_string(), "http 10.0.0.5:80/backup");
    assert_eq!(check.timing.interval, Duration::from_secs(3), "inherited");
}

#[test]
fn a_real_servers_own_conduct_goes_before_that_of_its_virtual_server() {
    let server = read(FILE).unwrap();
    let conduct =
        |last: u8| server.real_servers[&RealServerId::from(([10, 0, 0, last], 80))].conduct;
    let inherited = Conduct {
        on_failure: OnFailure::Quiesce,
        slow_start: Some(Duration::from_secs(30)),
        drain: Duration::from_secs(60),
    };
    let own = Conduct {
        on_failure: OnFailure::Remove,
        slow_start: None,
        drain: Duration::ZERO,
    };
    assert_eq!((conduct(1), conduct(2)), (inherited, own));
}

#[test]
fn the_defaults_are_those_of_the_shipped_file() {
    let text = "[[virtual_server]]\naddress = '10.0.0.9:80'\nreal_servers = ['10.0.0.1']";
    let server = read(text).unwrap();
    assert_eq!(server.rules, Rules::default());
    let conduct = server.real_servers.values().next().unwrap().conduct;
    assert_eq!(conduct, Conduct::default());
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/director.toml");
    let shipped = std::fs::read_to_string(shipped).unwrap();
    for (key, default) in [
        ("quorum", "1".to_owned()),
        ("hysteresis", "0".to_owned()),
        (
            "hook_timeout",
            format!("\"{}\"", show_duration(HOOK_TIMEOUT)),
        ),
        ("on_failure", format!("\"{}\"", conduct.on_failure.as_str())),
        ("drain", format!("\"{}\"", show_duration(DRAIN))),
    ] {
        let mut lines = shipped.lines();
        let line = lines.find(|line| line.starts_with(&format!("# {key} = ")));
        let line = line.unwrap_or_else(|| panic!("{key}"));
        assert!(line.contains(&format!("# default {default}")), "{line}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place_and_the_way_out() {
    assert_eq!(
        refused("quorum = 3", "quorum = 5"),
        "director.toml:4: virtual_server[0].quorum = 5: out of reach: it takes 6 to gain the \
         quorum, and the weights sum to 5\n    write at most 5 for both together"
    );
    for (line, replacement, place, expected) in [
        (
            "hysteresis = 1",
            "hysteresis = 3",
            ":5:",
            "not below the quorum, which is 3",
        ),
        ("quorum = 3", "quorum = 0", ":4:", "must be 1..="),
        (
            "'/bin/notify', 'up'",
            "'notify'",
            ":6:",
            "the program has no absolute path",
        ),
        ("'/bin/notify', 'up'", "", ":6:", "names no program"),
        ("'quiesce'", "'ignore'", ":7:", "use one of: remove quiesce"),
        (
            "'wrr'",
            "'rr'",
            ":8:",
            "scheduler rr takes no account of weights",
        ),
        ("'1m'", "'25h'", ":9:", "out of range"),
        (
            "'10.0.0.7'",
            "'10.0.0.1'",
            ":10:",
            "cannot be a server of the pool too",
        ),
        (
            "'10.0.0.7'",
            "'10.0.0.5'",
            ":10:",
            "cannot be a server of the pool too",
        ),
        ("'10.0.0.7'", "'10.0.0.9'", ":10:", "the VIP itself"),
        (
            "sorry_server = '10.0.0.7'",
            "",
            ":11:",
            "no sorry server to forward to",
        ),
        ("'10.0.0.5'", "'10.0.0.2'", ":23:", "is a real server too"),
    ] {
        let told = refused(line, replacement);
        assert!(
            told.contains(expected) && told.contains(place),
            "{replacement}: {told}"
        );
    }
    let twice = format!("{FILE}[[virtual_server.backup_server]]\naddress = '10.0.0.5'\n");
    let told = read(&twice).unwrap_err();
    assert!(told.contains("there already"), "{told}");
    let flat = FILE
        .replace("weight = 4", "")
        .replace("quorum = 3\nhysteresis = 1\n", "");
    let told = read(&flat).unwrap_err();
    assert!(
        told.contains("no real server has a weight that could grow"),
        "{told}"
    );
}

#[test]
fn one_mistake_hides_no_other_and_makes_none_of_its_own() {
    let told = |text: &str| -> Vec<String> {
        let told = parse(text).unwrap_err();
        let lines = told
            .lines()
            .filter(|line| line.starts_with("director.toml:"));
        let lines = lines.map(|line| line.split(": ").nth(1).unwrap_or_default().to_owned());
        lines.collect()
    };
    let twice = "[[virtual_server]]\naddress = '10.0.0.9:80'\nquorum = 2\n\
                 real_servers = ['10.0.0.1', '10.0.0.1', '10.0.0.2']\n";
    for check in ["type = 'tpc'", "interval = '1'", "type = 'tcp', path = '/'"] {
        let refused = told(&format!("{twice}check = {{ {check} }}\n"));
        assert_eq!(refused.len(), 2, "{check}: {refused:?}");
        assert!(
            refused[0].starts_with("virtual_server[0].real_servers[1]"),
            "{refused:?}"
        );
    }
    let misspelt = "[[virtual_server]]\naddress = '10.0.0.9:80'\nforwarding = 'natt'\n\
                    quorum = 2\nreal_servers = ['10.0.0.1:8080', '10.0.0.2:8080']\n";
    assert_eq!(told(misspelt), ["virtual_server[0].forwarding = 'natt'"]);
    let nowhere = "[[virtual_server]]\naddress = '10.0.0.9'\nreal_servers = ['10.0.0.x']\n\
                   check = { interval = '1' }\n";
    assert_eq!(told(nowhere).len(), 3, "{:?}", told(nowhere));
    let weightless = "[[virtual_server]]\naddress = '10.0.0.9:80'\nquorum = 5\n\
                      [[virtual_server.real_server]]\naddress = '10.0.0.1'\nweight = -5\n\
                      [[virtual_server.real_server]]\naddress = '10.0.0.1'\n";
    assert_eq!(
        told(weightless),
        [
            "virtual_server[0].real_server[0].weight = -5",
            "virtual_server[0].real_server[1].address = '10.0.0.1'"
        ]
    );
}
