//! Health checks: who gets traffic, when, and why not.

use std::time::Duration;

use crate::lab::asker::Asker;
use crate::lab::lvsd::{DIRECTOR_FILE, DirectorFile, text};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Program, Scenario, Site, eventually, millis, secs, within};

use super::table::{OpenConnection, balances_onto};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(no_server_gets_traffic_before_its_first_success),
    scenario!(retries_retry_delay_and_rise_are_obeyed),
    scenario!(http_checks_ask_for_path_host_and_status),
    scenario!(an_agent_that_stops_is_drained_before_it_is_out_and_comes_back),
    scenario!(a_black_hole_delays_nobody_else),
];

const RS54: &str = "192.168.1.54:80";

/// A client that asks all the time.
fn asking(site: &Site) -> Asker {
    let limit = within(secs(1)).limit();
    site.client.load_within(&Site::url(), millis(20), limit)
}

fn no_server_gets_traffic_before_its_first_success(lab: &Lab) {
    let site = Site::with_one_director(lab);
    let host = &site.lvs51;
    let [_, rs54, rs55] = &site.real_servers;
    rs54.stop_nginx();
    rs55.unplug();
    // By HTTP: nginx accepts connections some time before it answers them.
    let director = host.director(&DirectorFile::alone().check_key("type", "'http'"));
    balances_onto(host, &[53]);
    let load = asking(&site);
    eventually("status says why 54 is out", within(secs(5)), || {
        let server = host.real_server(RS54);
        text(&server["health"]) == "down" && text(&server["reason"]) == "connection refused"
    });
    eventually("status says why 55 is out", within(secs(8)), || {
        let reason = text(&host.real_server("192.168.1.55:80")["reason"]);
        ["no answer within 2 s", "no route to host"].contains(&reason.as_str())
    });
    lab.say(&host.run("lvsd status").ok());
    let added = director.log().matches("add real server").count();
    assert_eq!(added, 1, "not for a moment: {}", director.log());
    let answers = load.stop();
    assert_eq!(answers.failures(), Vec::<String>::new());
    assert!(answers.answers().len() == 1, "{:?}", answers.answers());

    let load = asking(&site);
    rs54.start_nginx();
    rs55.plug();
    balances_onto(host, &[53, 54, 55]);
    eventually("every server answers", within(secs(5)), || {
        site.client.ask(3, &Site::url()).len() == 3
    });
    let report = load.stop();
    assert_eq!(
        report.failures(),
        Vec::<String>::new(),
        "no gap when they join"
    );
}

fn retries_retry_delay_and_rise_are_obeyed(lab: &Lab) {
    let site = Site::with_one_director(lab);
    let host = &site.lvs51;
    let file = DirectorFile::alone()
        .check_key("interval", "'500ms'")
        .check_key("retries", "3")
        .check_key("retry_delay", "'600ms'")
        .check_key("rise", "4");
    host.write(DIRECTOR_FILE, &file.text());
    let rs54 = &site.real_servers[1];
    let capture = capture_of_attempts(rs54);
    let director = host.spawn("env LVSD_LOG=info,lvsd::health=debug lvsd director");
    balances_onto(host, &[53, 54, 55]);
    let before = text(&host.real_server(RS54)["since"]);

    rs54.stop_nginx();
    balances_onto(host, &[53, 55]);
    let server = host.real_server(RS54);
    assert_eq!(text(&server["reason"]), "connection refused");
    assert_ne!(text(&server["since"]), before);
    rs54.start_nginx();
    balances_onto(host, &[53, 54, 55]);

    let log = director.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains(RS54)).collect();
    let verdict = |words: &str| lines.iter().rposition(|line| line.contains(words)).unwrap();
    let (down, up) = (verdict("from=up to=down"), verdict("from=down to=up"));
    let failures = in_a_row(&lines[..down], "Failed");
    assert_eq!(failures, 4, "one, and three retries: {lines:#?}");
    let passes = in_a_row(&lines[down..up], "Passed");
    assert_eq!(passes, 4, "rise: {lines:#?}");

    let last = attempts(&lines[..down]).count();
    eventually("the server's capture has them", within(secs(5)), || {
        begun(&capture).len() >= last
    });
    let begun = begun(&capture);
    // From the last one that passed to the fourth that failed.
    let (passed, failed) = (begun[last - 5], &begun[last - 4..last]);
    for pair in failed.windows(2) {
        let pause = pair[1] - pair[0];
        assert!(pause >= millis(600), "retry_delay: {pause:?}");
    }
    let out = failed[3] - passed;
    assert!(out < within(millis(500 + 3 * 600 + 500)).limit(), "{out:?}");
    lab.say(&format!(
        "out by four attempts within {} ms, back by four successes",
        out.as_millis()
    ));
}

/// The lines of a log that tell of attempts which ended.
fn attempts<'a>(lines: &'a [&str]) -> impl DoubleEndedIterator<Item = &'a str> {
    let lines = lines.iter().copied();
    lines.filter(|line| line.contains("attempt ended"))
}

/// How many attempts, up to the end, ended so.
fn in_a_row(lines: &[&str], outcome: &str) -> usize {
    let outcome = format!("outcome={outcome}");
    let last_first = attempts(lines).rev();
    let so = last_first.take_while(|line| line.contains(&outcome));
    so.count()
}

/// Captures the first packet of each connection from the director to nginx.
fn capture_of_attempts(rs: &Host) -> Program {
    let capture = rs.spawn(
        "tcpdump -Z root --immediate-mode -lnn -tt -i ens192 \
         'src host 192.168.1.51 and tcp dst port 80 and tcp[tcpflags] = tcp-syn'",
    );
    eventually("the capture runs", within(secs(10)), || {
        capture.log().contains("listening on")
    });
    capture
}

/// When the server saw each attempt begin. That is before the attempt ends, and the pause
/// after it begins only then: nothing that is late makes a pause look shorter, as it does with
/// the times of log lines.
fn begun(capture: &Program) -> Vec<Duration> {
    let log = capture.log();
    let packets = log.lines().filter_map(|line| {
        let (time, packet) = line.split_once(' ')?;
        let micros = time.replace('.', "").parse().ok()?;
        // Addresses, ports and the number of the first byte.
        let connection = packet.split_once(", win ")?.0.to_owned();
        Some((connection, Duration::from_micros(micros)))
    });
    let mut packets: Vec<_> = packets.collect();
    // A packet that was sent again begins no attempt.
    packets.dedup_by(|again, first| again.0 == first.0);
    packets.into_iter().map(|(_, at)| at).collect()
}

fn http_checks_ask_for_path_host_and_status(lab: &Lab) {
    let site = Site::build(lab);
    site.configure_real_servers_by_hand();
    let host = &site.lvs51;
    for (rs, last) in site.real_servers.iter().zip([53, 54, 55]) {
        rs.stop_nginx();
        let status = if last == 54 { 503 } else { 204 };
        rs.nginx_with(&format!(
            "server_name www.example.org;\nlocation / {{ return 404; }}\n\
             location = /health {{ if ($host != www.example.org) {{ return 421; }} return {status}; }}"
        ));
    }
    let http = |status: &str| {
        DirectorFile::alone()
            .check_key("type", "'http'")
            .check_key("path", "'/health'")
            .check_key("host", "'www.example.org'")
            .check_key("status", status)
    };
    let director = host.director(&http("204"));
    balances_onto(host, &[53, 55]);
    let reason = |last: u8| text(&host.real_server(&format!("192.168.1.{last}:80"))["reason"]);
    eventually("it says what it got", within(secs(3)), || {
        reason(54) == "status 503, expected 204"
    });
    host.reload(&director, &http("'500-599'").text());
    balances_onto(host, &[54]);
    assert_eq!(reason(53), "status 204, expected 500-599");
    host.reload(&director, &http("204").check_key("host", "'other'").text());
    balances_onto(host, &[]);
    eventually("another host gets another answer", within(secs(3)), || {
        reason(53) == "status 421, expected 204"
    });
    assert!(host.ipvsadm().contains(VIP), "the virtual server stays");
    lab.say(&host.run("lvsd status").ok());
}

fn an_agent_that_stops_is_drained_before_it_is_out_and_comes_back(lab: &Lab) {
    let site = Site::build(lab);
    let host = &site.lvs51;
    host.run(&format!("ip addr add {VIP}/32 dev ens192")).ok();
    let agents = site.real_servers.each_ref().map(|rs| {
        rs.write(
            "/etc/lvsd/realserver.toml",
            &format!("vips = ['{VIP}']\ndrain = '5s'\n"),
        );
        rs.spawn("lvsd realserver --config /etc/lvsd/realserver.toml")
    });
    host.director(&DirectorFile::alone().check_key("type", "'readiness'"));
    balances_onto(host, &[53, 54, 55]);
    // Round robin: one of three is on 54.
    let open = [0; 3].map(|_| OpenConnection::to_vip(&site.client));
    let mut open = open.map(|mut open| (open.asks(), open));
    assert!(open.iter().any(|(server, _)| *server == 54));
    let load = asking(&site);
    agents[1].signal(nix::sys::signal::Signal::SIGTERM);
    let took = eventually("54 is at weight 0", within(secs(2)), || {
        host.real_server(RS54)["weight"] == 0
    });
    lab.say(&format!("SIGTERM to weight 0: {} ms", took.as_millis()));
    assert_eq!(text(&host.real_server(RS54)["health"]), "draining");
    assert!(host.ipvsadm().contains(&format!("-r {RS54} -g -w 0")));
    assert!(
        open.iter_mut().all(|(server, open)| open.asks() == *server),
        "connections finish"
    );
    eventually("54 is out", within(secs(6)), || {
        !host.ipvsadm().contains(RS54)
    });
    agents[1].expect_exit(0);
    let reason = text(&host.real_server(RS54)["reason"]);
    lab.say(&format!("54 is out because: {reason}"));
    site.real_servers[1].spawn("lvsd realserver --config /etc/lvsd/realserver.toml");
    balances_onto(host, &[53, 54, 55]);
    let report = load.stop();
    assert_eq!(report.failures(), Vec::<String>::new());
    lab.say(&format!(
        "{} requests while it left and came back, none lost",
        report.asked.len()
    ));
}

fn a_black_hole_delays_nobody_else(lab: &Lab) {
    let site = Site::with_one_director(lab);
    let host = &site.lvs51;
    let file = DirectorFile::alone()
        .check_key("timeout", "'4s'")
        .check_key("retries", "0");
    let director = host.director(&file);
    balances_onto(host, &[53, 54, 55]);
    let [rs53, rs54, _] = &site.real_servers;
    let filter = |rs: &Host, deed: &str| {
        rs.run(&format!(
            "iptables -{deed} INPUT -s 192.168.1.51 -p tcp --dport 80 -j DROP"
        ))
        .ok();
    };
    filter(rs53, "I");
    balances_onto(host, &[54, 55]);
    let reason = text(&host.real_server("192.168.1.53:80")["reason"]);
    assert_eq!(reason, "no answer within 4 s");
    assert!(director.log().contains("no answer within 4 s"));
    // From now on an attempt at 53 is always under way.
    rs54.stop_nginx();
    let out = eventually("54 is out", within(millis(900)), || {
        host.real_server(RS54)["weight"].is_null()
    });
    rs54.start_nginx();
    let back = eventually("54 is back", within(millis(900)), || {
        host.real_server(RS54)["weight"] == 1
    });
    lab.say(&format!(
        "beside a black hole, a refusal counts after {} ms, a success after {} ms",
        out.as_millis(),
        back.as_millis()
    ));
    filter(rs53, "D");
    balances_onto(host, &[53, 54, 55]);
}
