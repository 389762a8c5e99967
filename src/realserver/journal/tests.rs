use super::*;

#[test]
fn the_file_is_readable_by_people_and_by_the_next_start() {
    let original = Original {
        value: 0,
        changed: true,
    };
    let journal = Journal {
        sysctls: BTreeMap::from([(Key::ipv4_conf("all", "arp_ignore"), original)]),
        vips: BTreeMap::from([("192.168.1.200".parse().unwrap(), Origin::Created)]),
        ..Journal::default()
    };
    assert!(!journal.is_empty());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("realserver.json");
    let store = Store::new(path.clone());
    store.save(&journal).unwrap();
    assert_eq!(store.load().unwrap(), journal);
    let text = std::fs::read_to_string(path).unwrap();
    for expected in [
        "\"net.ipv4.conf.all.arp_ignore\": {",
        "\"192.168.1.200\": \"created\"",
    ] {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_file_of_an_older_lvsd_is_understood() {
    let text = r#"{"sysctls": {"net.ipv4.conf.eth0.arp_ignore": {"value": 3, "changed": true}},
                   "vips": {}}"#;
    let journal: Journal = serde_json::from_str(text).unwrap();
    assert!(!journal.is_empty());
    assert!(journal.links.is_empty());
}

#[test]
fn two_interfaces_may_swap_their_names() {
    let original = |value| Original {
        value,
        changed: true,
    };
    let key = |name| Key::ipv4_conf(name, "arp_ignore");
    let mut journal = Journal {
        sysctls: [(key("a"), original(1)), (key("b"), original(2))].into(),
        links: [("a".to_owned(), 5), ("b".to_owned(), 6)].into(),
        ..Journal::default()
    };
    journal.rename(
        &[("a", "b"), ("b", "a")]
            .map(|(from, to)| (from.into(), to.into()))
            .into(),
    );
    assert_eq!(journal.sysctls[&key("a")].value, 2);
    assert_eq!(journal.sysctls[&key("b")].value, 1);
    assert_eq!(
        journal.links,
        [("a".to_owned(), 6), ("b".to_owned(), 5)].into()
    );
}
