//! Rules that cannot be meant for the packet, whatever else they ask: they leave no doubt.

use super::*;

/// What becomes of a packet where everything is dropped but what one rule accepts, if that
/// is met: TCP to the VIP, then an advert.
fn accepted(condition: &str) -> [bool; 2] {
    let ruleset = with_rule(&format!(r#"{condition}, {{"accept": null}}"#));
    let tcp = Packet::tcp("ens192", vip(), 80);
    [tcp, advert()].map(|packet| ruleset.fate(&packet) == Fate::Passes)
}

fn header(protocol: &str, field: &str, right: &str) -> [bool; 2] {
    condition(
        &format!(r#"{{"payload": {{"protocol": "{protocol}", "field": "{field}"}}}}"#),
        "==",
        right,
    )
}

fn condition(left: &str, op: &str, right: &str) -> [bool; 2] {
    accepted(&format!(
        r#"{{"match": {{"op": "{op}", "left": {left}, "right": {right}}}}}"#
    ))
}

const NEITHER: [bool; 2] = [false, false];

#[test]
fn a_field_of_another_protocol_is_not_in_the_packet() {
    assert_eq!(header("icmp", "type", r#""echo-request""#), NEITHER);
    let types = r#"{"set": ["nd-neighbor-solicit", "nd-router-advert"]}"#;
    assert_eq!(header("icmpv6", "type", types), NEITHER);
    assert_eq!(header("igmp", "type", r#""membership-query""#), NEITHER);
    assert_eq!(header("arp", "operation", r#""request""#), NEITHER);
    assert_eq!(header("vxlan", "vni", "7"), NEITHER);
    for protocol in ["sctp", "dccp", "udplite"] {
        assert_eq!(header(protocol, "dport", "80"), NEITHER, "{protocol}");
    }
    for protocol in ["ah", "esp", "comp"] {
        assert_eq!(header(protocol, "spi", "7"), NEITHER, "{protocol}");
    }
    assert_eq!(header("ip6", "hoplimit", "255"), NEITHER);
    assert_eq!(header("ip", "ttl", "255"), [true, true], "it may");
    assert_eq!(header("tcp", "sequence", "7"), [true, false]);
    // An advert has its priority and count where others have their port.
    assert_eq!(header("th", "dport", "22"), NEITHER);
    let range = r#"{"range": [1024, 65535]}"#;
    assert_eq!(header("th", "dport", range), [false, true]);
}

#[test]
fn a_condition_that_is_not_understood_speaks_of_its_protocol() {
    let fragment = r#"{"exthdr": {"name": "frag"}}"#;
    assert_eq!(condition(fragment, "==", "true"), NEITHER);
    let option = r#"{"tcp option": {"name": "maxseg", "field": "size"}}"#;
    assert_eq!(condition(option, "<", "500"), [true, false]);
    let flags = r#"{"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, "syn"]}"#;
    assert_eq!(condition(flags, "==", r#""syn""#), [true, false]);
    let port = r#"{"payload": {"protocol": "udp", "field": "dport"}}"#;
    assert_eq!(condition(port, ">=", "1024"), NEITHER);
    assert_eq!(
        condition(r#"{"meta": {"key": "mark"}}"#, "==", "7"),
        [true, true]
    );
    let limit = r#"{"limit": {"rate": 5, "per": "second"}}"#;
    let ping = r#"{"match": {"op": "==", "right": "echo-request",
                   "left": {"payload": {"protocol": "icmp", "field": "type"}}}}"#;
    assert_eq!(accepted(&format!("{limit}, {ping}")), NEITHER);
    assert_eq!(accepted(limit), [true, true]);
    let meter = format!(r#"{{"meter": {{"name": "m", "key": 1, "stmt": {limit}}}}}"#);
    let ruleset = with_rule(&format!(r#"{meter}, {{"drop": null}}"#));
    let text = format!("{ruleset:?}").contains("Unknown");
    assert!(text, "a meter may not be met");
}

#[test]
fn sets_of_interfaces_and_versions_and_concatenations_are_read() {
    let key = |key: &str, right: &str| {
        condition(&format!(r#"{{"meta": {{"key": "{key}"}}}}"#), "==", right)
    };
    assert_eq!(key("iifname", r#"{"set": ["lo", "ens224"]}"#), NEITHER);
    assert_eq!(key("iifname", r#"{"set": ["lo", "ens192"]}"#), [true, true]);
    assert_eq!(key("protocol", r#"{"set": ["arp", "ip6"]}"#), NEITHER);
    assert_eq!(key("nfproto", r#"{"set": ["ipv4", "ipv6"]}"#), [true, true]);
    let pair = r#"{"concat": [{"payload": {"protocol": "ip", "field": "daddr"}},
                              {"payload": {"protocol": "tcp", "field": "dport"}}]}"#;
    let element = |address: &str, port: u16| format!(r#"{{"concat": ["{address}", {port}]}}"#);
    let set = |elements: &[String]| format!(r#"{{"set": [{}]}}"#, elements.join(", "));
    let (rip, vip) = (element("192.168.1.53", 80), element("192.168.1.200", 80));
    let (https, other) = (element("192.168.1.200", 443), element("192.168.1.53", 443));
    assert_eq!(
        condition(pair, "==", &set(std::slice::from_ref(&rip))),
        NEITHER
    );
    assert_eq!(
        condition(pair, "==", &set(&[rip.clone(), vip])),
        [true, false]
    );
    assert_eq!(condition(pair, "==", &set(&[rip, other])), NEITHER);
    assert_eq!(condition(pair, "==", &set(&[https])), NEITHER);
}

#[test]
fn a_named_set_has_the_elements_that_are_printed_with_it() {
    let ruleset = |elements: &str, verdict: &str| {
        let text = format!(
            r#"{{"nftables": [
            {{"chain": {{"family": "ip", "table": "t", "name": "in", "hook": "input", "policy": "accept"}}}},
            {{"set": {{"family": "ip", "table": "t", "name": "b", "type": "ipv4_addr"{elements}}}}},
            {{"rule": {{"family": "ip", "table": "t", "chain": "in", "expr": [
              {{"match": {{"op": "==", "left": {{"payload": {{"protocol": "ip", "field": "daddr"}}}}, "right": "@b"}}}},
              {{"{verdict}": null}}]}}}}]}}"#
        );
        nftables::parse(&text).unwrap()
    };
    let tcp = Packet::tcp("ens192", vip(), 80);
    let with = |elements: &str| ruleset(elements, "drop").fate(&tcp);
    assert_eq!(
        with(r#", "elem": ["192.168.1.9", {"elem": {"val": "192.168.1.200", "timeout": 60}}]"#),
        Fate::Dropped {
            by: "nft ip t in: ip daddr @b drop".to_owned(),
            packets: None,
            base: base("ip t", "in"),
        }
    );
    assert_eq!(with(r#", "elem": ["192.168.1.9"]"#), Fate::Passes);
    assert_eq!(with(""), Fate::Passes);
}
