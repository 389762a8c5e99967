use super::*;

#[test]
fn a_virtual_server_id_reads_what_it_writes() {
    for text in [
        "tcp 192.168.1.200:80",
        "udp [2001:db8::1]:53",
        "fwmark 7",
        "fwmark6 7",
    ] {
        let id: VirtualServerId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
    }
    for text in [
        "",
        "tcp",
        "tcp 1.2.3.4",
        "icmp 1.2.3.4:5",
        "fwmark 0",
        "fwmark x",
    ] {
        assert!(text.parse::<VirtualServerId>().is_err(), "{text}");
    }
}

#[test]
fn every_scheduler_is_found_by_its_name() {
    for scheduler in Scheduler::ALL {
        assert_eq!(Scheduler::known(scheduler.name()), Some(scheduler));
        assert_eq!(Scheduler::reported(scheduler.name()), scheduler);
    }
    assert_eq!(Scheduler::known("wrrr"), None);
}

#[test]
fn a_scheduler_of_somebody_else_keeps_its_name() {
    assert_eq!(Scheduler::reported("homegrown").name(), "homegrown");
    assert_eq!(
        Scheduler::reported("a-name-that-is-too-long").name(),
        "a-name-that-is-"
    );
}

#[test]
fn an_address_without_a_prefix_length_is_a_host() {
    assert_eq!(
        "10.0.0.1".parse::<Prefixed>().unwrap().to_string(),
        "10.0.0.1/32"
    );
    assert_eq!(
        "2001:db8::1".parse::<Prefixed>().unwrap().to_string(),
        "2001:db8::1/128"
    );
    assert_eq!(
        "10.0.0.1/24".parse::<Prefixed>().unwrap().to_string(),
        "10.0.0.1/24"
    );
    for text in [
        "",
        "10.0.0",
        "10.0.0.1/33",
        "10.0.0.1/",
        "10.0.0.1/x",
        "2001:db8::1/129",
    ] {
        assert!(text.parse::<Prefixed>().is_err(), "{text}");
    }
}

#[test]
fn a_network_has_the_addresses_that_share_its_prefix() {
    let has = |network: &str, address: &str| {
        let network: Prefixed = network.parse().unwrap();
        network.contains(address.parse().unwrap())
    };
    for (network, address) in [
        ("192.168.1.51/24", "192.168.1.200"),
        ("192.168.1.51", "192.168.1.51"),
        ("0.0.0.0/0", "255.255.255.255"),
        ("2001:db8::1/64", "2001:db8::ffff"),
        ("::/0", "ffff::"),
    ] {
        assert!(has(network, address), "{network} {address}");
    }
    for (network, address) in [
        ("192.168.1.51/24", "192.168.2.51"),
        ("192.168.1.51", "192.168.1.52"),
        ("0.0.0.0/0", "::"),
        ("2001:db8::1/64", "2001:db8:0:1::"),
    ] {
        assert!(!has(network, address), "{network} {address}");
    }
}
