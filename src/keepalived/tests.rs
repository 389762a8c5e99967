use std::path::Path;

use super::*;
use crate::config::director::DirectorConfig;

fn imported(text: &str) -> Imported {
    import(Path::new("k.conf"), text).unwrap_or_else(|error| panic!("{error}"))
}

/// What is imported, and accepted as it is.
fn accepted(text: &str) -> (DirectorConfig, Vec<String>) {
    let Imported { toml, notes, .. } = imported(text);
    let config = DirectorConfig::parse(Path::new("imported.toml"), &toml);
    let config = config.unwrap_or_else(|error| panic!("{toml}\n{error}"));
    let notes = notes
        .iter()
        .map(|note| format!("{}: {}", note.line, note.text));
    (config, notes.collect())
}

/// The configurations of four sites as their guides print them.
const GUIDES: [&str; 4] = [
    include_str!("tests/three_servers.conf"),
    include_str!("tests/persistent.conf"),
    include_str!("tests/backup.conf"),
    include_str!("tests/mailing.conf"),
];

#[test]
fn what_the_guides_print_is_accepted_as_it_comes_out() {
    for (text, told) in GUIDES.into_iter().zip([1, 0, 0, 6]) {
        let (config, notes) = accepted(text);
        assert_eq!((config.vrrp.len(), config.virtual_servers.len()), (1, 1));
        assert_eq!(notes.len(), told, "{notes:#?}");
    }
}

#[test]
fn a_site_comes_out_with_keepaliveds_defaults_written_out() {
    insta::assert_snapshot!(imported(GUIDES[0]).toml);
}

#[test]
fn what_has_no_equivalent_is_told_with_its_line() {
    let (_, notes) = accepted(GUIDES[3]);
    assert_eq!(
        notes[0],
        "2: notification_email: lvsd sends no mail; watch /metrics, or use hooks"
    );
    assert!(
        notes
            .iter()
            .any(|note| note.contains("nat_mask: means nothing any more"))
    );
}

/// Its macvlan takes what another host sends from the same MAC from the interface below.
#[test]
fn a_keepalived_that_listens_below_its_virtual_mac_is_warned_of() {
    let (config, notes) = accepted(
        "vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n use_vmac\n \
         vmac_xmit_base\n virtual_ipaddress {\n 192.168.1.200\n }\n}",
    );
    assert!(config.vrrp["VI_1"].holdings.virtual_mac.is_some());
    let told = "5: vmac_xmit_base: beside lvsd take it out";
    assert!(notes.iter().any(|it| it.starts_with(told)), "{notes:?}");
}

#[test]
fn an_instance_keeps_what_keepalived_would_have_made_of_it() {
    let (config, notes) = accepted(
        "global_defs {\n vrrp_version 3\n lvs_timeouts tcp 900 udp 60\n}\n\
         vrrp_instance A {\n state MASTER\n interface eth0\n virtual_router_id 7\n nopreempt\n\
         advert_int 0.5\n virtual_ipaddress\n {\n 10.0.0.9/24 dev eth0 label eth0:1\n }\n\
         notify /bin/x\n}\n",
    );
    let router = &config.vrrp["A"];
    assert_eq!(
        router.settings.priority.get(),
        255,
        "state MASTER without a priority"
    );
    assert!(
        router.settings.preempt,
        "nopreempt counts only with state BACKUP"
    );
    assert_eq!(
        notes,
        ["9: nopreempt: counts only with `state BACKUP`, and is left out",]
    );
}

#[test]
fn what_moves_with_an_instance_what_it_tracks_and_runs_comes_out() {
    let (config, notes) = accepted(include_str!("tests/gateway.conf"));
    assert_eq!(notes, [""; 0], "{notes:#?}");
    insta::assert_snapshot!(config.to_toml());
}

#[test]
fn accept_mode_comes_out_as_it_was() {
    let drops = |global: &str, keys: &str| {
        let text = format!(
            "global_defs {{\n vrrp_version 3\n {global}\n}}\nvrrp_instance A {{\n interface eth0\n \
             virtual_router_id 7\n {keys}\n virtual_ipaddress {{\n 10.0.0.9\n }}\n}}\n"
        );
        accepted(&text).0.vrrp["A"].holdings.drops_packets
    };
    assert!(!drops("", ""));
    assert!(!drops("", "accept"));
    assert!(drops("", "no_accept"));
    assert!(drops("vrrp_strict", ""));
    assert!(!drops("vrrp_strict", "accept"));
    assert!(
        !drops("vrrp_strict", "priority 255"),
        "an owner accepts always"
    );
    assert!(!drops("", "no_accept\n state MASTER"), "which is an owner");
}

#[test]
fn the_form_of_checksum_comes_out_where_the_file_chooses_one() {
    use crate::vrrp::advert::Checksum;
    let of = |global: &str, keys: &str| {
        let (config, notes) = accepted(&format!(
            "global_defs {{\n {global}\n}}\nvrrp_instance A {{\n interface eth0\n \
             virtual_router_id 7\n {keys}\n}}\n"
        ));
        assert_eq!(notes, [""; 0], "{notes:#?}");
        config.vrrp["A"].settings.checksum
    };
    let v4 = "virtual_ipaddress {\n 10.0.0.9\n }";
    let v3 = format!("version 3\n {v4}");
    let rfc = Some(Checksum::MessageOnly);
    assert_eq!(of("", &v3), None);
    assert_eq!(of("v3_checksum_as_v2", &v3), rfc);
    assert_eq!(of("", &format!("v3_checksum_as_v2\n {v3}")), rfc);
    let off = format!("v3_checksum_as_v2 off\n {v3}");
    assert_eq!(of("v3_checksum_as_v2", &off), None);
    assert_eq!(of("v3_checksum_as_v2", v4), None, "version 2");
    let v6 = "virtual_ipaddress {\n fe80::9\n }";
    assert_eq!(of("v3_checksum_as_v2", v6), None, "IPv6");
}

#[test]
fn how_vrrp_is_scheduled_comes_out() {
    let of = |global: &str| {
        let (config, notes) = accepted(&format!(
            "global_defs {{\n {global}\n}}\nvrrp_instance A {{\n interface eth0\n \
             virtual_router_id 7\n virtual_ipaddress {{\n 10.0.0.9\n }}\n}}\n"
        ));
        (config.threads.realtime_priority, notes)
    };
    assert_eq!(of("vrrp_rt_priority 50\n vrrp_no_swap"), (Some(50), vec![]));
    assert_eq!(of("vrrp_no_swap\n vrrp_rt_priority 99"), (Some(99), vec![]));
    for (written, told) in [
        (
            "vrrp_rt_priority 0",
            "2: vrrp_rt_priority: is not within 1..=99, and is left out",
        ),
        (
            "vrrp_no_swap",
            "2: vrrp_no_swap: memory is kept from being swapped out with realtime_priority only",
        ),
        (
            "checker_rt_priority 5",
            "2: checker_rt_priority: has no equivalent, and is left out",
        ),
        (
            "vrrp_priority -5",
            "2: vrrp_priority: lvsd is one process: write Nice= into its unit",
        ),
    ] {
        assert_eq!(of(written), (None, vec![told.to_owned()]));
    }
    assert_eq!(
        of("dynamic_interfaces\n vrrp_check_unicast_src"),
        (None, vec![]),
        "always so"
    );
}

#[test]
fn how_far_unicast_peers_are_comes_out() {
    let of = |peers: &str| {
        let text = format!(
            "vrrp_instance A {{\n interface eth0\n virtual_router_id 7\n check_unicast_src\n \
             unicast_peer {{\n {peers}\n }}\n virtual_ipaddress {{\n 10.0.0.9\n }}\n}}\n"
        );
        let (config, notes) = accepted(&text);
        match &config.vrrp["A"].transport.reach {
            crate::vrrp::transport::Reach::Unicast(unicast) => (unicast.min_ttl, notes),
            crate::vrrp::transport::Reach::Multicast => panic!("{notes:?}"),
        }
    };
    assert_eq!(
        of("10.0.0.2 min_ttl 254\n 10.0.0.3 min_ttl 250"),
        (250, vec![])
    );
    let (least, notes) = of("10.0.0.2 min_ttl 254 max_ttl 255\n 10.0.0.3");
    assert_eq!(least, 255);
    assert_eq!(
        notes[0],
        "5: unicast_peer: without min_ttl, keepalived takes adverts of any TTL, lvsd those of 255: \
         write unicast_min_ttl if routers are between, or 64 beside keepalived over IPv6"
    );
    assert_eq!(
        notes[1],
        "6: 10.0.0.2: only its address and min_ttl are taken"
    );
}

#[test]
fn what_of_an_instance_has_no_equivalent_is_told() {
    let (_, notes) = accepted(
        "vrrp_script gone {\n script \"/bin/true\"\n init_fail\n}\n\
         vrrp_track_file f {\n file \"/run/f\"\n weight 2\n}\n\
         vrrp_instance A {\n interface eth0\n virtual_router_id 7\n preempt_delay 5\n\
         notify /bin/n\n notify_master /bin/m root\n\
         track_script {\n gone weight 5 reverse\n missing\n }\n track_file {\n f\n }\n\
         virtual_routes {\n 10.1.0.0/16 via 10.0.0.1 onlink\n }\n\
         garp_lower_prio_delay 5\n virtual_ipaddress {\n 10.0.0.9 home\n }\n}\n\
         vrrp_sync_group G {\n group {\n A B\n }\n notify /bin/x\n}\n\
         vrrp_instance B {\n interface eth1\n virtual_router_id 8\n virtual_ipaddress {\n 10.1.0.9\n }\n}\n",
    );
    let expected = [
        "3: init_fail: has no equivalent, and is left out",
        "5: vrrp_track_file: the number in the file is added as it is: a weight has no equivalent, \
         and the tracker is left out",
        "13: notify: all hooks of a virtual router have one user, the first",
        "13: notify: notify_master is run in its place, not beside it",
        "16: gone: `reverse` has no equivalent, and is left out",
        "17: missing: is not defined, and is left out",
        "23: 10.1.0.0/16: `onlink` is left out",
        "25: garp_lower_prio_delay: has no equivalent, and is left out",
        "27: 10.0.0.9: only address, label and dev are taken",
        "34: notify: has no equivalent, and is left out",
    ];
    assert_eq!(notes, expected);
}

#[test]
fn every_kind_of_virtual_server_comes_out() {
    let (config, notes) = accepted(
        "$RS=10.0.0.1\n\
         virtual_server_group web {\n 10.0.0.8-9 80\n 10.0.0.7 443\n}\n\
         virtual_server group web {\n lvs_sched sh\n sh-port\n lvs_method TUN type gue port 6080 csum\n\
         protocol TCP\n quorum 2\n quorum_up \"/bin/up now\"\n sorry_server 10.0.0.6 80\n\
         inhibit_on_failure\n weight 2\n\
         real_server $RS 80 {\n HTTP_GET {\n url {\n path /up\n status_code 204\n }\n connect_timeout 2\n}\n}\n\
         real_server 10.0.0.2 80 { lvs_method DR\n TCP_CHECK { connect_port 81\n } }\n}\n\
         virtual_server fwmark 7 {\n lb_kind NAT\n persistence_timeout\n persistence_granularity 255.255.255.0\n\
         real_server 10.0.0.1 80 {\n weight 0\n uthreshold 10\n}\n}\n\
         virtual_server 10.0.0.5 5060 {\n protocol UDP\n ops\n lb_kind DR\n real_server 10.0.0.1 5060 {\n\
         MISC_CHECK {\n misc_path /bin/x\n}\n}\n}\n",
    );
    let shown = config.to_toml();
    for line in [
        "type = \"gue\"",
        "checksum = \"plain\"",
        "on_quorum_up = [\"/bin/up\", \"now\"]",
        "sorry_server = \"10.0.0.6:443\"",
        "path = \"/up\"",
        "status = \"204-204\"",
        "interval = \"1m\"",
        "persistence = \"6m\"",
        "upper_threshold = 10",
        "one_packet = true",
        "weight = 2",
    ] {
        assert!(shown.contains(line), "{line}:\n{shown}");
    }
    assert_eq!(config.virtual_servers.len(), 5);
    assert!(
        notes.iter().any(|note| note.contains("MISC_CHECK")),
        "{notes:?}"
    );
    assert!(
        notes.iter().any(|note| note.contains("misc_path")),
        "{notes:?}"
    );
}

#[test]
fn what_cannot_be_read_is_told_by_line_and_nothing_panics() {
    let import = |text: &str| import(Path::new("k.conf"), text);
    let line = |text| import(text).unwrap_err().to_string();
    assert_eq!(line("a {\n b\n"), "k.conf:1: { without }");
    assert_eq!(line("a\n}\n"), "k.conf:2: } without {");
    assert_eq!(line("{\n}\n"), "k.conf:2: a block of nothing");
    assert_eq!(line("a \"b\n"), "k.conf:1: a quotation that does not end");
    for text in GUIDES {
        for end in (0..text.len())
            .step_by(5)
            .filter(|end| text.is_char_boundary(*end))
        {
            let _ = import(&text[..end]);
            let _ = import(&text[end..]);
        }
    }
}

#[test]
fn a_statement_that_lacks_its_arguments_is_read_all_the_same() {
    let gateway = include_str!("tests/gateway.conf");
    for text in GUIDES.into_iter().chain([gateway]) {
        let lines: Vec<_> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let mut cut = lines.clone();
            let key = line.split_whitespace().next().unwrap_or_default();
            let block = format!("{key} {{");
            cut[at] = if line.contains('{') { &block } else { key };
            let read = import(Path::new("k.conf"), &cut.join("\n"));
            assert!(read.is_ok(), "{line}: {read:?}");
        }
    }
}

#[test]
fn included_files_stand_where_they_are_named_and_are_told_by_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name)
    };
    write("vips.inc", "192.168.1.200\n192.168.1.201\n");
    write(
        "b.conf",
        "vrrp_instance B {\n interface $NIC\n virtual_router_id 2\n odd\n include vips.inc\n}\n",
    );
    write("a.conf", "$NIC=eth7\n");
    let text = "include ?.conf\ninclude missing\n\
                vrrp_instance A {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n \
                include vips.inc\n }\n}\n";
    let path = write("k.txt", text);
    let imported = import(&path, text).unwrap();
    let file: Table = imported.toml.parse().unwrap();
    assert_eq!(file["vrrp"][0]["interface"].as_str(), Some("eth7"));
    let vips = file["vrrp"][1]["virtual_addresses"].as_array().unwrap();
    assert_eq!(vips.len(), 2, "{vips:?}");
    let notes = imported.notes.iter().map(|note| {
        let file = imported.files[note.file].file_name().unwrap();
        format!("{}:{}: {}", file.display(), note.line, note.text)
    });
    let notes: Vec<_> = notes.take(2).collect();
    assert_eq!(
        notes,
        [
            "k.txt:2: include: names no file that can be read",
            "b.conf:4: odd: has no equivalent, and is left out",
        ]
    );
    write("loop.conf", "include loop.conf\n");
    let told = import(&path, "include loop.conf\n")
        .unwrap_err()
        .to_string();
    assert!(
        told.ends_with("loop.conf:1: files that include each other"),
        "{told}"
    );
}
