use std::path::Path;

use super::*;
use crate::ipvs::sysctl::Preset;

/// A director with a virtual router and a persistent virtual server; the given
/// lines come first.
fn with(ipvs: &str) -> String {
    format!(
        "{ipvs}\n[[vrrp]]\nname = 'VI_1'\ninterface = 'ens192'\nvirtual_router_id = 51\n\
         virtual_addresses = ['192.168.1.200']\n[[virtual_server]]\n\
         address = '192.168.1.200:80'\npersistence = '60s'\nreal_servers = ['192.168.1.53']\n"
    )
}

fn read(ipvs: &str) -> Result<DirectorConfig, String> {
    DirectorConfig::parse(Path::new("director.toml"), &with(ipvs)).map_err(|e| e.to_string())
}

const EVERYTHING: &str = "[ipvs]\ntimeouts = { tcp = '15m', udp = '10s' }\nconn_tab_bits = 20\n\
    [ipvs.sysctl]\nsloppy_tcp = true\nconn_reuse_mode = 0\nexpire_nodest_conn = 'keep'\n\
    sync_threshold = [3, 50]\nsync_refresh_period = '1m'\nsecure_tcp = 'keep'\n\
    [ipvs.sync]\nvrrp = 'VI_1'\ninterface = 'eth1'\nid = 7\ngroup = '224.0.0.82'\n\
    port = 9000\nttl = 2\nmaxlen = 1400";

#[test]
fn every_key_is_read() {
    let ipvs = read(EVERYTHING).unwrap().ipvs;
    assert_eq!(ipvs.timeouts.tcp, Some(Duration::from_secs(900)));
    assert_eq!(ipvs.timeouts.tcp_fin, None);
    assert_eq!(ipvs.conn_tab_bits, Some(20));
    let value = |name| ipvs.sysctls.get(name).map(Option::as_deref);
    assert_eq!(value("sloppy_tcp"), Some(Some("1")));
    assert_eq!(value("sync_threshold"), Some(Some("3 50")));
    assert_eq!(value("sync_refresh_period"), Some(Some("60")));
    assert_eq!(value("expire_nodest_conn"), Some(None), "kept");
    assert_eq!(
        value("expire_quiescent_template"),
        Some(Some("1")),
        "the default"
    );
    assert_eq!(value("secure_tcp"), None, "no default to overrule");
    let sync = ipvs.sync.unwrap();
    assert_eq!(sync.role, SyncRole::Follow("VI_1".to_owned()));
    assert_eq!(
        sync.daemon.to_string(),
        "eth1 id 7 group 224.0.0.82:9000 ttl 2 maxlen 1400"
    );
}

#[test]
fn sync_takes_interface_and_id_from_the_virtual_router_it_follows() {
    let sync = read("[ipvs.sync]\nvrrp = 'VI_1'")
        .unwrap()
        .ipvs
        .sync
        .unwrap();
    assert_eq!(
        sync.daemon.to_string(),
        "ens192 id 51 group 224.0.0.81:8848 ttl 1"
    );
    let both = read("[ipvs.sync]\nrole = 'both'\ninterface = 'eth1'").unwrap();
    let sync = both.ipvs.sync.unwrap();
    assert_eq!((sync.role, sync.daemon.sync_id), (SyncRole::Both, 0));
}

#[test]
fn what_is_shown_is_read_as_the_same() {
    for ipvs in [
        "",
        EVERYTHING,
        "[ipvs.sync]\nrole = 'both'\ninterface = 'eth1'",
    ] {
        let config = read(ipvs).unwrap();
        let shown = config.to_toml();
        let again = DirectorConfig::parse(Path::new("shown.toml"), &shown).unwrap();
        assert_eq!(again, config, "{shown}");
    }
}

#[test]
fn contradictions_are_refused_by_line_and_key() {
    for (ipvs, told) in [
        (
            "[ipvs]\ntimeouts.tcp = '1500ms'",
            ":2: ipvs.timeouts.tcp = '1500ms': the kernel counts whole seconds",
        ),
        ("[ipvs]\nconn_tab_bits = 30", "must be 8..=27"),
        (
            "[ipvs.sysctl]\nexpire_no_dest = true",
            ":2: ipvs.sysctl.expire_no_dest: unknown key",
        ),
        (
            "[ipvs.sysctl]\nsloppy_tcp = 1",
            ":2: ipvs.sysctl.sloppy_tcp = 1: cannot be used here\n    write true or false",
        ),
        ("[ipvs.sysctl]\ndrop_entry = 4", "a number, 0..=3"),
        (
            "[ipvs.sysctl]\nsync_threshold = [5, 5]",
            "the first below the second",
        ),
        (
            "[ipvs.sysctl]\nsync_refresh_period = '500ms'",
            "whole seconds with a unit",
        ),
        (
            "[ipvs.sysctl]\nbackup_only = true",
            "has no effect without [ipvs.sync]",
        ),
        (
            "[ipvs.sysctl]\nbackup_only = true\n[ipvs.sync]\nrole = 'both'\ninterface = 'eth1'",
            ":2: ipvs.sysctl.backup_only = true: would stop all balancing, because \
             ipvs.sync.role = \"both\", line 3,",
        ),
        ("[ipvs.sync]\ninterface = 'eth1'", "ipvs.sync.vrrp: missing"),
        (
            "[ipvs.sync]\nvrrp = 'VI_2'",
            ":2: ipvs.sync.vrrp = 'VI_2': no such virtual router",
        ),
        ("[ipvs.sync]\nrole = 'both'", "ipvs.sync.interface: missing"),
        (
            "[ipvs.sync]\nrole = 'master'\ninterface = 'eth1'",
            "unknown role",
        ),
        ("[ipvs.sync]\nvrrp = 'VI_1'\nrole = 'both'", "not both"),
        (
            "[ipvs.sync]\nvrrp = 'VI_1'\ngroup = '10.0.0.1'",
            "not a multicast address",
        ),
        ("[ipvs.sync]\nvrrp = 'VI_1'\nid = 256", "must be 0..=255"),
        (
            "[ipvs.sync]\nvrrp = 'VI_1'\ninterface = 'an-interface-too-long'",
            "not an interface",
        ),
    ] {
        let refusal = read(ipvs).expect_err(ipvs);
        assert!(refusal.contains(told), "{ipvs}:\n{refusal}");
        assert_eq!(refusal.matches("director.toml:").count(), 1, "{refusal}");
    }
}

#[test]
fn sync_and_mixed_families_exclude_each_other() {
    let text = "[ipvs.sync]\nrole = 'both'\ninterface = 'eth1'\n[[virtual_server]]\n\
                address = '10.0.0.9:80'\nforwarding = 'tun'\nreal_servers = ['[2001:db8::1]:80']";
    let told = DirectorConfig::parse(Path::new("d.toml"), text).unwrap_err();
    let told = told.to_string();
    assert!(
        told.contains("connection sync cannot tell of a real server of the other family"),
        "{told}"
    );
}

#[test]
fn a_real_server_may_be_this_very_host() {
    let text = "[[virtual_server]]\naddress = '10.0.0.9:80'\nreal_servers = ['10.0.0.2:80']\n\
                [[virtual_server.real_server]]\naddress = '10.0.0.1:80'\nforwarding = 'local'";
    let config = DirectorConfig::parse(Path::new("d.toml"), text).unwrap();
    assert!(config.to_toml().contains("forwarding = \"local\""));
    let again = DirectorConfig::parse(Path::new("d.toml"), &config.to_toml()).unwrap();
    assert_eq!(again, config);
}

#[test]
fn what_is_legal_and_surprising_comes_with_advice() {
    let advice = |ipvs| read(ipvs).unwrap().advice();
    assert_eq!(advice("[ipvs]\ntimeouts.tcp = '60s'"), Vec::<String>::new());
    let longer = advice("[ipvs]\ntimeouts.tcp = '15m'");
    assert!(
        longer[0].contains("persistence of 1m is shorter"),
        "{longer:?}"
    );
    let preempting = advice("[ipvs.sync]\nvrrp = 'VI_1'");
    assert!(preempting[0].contains("preempt = false"), "{preempting:?}");
}

#[test]
fn the_shipped_file_names_every_parameter_with_its_default() {
    let file = include_str!("../../../config/director.toml");
    for parameter in &PARAMETERS {
        let line = |prefix: &str| {
            let start = format!("{prefix}{} = ", parameter.name);
            file.lines().find_map(|line| line.strip_prefix(&start))
        };
        let told = match parameter.default {
            Preset::Always(value) => {
                let value = to_toml(parameter.kind, value).to_string();
                let told = line("").unwrap_or_else(|| panic!("{}", parameter.name));
                assert!(told.starts_with(&value), "{}: {told}", parameter.name);
                format!("# default {value}")
            }
            Preset::WithSync(value) => {
                let value = to_toml(parameter.kind, value).to_string();
                let told = line("# ").unwrap_or_else(|| panic!("{}", parameter.name));
                assert!(told.starts_with(&value), "{}: {told}", parameter.name);
                "# default with [ipvs.sync]".to_owned()
            }
            Preset::Kernel => "# default: the kernel's".to_owned(),
        };
        let found = line("").or_else(|| line("# "));
        assert!(
            found.is_some_and(|l| l.contains(&told)),
            "{}: {told}",
            parameter.name
        );
    }
}
