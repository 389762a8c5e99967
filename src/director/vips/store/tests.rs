use super::*;

fn place(interface: &str, address: &str) -> Place {
    Place {
        interface: interface.to_owned(),
        address: address.parse().unwrap(),
    }
}

#[test]
fn what_is_saved_is_loaded_and_nothing_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("director-vips.json");
    let store = Store::open(path.clone());
    assert_eq!(store.load().unwrap(), BTreeSet::new());
    let places: BTreeSet<_> = [
        place("ens192", "192.168.1.200"),
        place("ens192", "192.168.1.201/24"),
        place("ens224", "2001:db8::1"),
    ]
    .into();
    store.save(&places).unwrap();
    assert_eq!(store.load().unwrap(), places);
    store.save(&BTreeSet::new()).unwrap();
    assert!(!path.exists());
    store.save(&BTreeSet::new()).unwrap();
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_file_that_is_not_ours_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("director-vips.json");
    let store = Store::open(path.clone());
    for content in ["", "{}", r#"[{"interface":"eth0","address":"nonsense"}]"#] {
        fs::write(&path, content).unwrap();
        let error = store.load().unwrap_err().to_string();
        assert!(error.contains("director-vips.json"), "{error}");
    }
}

#[test]
fn a_directory_that_is_gone_is_an_error_of_writing() {
    let store = Store::open("/nonexistent/director-vips.json".into());
    let error = store.save(&[place("eth0", "10.0.0.1")].into()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot write /nonexistent/director-vips.json"
    );
}
