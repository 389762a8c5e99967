use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::doctor::facts::Script;

/// `lvs_dr_rs.sh` as it is handed around.
const SCRIPT: &str = "#/bin/bash
vip=192.168.243.100
ifconfig lo:0 $vip broadcast $vip netmask 255.255.255.255 up
route add -host $vip lo:0
echo \"1\" >/proc/sys/net/ipv4/conf/lo/arp_ignore
";

struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, path: &str, text: &str, mode: u32) -> &Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    fn look(&self) -> Boot {
        let mut boot = look(self.0.path());
        let root = self.0.path().display().to_string();
        for script in &mut boot.scripts {
            script.path = script.path.replace(&root, "");
            script.missing = script.missing.take().map(|text| text.replace(&root, ""));
            // What it says is tested where it is found.
            script.removal.clear();
        }
        boot
    }
}

fn script(path: &str, vip: [u8; 4], missing: Option<&str>) -> Script {
    Script {
        path: path.to_owned(),
        vips: [vip.into()].into(),
        runs_at_boot: missing.is_none(),
        missing: missing.map(str::to_owned),
        by_hand: false,
        removal: String::new(),
    }
}

#[test]
fn an_empty_host_has_nothing() {
    let boot = Root::new().look();
    assert_eq!(boot, Boot::default());
}

#[test]
fn a_script_is_found_through_rc_local_and_runs_only_if_that_is_executable() {
    let root = Root::new();
    root.write("usr/local/sbin/lvs_dr_rs.sh", SCRIPT, 0o644);
    let path = root.0.path().join("usr/local/sbin/lvs_dr_rs.sh");
    // The path in the file is absolute; here the root is elsewhere.
    assert!(path.exists());
    let line = "#!/bin/sh\n# sh /not/this.sh\nsh /usr/local/sbin/lvs_dr_rs.sh\n";
    root.write("etc/rc.d/rc.local", line, 0o644);
    let vip = [192, 168, 243, 100];
    let script = |missing| script("/usr/local/sbin/lvs_dr_rs.sh", vip, missing);
    let missing = Some("chmod +x /etc/rc.d/rc.local");
    assert_eq!(root.look().scripts, [script(missing)]);
    root.write("etc/rc.d/rc.local", line, 0o755);
    assert_eq!(root.look().scripts, [script(None)]);
}

#[test]
fn aliases_and_init_scripts_are_found() {
    let root = Root::new();
    root.write(
        "etc/sysconfig/network-scripts/ifcfg-lo:0",
        "DEVICE=lo:0\nIPADDR=192.168.1.120\nNETMASK=255.255.255.255\nGATEWAY=192.168.1.1\n",
        0o644,
    );
    root.write(
        "etc/sysconfig/network-scripts/ifcfg-lo",
        "IPADDR=127.0.0.1\n",
        0o644,
    );
    let text = "SNS_VIP=192.168.1.200\nifconfig lo:0 $SNS_VIP netmask 255.255.255.255\n";
    root.write("etc/init.d/realserver", text, 0o755);
    let alias = script(
        "/etc/sysconfig/network-scripts/ifcfg-lo:0",
        [192, 168, 1, 120],
        None,
    );
    let init = |missing| script("/etc/init.d/realserver", [192, 168, 1, 200], missing);
    let missing = Some("systemctl enable realserver");
    assert_eq!(root.look().scripts, [alias.clone(), init(missing)]);
    root.write("etc/rc3.d/S99realserver", "", 0o755);
    assert_eq!(root.look().scripts, [alias, init(None)]);
}

#[test]
fn enabled_units_are_links_in_wants_directories() {
    let root = Root::new();
    let wants = root
        .0
        .path()
        .join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).unwrap();
    // The unit itself need not be in this tree.
    symlink(
        "/nowhere/keepalived.service",
        wants.join("keepalived.service"),
    )
    .unwrap();
    root.write(
        "etc/keepalived/keepalived.conf",
        "! x\nvrrp_instance VI_1 {\n}\n",
        0o644,
    );
    let boot = root.look();
    assert!(boot.enables("keepalived.service") && boot.keepalived_routes);
    root.write(
        "etc/keepalived/keepalived.conf",
        "! vrrp_instance VI_1 {\n",
        0o644,
    );
    assert!(!root.look().keepalived_routes);
}

#[test]
fn lines_of_sysctl_conf_keep_their_places() {
    let root = Root::new();
    let text = "# net.ipv4.ip_forward = 0\nnet.ipv4.ip_forward = 1\nnet/ipv4/conf/all/arp_ignore=0\n\
                net.core.netdev_max_backlog = 500000\nnet.ipv4.conf.all.rp_filter = x\n";
    root.write("etc/sysctl.conf", text, 0o644);
    let settings = root.look().settings;
    let seen: Vec<_> = settings
        .iter()
        .map(|it| {
            (
                it.place.rsplit('/').next().unwrap(),
                it.key.as_str(),
                it.value,
            )
        })
        .collect();
    let expected = [
        ("sysctl.conf:2", "net.ipv4.ip_forward", 1),
        ("sysctl.conf:3", "net.ipv4.conf.all.arp_ignore", 0),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let root = Root::new();
    root.write("etc/sysctl.d/a.conf", "net.ipv4.ip_forward = 0\n", 0o644);
    let pipe = root.0.path().join("etc/sysctl.d/b.conf");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    root.write(
        "etc/rc.local",
        "sh /etc/sysctl.d/b.conf /dev/zero /proc/kmsg\n",
        0o755,
    );
    assert_eq!(root.look().settings.len(), 1);
}

#[test]
fn the_size_of_the_connection_table_is_asked_for_in_modprobe_d() {
    let root = Root::new();
    root.write(
        "etc/modprobe.d/ip_vs.conf",
        "options ip_vs conn_tab_bits=20\n",
        0o644,
    );
    assert_eq!(root.look().conn_tab_bits, Some(20));
}
