use std::path::Path;

use proptest::prelude::*;
use proptest::sample::select;

use crate::config::Host;
use crate::config::director::DirectorConfig;

fn in_parts(text: &str) -> Option<DirectorConfig> {
    DirectorConfig::in_parts(Path::new("d.toml"), text, Host::Another)
}

fn as_a_whole(text: &str) -> Option<DirectorConfig> {
    DirectorConfig::as_a_whole(Path::new("d.toml"), text, Host::Another).ok()
}

const HTTP: &str = "# comment\n[http]\nlisten = '127.0.0.1:1'\n";
const ROUTER: &str = "\n[[vrrp]]\nname = 'VI_1'\ninterface = 'eth0'\nvirtual_router_id = 51\n\
                      virtual_addresses = ['10.0.0.9']\n";
const SHORT: &str = "[[virtual_server]] # one\naddress = '10.0.0.1:80'\nscheduler = 'rr'\n\
                     real_servers = [\n'10.0.1.1',\n# between\n'10.0.1.2']\n";
const LONG: &str = "  [[virtual_server]]\r\naddress = '10.0.0.2:80'\r\n  [virtual_server.check]\n\
                    type = 'tcp'\n[[virtual_server.real_server]]\naddress = '10.0.1.1'\n";

#[test]
fn what_is_right_is_read_in_parts_wherever_it_stands() {
    let files = [
        [SHORT, LONG, HTTP, ROUTER],
        [HTTP, ROUTER, LONG, SHORT],
        [LONG, HTTP, SHORT, ROUTER],
        [ROUTER, LONG, HTTP, SHORT],
    ];
    for file in files {
        let text = file.concat();
        let config = in_parts(&text).expect("nothing is wrong with it");
        assert_eq!(config.virtual_servers.len(), 2, "{text}");
        assert_eq!(Some(config), as_a_whole(&text), "{text}");
    }
}

#[test]
fn what_only_looks_like_a_virtual_server_is_none() {
    let named = |text: &str| as_a_whole(text).map(|config| config.router_id);
    let in_a_string = format!("router_id = '''\n{SHORT}[http]\n'''\n{ROUTER}");
    assert!(named(&in_a_string).is_some_and(|name| name.contains("10.0.1.2")));
    assert_eq!(in_parts(&in_a_string), None);
    let in_an_array = format!("{ROUTER}track = [\n{SHORT}[1]]\n");
    assert_eq!(as_a_whole(&in_an_array), None);
    assert_eq!(in_parts(&in_an_array), None);
}

/// Pieces of files, of which some make sense only together.
fn piece() -> impl Strategy<Value = &'static str> {
    let whole = [HTTP, ROUTER, SHORT, LONG];
    let loose = [
        "\n",
        "'''\n",
        "\"\"\"\n",
        "router_id = '''\n",
        "router_id = 'x'\n",
        "on_quorum_up = [\n",
        "'/bin/true',\n",
        "]\n",
        "[[virtual_server]]\n",
        "[[virtual_server]]x\n",
        "[ virtual_server . check ]\ntype = 'tcp'\n",
        "[virtual_server.check]\n",
        "[[virtual_server.real_server]]\n",
        "[[virtual_server.backup_server]]\naddress = '10.0.1.7'\n",
        "[virtual_server]\n",
        "virtual_server = []\n",
        "virtual_server.quorum = 1\n",
        "[[ virtual_server ]]\naddress = '10.0.0.3:80'\nreal_servers = ['10.0.1.1']\n",
        "address = '10.0.0.2:80'\n",
        "real_servers = ['10.0.1.1']\n",
        "quorum = 1\n",
        "[ipvs.timeouts]\ntcp = '9s'\n",
        "[ipvs]\n",
    ];
    prop_oneof![1 => select(whole.to_vec()), 2 => select(loose.to_vec())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn what_is_read_in_parts_is_what_the_whole_says(
        pieces in prop::collection::vec(piece(), 0..9),
    ) {
        let text = pieces.concat();
        if let Some(config) = in_parts(&text) {
            prop_assert_eq!(Some(config), as_a_whole(&text), "{}", text);
        }
    }
}
