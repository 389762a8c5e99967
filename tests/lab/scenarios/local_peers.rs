//! Two hosts that are director and real server at once, on a kernel with nf_tables: what one
//! has balanced, IPVS of the other does not see, whatever becomes of mastership and of lvsd.

use std::collections::BTreeMap;

use nix::sys::signal::Signal;

use crate::lab::asker::{Asker, Report};
use crate::lab::lvsd::{DIRECTOR_FILE, DirectorFile, number};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Program, Scenario, Site, eventually, millis, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(what_one_director_balanced_the_other_serves_whatever_happens)
        .with_nftables()
        .limited_to(secs(300)),
    scenario!(what_one_director_sent_through_a_tunnel_the_other_serves)
        .with_nftables()
        .limited_to(secs(200)),
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

/// Both hosts and a client; agents and directors run.
struct Pair {
    vips: &'static [&'static str],
    forwarding: &'static str,
    hosts: [Host; 2],
    directors: [Program; 2],
    _agents: [Program; 2],
    client: Host,
}

/// Both directors choose alike, and take over connections in their middle: a request that is
/// under way when the address moves goes on at the same real server.
fn file(priority: u8, vips: &[&str], forwarding: &str) -> String {
    let v4 = DirectorFile::quick(priority)
        .vrrp_key("advert_interval", "'500ms'")
        .server_key("scheduler", "'mh'")
        .server_key("scheduler_flags", "['port']")
        .server_key("forwarding", &format!("'{forwarding}'"))
        .pool("['192.168.1.51:80', '192.168.1.52:80']");
    let v6 = v4
        .clone()
        .vrrp_key("name", "'VI_6'")
        .vrrp_key("virtual_addresses", &format!("['{VIP6}']"))
        .server_key("address", &format!("'[{VIP6}]:80'"))
        .pool("['[2001:db8::51]:80', '[2001:db8::52]:80']");
    let tables = vips.iter().map(|vip| match *vip {
        VIP6 => v6.text(),
        _ => v4.text(),
    });
    "[ipvs.sysctl]\nsloppy_tcp = true\n".to_owned() + &tables.collect::<String>()
}

impl Pair {
    fn start(lab: &Lab, vips: &'static [&'static str], forwarding: &'static str) -> Self {
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
        let agent = |host: &Host| {
            // It asks the service on each VIP, as clients do.
            let service = "[[service]]\nname = 'web'\n\
                           check = { type = 'http', port = 80, interval = '200ms' }\n";
            let file = format!("vips = {vips:?}\nforwarding = '{forwarding}'\n{service}");
            host.write("/etc/lvsd/realserver.toml", &file);
            host.spawn("lvsd realserver --config /etc/lvsd/realserver.toml")
        };
        let agents = hosts.each_ref().map(agent);
        let directors = [(&hosts[0], 200), (&hosts[1], 100)].map(|(host, priority)| {
            host.write(DIRECTOR_FILE, &file(priority, vips, forwarding));
            host.spawn("lvsd director")
        });
        let pair = Self {
            vips,
            forwarding,
            hosts,
            directors,
            _agents: agents,
            client,
        };
        pair.settles(0);
        pair
    }

    /// Starts a director again, on the file that it had.
    fn restart(&self, which: usize) -> Program {
        self.hosts[which].spawn("lvsd director")
    }

    /// That one is master of all, and both have the table.
    #[track_caller]
    fn settles(&self, master: usize) {
        let (master, backup) = (&self.hosts[master], &self.hosts[1 - master]);
        let what = "one is master, and both have the table";
        eventually(what, within(secs(20)), || {
            let moved = |vip: &&str| is_on_nic(master, vip) && !is_on_nic(backup, vip);
            self.vips.iter().all(moved) && self.hosts.iter().all(|host| self.has_table(host))
        });
    }

    /// That all real servers are in it.
    fn has_table(&self, host: &Host) -> bool {
        host.ipvsadm().matches(" -r ").count() == 2 * self.vips.len()
    }

    /// Has both virtual routers of the first host yield, or reclaim.
    fn move_mastership(&self, wish: &str) {
        let names = ["VI_1", "VI_6"].into_iter().zip(self.vips);
        for (name, _) in names {
            self.hosts[0].run(&format!("lvsd vrrp {wish} {name}")).ok();
        }
    }

    /// Packets that have passed both directors, or one of them twice.
    fn looped(&self) -> u64 {
        self.hosts.iter().map(looped).sum()
    }

    /// Makes a change while a client asks for each VIP.
    fn under_load(&self, change: impl FnOnce()) -> Vec<Report> {
        let urls = self.vips.iter().map(|vip| match *vip {
            VIP6 => format!("http://[{VIP6}]/"),
            _ => Site::url(),
        });
        let load = |url: String| self.client.load_within(&url, millis(20), LIMIT);
        let loads: Vec<_> = urls.map(load).collect();
        change();
        // What was sent to the former master has been answered by then.
        std::thread::sleep(millis(500));
        loads.into_iter().map(Asker::stop).collect()
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
    let mut pair = Pair::start(lab, &[VIP, VIP6], "dr");
    the_backup_serves_and_does_not_balance(lab, &pair);
    mastership_moves_without_loss(lab, &mut pair);
    the_table_is_put_right_and_touches_nobody_elses(lab, &pair);
    lvsd_dies_and_its_kernel_balances_on(lab, &mut pair);
    what_is_kept_at_a_stop_is_kept_together(lab, &mut pair);
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
    for (host, answer) in pair.hosts.iter().zip(["I am 51", "I am 52"]) {
        let own = BTreeMap::from([(answer.to_owned(), 10)]);
        assert_eq!(
            host.ask(10, &Site::url()),
            own,
            "what it asks itself it answers"
        );
        assert_eq!(host.ask(10, &format!("http://[{VIP6}]/")), own);
        assert_eq!(host.agent_status()["ready"], true, "{}", host.name());
    }
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
        pair.move_mastership("yield");
        pair.settles(1);
    });
    pair.nothing_is_lost(lab, "reclaim", || {
        pair.move_mastership("reclaim");
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
        again = Some(pair.restart(0));
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
    pair.nothing_is_lost(lab, "kill -9, and a takeover", || {
        pair.directors[0].kill9();
        let what = "52 is master, and 51 has the addresses too";
        eventually(what, within(secs(20)), || {
            let have = |vip: &&str| is_on_nic(&second, vip) && is_on_nic(&first, vip);
            pair.vips.iter().all(have)
        });
        std::thread::sleep(secs(3));
    });
    assert!(pair.has_table(&first), "51 would balance what 52 sends it");
    assert!(first.run("nft list tables").ok().contains("lvsd-peers"));
    let mut again = None;
    pair.nothing_is_lost(lab, "its return", || {
        again = Some(pair.restart(0));
        pair.settles(0);
    });
    pair.directors[0] = again.expect("it was started");
}

/// `on_stop = "keep"` leaves a backup that would balance what the master sends it.
fn what_is_kept_at_a_stop_is_kept_together(lab: &Lab, pair: &mut Pair) {
    let second = pair.hosts[1].clone();
    let usual = file(100, pair.vips, pair.forwarding);
    second.reload(
        &pair.directors[1],
        &format!("[ipvs]\non_stop = 'keep'\n{usual}"),
    );
    assert!(pair.directors[1].terminate().success());
    assert!(pair.has_table(&second));
    assert!(second.run("nft list tables").ok().contains("lvsd-peers"));
    let mut again = None;
    pair.nothing_is_lost(lab, "a table that is kept, and a start", || {
        second.write(DIRECTOR_FILE, &usual);
        again = Some(pair.restart(1));
        pair.settles(0);
    });
    pair.directors[1] = again.expect("it was started");
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
    let method = match pair.forwarding {
        "tun" => "-i",
        _ => "-g",
    };
    for host in &pair.hosts {
        host.run(&format!(
            "ipvsadm -A -t {VIP}:80 -s rr; \
             for r in 51 52; do ipvsadm -a -t {VIP}:80 -r 192.168.1.$r:80 {method}; done"
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

fn what_one_director_sent_through_a_tunnel_the_other_serves(lab: &Lab) {
    let mut pair = Pair::start(lab, &[VIP], "tun");
    let backup = pair.hosts[1].clone();
    let before = scheduled(&backup);
    pair.nothing_is_lost(lab, "at rest", || std::thread::sleep(secs(2)));
    eventually("the backup has counted it", within(secs(5)), || {
        hidden(&backup) > 0
    });
    assert_eq!(scheduled(&backup), before, "the backup balances nothing");
    pair.nothing_is_lost(lab, "yield", || {
        pair.move_mastership("yield");
        pair.settles(1);
    });
    pair.nothing_is_lost(lab, "reclaim", || {
        pair.move_mastership("reclaim");
        pair.settles(0);
    });
    lvsd_dies_and_its_kernel_balances_on(lab, &mut pair);
    a_clean_stop_takes_it_away(&mut pair);
    // The agents' tunnels are still there.
    without_it_packets_loop(lab, &pair);
}
