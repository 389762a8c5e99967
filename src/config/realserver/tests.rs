use super::*;

fn parse(text: &str) -> Result<RealServerConfig, String> {
    RealServerConfig::parse(Path::new("r.toml"), text, &[]).map_err(|error| error.to_string())
}

fn good(text: &str) -> RealServerConfig {
    parse(text).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

const VIP: &str = "vips = ['192.168.1.200']\n";

#[test]
fn every_mistake_is_told_with_its_line_key_and_way_out() {
    for (text, expected) in [
        ("vips = ['224.0.0.1']", "not the address of a host"),
        ("vips = ['255.255.255.255']", "not the address of a host"),
        ("vips = ['0.0.0.0']", "not the address of a host"),
        ("vips = ['0.1.2.3']", "from a reserved range"),
        ("vips = ['240.0.0.1']", "from a reserved range"),
        ("vips = ['127.0.0.1']", "not the address of a host"),
        ("vips = ['169.254.1.1']", "an address of one link only"),
        ("vips = ['fe80::1']", "an address of one link only"),
        ("vips = ['::ffff:10.0.0.1']", "write it as IPv4"),
        ("vips = ['192.168.1.200/24']", "not a network"),
        (
            "vips = ['10.0.0.1', '10.0.0.1']",
            "this VIP is there already, line 1",
        ),
        ("drain = '1s'", "r.toml:1: vips: missing"),
        (
            "vips = ['10.0.0.1']\ninterface = 'a/b'",
            "not the name of an interface",
        ),
        (
            "vips = ['10.0.0.1']\ninterface = '..'",
            "not the name of an interface",
        ),
        (
            "vips = ['10.0.0.1']\nforwarding = 'local'",
            "use one of: dr tun nat",
        ),
        (
            "vips = ['10.0.0.1']\ngateways = ['10.0.0.2']",
            "write forwarding = \"nat\" too",
        ),
        (
            "vips = ['10.0.0.1']\ntunnel = {}",
            "write forwarding = \"tun\" too",
        ),
        ("forwarding = 'nat'", "r.toml:1: gateways: missing"),
        ("forwarding = 'nat'\ngateways = []", "no gateway"),
        (
            "forwarding = 'nat'\ngateways = ['0.0.0.0']",
            "not the address of a host",
        ),
        (
            "forwarding = 'nat'\ngateways = ['127.0.0.1']",
            "not the address of a host",
        ),
        (
            "forwarding = 'nat'\ngateways = ['255.255.255.255']",
            "not the address of a host",
        ),
        (
            "forwarding = 'nat'\ngateways = ['240.0.0.1']",
            "from a reserved range",
        ),
        (
            "forwarding = 'nat'\ngateways = ['lvs51']",
            "not an IP address",
        ),
        (
            "forwarding = 'nat'\ngateways = ['10.0.0.2', '10.0.0.2']",
            "this gateway is there already",
        ),
        (
            "forwarding = 'nat'\ngateways = ['10.0.0.2']\nvips = ['10.0.0.1']",
            "remove vips",
        ),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
        assert!(error.contains("r.toml:"), "{text}: {error}");
    }
}

#[test]
fn every_mistake_of_a_tunnel_is_told() {
    for (keys, expected) in [
        ("type = 'vxlan'", "use one of: ipip gue gre"),
        ("type = 'gue'", "tunnel.port: missing"),
        ("type = 'gue'\nport = 0", "must be 1..=65535"),
        ("port = 6080", "not used by a tunnel of type \"ipip\""),
        (
            "checksum = 'plain'",
            "not used by a tunnel of type \"ipip\"",
        ),
        (
            "type = 'gre'\nchecksum = 'remote'",
            "use one of: none plain",
        ),
        ("type = 'gre'\nchecksum = 'plain'", "tunnel.local: missing"),
        ("local = '192.168.1.200'", "a VIP: directors send to"),
        (
            "type = 'gre'\nlocal = '2001:db8::53'",
            "gre over IPv6 is not supported",
        ),
        ("mss = 100", "must be 536..=65475, or 0"),
    ] {
        let text = format!("{VIP}forwarding = 'tun'\n[tunnel]\n{keys}");
        let error = parse(&text).unwrap_err();
        assert!(error.contains(expected), "{keys}: {error}");
    }
}

#[test]
fn every_mistake_of_the_endpoint_is_told() {
    for (keys, expected) in [
        ("allow = ['192.168.1.0/33']", "not a prefix length"),
        ("allow = ['lvs51']", "not an IP address"),
        ("token = 'short'", "write 8 to 256 letters"),
        ("token = 'has a space in it'", "not a token"),
        ("certificate = '/a.pem'", "a certificate without its key"),
        ("key = '/a.key'", "a key without its certificate"),
        (
            "certificate = 'a.pem'\nkey = '/a.key'",
            "begin it with a slash",
        ),
        ("max_connections = 0", "must be 1..=65535"),
        ("timeout = '0s'", "must be 100ms to 1h"),
        ("weight = {}", "weight.source: missing"),
        (
            "weight = { source = 'moon' }",
            "use one of: load pressure file script",
        ),
        (
            "weight = { source = 'load', full = 90, empty = 90 }",
            "no room between",
        ),
        (
            "weight = { source = 'load', path = '/x' }",
            "not used by the source \"load\"",
        ),
        ("weight = { source = 'file' }", "weight.path: missing"),
        (
            "weight = { source = 'script', command = ['x'] }",
            "the program has no absolute path",
        ),
        (
            "weight = { source = 'script', command = [] }",
            "names no program",
        ),
    ] {
        let error = parse(&format!("{VIP}[readiness]\n{keys}")).unwrap_err();
        assert!(error.contains(expected), "{keys}: {error}");
    }
}

#[test]
fn a_service_with_a_port_is_checked_on_every_vip() {
    let text = "vips = ['192.168.1.200', '2001:db8::200']\n[[service]]\nname = 'nginx'\n\
                check = { type = 'http', port = 80, path = '/up' }\n";
    let given = "192.168.1.199".parse().unwrap();
    let config = RealServerConfig::parse(Path::new("r.toml"), text, &[given]).unwrap();
    let probes = config.services[0].checks.iter();
    let probes: Vec<_> = probes.map(|check| check.probe.to_string()).collect();
    assert_eq!(
        probes,
        [
            "http 192.168.1.199:80/up",
            "http 192.168.1.200:80/up",
            "http [2001:db8::200]:80/up",
        ]
    );
    let shown = config.to_toml();
    assert!(
        shown.contains("port = 80") && !shown.contains("address ="),
        "{shown}"
    );
}

/// A file with one service, whose table has these keys.
fn served(above: &str, keys: &str) -> String {
    format!("{above}[[service]]\nname = 'nginx'\n{keys}\n")
}

const BEHIND_NAT: &str = "forwarding = 'nat'\ngateways = ['10.0.0.9']\n";

#[test]
fn a_service_elsewhere_on_this_host_is_asked_on_every_vip_too() {
    let probes = |above: &str, keys: &str| {
        let config = good(&served(above, keys));
        let checks = config.services[0].checks.iter();
        let probes: Vec<_> = checks.map(|check| check.probe.to_string()).collect();
        probes
    };
    let http = "check = { type = 'http', address = '127.0.0.1:80', path = '/up' }";
    let on_vip = ["http 127.0.0.1:80/up", "http 192.168.1.200:80/up"];
    assert_eq!(probes(VIP, http), on_vip);
    let rip = "check = { address = '192.168.1.53:80' }";
    let on_vip = ["tcp 192.168.1.53:80", "tcp 192.168.1.200:80"];
    assert_eq!(probes(VIP, rip), on_vip);
    assert_eq!(probes(BEHIND_NAT, rip), ["tcp 192.168.1.53:80"]);
    let vip = "check = { address = '192.168.1.200:80' }";
    assert_eq!(probes(VIP, vip), ["tcp 192.168.1.200:80"]);
    let internal = "internal = true\ncheck = { address = '127.0.0.1:9000' }";
    assert_eq!(probes(VIP, internal), ["tcp 127.0.0.1:9000"]);
    assert_eq!(probes(BEHIND_NAT, internal), ["tcp 127.0.0.1:9000"]);
}

#[test]
fn a_service_that_clients_could_not_reach_where_it_is_asked_is_refused() {
    for (above, keys, expected) in [
        (
            VIP,
            "check = {}",
            "r.toml:4: service[0].check.port: missing",
        ),
        (
            VIP,
            "check = { port = 80, address = '10.0.0.1:80' }",
            "a port alone is asked on each VIP",
        ),
        (
            VIP,
            "check = { address = '0.0.0.0:80' }",
            "not the address of a host",
        ),
        (
            VIP,
            "internal = true\ncheck = { port = 80 }",
            "so it is not asked on the VIPs",
        ),
        (
            BEHIND_NAT,
            "check = { port = 80 }",
            "behind NAT there is no VIP to check",
        ),
        (
            BEHIND_NAT,
            "check = { address = '127.0.0.1:80' }",
            "r.toml:5: service[0].check.address = '127.0.0.1:80': clients never reach it",
        ),
    ] {
        let error = parse(&served(above, keys)).unwrap_err();
        assert!(error.contains(expected), "{keys}: {error}");
    }
}

#[test]
fn what_is_shown_means_the_same() {
    for text in [
        VIP.to_owned(),
        format!("{VIP}interface = 'dummy0'\nwatch_arp = false\ndrain = '0s'"),
        format!("{VIP}forwarding = 'tun'"),
        format!("{VIP}forwarding = 'tun'\ntunnel = {{ type = 'gue', port = 6080, mss = 1400 }}"),
        format!(
            "{VIP}forwarding = 'tun'\n\
             tunnel = {{ type = 'gre', checksum = 'plain', local = '10.0.0.3', mss = 0 }}"
        ),
        "forwarding = 'nat'\ngateways = ['192.168.1.254', '2001:db8::1']".to_owned(),
        format!(
            "{VIP}[readiness]\nallow = ['192.168.1.0/24', '10.0.0.1']\ntoken = '0123456789'\n\
             certificate = '/a.pem'\nkey = '/a.key'\nmax_connections = 7\ntimeout = '1s'\n\
             weight = {{ source = 'script', command = ['/bin/w', 'x'], interval = '1m' }}\n\
             [[service]]\nname = 'a'\ncheck = {{ port = 80 }}\n\
             [[service]]\nname = 'b'\ncheck = {{ address = '127.0.0.1:81' }}\n\
             [[service]]\nname = 'c'\ninternal = true\ncheck = {{ address = '127.0.0.1:82' }}"
        ),
        format!("{VIP}[readiness.weight]\nsource = 'pressure'\nleast = 5"),
    ] {
        let config = good(&text);
        assert_eq!(good(&config.to_toml()), config, "{}", config.to_toml());
    }
}

#[test]
fn a_file_for_nat_that_lacks_its_gateways_is_not_told_to_have_vips() {
    let told = parse("forwarding = 'nat'\n").unwrap_err();
    assert!(
        told.contains("gateways: missing") && !told.contains("vips"),
        "{told}"
    );
}

#[test]
fn vips_of_the_command_line_come_first_and_once() {
    let given = ["192.168.1.201", "192.168.1.200"].map(|ip| ip.parse().unwrap());
    let config = RealServerConfig::parse(Path::new("r.toml"), VIP, &given).unwrap();
    assert_eq!(config.vips, given);
    let wrong = RealServerConfig::from_vips(&["224.0.0.1".parse().unwrap()]);
    assert!(wrong.unwrap_err().to_string().contains("--vip 224.0.0.1"));
}
