use std::path::Path;

use super::*;
use crate::config::director::DirectorConfig;

fn read(keys: &str) -> Result<DirectorConfig, String> {
    let text = format!(
        "{keys}\n[[vrrp]]\nname = 'VI_1'\ninterface = 'ens192'\nvirtual_router_id = 51\n\
         virtual_addresses = ['192.168.1.200']\n"
    );
    DirectorConfig::parse(Path::new("director.toml"), &text).map_err(|error| error.to_string())
}

#[test]
fn the_keys_are_read_and_written_and_have_defaults() {
    let config = read("").unwrap();
    assert_eq!(config.threads, Threads::default());
    assert_eq!(config.threads.stuck_after, Some(Duration::from_secs(10)));
    let config = read("[director]\nstuck_after = '30s'\nrealtime_priority = 50").unwrap();
    let expected = Threads {
        stuck_after: Some(Duration::from_secs(30)),
        realtime_priority: Some(50),
    };
    assert_eq!(config.threads, expected);
    let again = DirectorConfig::parse(Path::new("d.toml"), &config.to_toml()).unwrap();
    assert_eq!(again.threads, expected);
}

#[test]
fn nobody_is_watched_with_0s() {
    let config = read("[director]\nstuck_after = '0s'").unwrap();
    assert_eq!(config.threads.stuck_after, None);
    let again = DirectorConfig::parse(Path::new("d.toml"), &config.to_toml()).unwrap();
    assert_eq!(again.threads.stuck_after, None);
}

#[test]
fn what_is_wrong_is_told_by_file_line_and_key_with_the_way_out() {
    for (key, told) in [
        (
            "stuck_after = '2s'",
            "director.toml:2: director.stuck_after = '2s': too short\n    \
             write \"3s\" or more, or \"0s\" to switch it off",
        ),
        (
            "stuck_after = '2h'",
            "director.toml:2: director.stuck_after = '2h': out of range\n    must be 0s to 1h",
        ),
        (
            "stuck_after = 30",
            "director.toml:2: director.stuck_after = 30: ",
        ),
        (
            "realtime_priority = 0",
            "director.toml:2: director.realtime_priority = 0: out of range\n    must be 1..=99",
        ),
        (
            "realtime_priority = 100",
            "director.toml:2: director.realtime_priority = 100: out of range",
        ),
        ("realtime = 1", "director.toml:2: director.realtime"),
    ] {
        let error = read(&format!("[director]\n{key}")).unwrap_err();
        assert!(error.starts_with(told), "{key}: {error}");
    }
}
