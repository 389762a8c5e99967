use std::path::{Path, PathBuf};

use crate::config::director::DirectorConfig;
use crate::health::agent::Trust;
use crate::health::{Agent, Probe};

/// What is asked of the one real server of a file with these keys in the check.
fn read(keys: &str) -> Result<Agent, String> {
    let parse = |text: &str| {
        DirectorConfig::parse(Path::new("director.toml"), text).map_err(|error| error.to_string())
    };
    let config = parse(&format!(
        "[[virtual_server]]\naddress = '10.0.0.9:80'\nreal_servers = ['10.0.0.1']\n\
         [virtual_server.check]\n{keys}"
    ))?;
    let shown = config.to_toml();
    assert_eq!(parse(&shown).unwrap(), config, "{shown}");
    let server = config.virtual_servers.values().next().unwrap();
    let server = server.real_servers.values().next().unwrap();
    match &server.check.as_ref().unwrap().probe {
        Probe::Readiness { agent, .. } => Ok(Agent::clone(agent)),
        other => panic!("{other}"),
    }
}

#[test]
fn a_file_that_says_nothing_of_the_agent_follows_its_weight_in_the_clear() {
    let agent = read("type = 'readiness'").unwrap();
    assert_eq!(agent, Agent::default());
    assert!(agent.follow_weight && agent.token_file.is_none() && agent.tls.is_none());
}

#[test]
fn each_key_is_read_and_shown() {
    let agent = read(
        "type = 'readiness'\nfollow_weight = false\ntoken_file = '/etc/lvsd/agent.token'\n\
         tls = { ca = '/etc/lvsd/ca.pem', name = 'rs.example.org' }",
    );
    let trust = Trust::Authority {
        ca: PathBuf::from("/etc/lvsd/ca.pem"),
        name: Some("rs.example.org".to_owned()),
    };
    let wanted = Agent {
        follow_weight: false,
        token_file: Some(PathBuf::from("/etc/lvsd/agent.token")),
        tls: Some(trust),
    };
    assert_eq!(agent, Ok(wanted));
    let digits = "ab".repeat(32);
    let agent = read(&format!(
        "type = 'readiness'\ntls = {{ fingerprint = '{digits}' }}"
    ));
    let pinned = Trust::Certificate(digits.parse().unwrap());
    assert_eq!(agent.unwrap().tls, Some(pinned));
}

#[test]
fn a_mistake_is_told_by_its_line_with_the_way_out() {
    let digits = "ab".repeat(32);
    for (keys, message, mend) in [
        (
            "type = 'readiness'\ntls = {}".to_owned(),
            ":6: ",
            "ca = \"/etc/lvsd/ca.pem\"",
        ),
        (
            format!("type = 'readiness'\ntls = {{ ca = '/a', fingerprint = '{digits}' }}"),
            "tells the same as ca",
            "remove one of the two",
        ),
        (
            format!("type = 'readiness'\ntls = {{ name = 'a', fingerprint = '{digits}' }}"),
            "whatever its name",
            "remove one of the two",
        ),
        (
            "type = 'readiness'\ntls = { fingerprint = 'ab:cd' }".to_owned(),
            "not a SHA-256 fingerprint",
            "openssl x509 -noout -fingerprint -sha256",
        ),
        (
            "type = 'readiness'\ntls = { ca = '/a', name = 'a b' }".to_owned(),
            "not a host name or address",
            "rs.example.org",
        ),
        (
            "type = 'readiness'\ntoken_file = 'agent.token'".to_owned(),
            ":6: ",
            "begin it with a slash",
        ),
        (
            "type = 'http'\ntoken_file = '/etc/lvsd/agent.token'".to_owned(),
            "not used by a check of type \"http\"",
            "write type = \"readiness\"",
        ),
        (
            "follow_weight = true".to_owned(),
            "not used by a check of type \"tcp\"",
            "write type = \"readiness\"",
        ),
    ] {
        let told = read(&keys).unwrap_err();
        assert!(told.starts_with("director.toml:"), "{told}");
        assert!(told.contains(message) && told.contains(mend), "{told}");
    }
}
