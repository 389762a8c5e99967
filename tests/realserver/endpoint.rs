//! Who is answered what.

use std::fs;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::host::{Agent, Host, Neighbour, get, get_with, has_vip, ip, ready, state, until};

/// The same rights as under systemd: root, but for what the unit leaves out.
#[test]
fn what_the_unit_grants_is_enough_for_any_port() {
    let host = Host::new();
    let unit = include_str!("../../systemd/lvsd-realserver.service");
    let granted = unit
        .lines()
        .find_map(|line| line.strip_prefix("CapabilityBoundingSet="));
    let granted = granted
        .unwrap()
        .split(' ')
        .map(|name| format!("+{}", name.trim_start_matches("CAP_").to_lowercase()));
    let set: Vec<_> = std::iter::once("-all".to_owned()).chain(granted).collect();
    host.configure("vips = [\"192.168.1.200\"]\n[readiness]\nlisten = \"127.0.0.1:443\"\n");
    let mut command = Command::new("setpriv");
    command.arg("--bounding-set").arg(set.join(","));
    command.arg(env!("CARGO_BIN_EXE_lvsd"));
    command.args(["realserver", "--config"]);
    command.arg(host.dir.path().join("realserver.toml"));
    command.env("LVSD_RUNTIME_DIR", host.dir.path().join("run"));
    let mut agent = Agent::spawn(&host, &mut command);
    until("it answers at port 443", || {
        agent.assert_running();
        TcpStream::connect("127.0.0.1:443").is_ok()
    });
    agent.signal(Signal::SIGTERM);
    assert!(agent.wait().success(), "{}", agent.log());
}

#[test]
fn only_the_directors_in_allow_may_ask() {
    let host = Host::new();
    let director = Neighbour::new();
    ip("address add 2001:db8::53/64 dev eth0 nodad");
    director.run(|| ip("address add 2001:db8::10/64 dev eth0 nodad"));
    let allow = "[readiness]\nallow = [\"192.168.1.10\", \"2001:db8::10\"]\n";
    let mut agent = host.spawn(allow);
    until("it answers", || ready("127.0.0.1").is_some());
    for stranger in ["127.0.0.1", "::1", "192.168.1.53", "2001:db8::53"] {
        assert_eq!(ready(stranger).unwrap().0, 403, "{stranger}");
    }
    assert_eq!(get("127.0.0.1", "/healthz").unwrap().0, 403);
    for rip in ["192.168.1.53", "2001:db8::53"] {
        assert_eq!(director.run(|| ready(rip).unwrap().0), 200, "{rip}");
    }
    agent.signal(Signal::SIGTERM);
    agent.signal(Signal::SIGINT);
    assert!(agent.wait().success());
}

#[test]
fn a_service_that_does_not_answer_makes_it_not_ready_by_name() {
    let host = Host::new();
    let config = "[[service]]\nname = \"nginx\"\n\
                  check = { type = \"tcp\", address = \"127.0.0.1:80\", interval = \"100ms\" }\n\
                  [[service]]\nname = \"php\"\ninternal = true\n\
                  check = { type = \"tcp\", address = \"127.0.0.1:9000\", interval = \"100ms\" }\n";
    let mut agent = host.start_with(config);
    let is_told = |what: &str| {
        until(what, || {
            let (status, body) = ready("127.0.0.1").unwrap();
            status == 503 && body.contains(what)
        });
    };
    is_told("service nginx: connection refused\"");
    is_told("service php: connection refused\"");
    let _php = TcpListener::bind("127.0.0.1:9000").unwrap();
    let nginx = TcpListener::bind("127.0.0.1:80").unwrap();
    is_told("service nginx: connection refused on 192.168.1.200:80, where clients connect");
    drop(nginx);
    let nginx = TcpListener::bind("0.0.0.0:80").unwrap();
    until("it is up", || state("127.0.0.1") == "ready");
    drop(nginx);
    until("it is down again", || state("127.0.0.1") == "not-ready");
    agent.stop();
}

#[test]
fn a_network_in_allow_lets_in_all_of_it_and_a_token_keeps_out_who_has_none() {
    let host = Host::new();
    let config = "[readiness]\nallow = [\"127.0.0.0/8\"]\ntoken = \"0123456789abcdef\"\n";
    let mut agent = host.spawn(config);
    until("it answers", || get("127.0.0.1", "/healthz").is_ok());
    let with = |token: &str| {
        let header = format!("Authorization: Bearer {token}\r\n");
        get_with("127.0.0.1", "/ready", &header).unwrap().0
    };
    assert_eq!(get("127.0.0.1", "/ready").unwrap().0, 401);
    assert_eq!(get("127.0.0.1", "/metrics").unwrap().0, 401);
    assert_eq!(with("0123456789abcdee"), 401);
    assert_eq!(with("0123456789abcdef"), 200);
    let stranger = Neighbour::new();
    let header = "Authorization: Bearer 0123456789abcdef\r\n";
    let status = stranger.run(|| get_with("192.168.1.53", "/ready", header).unwrap().0);
    assert_eq!(status, 403);
    agent.signal(Signal::SIGTERM);
    agent.signal(Signal::SIGINT);
    assert!(agent.wait().success());
}

#[test]
fn metrics_are_there_for_prometheus() {
    let host = Host::new();
    let mut agent = host.start();
    let (status, text) = get("127.0.0.1", "/metrics").unwrap();
    assert_eq!(status, 200);
    for line in [
        "lvsd_agent_state{state=\"ready\"} 1",
        "lvsd_agent_vip_present{vip=\"192.168.1.200\"} 1",
        "lvsd_agent_sysctl_ok{key=\"net.ipv4.conf.all.arp_ignore\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}:\n{text}");
    }
    agent.stop();
}

#[test]
fn the_weight_follows_a_file() {
    let host = Host::new();
    let file = host.dir.path().join("weight");
    fs::write(&file, "70\n").unwrap();
    let config = format!(
        "[readiness.weight]\nsource = \"file\"\npath = \"{}\"\ninterval = \"100ms\"\n",
        file.display()
    );
    let mut agent = host.start_with(&config);
    let weight = || {
        let (status, body) = ready("127.0.0.1").unwrap();
        assert_eq!(status, 200, "{body}");
        let value: serde_json::Value = serde_json::from_str(&body).unwrap();
        value["weight"].clone()
    };
    until("it is 70", || weight() == 70);
    fs::write(&file, "0").unwrap();
    until("it is 0", || weight() == 0);
    fs::remove_file(&file).unwrap();
    until("there is none", || weight().is_null());
    let status = host.lvsd("status");
    let text = String::from_utf8(status.stdout).unwrap();
    assert!(
        text.contains("ERROR      cannot read the weight from"),
        "{text}"
    );
    agent.stop();
}

#[test]
fn the_weight_comes_from_load_pressure_or_a_script_too() {
    let host = Host::new();
    let weight = || {
        let (_, body) = ready("127.0.0.1")?;
        let value: serde_json::Value = serde_json::from_str(&body).unwrap();
        value["weight"].as_u64()
    };
    let mut agent = host.start_with("[readiness.weight]\nsource = \"load\"\n");
    until("there is one by load", || {
        weight().is_some_and(|it| it <= 100)
    });
    let follows = |source: &str| {
        host.configure(&format!("[readiness.weight]\n{source}\n"));
        let done = host.lvsd("realserver reload");
        assert!(done.status.success(), "{done:?}");
    };
    follows("source = \"script\"\ncommand = [\"/bin/echo\", \"33\"]");
    until("the script's is told", || weight() == Some(33));
    // A host that is loaded beyond all measure, and one that nothing can load.
    follows("source = \"load\"\nfull = 0\nempty = 100000\nleast = 99");
    until("it is nearly all", || matches!(weight(), Some(99 | 100)));
    follows("source = \"pressure\"\nfull = 99999\nempty = 100000");
    if Path::new("/proc/pressure/cpu").exists() {
        until("there is one by pressure", || weight() == Some(100));
    }
    agent.stop();
}

#[test]
fn a_weight_file_that_never_ends_or_answers_holds_up_nothing_and_is_told_once() {
    let host = Host::new();
    let file = host.dir.path().join("weight");
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let config = format!(
        "[readiness.weight]\nsource = \"file\"\npath = \"{}\"\ninterval = \"100ms\"\n",
        file.display()
    );
    let mut agent = host.start_with(&config);
    let told = |what: &str| {
        until(what, || agent.log().contains(what));
        agent.log().matches(what).count()
    };
    told("it is no regular file");
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
    ip("address del 192.168.1.200/32 dev lo");
    until("the VIP is back", has_vip);
    fs::remove_file(&file).unwrap();
    fs::write(&file, "101").unwrap();
    told("which is no weight of 0..=100");
    fs::write(&file, "50").unwrap();
    told("there is a weight again");
    let faults = agent.log().matches("which is no weight of 0..=100").count();
    assert_eq!(faults, 1, "{}", agent.log());
    agent.stop();
}

#[test]
fn a_weight_script_that_takes_too_long_is_killed_with_its_children() {
    let host = Host::new();
    let pid = host.dir.path().join("pid");
    let script = format!("sleep 600 & echo $! > {}; wait", pid.display());
    let config = format!(
        "[readiness.weight]\nsource = \"script\"\ncommand = [\"/bin/sh\", \"-c\", \"{script}\"]\n\
         timeout = \"500ms\"\ninterval = \"1h\"\n"
    );
    let mut agent = host.start_with(&config);
    let told = "takes longer than 500ms and is killed";
    until("it is told", || agent.log().contains(told));
    let child = fs::read_to_string(&pid).unwrap();
    let stat = format!("/proc/{}/stat", child.trim());
    until("the child is gone", || {
        fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "))
    });
    agent.stop();
}

#[test]
fn when_the_agent_has_ended_so_has_all_that_its_weight_script_started() {
    let host = Host::new();
    let (timed, detached) = (
        host.dir.path().join("timed"),
        host.dir.path().join("detached"),
    );
    let lasting = |file: &Path| format!("sh -c 'echo $$ > {}; exec sleep 60'", file.display());
    let script = format!(
        "timeout 60 {} & setsid {} & wait",
        lasting(&timed),
        lasting(&detached)
    );
    let config = format!(
        "[readiness.weight]\nsource = \"script\"\ncommand = [\"/bin/sh\", \"-c\", \"{script}\"]\n\
         timeout = \"50s\"\ninterval = \"1h\"\n"
    );
    let mut agent = host.start_with(&config);
    let number = |file: &Path| fs::read_to_string(file).unwrap_or_default();
    for file in [&timed, &detached] {
        until("it has begun", || number(file).ends_with('\n'));
    }
    agent.stop();
    for file in [&timed, &detached] {
        let stat = format!("/proc/{}/stat", number(file).trim());
        let ended = fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        assert!(ended, "{} lives on", file.display());
    }
}

#[test]
fn behind_nat_the_kernel_is_asked_which_way_answers_take() {
    let host = Host::new();
    let _director = Neighbour::new();
    host.configure("forwarding = \"nat\"\ngateways = [\"192.168.1.10\"]\ndrain = \"0s\"\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lvsd"));
    let file = host.dir.path().join("realserver.toml");
    command.args(["realserver", "--config"]).arg(file);
    command.env("LVSD_RUNTIME_DIR", host.dir.path().join("run"));
    let mut agent = Agent::spawn(&host, &mut command);
    let is_told = |what: &str| {
        until(what, || {
            ready("127.0.0.1").is_some_and(|(_, body)| body.contains(what))
        });
    };
    let is_ready = || until("it is ready", || state("127.0.0.1") == "ready");
    is_told("there is no default route of IPv4");
    ip("route add default via 192.168.1.10");
    is_ready();
    ip("route add 128.0.0.0/1 via 192.168.1.99");
    is_told("and others is by 192.168.1.99,");
    ip("route add 0.0.0.0/1 via 192.168.1.99");
    is_told("the default route of IPv4 is by 192.168.1.99,");
    ip("route del 128.0.0.0/1");
    ip("route del 0.0.0.0/1");
    is_ready();
    ip("route add default via 192.168.1.98 table 7");
    ip("rule add from 192.168.1.53 table 7");
    is_told("is by 192.168.1.98,");
    ip("route replace default via 192.168.1.10 table 7");
    ip("route replace default via 192.168.1.98");
    is_ready();
    ip("route del default table 7");
    ip("rule del from 192.168.1.53 table 7");
    ip("route replace default via 192.168.1.10");

    // Whether clients are there nobody has told.
    ip("route add 10.0.0.0/8 via 192.168.1.99");
    ip("route add blackhole 172.16.0.0/12");
    ip("route add 192.168.0.0/16 via 192.168.1.10");
    for what in [
        "answers to 10.0.0.0/8 leave by 192.168.1.99, which is no director",
        "answers to 172.16.0.0/12 go nowhere",
    ] {
        is_told(what);
        let status = String::from_utf8(host.lvsd("status").stdout).unwrap();
        assert!(status.contains(&format!("WARNING    {what}")), "{status}");
        assert!(agent.log().contains(what), "{}", agent.log());
    }
    let (status, body) = ready("127.0.0.1").unwrap();
    assert_eq!(status, 200, "{body}");
    assert!(!body.contains("192.168.0.0/16"), "by a director: {body}");
    ip("route del 10.0.0.0/8");
    ip("route del blackhole 172.16.0.0/12");
    until("nothing is told any more", || {
        !ready("127.0.0.1").unwrap().1.contains("warnings")
    });
    agent.signal(Signal::SIGTERM);
    assert!(agent.wait().success());
}

#[test]
fn a_client_that_says_nothing_is_sent_away_in_time_and_holds_up_nobody() {
    let host = Host::new();
    let config = "[readiness]\nmax_connections = 2\ntimeout = \"200ms\"\n";
    let mut agent = host.start_with(config);
    let silent: Vec<_> = (0..2)
        .map(|_| TcpStream::connect("127.0.0.1:9480").unwrap())
        .collect();
    assert_eq!(
        ready("127.0.0.1").unwrap().0,
        200,
        "after they are sent away"
    );
    for mut stream in silent {
        let mut rest = Vec::new();
        // Closed, with or without a word.
        let _ = stream.read_to_end(&mut rest);
    }
    agent.stop();
}

#[test]
fn one_address_that_holds_all_it_can_leaves_room_for_directors() {
    let host = Host::new();
    let director = Neighbour::new();
    let config = "[readiness]\nlisten = \"0.0.0.0:9480\"\nmax_connections = 8\ntimeout = \"1m\"\n";
    let mut agent = host.start_with(config);
    let _slow: Vec<_> = (0..20)
        .map(|_| TcpStream::connect("127.0.0.1:9480").unwrap())
        .collect();
    assert_eq!(director.run(|| ready("192.168.1.53").unwrap().0), 200);
    agent.signal(Signal::SIGTERM);
    agent.signal(Signal::SIGINT);
    assert!(agent.wait().success());
}

#[test]
fn with_a_certificate_it_speaks_tls() {
    let host = Host::new();
    let (pem, key) = (host.dir.path().join("a.pem"), host.dir.path().join("a.key"));
    let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(&pem, identity.cert.pem()).unwrap();
    fs::write(&key, identity.signing_key.serialize_pem()).unwrap();
    let config = format!(
        "[readiness]\ncertificate = \"{}\"\nkey = \"{}\"\n",
        pem.display(),
        key.display()
    );
    let mut agent = host.spawn(&config);
    let ask = || {
        Command::new("curl")
            .args(["-sS", "--max-time", "5", "--cacert"])
            .arg(&pem)
            .arg("https://localhost:9480/ready")
            .output()
            .unwrap()
    };
    until("it answers", || ask().status.success());
    let body = String::from_utf8(ask().stdout).unwrap();
    assert!(body.starts_with("{\"ready\":true"), "{body}");
    assert!(get("127.0.0.1", "/ready").is_err(), "and nothing else");
    let status = String::from_utf8(host.lvsd("status").stdout).unwrap();
    assert!(
        status.contains("readiness  https://[::]:9480/ready"),
        "{status}"
    );
    agent.signal(Signal::SIGTERM);
    agent.signal(Signal::SIGINT);
    assert!(agent.wait().success());
}

#[test]
fn a_service_is_asked_on_the_vip_and_one_on_another_address_does_not_do() {
    let host = Host::new();
    let config = "[[service]]\nname = \"nginx\"\n\
                  check = { type = \"tcp\", port = 80, interval = \"100ms\" }\n";
    let mut agent = host.start_with(config);
    let elsewhere = TcpListener::bind("127.0.0.1:80").unwrap();
    let reason = "service nginx: connection refused on 192.168.1.200:80";
    until("it is down", || {
        ready("127.0.0.1").unwrap().1.contains(reason)
    });
    drop(elsewhere);
    let _nginx = TcpListener::bind("0.0.0.0:80").unwrap();
    until("it is up", || state("127.0.0.1") == "ready");
    agent.stop();
}
