//! `lvsd ipvs`, with ipvsadm as the oracle: what one writes into the kernel the other reads.

use crate::lab::lvsd::DirectorFile;
use crate::lab::scenario::scenario;
use crate::lab::{Host, Lab, Scenario, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(every_line_of_the_page_for_ipvsadm_users_does_what_it_says).limited_to(secs(240)),
    scenario!(lvsd_and_ipvsadm_read_each_others_tables),
    scenario!(a_restore_makes_what_the_file_lists_and_leaves_the_rest),
    scenario!(a_file_with_a_fault_is_refused_whole),
    scenario!(a_large_table_is_restored_quickly),
    scenario!(what_the_kernel_refuses_is_told_with_object_and_way_out),
    scenario!(sync_daemons_are_started_shown_and_stopped),
    scenario!(whoever_changes_a_directors_virtual_server_is_warned),
];

/// Everything that a virtual and a real server can be, as `ipvsadm -Sn` writes it.
const EVERYTHING: &str = "\
-A -t 192.168.1.200:0 -s rr -p 360
-A -t 192.168.1.200:80 -s wrr
-a -t 192.168.1.200:80 -r 192.168.1.53:80 -g -w 3
-a -t 192.168.1.200:80 -r 192.168.1.54:80 -i -w 2 --tun-type ipip
-a -t 192.168.1.200:80 -r 192.168.1.55:8080 -m -w 1
-a -t 192.168.1.200:80 -r 192.168.1.56:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum
-a -t 192.168.1.200:80 -r 192.168.1.57:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum
-a -t 192.168.1.200:80 -r 192.168.1.58:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum
-a -t 192.168.1.200:80 -r 192.168.1.59:80 -i -w 1 --tun-type gre --tun-nocsum
-a -t 192.168.1.200:80 -r 192.168.1.60:80 -i -w 1 --tun-type gre --tun-csum
-a -t 192.168.1.200:80 -r 192.168.1.51:80 -g -w 0
-a -t 192.168.1.200:80 -r 192.168.1.61:80 -g -w 65535
-A -t 192.168.1.200:443 -s sh -p 60 -M 255.255.255.0 -b sh-fallback,sh-port
-A -t 192.168.1.200:444 -s mh -p 86400 -M 255.255.252.0 -b mh-fallback
-A -t 192.168.1.200:445 -s rr -b flag-1,flag-3
-A -u 192.168.1.200:53 -s wlc -o
-A -u 192.168.1.200:54 -s sh -p 10 -o -b sh-port
-A -u 192.168.1.200:5060 -s mh -p 60 -M 255.255.0.0 --pe sip -b mh-port
-A --sctp-service 192.168.1.200:99 -s nq
-A -t [fd00::200]:80 -s wlc -p 60
-a -t [fd00::200]:80 -r 192.168.1.53:80 -i -w 1 --tun-type ipip
-a -t [fd00::200]:80 -r [fd00::53]:80 -g -w 1
-A -u [fd00::200]:53 -s lblcr -p 60 -M 64
-A -f 7 -s rr
-a -f 7 -r 192.168.1.53:0 -g -w 1
-A -f 8 -6 -s sed -p 60 -M 56
-a -f 8 -6 -r [fd00::53]:80 -g -w 1
";

fn director(lab: &Lab) -> Host {
    let host = lab.lan().host("director", "192.168.1.51/24");
    host.run("ip addr add fd00::51/64 dev eth0 nodad").ok();
    host
}

/// Both columns of each line of docs/ipvsadm.md, in its order.
fn page() -> Vec<(&'static str, &'static str)> {
    let text = include_str!("../../../docs/ipvsadm.md");
    let rows = text.lines().filter_map(|line| {
        let (left, right) = line.strip_prefix("| `ipvsadm ")?.split_once("` | `lvsd ")?;
        Some((left, right.strip_suffix("` |")?))
    });
    rows.collect()
}

fn every_line_of_the_page_for_ipvsadm_users_does_what_it_says(lab: &Lab) {
    let (one, other) = (director(lab), director(lab));
    let rows = page();
    assert!(rows.len() > 50, "{} lines were found", rows.len());
    let mut before = String::new();
    for (ipvsadm, lvsd) in rows {
        let state = match ipvsadm {
            // Those that only look need only work.
            _ if ["-L", "-S", "-Z"]
                .iter()
                .any(|word| ipvsadm.starts_with(word)) =>
            {
                "true"
            }
            _ if ipvsadm.starts_with("--set") => "ipvsadm -L --timeout",
            _ if ipvsadm.starts_with("--st") => "ipvsadm -L --daemon",
            _ => "ipvsadm -Sn && ipvsadm -Ln --thresholds",
        };
        let quietly = |command: &str| format!("{{ {command}; }} > /run/said");
        one.run(&quietly(&format!("ipvsadm {ipvsadm}"))).ok();
        other.run(&quietly(&format!("lvsd {lvsd}"))).ok();
        let [expected, found] = [&one, &other].map(|host| settled(host, state));
        assert_eq!(found, expected, "lvsd {lvsd}\nipvsadm {ipvsadm}");
        assert!(
            state == "true" || expected != before,
            "it changes something: {ipvsadm}"
        );
        before = expected;
    }
}

/// What a command that only looks prints twice in succession: a table that comes in several
/// messages of the kernel was once seen with a virtual server that stood in two of them.
#[track_caller]
fn settled(host: &Host, command: &str) -> String {
    let mut before = host.run(command).ok();
    eventually("two looks agree", within(secs(10)), || {
        let again = host.run(command).ok();
        let agree = again == before;
        before = again;
        agree
    });
    before
}

fn lvsd_and_ipvsadm_read_each_others_tables(lab: &Lab) {
    let host = director(lab);
    host.write("/etc/everything", EVERYTHING);
    host.run("ipvsadm -R < /etc/everything").ok();
    let table = host.ipvsadm();
    assert_eq!(
        host.run("lvsd ipvs save").ok(),
        table,
        "both write the same"
    );
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(
        sorted(&table),
        sorted(EVERYTHING),
        "and all that was asked for"
    );

    host.run("lvsd ipvs save > /run/saved; ipvsadm -C; ipvsadm -R < /run/saved")
        .ok();
    assert_eq!(host.ipvsadm(), table, "ipvsadm reads what lvsd wrote");
    host.run("ipvsadm -Sn > /run/saved; lvsd ipvs clear --yes")
        .ok();
    assert_eq!(host.ipvsadm(), "");
    host.run("lvsd ipvs restore < /run/saved").ok();
    assert_eq!(host.ipvsadm(), table, "lvsd reads what ipvsadm wrote");
    let again = host.run("ipvsadm -Sn | lvsd ipvs restore").ok();
    lab.say(&again);
    assert!(again.ends_with(": 0 changes\n"), "{again}");
    lab.say(&host.run("lvsd ipvs list").ok());

    host.run("ipvsadm -e -t 192.168.1.200:80 -r 192.168.1.53 -g -w 3 -x 1000 -y 800")
        .ok();
    host.run("lvsd ipvs save > /run/saved; ipvsadm -C; ipvsadm -R < /run/saved")
        .ok();
    let thresholds = host.run("ipvsadm -Ln --thresholds").ok();
    assert!(thresholds.contains(" 1000       800 "), "{thresholds}");
}

fn a_restore_makes_what_the_file_lists_and_leaves_the_rest(lab: &Lab) {
    let host = director(lab);
    host.write(
        "/etc/before",
        "-A -t 192.168.1.200:80 -s wrr\n-a -t 192.168.1.200:80 -r 192.168.1.53:80\n\
         -a -t 192.168.1.200:80 -r 192.168.1.54:80\n-A -t 192.168.1.200:81 -s rr\n",
    );
    host.run("ipvsadm -R < /etc/before").ok();
    host.write(
        "/etc/after",
        "# two for one\n-A -t 192.168.1.200:80 -s wlc\n\
         -a -t 192.168.1.200:80 -r 192.168.1.53:80 -w 5\n\
         ipvsadm -a -t 192.168.1.200:80 -r 192.168.1.55\n\n-A -u 192.168.1.200:53 -s rr\n",
    );
    let dry = host.run("lvsd ipvs restore --dry-run /etc/after").ok();
    lab.say(&dry);
    assert_eq!(
        dry,
        "add virtual server udp 192.168.1.200:53: rr\n\
         set virtual server tcp 192.168.1.200:80: wlc\n\
         add real server 192.168.1.55:80 of tcp 192.168.1.200:80: dr weight 1\n\
         set real server 192.168.1.53:80 of tcp 192.168.1.200:80: dr weight 5\n\
         remove real server 192.168.1.54:80 of tcp 192.168.1.200:80\n"
    );
    let said = host.run("lvsd ipvs restore /etc/after").ok();
    assert_eq!(said, "2 virtual servers with 2 real servers: 5 changes\n");
    let listed = "-A -t 192.168.1.200:80 -s wlc\n\
                  -a -t 192.168.1.200:80 -r 192.168.1.53:80 -g -w 5\n\
                  -a -t 192.168.1.200:80 -r 192.168.1.55:80 -g -w 1\n";
    let (rest, udp) = (
        "-A -t 192.168.1.200:81 -s rr\n",
        "-A -u 192.168.1.200:53 -s rr\n",
    );
    assert_eq!(host.ipvsadm(), format!("{listed}{rest}{udp}"));
    host.run("lvsd ipvs restore --exact /etc/after").ok();
    assert_eq!(host.ipvsadm(), format!("{listed}{udp}"));
}

fn a_file_with_a_fault_is_refused_whole(lab: &Lab) {
    let host = director(lab);
    host.run("ipvsadm -A -t 192.168.1.200:80 -s wrr").ok();
    host.write(
        "/etc/faults",
        "-A -t 192.168.1.200:80 -s rr\n-C\n-A -t 192.168.1.200:http\n",
    );
    let told = host.run("lvsd ipvs restore /etc/faults").fails_with(1);
    lab.say(&told);
    assert!(
        told.contains("/etc/faults:2: -C is no part of a table")
            && told.contains("/etc/faults:3: 192.168.1.200:http: ")
            && told.contains("nothing was changed"),
        "{told}"
    );
    assert_eq!(host.ipvsadm(), "-A -t 192.168.1.200:80 -s wrr\n");
    host.run("lvsd ipvs restore /etc/absent").fails_with(1);
    what_the_kernel_lacks_is_a_fault_too(&host);
}

/// No kernel has `nosuch`; where it has not got `twos` either, both are told.
fn what_the_kernel_lacks_is_a_fault_too(host: &Host) {
    host.write(
        "/etc/lacking",
        "-A -t 192.168.1.200:81 -s rr\n-A -t 192.168.1.200:82 -s nosuch\n\
         -a -t 192.168.1.200:82 -r 192.168.1.53:82\n-A -t 192.168.1.200:83 -s rr\n\
         -A -u 192.168.1.200:84 -s rr -p 60 --pe other\n",
    );
    for command in ["lvsd ipvs restore", "lvsd ipvs restore --dry-run"] {
        let told = host.run(&format!("{command} /etc/lacking")).fails_with(1);
        assert!(
            told.contains(
                "/etc/lacking:2: scheduler \"nosuch\" is not available in this kernel \
                 (module ip_vs_nosuch)"
            ) && told.contains(
                "/etc/lacking:5: persistence engine \"other\" is not available in this kernel \
                 (module ip_vs_pe_other)"
            ) && told.contains("nothing was changed"),
            "{told}"
        );
        assert_eq!(host.ipvsadm(), "-A -t 192.168.1.200:80 -s wrr\n");
    }
    // The kernel keeps what it does not heed; ipvsadm takes it of UDP alone.
    host.run("lvsd ipvs add tcp 192.168.1.200:81 --one-packet")
        .fails_with(2);
    host.run("lvsd ipvs add fwmark 7 --one-packet").ok();
    host.run("lvsd ipvs save > /etc/saved; ipvsadm -C; ipvsadm -R < /etc/saved")
        .ok();
}

fn a_large_table_is_restored_quickly(lab: &Lab) {
    let mut text = String::new();
    for vs in 0..200 {
        let id = format!("-t 10.0.0.{vs}:80");
        text += &format!("-A {id} -s wlc\n");
        for rs in 0..10 {
            text += &format!("-a {id} -r 10.1.{vs}.{rs}:80 -g -w 1\n");
        }
    }
    for (program, command) in [
        ("ipvsadm", "ipvsadm -R < /etc/large"),
        ("lvsd", "lvsd ipvs restore /etc/large"),
    ] {
        let host = director(lab);
        host.write("/etc/large", &text);
        let begun = std::time::Instant::now();
        host.run(command).ok();
        lab.say(&format!(
            "{program}: 2,200 objects in {:.3?}",
            begun.elapsed()
        ));
        assert_eq!(host.ipvsadm().lines().count(), 2_200);
        let begun = std::time::Instant::now();
        host.run("lvsd ipvs restore /etc/large").ok();
        lab.say(&format!("lvsd again, unchanged: {:.3?}", begun.elapsed()));
    }
}

/// Commands with the exit code and a part of what they say, where only
/// `tcp 192.168.1.200:80` is there.
const REFUSED: [(&str, i32, &str); 17] = [
    (
        "add tcp 192.168.1.200:80",
        1,
        "cannot add virtual server tcp 192.168.1.200:80: wlc: it exists already",
    ),
    (
        "add tcp 192.168.1.201:80 --real-server 192.168.1.53",
        1,
        "cannot add real server 192.168.1.53:80 of tcp 192.168.1.201:80: dr weight 1: its virtual server does not exist",
    ),
    (
        "delete fwmark 7",
        1,
        "cannot remove virtual server fwmark 7: there is no such virtual server",
    ),
    (
        "delete tcp 192.168.1.200:80 --real-server 192.168.1.53",
        1,
        "there is no such real server",
    ),
    (
        "edit tcp 192.168.1.201:80 --scheduler rr",
        1,
        "there is no virtual server tcp 192.168.1.201:80",
    ),
    (
        "edit tcp 192.168.1.200:80 --real-server 192.168.1.53 --weight 0",
        1,
        "virtual server tcp 192.168.1.200:80 has no real server 192.168.1.53:80",
    ),
    (
        "list tcp 192.168.1.201:80",
        1,
        "`lvsd ipvs list` shows those that are",
    ),
    ("zero tcp 192.168.1.201:80", 1, "there is no virtual server"),
    (
        "daemon start master --interface absent",
        1,
        "there is no such interface",
    ),
    (
        "daemon stop master",
        1,
        "cannot stop sync daemon master: no such process\n    none of that role runs",
    ),
    ("clear", 2, "lvsd ipvs clear --yes"),
    ("add tcp 192.168.1.200", 2, "expected VIP:PORT"),
    ("add tcp 192.168.1.200:0", 2, "port 0 stands for every port"),
    (
        "add tcp 192.168.1.200:80 --real-server 192.168.1.53:8080",
        2,
        "--forwarding nat",
    ),
    ("add tcp 192.168.1.200:81 --weight 3", 2, "--real-server"),
    (
        "add tcp 192.168.1.200:81 --persistence 60",
        2,
        "write a number with a unit",
    ),
    (
        "add tcp 192.168.1.200:81 --scheduler wrrr",
        2,
        "rr wrr lc wlc",
    ),
];

fn what_the_kernel_refuses_is_told_with_object_and_way_out(lab: &Lab) {
    let host = director(lab);
    host.run("lvsd ipvs add tcp 192.168.1.200:80 --scheduler wrr")
        .ok();
    for (command, code, told) in REFUSED {
        let stderr = host.run(&format!("lvsd ipvs {command}")).fails_with(code);
        assert!(stderr.contains(told), "lvsd ipvs {command}: {stderr}");
    }
    assert_eq!(host.ipvsadm(), "-A -t 192.168.1.200:80 -s wrr\n");
    whoever_may_not_is_told_so(&host);
}

fn whoever_may_not_is_told_so(host: &Host) {
    for command in [
        "list",
        "add tcp 192.168.1.200:81",
        "clear --yes",
        "timeouts",
        "daemon",
    ] {
        let nobody = "setpriv --reuid 65534 --clear-groups --bounding-set -all --inh-caps -all";
        let stderr = host
            .run(&format!("{nobody} lvsd ipvs {command}"))
            .fails_with(1);
        assert!(
            stderr.contains("operation not permitted\n    run as root, or with CAP_NET_ADMIN"),
            "lvsd ipvs {command}: {stderr}"
        );
    }
}

fn sync_daemons_are_started_shown_and_stopped(lab: &Lab) {
    let host = director(lab);
    assert_eq!(host.run("lvsd ipvs daemon").ok(), "no sync daemon runs\n");
    host.run("lvsd ipvs daemon start backup --interface eth0 --sync-id 7 --group ff02::81")
        .ok();
    host.run("lvsd ipvs daemon start master --interface eth0 --sync-id 7 --max-length 1000")
        .ok();
    let shown = host.run("lvsd ipvs daemon").ok();
    lab.say(&shown);
    assert_eq!(
        shown,
        "master  eth0 id 7 group 224.0.0.81:8848 ttl 1 maxlen 1000\n\
         backup  eth0 id 7 group [ff02::81]:8848 ttl 1 maxlen 1452\n"
    );
    let json = host.run("lvsd ipvs daemon --json").ok();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["master"]["interface"], "eth0", "{json}");
    let twice = host
        .run("lvsd ipvs daemon start master --interface eth0")
        .fails_with(1);
    lab.say(&twice);
    host.run("lvsd ipvs daemon stop master").ok();
    assert!(!host.run("ipvsadm -L --daemon").ok().contains("master"));
}

fn whoever_changes_a_directors_virtual_server_is_warned(lab: &Lab) {
    let host = director(lab);
    let _director = host.director(&DirectorFile::alone().check_key("type", "'none'"));
    eventually("the table is there", within(secs(10)), || {
        host.balances_onto("192.168.1.53:80")
    });
    let own = host.run("lvsd ipvs add tcp 192.168.1.200:81");
    assert_eq!(own.stderr, "", "{own}");
    let others = host.run("lvsd ipvs delete tcp 192.168.1.200:80 --real-server 192.168.1.53");
    lab.say(&others.stderr);
    assert!(
        others
            .stderr
            .contains("tcp 192.168.1.200:80 is the running director's"),
        "{others}"
    );
    eventually("the director put it back", within(secs(5)), || {
        host.balances_onto("192.168.1.53:80")
    });
    let cleared = host.run("lvsd ipvs clear --yes");
    assert!(cleared.stderr.contains("which puts it back"), "{cleared}");
    eventually("it put its own back and no more", within(secs(5)), || {
        let table = host.ipvsadm();
        table.contains("192.168.1.53:80") && !table.contains("192.168.1.200:81")
    });
}
