//! Two hosts that are director and real server at once, on a kernel with nf_tables: what one
//! has balanced, IPVS of the other does not see, whatever becomes of mastership and of lvsd.

use nix::sys::signal::Signal;

use crate::lab::asker::Report;
use crate::lab::lvsd::{DIRECTOR_FILE, DirectorFile, number};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Program, Scenario, Site, eventually, millis, secs, within};

pub(crate) const SCENARIOS: &[Scenario] =
    &[
        scenario!(what_one_director_balanced_the_other_serves_whatever_happens)
            .with_nftables()
            .limited_to(secs(300)),
    ];

const VIP6: &str = "2001:db8::200";

/// A SYN that is lost is sent again after a second, so an answer that needs one is late.
const LIMIT: std::time::Duration = millis(900);

/// Counts, where a packet arrives, those to the VIPs that have passed more than one director:
/// each takes one off their time to live, which is 64 at the client.
const COUNT_LOOPS: &str = "nft add table inet watch && \
    nft add chain inet watch loops '{ type filter hook prerouting priority 0; }' && \
    nft add rule inet watch loops ip daddr 192.168.1.200 ip ttl '<' 63 counter && \
    nft add rule inet watch loops ip6 daddr 2001:db8::200 ip6 hoplimit '<' 63 counter";

struct Pair {
    hosts: [Host; 2],
    directors: [Program; 2],
    _agents: [Program; 2],
    client: Host,
}

/// Both directors choose alike, and take over connections in their middle: a request that is
/// under way when the address moves goes on at the same real server.
fn file(priority: u8) -> String {
    let v4 = DirectorFile::quick(priority)
        .vrrp_key("advert_interval", "'500ms'")
        .server_key("scheduler", "'mh'")
        .server_key("scheduler_flags", "['port']")
        .pool("['192.168.1.51:80', '192.168.1.52:80']");
    let v6 = v4
        .clone()
        .vrrp_key("name", "'VI_6'")
        .vrrp_key("virtual_addresses", &format!("['{VIP6}']"))
        .server_key("address", &format!("'[{VIP6}]:80'"))
        .pool("['[2001:db8::51]:80', '[2001:db8::52]:80']");
    format!(
        "[ipvs.sysctl]\nsloppy_tcp = true\n{}{}",
        v4.text(),
        v6.text()
    )
}

fn start(host: &Host, priority: u8) -> Program {
    host.write(DIRECTOR_FILE, &file(priority));
    host.spawn("lvsd director")
}

impl Pair {
    fn start(lab: &Lab) -> Self {
        let lan = lab.lan();
        let host = |name: &str, last: u8| {
            let host = lan.host_with_nic(name, "ens192", &format!("192.168.1.{last}/24"));
            let v6 = format!("ip address add 2001:db8::{last}/64 dev ens192 nodad");
            host.run(&v6).ok();
            host
        };
        let hosts = [host("lvs51", 51), host("lvs52", 52)];
        let client = host("client", 10);
        hosts[0].nginx("I am 51\n");
        hosts[1].nginx("I am 52\n");
        for host in &hosts {
            host.run(COUNT_LOOPS).ok();
        }
        let agent = |host: &Host| host.spawn(&format!("lvsd realserver --vip {VIP} --vip {VIP6}"));
        let agents = hosts.each_ref().map(agent);
        let directors = [start(&hosts[0], 200), start(&hosts[1], 100)];
        let pair = Self {
            hosts,
            directors,
            _agents: agents,
            client,
        };
        pair.settles(0);
        pair
    }

    /// That one is master of both, and both have the table.
    #[track_caller]
    fn settles(&self, master: usize) {
        let (master, backup) = (&self.hosts[master], &self.hosts[1 - master]);
        eventually(
            "one is master, and both have the table",
            within(secs(20)),
            || {
                [VIP, VIP6]
                    .iter()
                    .all(|vip| is_on_nic(master, vip) && !is_on_nic(backup, vip))
                    && [master, backup].iter().all(|host| has_table(host))
            },
        );
    }

    /// Packets that have passed both directors, or one of them twice.
    fn looped(&self) -> u64 {
        self.hosts.iter().map(looped).sum()
    }

    /// Makes a change while a client asks over IPv4 and IPv6.
    fn under_load(&self, change: impl FnOnce()) -> [Report; 2] {
        let urls = [Site::url(), format!("http://[{VIP6}]/")];
        let loads = urls.map(|url| self.client.load_within(&url, millis(20), LIMIT));
        change();
        // What was sent to the former master has been answered by then.
        std::thread::sleep(millis(500));
        loads.map(crate::lab::asker::Asker::stop)
    }

    /// The same, and no request fails, and no packet is balanced twice.
    #[track_caller]
    fn nothing_is_lost(&self, lab: &Lab, what: &str, change: impl FnOnce()) {
        let reports = self.under_load(change);
        let failures: Vec<_> = reports.iter().flat_map(Report::failures).collect();
        let asked: usize = reports.iter().map(|report| report.asked.len()).sum();
        let looped = self.looped();
        lab.say(&format!(
            "{what}: {asked} requests, {} failed, {looped} packets balanced twice",
            failures.len()
        ));
        assert!(failures.is_empty(), "{what}: {failures:?}");
        assert_eq!(looped, 0, "{what}");
    }
}

fn is_on_nic(host: &Host, vip: &str) -> bool {
    let addresses = host.addresses("ens192");
    addresses
        .iter()
        .any(|address| address.split('/').next() == Some(vip))
}

/// That all four real servers are in it.
fn has_table(host: &Host) -> bool {
    let table = host.ipvsadm();
    table.matches(" -r ").count() == 4
}

fn looped(host: &Host) -> u64 {
    let rules = host.run("nft list table inet watch").ok();
    let words: Vec<_> = rules.split_whitespace().collect();
    let counts = words.windows(2).filter(|pair| pair[0] == "packets");
    counts.map(|pair| pair[1].parse::<u64>().unwrap()).sum()
}

fn hidden(host: &Host) -> u64 {
    number(&host.status()["ipvs"]["peers"]["packets"])
}

/// Connections that IPVS of this host has scheduled.
fn scheduled(host: &Host) -> u64 {
    let status = host.status();
    let servers = status["virtual_servers"].as_array().into_iter().flatten();
    servers
        .map(|server| number(&server["traffic"]["connections"]))
        .sum()
}

fn what_one_director_balanced_the_other_serves_whatever_happens(lab: &Lab) {
    let mut pair = Pair::start(lab);
    the_backup_serves_and_does_not_balance(lab, &pair);
    mastership_moves_without_loss(lab, &mut pair);
    the_table_is_put_right_and_touches_nobody_elses(lab, &pair);
    lvsd_dies_and_its_kernel_balances_on(lab, &mut pair);
    a_clean_stop_takes_it_away(&mut pair);
    without_it_packets_loop(lab, &pair);
}

fn the_backup_serves_and_does_not_balance(lab: &Lab, pair: &Pair) {
    let [_, backup] = &pair.hosts;
    let before = scheduled(backup);
    pair.nothing_is_lost(lab, "at rest", || std::thread::sleep(secs(2)));
    eventually(
        "the backup has counted what was hidden",
        within(secs(5)),
        || hidden(backup) > 0,
    );
    assert_eq!(scheduled(backup), before, "the backup balances nothing");
    let status = backup.run("lvsd status").ok();
    assert!(
        status.contains("hidden from IPVS because another director had balanced them: ")
            && status.contains("known are 192.168.1.51 at 02:00:c0:a8:01:33"),
        "{status}"
    );
    lab.say(&status);
    lab.say(&backup.run("ipvsadm -Ln").ok());
    lab.say(&backup.run("nft list table inet lvsd-peers").ok());
    let metrics = backup.get("http://127.0.0.1:9481/metrics").unwrap().body;
    assert!(
        metrics.contains("lvsd_ipvs_hidden_packets_total "),
        "{metrics}"
    );
    let doctor = backup.run("lvsd doctor --quick");
    assert!(doctor.status.success(), "{doctor}");
}

fn mastership_moves_without_loss(lab: &Lab, pair: &mut Pair) {
    let [first, _] = pair.hosts.clone();
    pair.nothing_is_lost(lab, "yield", || {
        for name in ["VI_1", "VI_6"] {
            first.run(&format!("lvsd vrrp yield {name}")).ok();
        }
        pair.settles(1);
    });
    pair.nothing_is_lost(lab, "reclaim", || {
        for name in ["VI_1", "VI_6"] {
            first.run(&format!("lvsd vrrp reclaim {name}")).ok();
        }
        pair.settles(0);
    });
    pair.nothing_is_lost(lab, "clean stop", || {
        pair.directors[0].signal(Signal::SIGTERM);
        pair.directors[0].expect_exit(0);
    });
    assert!(first.ipvsadm().is_empty());
    assert!(!first.run("nft list tables").ok().contains("lvsd-peers"));
    let mut again = None;
    pair.nothing_is_lost(lab, "return with preemption", || {
        again = Some(start(&first, 200));
        pair.settles(0);
    });
    pair.directors[0] = again.expect("it was started");
}

fn the_table_is_put_right_and_touches_nobody_elses(lab: &Lab, pair: &Pair) {
    let [_, backup] = &pair.hosts;
    for words in [
        "delete table inet lvsd-peers",
        "flush chain inet lvsd-peers before-ipvs",
        "flush set inet lvsd-peers lan4",
    ] {
        let whole = || backup.run("nft -s list table inet lvsd-peers").stdout;
        let before = whole();
        backup.run(&format!("nft {words}")).ok();
        let took = eventually(&format!("`nft {words}` is undone"), within(secs(5)), || {
            whole() == before
        });
        lab.say(&format!(
            "`nft {words}` is undone after {} ms",
            took.as_millis()
        ));
    }
    assert!(
        backup
            .run("nft list tables")
            .ok()
            .contains("table inet watch")
    );
}

fn lvsd_dies_and_its_kernel_balances_on(lab: &Lab, pair: &mut Pair) {
    let [first, second] = pair.hosts.clone();
    let took_over = || {
        eventually(
            "52 is master, and 51 has the addresses too",
            within(secs(20)),
            || {
                [VIP, VIP6]
                    .iter()
                    .all(|vip| is_on_nic(&second, vip) && is_on_nic(&first, vip))
            },
        );
    };
    pair.nothing_is_lost(lab, "kill -9, and a takeover", || {
        pair.directors[0].kill9();
        took_over();
        std::thread::sleep(secs(3));
    });
    assert!(has_table(&first), "51 would balance what 52 sends it");
    assert!(first.run("nft list tables").ok().contains("lvsd-peers"));
    let mut again = None;
    pair.nothing_is_lost(lab, "its return", || {
        again = Some(start(&first, 200));
        pair.settles(0);
    });
    pair.directors[0] = again.expect("it was started");
}

fn a_clean_stop_takes_it_away(pair: &mut Pair) {
    for (host, director) in pair.hosts.iter().zip(&pair.directors) {
        assert!(director.terminate().success());
        assert!(host.ipvsadm().is_empty());
        let tables = host.run("nft list tables").ok();
        assert_eq!(tables.trim(), "table inet watch");
    }
}

/// The control: the same tables of IPVS on both, with nothing hidden.
fn without_it_packets_loop(lab: &Lab, pair: &Pair) {
    for host in &pair.hosts {
        host.run(&format!(
            "ipvsadm -A -t {VIP}:80 -s rr; \
             for r in 51 52; do ipvsadm -a -t {VIP}:80 -r 192.168.1.$r:80 -g; done"
        ))
        .ok();
    }
    let first = &pair.hosts[0];
    first
        .run(&format!("ip address add {VIP}/32 dev ens192"))
        .ok();
    let reports = pair.under_load(|| std::thread::sleep(secs(2)));
    let failures = reports[0].failures().len();
    let looped = pair.looped();
    lab.say(&format!(
        "with nothing hidden: {failures} of {} requests fail, {looped} packets balanced twice",
        reports[0].asked.len()
    ));
    assert!(failures > 0 && looped > 0);
}
