use super::*;

const VIP: &str = "192.168.1.200";

/// A host on which the steps of the usual guides were done.
fn host(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn found(files: &[(&str, &str)]) -> Vec<String> {
    let root = host(files);
    let prefix = format!("{}/", root.path().display());
    leftovers(root.path(), &[VIP.parse().unwrap()])
        .into_iter()
        .map(|left| format!("{}: {}", left.place.replace(&prefix, ""), left.text))
        .collect()
}

const SCRIPT: &str = "#!/bin/bash\nvip=192.168.1.200\n\
    ifconfig lo:0 $vip broadcast $vip netmask 255.255.255.255 up\n\
    echo \"1\" >/proc/sys/net/ipv4/conf/lo/arp_ignore\n\
    echo \"2\" >/proc/sys/net/ipv4/conf/lo/arp_announce\n";

#[test]
fn every_step_of_the_guides_is_recognised() {
    assert_eq!(
        found(&[
            (
                "etc/sysconfig/network-scripts/ifcfg-lo:0",
                "DEVICE=lo:0\nIPADDR=192.168.1.200\nNETMASK=255.255.255.255\n",
            ),
            (
                "etc/sysctl.conf",
                "# quiet\nnet.ipv4.conf.lo.arp_ignore = 1\nnet.ipv4.conf.all.arp_announce=2\n\
                 net.ipv4.ip_forward = 1\n",
            ),
            (
                "etc/rc.d/rc.local",
                "#!/bin/sh\ntouch /var/lock/subsys/local\nsh /usr/local/sbin/lvs_dr_rs.sh\n",
            ),
            ("usr/local/sbin/lvs_dr_rs.sh", SCRIPT),
            ("etc/init.d/realserver", SCRIPT),
        ]),
        [
            "etc/sysconfig/network-scripts/ifcfg-lo:0: IPADDR=192.168.1.200",
            "etc/sysctl.conf:2: net.ipv4.conf.lo.arp_ignore = 1",
            "etc/sysctl.conf:3: net.ipv4.conf.all.arp_announce=2",
            "etc/rc.d/rc.local:3: sh /usr/local/sbin/lvs_dr_rs.sh",
            "etc/init.d/realserver: sets up the VIP and the ARP sysctls by itself",
            "usr/local/sbin/lvs_dr_rs.sh: sets up the VIP and the ARP sysctls by itself",
        ]
    );
}

#[test]
fn a_file_named_lo_0_and_debians_interfaces_are_recognised_too() {
    assert_eq!(
        found(&[
            (
                "etc/sysconfig/network-scripts/lo:0",
                "DEVICE=lo:0\nIPADDR=192.168.1.120\n"
            ),
            (
                "etc/network/interfaces",
                "auto lo\niface lo inet loopback\nauto lo:0\niface lo:0 inet static\n",
            ),
            (
                "etc/sysctl.d/90-lvs.conf",
                "net/ipv4/conf/enp0s3/arp_ignore=1\n"
            ),
        ]),
        [
            "etc/sysconfig/network-scripts/lo:0: IPADDR=192.168.1.120",
            "etc/network/interfaces:3: auto lo:0",
            "etc/network/interfaces:4: iface lo:0 inet static",
            "etc/sysctl.d/90-lvs.conf:1: net/ipv4/conf/enp0s3/arp_ignore=1",
        ]
    );
}

#[test]
fn a_host_without_them_has_none_and_binary_files_are_no_scripts() {
    assert_eq!(
        found(&[
            ("etc/sysctl.conf", "net.ipv4.conf.all.rp_filter = 1\n"),
            (
                "etc/rc.local",
                "exit 0\n# sh /usr/local/sbin/lvs_dr_rs.sh\n"
            ),
            ("usr/local/sbin/tool", "\u{0}\u{1}arp_ignore"),
            ("etc/sysconfig/network-scripts/ifcfg-lo", "DEVICE=lo\n"),
        ]),
        [""; 0]
    );
}

#[test]
fn aliases_of_lo_are_vips_and_its_own_addresses_are_not() {
    let address = |link, text: &str| {
        let parsed = text.parse::<crate::lvs::Prefixed>().unwrap();
        let new = crate::sys::address::NewAddress {
            address: parsed,
            ..crate::sys::address::NewAddress::host(parsed.address)
        };
        vip::as_listed(link, &new)
    };
    let addresses = [
        address(1, "127.0.0.1/8"),
        address(1, "::1/128"),
        address(1, "192.168.1.200/32"),
        address(1, "10.0.0.0/24"),
        address(2, "192.168.1.53/24"),
        address(1, "2001:db8::200/128"),
    ];
    let vips = vips_on_lo(
        &[Link::working(1, "lo"), Link::working(2, "eth0")],
        &addresses,
    );
    assert_eq!(
        vips,
        ["192.168.1.200", "2001:db8::200"].map(|ip| ip.parse::<IpAddr>().unwrap())
    );
}
