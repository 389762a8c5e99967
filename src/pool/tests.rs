use super::*;
use crate::config::director::DirectorConfig;

const CONFIG: &str = "
[[virtual_server]]
address = '10.0.0.9:80'
scheduler = 'wrr'
[[virtual_server.real_server]]
address = '10.0.0.1:80'
weight = 3
[[virtual_server.real_server]]
address = '10.0.0.2:80'
";

fn configured() -> BTreeMap<VirtualServerId, VirtualServer> {
    DirectorConfig::parse(std::path::Path::new("test.toml"), CONFIG)
        .unwrap()
        .virtual_servers
}

/// The pool of the one virtual server: RIP and weight.
fn pool(table: &Table) -> Vec<(String, u32)> {
    let server = table
        .values()
        .next()
        .expect("the virtual server is always there");
    let entries = server.real_servers.iter();
    entries
        .map(|(rip, entry)| (rip.ip().to_string(), entry.weight.get()))
        .collect()
}

#[test]
fn no_server_takes_traffic_before_its_first_success() {
    let table = desired(&configured(), &Inherited::new(), |_| Standing::Unchecked);
    assert_eq!(pool(&table), []);
}

#[test]
fn a_server_that_is_up_has_its_weight_and_one_that_drains_has_none() {
    let table = desired(&configured(), &Inherited::new(), |_| Standing::Up);
    assert_eq!(
        pool(&table),
        [("10.0.0.1".to_owned(), 3), ("10.0.0.2".to_owned(), 1)]
    );
    let table = desired(&configured(), &Inherited::new(), |_| Standing::Draining);
    assert_eq!(
        pool(&table),
        [("10.0.0.1".to_owned(), 0), ("10.0.0.2".to_owned(), 0)]
    );
}

#[test]
fn a_server_that_is_down_is_out() {
    let down = |server: &RealServer| match server.settings.weight.get() {
        3 => Standing::Down,
        _ => Standing::Up,
    };
    let table = desired(&configured(), &Inherited::new(), down);
    assert_eq!(pool(&table), [("10.0.0.2".to_owned(), 1)]);
}

#[test]
fn what_the_kernel_has_already_stays_as_it_is_until_the_first_verdict() {
    let configured = configured();
    let mut kernel = desired(&configured, &Inherited::new(), |_| Standing::Up);
    let server = kernel.values_mut().next().unwrap();
    for (weight, entry) in [7, 0].into_iter().zip(server.real_servers.values_mut()) {
        entry.weight = Weight::try_from(weight).unwrap();
    }
    let inherited = inherited(&configured, &kernel);
    let table = desired(&configured, &inherited, |_| Standing::Unchecked);
    let as_found = [("10.0.0.1".to_owned(), 7), ("10.0.0.2".to_owned(), 0)];
    assert_eq!(pool(&table), as_found);
    let table = desired(&configured, &inherited, |_| Standing::Down);
    assert_eq!(pool(&table), []);
}

#[test]
fn what_the_kernel_has_and_nobody_wants_is_not_inherited() {
    let kernel = desired(&configured(), &Inherited::new(), |_| Standing::Up);
    let mut configured = configured();
    let server = configured.values_mut().next().unwrap();
    server.real_servers.remove(&"10.0.0.1:80".parse().unwrap());
    let rips: Vec<_> = inherited(&configured, &kernel)
        .into_keys()
        .map(|(_, rip)| rip)
        .collect();
    assert_eq!(rips, ["10.0.0.2:80".parse().unwrap()]);
}
