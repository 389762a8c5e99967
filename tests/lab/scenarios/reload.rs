//! Reading the file again: validated whole, then the difference and nothing else.

use crate::lab::lvsd::{DirectorFile, text};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Program, Scenario, Site, eventually, millis, secs, within};

use super::table::{OpenConnection, balances_onto, operations};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(a_reload_applies_the_difference_and_nothing_else),
    scenario!(a_refused_reload_leaves_the_running_configuration_running),
];

fn a_reload_applies_the_difference_and_nothing_else(lab: &Lab) {
    let site = Site::with_one_director(lab);
    let host = &site.lvs51;
    let director = host.director(&DirectorFile::alone());
    balances_onto(host, &[53, 54, 55]);
    let open = [0; 3].map(|_| OpenConnection::to_vip(&site.client));
    let mut open = open.map(|mut open| (open.asks(), open));
    let since = |last: u8| host.real_server(&format!("192.168.1.{last}:80"))["since"].clone();
    let sinces = [53, 54].map(since);
    let pool = |weights: [u8; 3]| {
        let of = |(last, weight): (u8, u8)| {
            format!(
                "[[virtual_server.real_server]]\naddress = '192.168.1.{last}:80'\nweight = {weight}\n"
            )
        };
        let servers: String = [53, 54, 55].into_iter().zip(weights).map(of).collect();
        let file = DirectorFile::alone().text();
        let head = file
            .lines()
            .filter(|line| !line.starts_with("real_servers"));
        let head: String = head.map(|line| format!("{line}\n")).collect();
        format!("{head}{servers}")
    };
    let took = |what: &str, file: &str, ops: u64| {
        let before = operations(host);
        host.reload(&director, file);
        eventually("the difference is applied", within(secs(3)), || {
            operations(host) >= before + ops
        });
        settles(host);
        let took = operations(host) - before;
        lab.say(&format!("{what}: {took} operations"));
        assert_eq!(took, ops, "{what}: {}", director.log());
    };

    took("the same file", &DirectorFile::alone().text(), 0);
    took("the same, written otherwise", &pool([1, 1, 1]), 0);
    took("one weight", &pool([1, 5, 1]), 1);
    assert!(host.ipvsadm().contains("192.168.1.54:80 -g -w 5"));
    took("that weight again", &pool([1, 1, 1]), 1);
    let rr = |text: &str| text.replace("'wrr'", "'rr'");
    took("the scheduler", &rr(&pool([1, 1, 1])), 1);
    assert!(host.ipvsadm().contains(&format!("{VIP}:80 -s rr")));
    took("that scheduler again", &pool([1, 1, 1]), 1);

    // Not earlier: while the kernel exchanges a scheduler it refuses new connections.
    let limit = within(millis(500)).limit();
    let load = site.client.load_within(&Site::url(), millis(30), limit);
    took(
        "a real server less",
        &DirectorFile::alone()
            .pool("['192.168.1.53', '192.168.1.54']")
            .text(),
        1,
    );
    balances_onto(host, &[53, 54]);
    let file = DirectorFile::alone().text();
    host.reload(&director, &file);
    balances_onto(host, &[53, 54, 55]);
    let second = format!(
        "{file}\n[[virtual_server]]\naddress = '{VIP}:8080'\nforwarding = 'dr'\n\
         real_servers = ['192.168.1.53']\ncheck = {{ type = 'none' }}\n"
    );
    took("another virtual server", &second, 2);
    assert!(host.ipvsadm().contains(&format!("{VIP}:8080 -s wlc")));
    host.reload(&director, &file);
    eventually("that one is gone again", within(secs(3)), || {
        !host.ipvsadm().contains(":8080")
    });

    assert_eq!(since(53), sinces[0], "its health was never in question");
    assert_eq!(since(54), sinces[1]);
    for (server, open) in open.iter_mut().filter(|(server, _)| *server != 55) {
        assert_eq!(open.asks(), *server, "it lived through it all");
    }
    let report = load.stop();
    assert_eq!(report.failures(), Vec::<String>::new());
    assert!(director.is_running());
}

/// Waits until the kernel holds what is wanted, which is when two looks at the counter agree
/// with a pass between them.
fn settles(host: &Host) {
    let mut before = operations(host);
    let mut looks = 0;
    eventually("operations stay the same", within(secs(5)), || {
        let now = operations(host);
        looks = if now == before { looks + 1 } else { 0 };
        before = now;
        looks >= 5
    });
}

fn a_refused_reload_leaves_the_running_configuration_running(lab: &Lab) {
    let site = Site::with_one_director(lab);
    let host = &site.lvs51;
    let director = host.director(&DirectorFile::quick(100));
    eventually("51 is master", within(secs(5)), || {
        host.vrrp_state() == "master"
    });
    balances_onto(host, &[53, 54, 55]);
    let table = host.ipvsadm();
    let bad = DirectorFile::quick(100)
        .server_key("scheduler", "'wrrr'")
        .vrrp_key("priority", "300")
        .check_key("interval", "'6'")
        .pool("['192.168.1.53:80', '192.168.1.999']");
    host.reload(&director, &bad.text());
    lab.say(&host.run("lvsd status").ok());
    every_error_is_told(host, &director);
    assert_eq!(host.vrrp_state(), "master");
    assert_eq!(host.ipvsadm(), table);
    assert_eq!(site.client.ask(9, &Site::url()).len(), 3);

    host.run("lvsd config check /etc/lvsd/director.toml")
        .fails_with(78);
    host.reload(&director, &DirectorFile::quick(100).text());
    assert!(host.status()["config"]["refused"].is_null());
    let moved = DirectorFile::quick(100).text();
    host.reload(
        &director,
        &format!("http.listen = '127.0.0.1:9999'\n{moved}"),
    );
    let refused = text(&host.status()["config"]["refused"]);
    assert!(refused.contains("http.listen cannot change"), "{refused}");
    host.run("rm /etc/lvsd/director.toml").ok();
    director.signal(nix::sys::signal::Signal::SIGHUP);
    eventually("a file that is gone is refused", within(secs(5)), || {
        text(&host.status()["config"]["refused"]).contains("no such file")
    });
    assert_eq!(host.ipvsadm(), table);
}

fn every_error_is_told(host: &Host, director: &Program) {
    let refused = text(&host.status()["config"]["refused"]);
    let log = director.log();
    for error in [
        "virtual_server[0].scheduler = 'wrrr'",
        "vrrp[0].priority = 300",
        "virtual_server[0].check.interval = '6'",
        "virtual_server[0].real_servers[1]",
    ] {
        assert!(refused.contains(error), "{error} is missing in: {refused}");
        assert!(log.contains(error), "{error} is missing in: {log}");
    }
    assert!(log.contains("the running configuration runs on"), "{log}");
}
