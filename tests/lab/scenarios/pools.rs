//! Pools under traffic: servers swapped, drained and failing, substitutes that come and go, and
//! what the operator does meanwhile.

use std::time::Duration;

use crate::lab::asker::Asker;
use crate::lab::lvsd::{DIRECTOR_FILE, DirectorFile, text};
use crate::lab::program::Program;
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, Site, eventually, millis, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(a_client_notices_nothing_while_a_reload_swaps_a_server),
    scenario!(what_a_reload_replaces_serves_on_while_the_new_pool_is_down),
    scenario!(what_the_kernel_refuses_replaces_nobody_until_it_is_taken),
    scenario!(a_download_ends_before_its_drained_server_is_out),
    scenario!(the_sorry_server_comes_and_goes_and_hooks_run_in_order),
    scenario!(the_backup_pool_takes_over_before_the_sorry_server),
    scenario!(a_failed_server_stays_at_weight_0_and_recovers_slowly),
    scenario!(what_the_operator_changed_outlives_a_crash_until_the_file_changes_it),
    scenario!(a_plan_says_what_a_reload_would_do_and_a_bad_file_does_nothing),
    scenario!(a_plan_tells_of_settings_too_with_a_director_and_without),
    scenario!(a_stop_that_drains_holds_the_vip_until_a_download_has_ended),
];

/// Asks all the time. The limit is for a machine that is busy with other things: a refusal or a
/// cut connection fails at once.
fn load(site: &Site, every: Duration) -> Asker {
    site.client.load_within(&Site::url(), every, secs(10))
}

/// A check that a scenario can fail while the server goes on serving.
const CHECK: &str = "/up";

const BIG: usize = 200_000;

/// Long enough for what happens meanwhile.
const DOWNLOAD: Duration = secs(10);

/// A site with one director, the VIP on it by VRRP or by hand, and real servers that serve `/up`
/// while a file is there, and `/big` in the time of a [`DOWNLOAD`].
fn site(lab: &Lab, file: &DirectorFile) -> (Site, Program) {
    let site = Site::build(lab);
    site.configure_real_servers_by_hand();
    let rate = BIG / usize::try_from(within(DOWNLOAD).limit().as_secs()).unwrap();
    for (rs, last) in site.real_servers.iter().zip([53, 54, 55]) {
        rs.stop_nginx();
        rs.write("/var/www/up", "up");
        rs.write("/var/www/big", &"x".repeat(BIG));
        rs.nginx_with(&format!(
            "location = /up {{ root /var/www; }}\n\
             location = /big {{ root /var/www; limit_rate {rate}; }}\n\
             location / {{ return 200 \"I am {last}\\n\"; }}"
        ));
    }
    if file.vrrp.is_empty() {
        site.lvs51
            .run(&format!("ip addr add {VIP}/32 dev ens192"))
            .ok();
    }
    let director = site.lvs51.director(file);
    eventually("the site answers", within(secs(10)), || {
        site.client.get(&Site::url()).is_ok()
    });
    (site, director)
}

fn file(pool: &str) -> DirectorFile {
    DirectorFile::alone()
        .check_key("type", "'http'")
        .check_key("path", &format!("'{CHECK}'"))
        .pool(pool)
}

fn fail_check(rs: &Host) {
    rs.run("rm /var/www/up").ok();
}

fn pass_check(rs: &Host) {
    rs.write("/var/www/up", "up");
}

/// `-w` of each real server in the kernel's table, by last octet.
fn weights(director: &Host) -> Vec<(String, u32)> {
    let table = director.ipvsadm();
    let of_line = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let after = |flag| {
            let at = words.iter().position(|word| *word == flag)?;
            words.get(at + 1).copied()
        };
        let (host, _) = after("-r")?.split_once(':')?;
        let (_, last) = host.rsplit_once('.')?;
        Some((last.to_owned(), after("-w")?.parse().ok()?))
    };
    table.lines().filter_map(of_line).collect()
}

#[track_caller]
fn eventually_weights(director: &Host, wanted: &[(&str, u32)]) {
    let what = format!("the table is {wanted:?}");
    eventually(&what, within(secs(10)), || {
        let now = weights(director);
        now.len() == wanted.len()
            && now
                .iter()
                .all(|(last, weight)| wanted.contains(&(last.as_str(), *weight)))
    });
}

fn a_client_notices_nothing_while_a_reload_swaps_a_server(lab: &Lab) {
    let (site, _director) = site(lab, &file("['192.168.1.53', '192.168.1.54']"));
    eventually_weights(&site.lvs51, &[("53", 1), ("54", 1)]);
    let load = load(&site, millis(10));
    site.lvs51.write(
        DIRECTOR_FILE,
        &file("['192.168.1.54', '192.168.1.55']").text(),
    );
    let said = site.lvs51.run("lvsd reload").ok();
    lab.say(&format!("lvsd reload says: {said}"));
    assert!(said.contains("192.168.1.55:80: added"), "{said}");
    assert!(said.contains("192.168.1.53:80: removed"), "{said}");
    eventually_weights(&site.lvs51, &[("54", 1), ("55", 1)]);
    let again = site.lvs51.run("lvsd reload").ok();
    assert_eq!(again, "reloaded: nothing has changed\n");
    let report = load.stop();
    assert_eq!(report.failures(), Vec::<String>::new());
    let answers = report.answers();
    assert!(
        answers.contains_key("I am 53") && answers.contains_key("I am 55"),
        "{answers:?}"
    );
}

fn what_a_reload_replaces_serves_on_while_the_new_pool_is_down(lab: &Lab) {
    let (site, director) = site(lab, &file("['192.168.1.53', '192.168.1.54']"));
    let lvs51 = &site.lvs51;
    eventually_weights(lvs51, &[("53", 1), ("54", 1)]);
    fail_check(&site.real_servers[2]);
    let load = load(&site, millis(10));
    lvs51.write(DIRECTOR_FILE, &file("['192.168.1.55']").text());
    lvs51.run("lvsd reload").ok();
    eventually("the new one is down", within(secs(20)), || {
        text(&lvs51.real_server("192.168.1.55:80")["health"]) == "down"
    });
    let held = lvs51.real_server("192.168.1.53:80");
    assert_eq!(text(&held["state"]), "held", "{held}");
    assert!(text(&held["reason"]).contains("new servers"), "{held}");
    eventually("the log has it", within(secs(5)), || {
        director.log().contains("2 that the configuration replaced")
    });
    lvs51
        .run("lvsd server drain 192.168.1.53 --timeout 1s --wait")
        .ok();
    eventually_weights(lvs51, &[("54", 1)]);
    lvs51.run("lvsd reload").ok();
    pass_check(&site.real_servers[2]);
    eventually_weights(lvs51, &[("55", 1)]);
    assert_eq!(load.stop().failures(), Vec::<String>::new());
}

fn what_the_kernel_refuses_replaces_nobody_until_it_is_taken(lab: &Lab) {
    let unchecked = |pool: &str| DirectorFile::alone().check_key("type", "'none'").pool(pool);
    let (site, director) = site(lab, &unchecked("['192.168.1.53', '192.168.1.54']"));
    let lvs51 = &site.lvs51;
    eventually_weights(lvs51, &[("53", 1), ("54", 1)]);
    let load = load(&site, millis(10));
    // The broadcast address is none of a host.
    let refused = unchecked("['192.168.1.255']");
    lvs51.write(DIRECTOR_FILE, &refused.text());
    let told = lvs51.run("lvsd reload").fails_with(1);
    lab.say(&format!("lvsd reload says: {told}"));
    assert!(told.contains("cannot add real server 192.168.1.255:80"));
    eventually("they are held", within(secs(10)), || {
        text(&lvs51.real_server("192.168.1.53:80")["state"]) == "held"
    });
    assert_eq!(
        text(&lvs51.real_server("192.168.1.255:80")["state"]),
        "refused"
    );
    assert!(director.log().contains("2 that the configuration replaced"));
    eventually_weights(lvs51, &[("53", 1), ("54", 1)]);

    let substitute = refused.server_key("sorry_server", "'192.168.1.55'");
    lvs51.write(DIRECTOR_FILE, &substitute.text());
    lvs51.run("lvsd reload").fails_with(1);
    eventually("the sorry server serves", within(secs(10)), || {
        let status = lvs51.status();
        text(&status["virtual_servers"][0]["served_by"]) == "sorry"
            && weights(lvs51).contains(&("55".to_owned(), 1))
    });

    lvs51.write(DIRECTOR_FILE, &unchecked("['192.168.1.54']").text());
    let said = lvs51.run("lvsd reload").ok();
    assert!(said.contains("192.168.1.255:80: removed"), "{said}");
    eventually_weights(lvs51, &[("54", 1)]);
    assert_eq!(load.stop().failures(), Vec::<String>::new());
}

fn download(site: &Site) -> Program {
    let url = format!("http://{VIP}/big");
    site.client.spawn(&format!(
        "curl -sS -o /dev/null -w %{{size_download}} {url}"
    ))
}

/// A download is under way from 192.168.1.53.
fn downloading_from_53(site: &Site) -> Program {
    site.lvs51.run("lvsd server weight 192.168.1.54 0").ok();
    eventually_weights(&site.lvs51, &[("53", 1), ("54", 0)]);
    let curl = download(site);
    eventually("the download has begun", within(DOWNLOAD), || {
        site.lvs51.real_server("192.168.1.53:80")["active"] == 1
    });
    site.lvs51.run("lvsd server enable 192.168.1.54:80").ok();
    eventually_weights(&site.lvs51, &[("53", 1), ("54", 1)]);
    curl
}

fn assert_downloaded(curl: &Program) {
    curl.expect_exit(0);
    assert_eq!(curl.log().trim(), BIG.to_string(), "the whole of it");
}

fn a_download_ends_before_its_drained_server_is_out(lab: &Lab) {
    let (site, _director) = site(lab, &file("['192.168.1.53', '192.168.1.54']"));
    let curl = downloading_from_53(&site);
    let load = load(&site, millis(20));
    site.lvs51
        .run("lvsd server drain 192.168.1.53 --timeout 5m")
        .ok();
    eventually_weights(&site.lvs51, &[("53", 0), ("54", 1)]);
    assert!(curl.is_running(), "the download goes on");
    let shown = site.lvs51.run("lvsd status").ok();
    lab.say(&format!("status while it drains:\n{shown}"));
    assert!(shown.contains("OVERRIDDEN: drained"), "{shown}");
    let plan = site.lvs51.run("lvsd plan --exit-code").ok();
    assert!(
        plan.starts_with("# drains already: 192.168.1.53:80")
            && plan.ends_with("nothing would change\n"),
        "{plan}"
    );
    let waited = site
        .lvs51
        .run("lvsd server drain 192.168.1.53:80 --timeout 5m --wait")
        .ok();
    assert!(waited.contains("drained"), "{waited}");
    assert_downloaded(&curl);
    eventually_weights(&site.lvs51, &[("54", 1)]);
    site.lvs51.run("lvsd server enable 192.168.1.53").ok();
    eventually_weights(&site.lvs51, &[("53", 1), ("54", 1)]);
    assert_eq!(load.stop().failures(), Vec::<String>::new());
    let unknown = site.lvs51.run("lvsd server drain 192.168.1.99");
    assert!(
        unknown
            .fails_with(1)
            .contains("no real server 192.168.1.99")
    );
    let port = site
        .lvs51
        .run("curl -s -o /dev/null -w %{http_code} -X POST http://127.0.0.1:9481/v1/reload");
    assert_eq!(port.ok(), "404", "the port is for reading");
}

fn the_sorry_server_comes_and_goes_and_hooks_run_in_order(lab: &Lab) {
    let hook = |word: &str| {
        format!("['/bin/sh', '-c', 'echo {word} $LVSD_EVENT weight $LVSD_WEIGHT >> /run/hooks']")
    };
    let file = file("['192.168.1.53']")
        .server_key("on_failure", "'quiesce'")
        .server_key("sorry_server", "'192.168.1.55'")
        .server_key("on_quorum_up", &hook("up:"))
        .server_key("on_quorum_down", &hook("down:"));
    let (site, _director) = site(lab, &file);
    let load = load(&site, millis(10));
    fail_check(&site.real_servers[0]);
    eventually_weights(&site.lvs51, &[("53", 0), ("55", 1)]);
    let status = site.lvs51.status();
    let server = &status["virtual_servers"][0];
    assert_eq!(text(&server["served_by"]), "sorry");
    assert_eq!(text(&server["quorum"]["state"]), "down");
    pass_check(&site.real_servers[0]);
    eventually_weights(&site.lvs51, &[("53", 1)]);
    let report = load.stop();
    assert_eq!(report.failures(), Vec::<String>::new());
    let answers = report.answers();
    lab.say(&format!(
        "answers while the sorry server came and went: {answers:?}"
    ));
    assert!(
        answers.contains_key("I am 53") && answers.contains_key("I am 55"),
        "{answers:?}"
    );
    let ran = "up: quorum_up weight 1\ndown: quorum_down weight 0\nup: quorum_up weight 1\n";
    eventually("the hooks have run", within(secs(5)), || {
        site.lvs51.read("/run/hooks") == ran
    });
}

fn the_backup_pool_takes_over_before_the_sorry_server(lab: &Lab) {
    let quiesced = file("['192.168.1.53']").server_key("on_failure", "'quiesce'");
    let backup = |address: &str| {
        let pool = format!("[{{ address = '{address}', weight = 5 }}]");
        quiesced.clone().server_key("backup_server", &pool)
    };
    let both = backup("192.168.1.54").server_key("sorry_server", "'192.168.1.55'");
    let (site, _director) = site(lab, &both);
    eventually_weights(&site.lvs51, &[("53", 1)]);
    let load = load(&site, millis(10));
    fail_check(&site.real_servers[0]);
    eventually_weights(&site.lvs51, &[("53", 0), ("54", 5)]);
    fail_check(&site.real_servers[1]);
    eventually_weights(&site.lvs51, &[("53", 0), ("54", 0), ("55", 1)]);

    // Who serves is taken out of the file: it serves until another can.
    let becomes = |file: &DirectorFile, table: &[(&str, u32)]| {
        site.lvs51.write(DIRECTOR_FILE, &file.text());
        site.lvs51.run("lvsd reload").ok();
        eventually_weights(&site.lvs51, table);
    };
    becomes(&backup("192.168.1.55"), &[("53", 0), ("55", 5)]);
    pass_check(&site.real_servers[1]);
    becomes(&backup("192.168.1.54"), &[("53", 0), ("54", 5)]);
    let sorry = quiesced
        .clone()
        .server_key("sorry_server", "'192.168.1.55'");
    becomes(&sorry, &[("53", 0), ("55", 1)]);
    becomes(&both, &[("53", 0), ("54", 5)]);

    pass_check(&site.real_servers[0]);
    eventually_weights(&site.lvs51, &[("53", 1)]);
    let report = load.stop();
    assert_eq!(report.failures(), Vec::<String>::new());
    lab.say(&format!(
        "{} requests: {:?}",
        report.asked.len(),
        report.answers()
    ));
}

fn a_failed_server_stays_at_weight_0_and_recovers_slowly(lab: &Lab) {
    let pool = "[{ address = '192.168.1.53', weight = 100, slow_start = '4s' }, \
                { address = '192.168.1.54', weight = 100 }]";
    let file = file("[]")
        .server_key("on_failure", "'quiesce'")
        .server_key("real_server", pool);
    let (site, director) = site(lab, &file);
    eventually_weights(&site.lvs51, &[("53", 100), ("54", 100)]);
    fail_check(&site.real_servers[0]);
    eventually_weights(&site.lvs51, &[("53", 0), ("54", 100)]);
    pass_check(&site.real_servers[0]);
    eventually_weights(&site.lvs51, &[("53", 100), ("54", 100)]);
    let log = director.log();
    let set = "op=set real server 192.168.1.53:80";
    let ops = log.lines().filter(|line| line.contains(set));
    let seen: Vec<_> = ops.filter_map(|line| line.rsplit_once("weight ")).collect();
    let seen: Vec<_> = seen.iter().map(|(_, weight)| *weight).collect();
    lab.say(&format!("its weight as it failed and recovered: {seen:?}"));
    let steps = [
        "0", "10", "20", "30", "40", "50", "60", "70", "80", "90", "100",
    ];
    assert!(
        seen.starts_with(&steps[..3]) && seen.ends_with(&steps[9..]),
        "{seen:?}"
    );
}

fn what_the_operator_changed_outlives_a_crash_until_the_file_changes_it(lab: &Lab) {
    let (site, director) = site(lab, &file("['192.168.1.53', '192.168.1.54']"));
    let lvs51 = &site.lvs51;
    eventually_weights(lvs51, &[("53", 1), ("54", 1)]);
    lvs51.run("lvsd server drain 192.168.1.53 --wait").ok();
    let vs = format!("--virtual-server 'tcp {VIP}:80'");
    lvs51
        .run(&format!("lvsd server weight 192.168.1.54 7 {vs}"))
        .ok();
    eventually_weights(lvs51, &[("54", 7)]);
    director.kill9();
    let _director = lvs51.spawn("lvsd director");
    eventually("it runs again", within(secs(10)), || {
        text(&lvs51.real_server("192.168.1.53:80")["overridden"]) == "drained"
    });
    lvs51.run("sleep 2").ok();
    assert_eq!(weights(lvs51), [("54".to_owned(), 7)]);
    let changed = "[{ address = '192.168.1.53' }, { address = '192.168.1.54', weight = 3 }]";
    lvs51.write(
        DIRECTOR_FILE,
        &file("[]").server_key("real_server", changed).text(),
    );
    lvs51.run("lvsd reload").ok();
    eventually_weights(lvs51, &[("54", 3)]);
    lvs51.run("lvsd server enable 192.168.1.53").ok();
    eventually_weights(lvs51, &[("53", 1), ("54", 3)]);
}

fn a_plan_says_what_a_reload_would_do_and_a_bad_file_does_nothing(lab: &Lab) {
    let (site, _director) = site(lab, &file("['192.168.1.53', '192.168.1.54']"));
    let lvs51 = &site.lvs51;
    eventually_weights(lvs51, &[("53", 1), ("54", 1)]);
    let same = lvs51.run(&format!("lvsd plan --config {DIRECTOR_FILE} --exit-code"));
    assert_eq!(same.ok(), "nothing would change\n");
    let next = file("['192.168.1.54', '192.168.1.55']").server_key("scheduler", "'wlc'");
    lvs51.write("/etc/lvsd/next.toml", &next.text());
    let before = lvs51.ipvsadm();
    let plan = lvs51.run("lvsd plan --config /etc/lvsd/next.toml --exit-code");
    lab.say(&format!("the plan:\n{}", plan.stdout));
    assert_eq!(plan.status.code(), Some(3), "{plan}");
    assert_eq!(
        plan.stdout,
        format!(
            "virtual server tcp {VIP}:80: scheduler = \"wrr\" becomes \"wlc\"\n\
             virtual server tcp {VIP}:80, real_server 192.168.1.55:80: added\n\
             virtual server tcp {VIP}:80, real_server 192.168.1.53:80: removed\n\
             set virtual server tcp {VIP}:80: wlc\n\
             once the checks that have no answer yet have passed:\n\
             add real server 192.168.1.55:80 of tcp {VIP}:80: dr weight 1\n\
             set real server 192.168.1.53:80 of tcp {VIP}:80: dr weight 0\n\
             when connections have ended, or their time is over:\n\
             remove real server 192.168.1.53:80 of tcp {VIP}:80\n"
        )
    );
    assert_eq!(lvs51.ipvsadm(), before, "a plan changes nothing");
    let bad = next
        .server_key("quorum", "9")
        .server_key("sorry_server", "'192.168.1.54'");
    lvs51.write(DIRECTOR_FILE, &bad.text());
    let refused = lvs51.run("lvsd reload").fails_with(78);
    lab.say(&format!("a bad file is refused: {refused}"));
    assert!(
        refused.contains("out of reach") && refused.contains("sorry server"),
        "{refused}"
    );
    assert!(refused.contains("/etc/lvsd/director.toml:"), "{refused}");
    assert_eq!(lvs51.ipvsadm(), before, "and changes nothing");
    assert!(
        lvs51
            .run("lvsd status")
            .ok()
            .contains("THE NEWEST FILE IS REFUSED")
    );
    lvs51.write(DIRECTOR_FILE, &lvs51.read("/etc/lvsd/next.toml"));
    lvs51.run("lvsd reload").ok();
    eventually_weights(lvs51, &[("54", 1), ("55", 1)]);
}

fn a_plan_tells_of_settings_too_with_a_director_and_without(lab: &Lab) {
    let first = file("['192.168.1.53', '192.168.1.54']");
    let (site, director) = site(lab, &first);
    let lvs51 = &site.lvs51;
    eventually_weights(lvs51, &[("53", 1), ("54", 1)]);
    let next = "/etc/lvsd/next.toml";
    let plan = |text: &str| {
        lvs51.write(next, text);
        let plan = lvs51.run(&format!("lvsd plan --config {next} --exit-code"));
        lab.say(&format!("the plan:\n{plan}"));
        plan
    };
    let settings = "[ipvs]\ntimeouts = { tcp = '21m' }\nsysctl = { sloppy_tcp = true }\n\
                    sync = { role = 'both', interface = 'ens192' }\n";
    let router = "[[vrrp]]\nname = 'VI_1'\ninterface = 'ens192'\nvirtual_router_id = 51\n\
                  priority = 100\nvirtual_addresses = ['192.168.1.201']\n";
    let sorry = first.clone().server_key("sorry_server", "'192.168.1.55'");
    for more in [
        format!("{}{settings}", first.text()),
        format!("{}{router}", first.text()),
        sorry.text(),
    ] {
        let told = plan(&more);
        assert_eq!(told.status.code(), Some(3), "{told}");
        lvs51.write(DIRECTOR_FILE, &more);
        let reloaded = lvs51.run("lvsd reload").ok();
        assert!(told.stdout.starts_with(&reloaded), "{told}\n{reloaded}");
        assert_eq!(plan(&more).ok(), "nothing would change\n");
        lvs51.write(DIRECTOR_FILE, &first.text());
        lvs51.run("lvsd reload").ok();
    }
    director.terminate();
    lvs51.run("ipvsadm --set 900 120 300").ok();
    let told = plan(&format!("{}{settings}", first.text()));
    assert_eq!(told.status.code(), Some(3), "{told}");
    for line in [
        "# no director runs here: every real server is taken to be up",
        "sysctl net.ipv4.vs.sloppy_tcp: 0 becomes 1",
        "IPVS timeout tcp: 900s becomes 1260s",
        "start sync daemon master on ",
    ] {
        assert!(told.stdout.contains(line), "{line}\n{told}");
    }
    let timeouts = lvs51.run("ipvsadm -L --timeout").ok();
    assert!(
        timeouts.contains("900 120 300"),
        "a plan changes nothing: {timeouts}"
    );
}

fn a_stop_that_drains_holds_the_vip_until_a_download_has_ended(lab: &Lab) {
    let vrrp = DirectorFile::quick(100).vrrp;
    let file = DirectorFile {
        vrrp,
        ..file("['192.168.1.53', '192.168.1.54']").server_key("drain", "'5m'")
    };
    let (site, director) = site(lab, &file);
    let draining = file.ipvs("[ipvs]\non_stop = 'drain'");
    site.lvs51.write(DIRECTOR_FILE, &draining.text());
    let said = site.lvs51.run("lvsd reload").ok();
    assert!(
        said.contains("on_stop = \"clear\" becomes \"drain\""),
        "{said}"
    );
    let curl = downloading_from_53(&site);
    director.signal(nix::sys::signal::Signal::SIGTERM);
    eventually_weights(&site.lvs51, &[("53", 0), ("54", 0)]);
    assert!(site.lvs51.holds(VIP) && curl.is_running());
    let status = site.lvs51.status();
    assert_eq!(text(&status["vrrp"][0]["state"]), "master", "{status}");
    let told = site
        .lvs51
        .run("lvsd server enable 192.168.1.53")
        .fails_with(1);
    assert!(told.contains("lvsd stops"), "{told}");
    assert_downloaded(&curl);
    director.expect_exit(0);
    assert_eq!(site.lvs51.ipvsadm(), "", "nothing is left in the table");
    assert!(!site.lvs51.holds(VIP), "nor is the VIP");
}
