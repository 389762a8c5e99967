use super::counters::{counted, exact, human};
use super::*;
use crate::ipvs::kernel::{Counters, KernelRealServer, KernelVirtualServer, Rates, Version};
use crate::ipvs::save;
use std::sync::Arc;

const INFO: Info = Info {
    version: Version(0x01_02_01),
    connection_table_size: 4096,
};

/// The table of saved lines, with made-up counts.
fn found(saved: &str) -> KernelTable {
    let table = save::parse(saved).unwrap().table;
    let mut connections = 0;
    let virtual_servers = table.into_iter().map(|(id, virtual_server)| {
        let real_servers = virtual_server
            .real_servers
            .into_iter()
            .map(|(rip, real_server)| {
                connections += 7;
                let reported = KernelRealServer {
                    real_server,
                    active_connections: connections,
                    inactive_connections: connections * 100,
                    persistent_connections: 1,
                    counters: counters(connections.into()),
                    rates: Rates::default(),
                };
                (rip, reported)
            });
        let real_servers = Arc::new(real_servers.collect());
        let reported = KernelVirtualServer {
            settings: virtual_server.settings,
            counters: counters(1000),
            rates: Rates::default(),
            real_servers,
        };
        (id, reported)
    });
    KernelTable {
        virtual_servers: virtual_servers.collect(),
    }
}

fn counters(connections: u64) -> Counters {
    Counters {
        connections,
        packets_in: connections * 5,
        packets_out: 0,
        bytes_in: connections * 326,
        bytes_out: 0,
    }
}

const SITE: &str = "\
-A -t 192.168.1.200:80 -s wrr -p 60
-a -t 192.168.1.200:80 -r 192.168.1.53:80 -w 3
-a -t 192.168.1.200:80 -r 192.168.1.54:80 -i --tun-type gue --tun-port 6080 -x 1000 -y 800
-A -f 7 -s rr
-A -u [2001:db8::200]:53 -s mh -b mh-port -o
-a -u [2001:db8::200]:53 -r [2001:db8::1053]:53 -m -w 10
";

#[test]
fn a_list_has_a_line_for_each_server_and_columns_for_real_servers() {
    assert_eq!(
        listed(&INFO, &found(SITE), Columns::default()),
        "\
IP Virtual Server version 1.2.1 (size=4096)
VIRTUAL SERVER  SETTINGS
  REAL SERVER          FORWARDING    WEIGHT  ACTIVE  INACTIVE
tcp 192.168.1.200:80  wrr persistent 60s
  192.168.1.53:80      dr                 3       7       700
  192.168.1.54:80      tun gue 6080       1      14      1400
udp [2001:db8::200]:53  mh port one-packet
  [2001:db8::1053]:53  nat               10      21      2100
fwmark 7  rr
"
    );
}

#[test]
fn thresholds_and_persistent_connections_are_columns_for_the_asking() {
    let columns = Columns {
        thresholds: true,
        persistent: true,
    };
    let text = listed(&INFO, &found(SITE), columns);
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        lines[2],
        "REAL SERVER FORWARDING WEIGHT UPPER LOWER ACTIVE INACTIVE PERSISTENT"
    );
    assert_eq!(lines[4], "192.168.1.53:80 dr 3 - - 7 700 1");
    assert_eq!(
        lines[5],
        "192.168.1.54:80 tun gue 6080 1 1000 800 14 1400 1"
    );
}

#[test]
fn an_empty_table_says_so() {
    assert_eq!(
        listed(&INFO, &KernelTable::default(), Columns::default()),
        "IP Virtual Server version 1.2.1 (size=4096)\nno virtual servers\n"
    );
}

#[test]
fn counters_stand_in_columns_exact_or_rounded() {
    let heading = [
        "CONNECTIONS",
        "PACKETS IN",
        "PACKETS OUT",
        "BYTES IN",
        "BYTES OUT",
    ];
    let numbers = |counters: &Counters, _: &Rates| {
        [
            counters.connections,
            counters.packets_in,
            counters.packets_out,
            counters.bytes_in,
            counters.bytes_out,
        ]
    };
    let site = found(&SITE.lines().take(2).collect::<Vec<_>>().join("\n"));
    assert_eq!(
        counted(&site, heading, numbers, exact),
        "\
VIRTUAL AND REAL SERVER  CONNECTIONS  PACKETS IN  PACKETS OUT  BYTES IN  BYTES OUT
tcp 192.168.1.200:80            1000        5000            0    326000          0
  192.168.1.53:80                  7          35            0      2282          0
"
    );
    assert_eq!(
        counted(&site, heading, numbers, human),
        "\
VIRTUAL AND REAL SERVER  CONNECTIONS  PACKETS IN  PACKETS OUT  BYTES IN  BYTES OUT
tcp 192.168.1.200:80            1.0K        5.0K            0    326.0K          0
  192.168.1.53:80                  7          35            0      2.2K          0
"
    );
}

#[test]
fn large_numbers_are_rounded_down_to_a_letter() {
    for (number, text) in [
        (0, "0"),
        (999, "999"),
        (1_000, "1.0K"),
        (1_999, "1.9K"),
        (999_999, "999.9K"),
        (12_345_678, "12.3M"),
        (u64::MAX, "18.4E"),
    ] {
        assert_eq!(human(number), text);
    }
}

#[test]
fn json_holds_everything_that_the_kernel_keeps() {
    let json = serde_json::to_value(json::Listed::of(&INFO, &found(SITE))).unwrap();
    assert_eq!(json["version"], "1.2.1");
    let tcp = &json["virtual_servers"][0];
    assert_eq!(tcp["id"], "tcp 192.168.1.200:80");
    assert_eq!(tcp["persistence"]["seconds"], 60);
    assert_eq!(tcp["real_servers"][1]["forwarding"], "tun gue 6080");
    assert_eq!(tcp["real_servers"][1]["upper_threshold"], 1000);
    let udp = &json["virtual_servers"][1];
    assert_eq!(udp["scheduler_flags"], serde_json::json!(["port"]));
    assert_eq!(udp["one_packet"], true);
    let stats = serde_json::to_value(json::Measured::stats(&found(SITE))).unwrap();
    assert_eq!(stats["virtual_servers"][0]["connections"], 1000);
    assert_eq!(
        stats["virtual_servers"][0]["real_servers"][0]["bytes_in"],
        2282
    );
}
