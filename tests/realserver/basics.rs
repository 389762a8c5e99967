//! The first start, and what systemd hears.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::host::{Agent, Host, arp, get, has_vip, ip, ready, state};

#[test]
fn with_nothing_but_a_vip_it_binds_it_quiets_arp_and_is_ready() {
    let host = Host::new();
    let mut agent = host.start();
    let lo = ip("-o address show dev lo");
    assert!(
        lo.contains("inet 192.168.1.200/32 scope global lo:0"),
        "{lo}"
    );
    assert_eq!(arp(), ["1", "2", "1", "2"]);
    let (status, body) = ready("127.0.0.1").unwrap();
    assert_eq!(status, 200, "{body}");
    assert!(
        body.starts_with(r#"{"ready":true,"state":"ready","reasons":[]"#),
        "{body}"
    );
    assert_eq!(get("127.0.0.1", "/healthz").unwrap().0, 200);
    assert_eq!(get("127.0.0.1", "/v1/status").unwrap().0, 404);
    agent.stop();
}

#[test]
fn systemd_hears_ready_when_it_serves_then_watchdog_then_stopping() {
    let host = Host::new();
    let path = host.dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let hear = |wanted: &str| {
        let mut buffer = [0; 4096];
        loop {
            let length = match socket.recv(&mut buffer) {
                Ok(length) => length,
                // A read with a time limit is not begun anew after a signal.
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => panic!("no {wanted}: {error}"),
            };
            let text = String::from_utf8_lossy(&buffer[..length]);
            if text.lines().any(|line| line.starts_with(wanted)) {
                return text.into_owned();
            }
        }
    };
    let mut command = host.command("");
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "200000");
    let mut agent = Agent::spawn(&host, &mut command);
    hear("READY=1");
    assert!(has_vip());
    assert_eq!(state("127.0.0.1"), "ready");
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    agent.signal(Signal::SIGTERM);
    let stopping = hear("STOPPING=1");
    assert!(stopping.contains("STATUS=draining"), "{stopping}");
    agent.signal(Signal::SIGTERM);
    assert!(agent.wait().success());
}
