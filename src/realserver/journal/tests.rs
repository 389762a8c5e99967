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
