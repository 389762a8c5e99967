//! Two hosts that are director and real server at once, on a kernel without nf_tables.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::lab::lvsd::DirectorFile;
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Program, Scenario, Site, eventually, millis, secs, within};

pub(crate) const SCENARIOS: &[Scenario] =
    &[scenario!(two_directors_serve_themselves_and_each_other)
        .without_nftables()
        .limited_to(secs(240))];

/// Packets that the two hosts send for one request, checks and adverts of the meantime included.
const MOST_PACKETS: u64 = 15;

/// Both hosts and a client; agents and directors run.
struct Pair {
    hosts: [Host; 2],
    directors: [Program; 2],
    agents: [Program; 2],
    client: Host,
}

fn file(priority: u8) -> DirectorFile {
    // Adverts that a busy machine delivers in time, or mastership comes and goes.
    DirectorFile::quick(priority)
        .vrrp_key("advert_interval", "'1s'")
        .pool("['192.168.1.51:80', '192.168.1.52:80']")
}

impl Pair {
    fn start(lab: &Lab) -> Self {
        let lan = lab.lan();
        let host = |name: &str, last: u8| {
            lan.host_with_nic(name, "ens192", &format!("192.168.1.{last}/24"))
        };
        let hosts = [host("lvs51", 51), host("lvs52", 52)];
        let client = host("client", 10);
        hosts[0].nginx("I am 51\n");
        hosts[1].nginx("I am 52\n");
        let agents = hosts.each_ref().map(|host| host.agent());
        let directors = [hosts[0].director(&file(100)), hosts[1].director(&file(50))];
        let pair = Self {
            hosts,
            directors,
            agents,
            client,
        };
        pair.settles();
        pair
    }

    /// 51 is master with a table, 52 backup without one, and both have the VIP on lo.
    fn settles(&self) {
        let [master, backup] = &self.hosts;
        eventually("51 balances and 52 does not", within(secs(15)), || {
            master.balances_onto("192.168.1.51:80")
                && master.balances_onto("192.168.1.52:80")
                && backup.vrrp_state() == "backup"
                && backup.ipvsadm().is_empty()
        });
        let vip = format!("{VIP}/32");
        assert!(master.addresses("ens192").contains(&vip));
        assert!(!backup.addresses("ens192").contains(&vip));
        for (host, agent) in self.hosts.iter().zip(&self.agents) {
            assert!(host.addresses("lo").contains(&vip), "{}", host.name());
            assert!(agent.is_running(), "{}", agent.log());
            let ready =
                host.run("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:9480/ready");
            assert_eq!(ready.ok(), "200", "{}", host.name());
        }
    }

    /// Packets that both hosts have sent so far.
    fn packets(&self) -> u64 {
        let file = "/sys/class/net/ens192/statistics/tx_packets";
        let sent = self.hosts.iter().map(|host| host.read(file));
        sent.map(|count| count.trim().parse::<u64>().unwrap()).sum()
    }
}

fn two_directors_serve_themselves_and_each_other(lab: &Lab) {
    let mut pair = Pair::start(lab);
    requests_are_spread_without_loops(lab, &pair);
    a_table_on_the_backup_would_loop(lab, &pair);
    failover_works_both_ways(lab, &mut pair);
    each_names_itself_local(lab, &pair);
    the_backup_says_why_its_table_is_empty(&pair);
    let [first, second] = &pair.directors;
    assert!(first.terminate().success() && second.terminate().success());
    for host in &pair.hosts {
        assert!(host.addresses("lo").contains(&format!("{VIP}/32")));
        assert!(!host.addresses("ens192").contains(&format!("{VIP}/32")));
    }
}

fn requests_are_spread_without_loops(lab: &Lab, pair: &Pair) {
    let even = ["I am 51", "I am 52"].map(|body| (body.to_owned(), 20));
    let even = BTreeMap::from(even);
    let mut each = 0;
    // A machine with other things to do may fail a check meanwhile.
    eventually("requests are spread evenly", within(secs(20)), || {
        let before = pair.packets();
        let counts = pair.client.ask(40, &Site::url());
        each = (pair.packets() - before) / 40;
        counts == even
    });
    lab.say(&format!(
        "40 requests: 20 to each, {each} packets sent by the two hosts for each"
    ));
    assert!(
        each <= 30,
        "a loop would send each packet up to 64 times: {each}"
    );
}

/// The control: with a table on the backup the count above shows the loop.
fn a_table_on_the_backup_would_loop(lab: &Lab, pair: &Pair) {
    let backup = &pair.hosts[1];
    backup
        .run(&format!(
            "ipvsadm -A -t {VIP}:80 -s rr; \
             for r in 51 52; do ipvsadm -a -t {VIP}:80 -r 192.168.1.$r:80 -g; done"
        ))
        .ok();
    let before = pair.packets();
    let load = pair
        .client
        .load_within(&Site::url(), millis(50), millis(300));
    std::thread::sleep(within(secs(1)).limit());
    let report = load.stop();
    let packets = pair.packets() - before;
    lab.say(&format!(
        "with a table on the backup: {} of {} requests fail, {packets} packets",
        report.failures().len(),
        report.asked.len()
    ));
    assert!(!report.failures().is_empty());
    assert!(packets / report.asked.len() as u64 > MOST_PACKETS);
    backup.run(&format!("ipvsadm -D -t {VIP}:80")).ok();
    eventually("it is well again", within(secs(5)), || {
        pair.client.get(&Site::url()).is_ok()
    });
}

fn failover_works_both_ways(lab: &Lab, pair: &mut Pair) {
    let [first, second] = pair.hosts.clone();
    let load = pair
        .client
        .load_within(&Site::url(), millis(20), millis(300));
    first.unplug();
    pair.directors[0].kill9();
    eventually("52 balances, onto itself", within(secs(10)), || {
        second.balances_onto("192.168.1.52:80") && !second.balances_onto("192.168.1.51:80")
    });
    let counts = pair.client.ask(10, &Site::url());
    assert_eq!(counts, BTreeMap::from([("I am 52".to_owned(), 10)]));
    lab.say(&format!(
        "51 is gone: 52 answers, after {:.0?} without an answer",
        load.stop().longest_gap()
    ));
    first.plug();
    let load = pair
        .client
        .load_within(&Site::url(), millis(20), millis(300));
    pair.directors[0] = first.director(&file(100));
    pair.settles();
    let gap = load.stop().longest_gap();
    lab.say(&format!(
        "51 is back and master: {gap:.0?} without an answer"
    ));
    requests_are_spread_without_loops(lab, pair);
}

/// The same with `forwarding = "local"` for oneself, which does not go by the address.
fn each_names_itself_local(lab: &Lab, pair: &Pair) {
    let hosts = pair.hosts.iter().zip([(100, "51", "52"), (50, "52", "51")]);
    for ((host, (priority, own, other)), director) in hosts.zip(&pair.directors) {
        let pool = format!(
            "[{{ address = '192.168.1.{own}:80', forwarding = 'local' }}, \
             {{ address = '192.168.1.{other}:80' }}]"
        );
        let file = file(priority).pool("[]").server_key("real_server", &pool);
        host.reload(director, &file.text());
    }
    pair.settles();
    let listed = pair.hosts[0].run("ipvsadm -Ln").ok();
    lab.say(&format!("each names itself local:\n{listed}"));
    let is = |server: &str, method: &str| {
        let mut lines = listed.lines().map(str::split_whitespace);
        lines.any(|mut words| words.nth(1) == Some(server) && words.next() == Some(method))
    };
    assert!(is("192.168.1.51:80", "Local") && is("192.168.1.52:80", "Route"));
    requests_are_spread_without_loops(lab, pair);
}

fn the_backup_says_why_its_table_is_empty(pair: &Pair) {
    let status = pair.hosts[1].run("lvsd status").ok();
    assert!(
        status.contains("held back: this host is a real server"),
        "{status}"
    );
    assert!(
        status.contains("packets may loop between this host and other directors"),
        "{status}"
    );
    let json = pair.hosts[1].run("lvsd status --json").ok();
    let both: Value = serde_json::from_str(&json).expect("one document");
    assert_eq!(both["role"], "director", "{both}");
    assert_eq!(both["realserver"]["ready"], true, "{both}");
}
