use super::*;

#[test]
fn what_was_saved_is_loaded_and_an_empty_journal_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("realserver.json"));
    assert_eq!(store.load().unwrap(), Journal::default());

    store.save(&journal()).unwrap();
    assert_eq!(store.load().unwrap(), journal());
    assert_eq!(names(dir.path()), ["realserver.json"]);

    store.save(&Journal::default()).unwrap();
    store.save(&Journal::default()).unwrap();
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

#[test]
fn a_journal_of_another_boot_or_namespace_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("realserver.json"));
    store.save(&journal()).unwrap();
    for change in [
        |place: &mut Place| place.boot = "earlier".into(),
        |place: &mut Place| place.namespace = "net:[1]".into(),
    ] {
        let mut other = Store::open(store.path.clone());
        change(&mut other.place);
        assert_eq!(other.load().unwrap(), Journal::default());
    }
}

#[test]
fn a_file_that_is_not_a_journal_is_an_error_and_not_an_empty_journal() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("realserver.json"));
    fs::write(&store.path, "{\"boot\":").unwrap();
    let error = store.load().unwrap_err().to_string();
    assert!(error.starts_with("cannot understand /"), "{error}");
}

#[test]
fn the_file_is_readable_by_people() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("realserver.json"));
    store.save(&journal()).unwrap();
    let text = fs::read_to_string(&store.path).unwrap();
    for expected in [
        "\"net.ipv4.conf.all.arp_ignore\": {",
        "\"192.168.1.200\": \"created\"",
    ] {
        assert!(text.contains(expected), "{text}");
    }
}

fn journal() -> Journal {
    let original = Original {
        value: 0,
        changed: true,
    };
    Journal {
        sysctls: BTreeMap::from([(Key::ipv4_conf("all", "arp_ignore"), original)]),
        vips: BTreeMap::from([("192.168.1.200".parse().unwrap(), Origin::Created)]),
    }
}

fn names(dir: &Path) -> Vec<String> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}
