mod functions;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// A host with these files; scripts may be executed.
fn host(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    root
}

/// `PLACE: TEXT: what it does: how it goes`
fn told(root: &tempfile::TempDir) -> Vec<String> {
    let told = |found: &Leftover| {
        let removal = match &found.removal {
            Removal::Command(command) => command.clone(),
            Removal::Edit(what) => format!("({what})"),
        };
        format!("{}: {}: {}: {removal}", found.place, found.text, found.does)
    };
    look(root.path()).found.iter().map(told).collect()
}

fn of(files: &[(&str, &str)]) -> Vec<String> {
    told(&host(files))
}

const SCRIPT: &str = "#/bin/bash\nvip=192.168.1.200\n\
    ifconfig lo:0 $vip broadcast $vip netmask 255.255.255.255 up\n\
    route add -host $vip lo:0\n\
    echo \"1\" >/proc/sys/net/ipv4/conf/lo/arp_ignore\n\
    echo \"2\" >/proc/sys/net/ipv4/conf/lo/arp_announce\n";

const INIT: &str = "SNS_VIP=192.168.1.200\n/etc/rc.d/init.d/functions\ncase \"$1\" in\nstart)\n\
    ifconfig lo:0 $SNS_VIP netmask 255.255.255.255 broadcast $SNS_VIP\n\
    /sbin/route add -host $SNS_VIP dev lo:0\nsysctl -p >/dev/null 2>&1\n\
    echo \"RealServer Start OK\"\n;;\nstop)\nifconfig lo:0 down\n\
    echo \"0\" >/proc/sys/net/ipv4/conf/lo/arp_ignore\n;;\n*)\necho \"Usage: $0 {start|stop}\"\n\
    exit 1\nesac\nexit 0\n";

const PUTS: &str = "puts 192.168.1.200 on lo";

#[test]
fn the_steps_of_the_guides_leave_a_file_lines_and_scripts() {
    let alias = "DEVICE=lo:0\nIPADDR=192.168.1.200\nNETMASK=255.255.255.255\nONBOOT=yes\n";
    let sysctl = "# quiet\nnet.ipv4.conf.lo.arp_ignore = 1\nnet.ipv4.ip_forward = 1\n";
    let rc = "#!/bin/sh\ntouch /var/lock/subsys/local\nsh /usr/local/sbin/lvs_dr_rs.sh\n";
    assert_eq!(
        of(&[
            ("etc/sysconfig/network-scripts/ifcfg-lo:0", alias),
            (
                "etc/sysconfig/network-scripts/ifcfg-lo",
                "IPADDR=127.0.0.1\n"
            ),
            ("etc/sysctl.conf", sysctl),
            ("etc/rc.d/rc.local", rc),
            ("usr/local/sbin/lvs_dr_rs.sh", SCRIPT),
            ("etc/init.d/realserver", INIT),
            ("etc/rc3.d/S99realserver", "")
        ]),
        [
            format!(
                "/etc/sysconfig/network-scripts/ifcfg-lo:0: IPADDR=192.168.1.200: {PUTS}: \
                 rm /etc/sysconfig/network-scripts/ifcfg-lo:0"
            ),
            "/etc/sysctl.conf:2: net.ipv4.conf.lo.arp_ignore = 1: lvsd sets it while it is \
             needed; here it would stay when lvsd is gone: sed -i '2s/^/# /' /etc/sysctl.conf"
                .to_owned(),
            "/etc/rc.d/rc.local:3: sh /usr/local/sbin/lvs_dr_rs.sh: runs \
             /usr/local/sbin/lvs_dr_rs.sh: sed -i '3s/^/: # /' /etc/rc.d/rc.local"
                .to_owned(),
            format!(
                "/etc/init.d/realserver: {PUTS}, sets ARP parameters: {PUTS}, sets ARP \
                 parameters: rm -f /etc/rc?.d/[SK]??realserver /etc/init.d/realserver"
            ),
            format!(
                "/usr/local/sbin/lvs_dr_rs.sh: {PUTS}, sets ARP parameters: {PUTS}, sets ARP \
                 parameters: rm /usr/local/sbin/lvs_dr_rs.sh"
            ),
        ]
    );
}

/// What `rc.local` may say, and what is found of it.
#[test]
fn a_line_of_rc_local_is_found_in_any_spelling() {
    let alias = (
        "etc/sysconfig/network-scripts/ifcfg-lo:0",
        "IPADDR=192.168.1.200\n",
    );
    for (line, does) in [
        ("ip addr add 192.168.1.200/32 dev lo", PUTS),
        ("/sbin/ip a a 192.168.1.200/32 dev lo:0", PUTS),
        (
            "ifconfig lo:0 192.168.1.200 netmask 255.255.255.255 up",
            PUTS,
        ),
        ("VIP=192.168.1.200; ifconfig lo:0 $VIP", PUTS),
        ("route add -host 192.168.1.200 dev lo:0", PUTS),
        ("sh /opt/lvs_dr_rs.sh", "runs /opt/lvs_dr_rs.sh"),
        ("cd /opt && ./lvs_dr_rs.sh start", "runs /opt/lvs_dr_rs.sh"),
        ("service realserver start", "runs /etc/init.d/realserver"),
        (
            "/etc/init.d/realserver start",
            "runs /etc/init.d/realserver",
        ),
        ("systemctl start realserver", "runs /etc/init.d/realserver"),
        ("ifup lo:0", "brings lo:0 up"),
        (
            "sysctl -w net.ipv4.conf.all.arp_ignore=1",
            "sets ARP parameters",
        ),
        (
            "echo 2 > /proc/sys/net/ipv4/conf/all/arp_announce",
            "sets ARP parameters",
        ),
        (
            "sysctl -p",
            "applies /etc/sysctl.conf; keep it if other lines there need it",
        ),
    ] {
        let rc = format!("#!/bin/sh\n{line}\nexit 0\n");
        let root = host(&[
            ("etc/rc.local", rc.as_str()),
            ("etc/init.d/realserver", INIT),
            ("opt/lvs_dr_rs.sh", SCRIPT),
            alias,
        ]);
        let found = told(&root);
        let expected =
            format!("/etc/rc.local:2: {line}: {does}: sed -i '2s/^/: # /' /etc/rc.local");
        assert!(found.contains(&expected), "{expected}\n{found:#?}");
    }
}

#[test]
fn a_file_that_is_reached_by_two_paths_is_told_once() {
    let root = host(&[
        ("etc/rc.d/rc.local", "ip addr add 192.168.1.200/32 dev lo\n"),
        ("etc/sysctl.conf", "net.ipv4.conf.all.arp_ignore = 1\n"),
        ("etc/sysctl.d/10-x.conf", "net.ipv4.ip_forward = 0\n"),
        ("etc/rc.d/init.d/realserver", INIT),
    ]);
    let link = |to: &str, from: &str| symlink(to, root.path().join(from)).unwrap();
    link("rc.d/rc.local", "etc/rc.local");
    link("../sysctl.conf", "etc/sysctl.d/99-sysctl.conf");
    link("rc.d/init.d", "etc/init.d");
    fs::create_dir(root.path().join("etc/rc.d/rc3.d")).unwrap();
    link("../init.d/realserver", "etc/rc.d/rc3.d/S99realserver");
    let found = look(root.path());
    let places: Vec<_> = found.found.iter().map(|it| it.place.to_string()).collect();
    assert_eq!(
        places,
        [
            "/etc/sysctl.conf:1",
            "/etc/rc.d/rc.local:1",
            "/etc/rc.d/init.d/realserver"
        ]
    );
    assert_eq!(found.found[2].start, Start::AtBoot);
    let settings: Vec<_> = found
        .settings
        .iter()
        .map(|it| it.place.to_string())
        .collect();
    assert_eq!(
        settings,
        ["/etc/sysctl.d/10-x.conf:1", "/etc/sysctl.conf:1"]
    );
}

#[test]
fn what_is_missing_for_the_next_boot_is_known() {
    let starts = |root: &tempfile::TempDir| {
        let found = look(root.path()).found;
        found.into_iter().map(|it| it.start).collect::<Vec<_>>()
    };
    let missing = |what: &str| Start::Missing(what.to_owned());
    let alias = "etc/sysconfig/network-scripts/ifcfg-lo:0";
    let address = "IPADDR=192.168.1.200\n";
    for onboot in ["", "ONBOOT=yes\n", "ONBOOT=no\n"] {
        let root = host(&[(alias, &format!("{address}{onboot}"))]);
        assert_eq!(
            starts(&root),
            [Start::AtBoot],
            "{onboot}: not asked for an alias"
        );
    }
    let root = host(&[(alias, &format!("{address}ONPARENT=no\n"))]);
    assert_eq!(
        starts(&root),
        [missing(&format!("write ONPARENT=yes into /{alias}"))]
    );
    let directory = "/etc/sysconfig/network-scripts";
    let root = host(&[("etc/sysconfig/network-scripts/lo:0", address)]);
    let rename = format!("mv {directory}/lo:0 {directory}/ifcfg-lo:0");
    assert_eq!(starts(&root), [missing(&rename)]);

    let root = host(&[("etc/init.d/realserver", INIT)]);
    assert_eq!(starts(&root), [missing("systemctl enable realserver")]);
    let root = host(&[("opt/lvs_dr_rs.sh", SCRIPT)]);
    assert_eq!(starts(&root), [Start::ByHand]);

    let rc = ("etc/rc.local", "sh /opt/lvs_dr_rs.sh\n");
    let root = host(&[rc, ("opt/lvs_dr_rs.sh", SCRIPT)]);
    assert_eq!(starts(&root), [Start::AtBoot, Start::AtBoot]);
    let file = root.path().join("etc/rc.local");
    fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    let executable = missing("chmod +x /etc/rc.local");
    assert_eq!(starts(&root), [executable.clone(), executable]);
}

#[test]
fn units_and_crontabs_run_scripts_too() {
    let unit = "[Service]\nType=oneshot\nEnvironment=VIP=192.168.1.200\n\
                ExecStart=-/sbin/ip addr add ${VIP}/32 dev lo\n\
                ExecStop=/sbin/ip addr del ${VIP}/32 dev lo\n";
    let root = host(&[
        ("etc/systemd/system/lvs.service", unit),
        (
            "lib/systemd/system/rc-local.service",
            "[Service]\nExecStart=/etc/rc.local start\n",
        ),
        ("etc/rc.local", "exit 0\n"),
        (
            "etc/crontab",
            "SHELL=/bin/sh\n# m h\n*/5 * * * * root /opt/lvs_dr_rs.sh\n",
        ),
        ("opt/lvs_dr_rs.sh", SCRIPT),
        (
            "var/spool/cron/root",
            "@reboot ip addr add 192.168.1.201/32 dev lo\n",
        ),
    ]);
    let found = told(&root);
    assert_eq!(
        found,
        [
            "/etc/crontab:3: */5 * * * * root /opt/lvs_dr_rs.sh: runs /opt/lvs_dr_rs.sh: \
             sed -i '3s/^/# /' /etc/crontab"
                .to_owned(),
            "/var/spool/cron/root:1: @reboot ip addr add 192.168.1.201/32 dev lo: puts \
             192.168.1.201 on lo: sed -i '1s/^/# /' /var/spool/cron/root"
                .to_owned(),
            format!(
                "/etc/systemd/system/lvs.service:4: ExecStart=-/sbin/ip addr add ${{VIP}}/32 dev \
                 lo: {PUTS}: systemctl disable lvs.service; rm -f /etc/systemd/system/lvs.service"
            ),
            format!(
                "/opt/lvs_dr_rs.sh: {PUTS}, sets ARP parameters: {PUTS}, sets ARP parameters: \
                 rm /opt/lvs_dr_rs.sh"
            ),
        ]
    );
}

#[test]
fn lines_of_interfaces_go_with_their_stanzas() {
    let text = "auto lo lo:0\niface lo inet loopback\n\tup ip addr add 192.168.1.201/32 dev lo\n\n\
                iface lo:0 inet static\n\taddress 192.168.1.200\n\tnetmask 255.255.255.255\n";
    let file = "/etc/network/interfaces";
    assert_eq!(
        of(&[("etc/network/interfaces", text)]),
        [
            format!("{file}:1: auto lo lo:0: brings lo:0 up: (take lo:0 out of the line)"),
            format!(
                "{file}:3: up ip addr add 192.168.1.201/32 dev lo: puts 192.168.1.201 on lo: \
                 sed -i '3s/^/# /' {file}"
            ),
            format!("{file}:5-7: iface lo:0 inet static: {PUTS}: sed -i '5,7s/^/# /' {file}"),
        ]
    );
}

#[test]
fn a_script_that_does_more_is_told_line_by_line() {
    let text = "#!/bin/sh\nmount -a\nip addr add 192.168.1.200/32 dev lo\n";
    let root = host(&[("etc/rc.local", "/root/boot.sh\n"), ("root/boot.sh", text)]);
    let expected = format!(
        "/root/boot.sh:3: ip addr add 192.168.1.200/32 dev lo: {PUTS}: \
         sed -i '3s/^/: # /' /root/boot.sh"
    );
    assert_eq!(told(&root), [expected], "and rc.local goes on running it");
    assert_eq!(look(root.path()).found[0].start, Start::AtBoot);
}

#[test]
fn a_host_without_them_has_none_and_other_files_are_no_scripts() {
    assert_eq!(
        of(&[
            ("etc/sysctl.conf", "net.ipv4.conf.all.rp_filter = 1\n"),
            (
                "etc/rc.local",
                "exit 0\n# sh /usr/local/sbin/lvs_dr_rs.sh\nifup lo\n"
            ),
            (
                "usr/local/sbin/tool",
                "\u{0}\u{1}arp_ignore ip addr add 1.2.3.4 dev lo"
            ),
            ("usr/sbin/vendor", "ip addr add \"$1\" dev lo\nmount -a\n"),
            (
                "etc/init.d/networking",
                "ip link set lo up\nifup -a\nsysctl -p\n"
            ),
            (
                "etc/network/interfaces",
                "auto lo\niface lo inet loopback\n"
            ),
        ]),
        [""; 0]
    );
    assert_eq!(look(Path::new("/nowhere")), Leftovers::default());
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let root = host(&[("etc/rc.local", "sh /dev/zero /proc/kmsg; sh /etc/pipe\n")]);
    let pipe = root.path().join("etc/pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    symlink("/etc/self", root.path().join("etc/self")).unwrap();
    assert_eq!(told(&root), [""; 0]);
}
