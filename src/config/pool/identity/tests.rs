use crate::config::pool::tests::{in_kernel, parse};

#[test]
fn several_addresses_and_port_ranges_are_as_many_virtual_servers_with_one_pool_and_check() {
    let text = "[[virtual_server]]\n\
                addresses = ['10.0.0.9:80', '10.0.0.9:8000-8002', '10.0.0.10:443']\n\
                real_servers = ['10.1.0.1', '10.1.0.2']";
    let found = in_kernel(text);
    let ports = [
        ("9:80", 80),
        ("9:8000", 8000),
        ("9:8001", 8001),
        ("9:8002", 8002),
        ("10:443", 443),
    ];
    let expected = ports.iter().flat_map(|(vip, port)| {
        [
            format!("tcp 10.0.0.{vip} wlc"),
            format!("  10.1.0.1:{port} dr weight 1"),
            format!("  10.1.0.2:{port} dr weight 1"),
        ]
    });
    assert_eq!(found, expected.collect::<Vec<_>>());
    let config = parse(text).unwrap();
    let pools = config.virtual_servers.values();
    let checks = pools.flat_map(|server| server.real_servers.values());
    let checks: std::collections::HashSet<_> = checks.map(|found| &found.check).collect();
    assert_eq!(
        checks.len(),
        2,
        "one for each real server, at the first address's port"
    );
}

#[test]
fn addresses_that_make_no_sense_are_refused_where_they_are_written() {
    for (addresses, expected) in [
        ("[]", "is empty"),
        ("['10.0.0.9']", "not an address with a port or ports"),
        ("['10.0.0.9:80-79']", "not an address with a port or ports"),
        ("['10.0.0.9:0-79']", "not an address with a port or ports"),
        (
            "['10.0.0.9:80', '224.0.0.1:80']",
            "[1] = '224.0.0.1:80': not an address that can be",
        ),
        (
            "['10.0.0.9:80-90', '10.0.0.9:85']",
            "[1] = '10.0.0.9:85': tcp 10.0.0.9:85 is a virtual server already, line 2",
        ),
        ("['10.0.0.9:80', '[2001:db8::9]:80']", "not of the family"),
    ] {
        let text =
            format!("[[virtual_server]]\naddresses = {addresses}\nreal_servers = ['10.1.0.1']");
        let told = parse(&text).expect_err(addresses);
        assert!(told.contains(expected), "{addresses}\n{told}");
        assert_eq!(
            told.matches("director.toml:").count(),
            1,
            "{addresses}\n{told}"
        );
    }
}

#[test]
fn a_firewall_mark_takes_bare_addresses_and_wants_to_know_the_port_to_check() {
    let text = "[[virtual_server]]\nfwmark = 7\nreal_servers = ['10.0.0.1']\ncheck = { port = 80 }";
    let config = parse(text).unwrap();
    let (id, server) = config.virtual_servers.first_key_value().unwrap();
    assert_eq!(id.to_string(), "fwmark 7");
    assert_eq!(
        server.real_servers.keys().next().unwrap().to_string(),
        "10.0.0.1:0"
    );
    let told = parse("[[virtual_server]]\nfwmark = 7\nreal_servers = ['10.0.0.1']").unwrap_err();
    assert!(told.contains("check.port"), "{told}");
}

#[test]
fn ports_in_the_wrong_key_are_led_to_the_right_one() {
    let text = "[[virtual_server]]\naddress = '10.0.0.9:79-81'\nreal_servers = ['10.1.0.1']";
    let told = parse(text).expect_err("no address");
    assert!(
        told.contains("a range of ports goes into `addresses`"),
        "{told}"
    );
}
