use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::Host;
use super::director::{DirectorConfig, OnStop};
use super::realserver::RealServerConfig;
use crate::health::Probe;
use crate::lvs::{Forwarding, Scheduler, Weight};
use crate::vrrp::Version;

/// The site of the README: two directors, three web servers, one VIP.
const SITE: &str = r#"
router_id = "LVS_DEVEL"

[[vrrp]]
name = "VI_1"
interface = "ens192"
virtual_router_id = 51
priority = 100
version = 2
auth_pass = "1111"
advert_interval = "1s"
virtual_addresses = ["192.168.1.200"]

[[virtual_server]]
address = "192.168.1.200:80"
scheduler = "wrr"
forwarding = "dr"
real_servers = ["192.168.1.53:80", "192.168.1.54:80"]

[virtual_server.check]
type = "tcp"
interval = "6s"
timeout = "10s"
retries = 3
retry_delay = "3s"

[[virtual_server.real_server]]
address = "192.168.1.55:80"
weight = 3
check = { interval = "1s", port = 8080 }
"#;

fn director(text: &str) -> Result<DirectorConfig, String> {
    DirectorConfig::parse(Path::new("director.toml"), text).map_err(|error| error.to_string())
}

fn refused(text: &str) -> String {
    director(text).expect_err("the file must be refused")
}

/// The site's file with one line replaced, and what is said of it.
fn refused_with(line: &str, replacement: &str) -> String {
    assert!(SITE.contains(line), "{line}");
    refused(&SITE.replacen(line, replacement, 1))
}

#[test]
fn the_site_of_the_readme_is_read_with_its_defaults() {
    let config = director(SITE).unwrap();
    assert_eq!(config.router_id, "LVS_DEVEL");
    assert_eq!(config.http_listen.to_string(), "127.0.0.1:9481");
    assert_eq!(config.on_stop, OnStop::Clear);
    let instance = &config.vrrp["VI_1"];
    assert_eq!(instance.interface, "ens192");
    assert!(matches!(
        instance.settings.version,
        Version::V2 { auth: Some(_) }
    ));
    assert!(instance.settings.preempt);
    assert_eq!(instance.addresses[0].to_string(), "192.168.1.200/32");
    let (id, server) = config.virtual_servers.first_key_value().unwrap();
    assert_eq!(id.to_string(), "tcp 192.168.1.200:80");
    assert_eq!(server.settings.scheduler, Scheduler::WeightedRoundRobin);
    assert_eq!(server.settings.persistence, None);
    assert_eq!(server.real_servers.len(), 3);
    let rs53 = &server.real_servers[&"192.168.1.53:80".parse().unwrap()];
    assert_eq!(rs53.settings.weight, Weight::ONE);
    assert_eq!(rs53.settings.forwarding, Forwarding::DirectRoute);
    assert_eq!(
        rs53.check.as_ref().unwrap().timing.interval,
        Duration::from_secs(6)
    );
}

#[test]
fn a_real_server_lays_its_own_keys_over_the_inherited_check() {
    let config = director(SITE).unwrap();
    let server = config.virtual_servers.first_key_value().unwrap().1;
    let rs55 = &server.real_servers[&"192.168.1.55:80".parse().unwrap()];
    assert_eq!(rs55.settings.weight, Weight::try_from(3).unwrap());
    let check = rs55.check.as_ref().unwrap();
    assert_eq!(check.timing.interval, Duration::from_secs(1), "its own");
    assert_eq!(check.timing.timeout, Duration::from_secs(10), "inherited");
    assert_eq!(
        check.probe,
        Probe::Tcp {
            address: "192.168.1.55:8080".parse().unwrap()
        }
    );
}

#[test]
fn what_is_shown_is_read_as_the_same_configuration() {
    let config = director(SITE).unwrap();
    assert_eq!(
        director(&config.to_toml()).unwrap(),
        config,
        "{}",
        config.to_toml()
    );
    let text = "vips = ['10.0.0.9', '10.0.0.10']\n[readiness]\nallow = ['10.0.0.1']\n\
                [[service]]\nname = 'nginx'\ncheck = { type = 'http', address = '127.0.0.1:80' }";
    let agent = RealServerConfig::parse(Path::new("rs.toml"), text, &[]).unwrap();
    let shown = agent.to_toml();
    assert_eq!(
        RealServerConfig::parse(Path::new("rs.toml"), &shown, &[]).unwrap(),
        agent,
        "{shown}"
    );
}

#[test]
fn an_error_names_file_line_key_value_and_the_way_out() {
    assert_eq!(
        refused_with("scheduler = \"wrr\"", "scheduler = \"wrrr\""),
        "director.toml:16: virtual_server[0].scheduler = \"wrrr\": unknown scheduler\n    \
         use one of: rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh twos"
    );
}

#[test]
fn every_error_of_a_file_is_told_at_once_and_in_order() {
    let text = SITE
        .replace("\n[[vrrp]]", "\n[http]\nlistten = 1\n[[vrrp]]")
        .replace("priority = 100", "priority = 300")
        .replace("advert_interval = \"1s\"", "advert_interval = 1")
        .replace("scheduler = \"wrr\"", "scheduler = \"wrrr\"")
        .replace("weight = 3", "weight = \"3\"");
    insta::assert_snapshot!(refused(&text));
}

#[test]
fn a_value_of_the_wrong_kind_is_told_in_the_words_of_a_file() {
    let server = "[[virtual_server]]\naddress = '10.0.0.9:80'\nreal_servers = ['10.1.0.1']\n";
    for (text, told) in [
        (
            format!("{server}forwarding = 'tun'\ntunnel = 'gue'"),
            "director.toml:5: virtual_server[0].tunnel = 'gue': string \"gue\" cannot be used here\n    \
             write a table, such as { type = \"gue\", port = 6080 }",
        ),
        (
            format!("{server}check = 'tcp'"),
            "write a table, such as { type = \"tcp\" }",
        ),
        (
            format!("{server}check = {{ type = 'http', tls = true }}"),
            "write a table, such as { ca = \"/etc/ssl/certs/ca.pem\" }",
        ),
        (
            format!("http = '127.0.0.1:9481'\n{server}"),
            "write a table, as in http = { KEY = VALUE }",
        ),
        (
            format!("vrrp = 'VI_1'\n{server}"),
            "write a list in brackets, or tables headed [[vrrp]]",
        ),
        (
            "[virtual_server]\naddress = '10.0.0.9:80'".to_owned(),
            "a table cannot be used here\n    write a list in brackets, or tables headed [[virtual_server]]",
        ),
        (
            "[[virtual_server]]\naddress = '10.0.0.9:80'\nreal_servers = '10.1.0.1'".to_owned(),
            "write a list in brackets",
        ),
        (
            format!("{server}scheduler = ['rr']"),
            "a list cannot be used here\n    write a string",
        ),
    ] {
        let refusal = refused(&text);
        assert!(refusal.contains(told), "{text}:\n{refusal}");
        for word in ["struct", "enum", "sequence", "map"] {
            assert!(!refusal.contains(word), "{text}:\n{refusal}");
        }
    }
}

#[test]
fn a_stop_that_drains_before_virtual_routers_are_handed_over_comes_with_advice() {
    let with = |on_stop: &str| format!("{SITE}\n[ipvs]\non_stop = '{on_stop}'");
    let advice = |text: &str| director(text).unwrap().advice();
    assert_eq!(advice(&with("clear")), Vec::<String>::new());
    let told = advice(&with("drain"));
    assert!(
        told.len() == 1 && told[0].contains("ipvs.on_stop = \"clear\" hands over first"),
        "{told:?}"
    );
    let alone = "[ipvs]\non_stop = 'drain'\n[[virtual_server]]\naddress = '10.0.0.9:80'\n\
                 real_servers = ['10.1.0.1']\n";
    assert_eq!(advice(alone), Vec::<String>::new());
}

#[test]
fn broken_syntax_is_told_by_line() {
    let told = refused(&SITE.replace("priority = 100", "priority = = 100"));
    assert!(
        told.starts_with("director.toml:8: not valid TOML: "),
        "{told}"
    );
}

#[test]
fn contradictions_are_refused_with_the_place_they_contradict() {
    for (line, replacement, expected) in [
        (
            "version = 2",
            "version = 3",
            "VRRP version 3 has no authentication",
        ),
        ("\"1111\"", "\"123456789\"", "longer than the 8 bytes"),
        (
            "\"1s\"",
            "\"1500ms\"",
            "VRRP version 2 counts whole seconds",
        ),
        ("\"1s\"", "\"0s\"", "must be 1s to 4m 15s"),
        (
            "virtual_router_id = 51",
            "virtual_router_id = 256",
            "must be 1..=255",
        ),
        ("priority = 100", "priority = 0", "must be 1..=255"),
        (
            "\"ens192\"",
            "\"an-interface-too-long\"",
            "not an interface name",
        ),
        (
            "[\"192.168.1.200\"]",
            "[\"224.0.0.1\"]",
            "not the address of a host",
        ),
        ("[\"192.168.1.200\"]", "[]", "has 1 to 255 addresses"),
        (
            "[\"192.168.1.200\"]",
            "[\"192.168.1.200\", \"192.168.1.200\"]",
            "this address is taken, line 12",
        ),
        (
            "\"192.168.1.55:80\"",
            "\"192.168.1.55:8080\"",
            "forwarding \"dr\" cannot change the port",
        ),
        (
            "\"192.168.1.55:80\"",
            "\"192.168.1.54:80\"",
            "this real server is there already, line 18",
        ),
        (
            "\"192.168.1.55:80\"",
            "\"[2001:db8::1]:80\"",
            "not of the family",
        ),
        (
            "\"192.168.1.55:80\"",
            "\"192.168.1.200:80\"",
            "the VIP itself",
        ),
        ("type = \"tcp\"", "type = \"tpc\"", "unknown check type"),
        (
            "type = \"tcp\"",
            "path = \"/\"",
            "not used by a check of type \"tcp\"",
        ),
        ("retries = 3", "retries = -1", "must be 0..=1000"),
        ("weight = 3", "weight = 70000", "must be 0..=65535"),
        (
            "scheduler = \"wrr\"",
            "fwmark = 7",
            "one of address, addresses and fwmark",
        ),
        (
            "type = \"tcp\"",
            "[virtual_server]\nprotocol = \"udp\"",
            "not valid TOML",
        ),
        (
            "forwarding = \"dr\"",
            "persistence = \"1500ms\"",
            "the kernel counts whole seconds",
        ),
    ] {
        let told = refused_with(line, replacement);
        assert!(told.contains(expected), "{replacement}: {told}");
        assert!(told.starts_with("director.toml:"), "{told}");
    }
}

#[test]
fn two_virtual_routers_cannot_share_interface_and_id_nor_a_name() {
    let second = SITE[SITE.find("[[vrrp]]").unwrap()..SITE.find("[[virtual_server]]").unwrap()]
        .replace("192.168.1.200", "192.168.1.201");
    let told = refused(&format!("{SITE}\n{second}"));
    assert!(told.contains("this name is taken, line 5"), "{told}");
    assert!(
        told.contains("has this virtual router already, line 7"),
        "{told}"
    );
}

#[test]
fn an_agent_needs_no_file() {
    let vip: IpAddr = "192.168.1.200".parse().unwrap();
    let config = RealServerConfig::from_vips(&[vip, vip]).unwrap();
    assert_eq!(config.vips, [vip]);
    assert_eq!(config.readiness.listen.to_string(), "[::]:9480");
    for address in [
        "127.0.0.1",
        "0.0.0.0",
        "224.0.0.18",
        "255.255.255.255",
        "::1",
    ] {
        assert!(
            RealServerConfig::from_vips(&[address.parse().unwrap()]).is_err(),
            "{address}"
        );
    }
}

#[test]
fn the_agents_file_is_checked_whole() {
    let text = "vips = ['192.168.1.200/24', '10.0.0.1', '10.0.0.1']\nforwarding = 'local'\n\
                drain = 10\n[readiness]\nallow = ['me']\n[[service]]\nname = 'nginx'";
    let told = RealServerConfig::parse(Path::new("rs.toml"), text, &[]).unwrap_err();
    insta::assert_snapshot!(told.to_string());
}

#[test]
fn an_unreadable_file_says_what_to_do() {
    let told = DirectorConfig::read(Path::new("/nonexistent/director.toml")).unwrap_err();
    assert!(
        told.to_string().contains("name the file with --config"),
        "{told}"
    );
}

/// The file of that name in `config/`.
fn shipped(name: &str) -> (std::path::PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("config")
        .join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

#[test]
fn the_shipped_files_are_good_with_and_without_what_is_commented_out() {
    for name in ["director.toml", "realserver.toml"] {
        let (path, text) = shipped(name);
        super::File::read(&path, Host::Another).unwrap();
        // The examples are whole tables; above them stands what has a default.
        let examples = text.find("# Other virtual servers").unwrap_or(text.len());
        let (above, examples) = text.split_at(examples);
        let key = |line: &str, in_examples: bool| {
            let rest = line.strip_prefix("# ")?;
            if rest.starts_with('[') {
                return Some(rest.to_owned());
            }
            let (key, _) = rest.split_once(" = ")?;
            let plain = key
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            (plain && (in_examples || key != "real_servers")).then(|| rest.to_owned())
        };
        let above = above.lines().map(|line| (line, false));
        let lines = above.chain(examples.lines().map(|line| (line, true)));
        let lines = lines.map(|(line, of)| key(line, of).unwrap_or_else(|| line.to_owned()));
        let text = lines
            .collect::<Vec<_>>()
            .join("\n")
            .replace("type = \"tcp\" ", "type = \"http\" ");
        let result = match name {
            "director.toml" => DirectorConfig::parse(&path, &text).map(|_| ()),
            _ => RealServerConfig::parse(&path, &text, &[]).map(|_| ()),
        };
        assert!(result.is_ok(), "{}\n{text}", result.unwrap_err());
    }
}

#[test]
fn the_shipped_files_name_the_defaults_that_the_program_has() {
    let (path, text) = shipped("director.toml");
    let timing = super::check::DEFAULT_TIMING;
    for (key, value) in [
        ("interval", super::values::show_duration(timing.interval)),
        ("timeout", super::values::show_duration(timing.timeout)),
        (
            "retry_delay",
            super::values::show_duration(timing.retry_delay),
        ),
    ] {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{key} = ")))
            .unwrap();
        assert!(
            line.contains(&format!("# default \"{value}\"")),
            "{}: {line}",
            path.display()
        );
    }
    let default = |key: &str, value: u32| {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{key} = ")))
            .unwrap();
        assert!(
            line.contains(&format!("# default {value}")),
            "{}: {line}",
            path.display()
        );
    };
    default("retries", timing.retries);
    default("rise", timing.rise);
    let (_, agent) = shipped("realserver.toml");
    assert!(agent.contains(&format!(
        "# default \"{}\"",
        super::realserver::READINESS_LISTEN
    )));
}
