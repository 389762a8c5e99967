use super::*;
use crate::leftovers::shell;

fn deed(text: &str) -> Deed {
    let script = shell::parse(text, &|_| None);
    of(&script.commands[0])
}

const VIP: &str = "192.168.1.200";

#[test]
fn every_spelling_that_puts_the_vip_on_lo_is_known() {
    let binds = Deed::Bind([VIP.parse().unwrap()].into());
    for text in [
        "ifconfig lo:0 192.168.1.200 netmask 255.255.255.255 up",
        "/sbin/ifconfig lo:0 192.168.1.200 broadcast 192.168.1.200 netmask 255.255.255.255 up",
        "ifconfig lo:10 inet 192.168.1.200/32",
        "ifconfig lo add 192.168.1.200",
        "sudo ifconfig lo:0 192.168.1.200 up",
        "busybox ifconfig lo:0 192.168.1.200",
        "ip addr add 192.168.1.200/32 dev lo",
        "ip addr add 192.168.1.200/32 dev lo label lo:0",
        "/sbin/ip address add 192.168.1.200/32 dev lo",
        "ip a a 192.168.1.200/32 dev lo",
        "ip a a 192.168.1.200/32 dev lo:0",
        "ip -4 address add 192.168.1.200 dev lo",
        "ip -4 addr replace local 192.168.1.200 brd 192.168.1.200 dev lo scope host",
        "ip addr add dev lo 192.168.1.200/255.255.255.255",
        "/usr/sbin/ip -f inet ad add 192.168.1.200/32 brd + dev lo",
        "nohup ip addr add 192.168.1.200/32 dev lo >/dev/null 2>&1",
        "timeout 5 ip addr change 192.168.1.200/32 dev lo",
        "action \"VIP\" ip addr add 192.168.1.200/32 dev lo",
        "route add -host 192.168.1.200 dev lo:0",
        "route add -host 192.168.1.200 lo:0",
        "/sbin/route add 192.168.1.200 dev lo",
        "ip route add 192.168.1.200 dev lo",
        "ip ro replace local 192.168.1.200/32 dev lo table local",
    ] {
        assert_eq!(deed(text), binds, "{text}");
    }
    let six = Deed::Bind(["2001:db8::200".parse().unwrap()].into());
    assert_eq!(deed("ip -6 addr add 2001:db8::200/128 dev lo nodad"), six);
    assert_eq!(deed("ifconfig lo inet6 add 2001:db8::200/128"), six);
    assert_eq!(
        deed("ifconfig lo:0 $1 up"),
        Deed::Bind([].into()),
        "not known which"
    );
}

#[test]
fn commands_about_other_interfaces_or_lo_itself_are_not_taken_for_it() {
    for (text, expected) in [
        ("ip addr add 192.168.1.53/24 dev eth0", Deed::Other),
        ("ifconfig eth0:0 192.168.1.200 up", Deed::Other),
        ("ifconfig lo 127.0.0.1 netmask 255.0.0.0 up", Deed::Other),
        ("ifconfig lo up", Deed::Talk),
        ("ip link set lo up", Deed::Talk),
        ("ip addr add 127.0.0.2/8 dev lo", Deed::Other),
        ("ip a s dev lo", Deed::Talk),
        ("ip addr", Deed::Talk),
        ("ip route add 10.0.0.0/8 dev lo", Deed::Other),
        (
            "route add -net 127.0.0.0 netmask 255.0.0.0 dev lo",
            Deed::Other,
        ),
        ("route add default gw 192.168.1.1", Deed::Other),
        ("ifup lo", Deed::Other),
        ("ifup -a", Deed::Other),
        ("ifconfig lo:0 down", Deed::Undo),
        ("ip addr del 192.168.1.200/32 dev lo", Deed::Undo),
        ("route del -host 192.168.1.200", Deed::Undo),
    ] {
        assert_eq!(deed(text), expected, "{text}");
    }
}

#[test]
fn arp_parameters_are_set_in_many_ways() {
    for text in [
        "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore",
        "echo \"2\" >/proc/sys/net/ipv4/conf/lo/arp_announce",
        "echo 1 | tee /proc/sys/net/ipv4/conf/all/arp_ignore; :",
        "sysctl -w net.ipv4.conf.all.arp_ignore=1",
        "sysctl -qw net/ipv4/conf/eth0.5/arp_announce=2",
        "/sbin/sysctl net.ipv4.conf.lo.arp_ignore=1 >/dev/null",
    ] {
        let script = shell::parse(text, &|_| None);
        let mut deeds = script.commands.iter().map(of);
        assert!(deeds.any(|deed| deed == Deed::Set), "{text}");
    }
    let reload = |file: &str| Deed::Reload(Some(file.to_owned()));
    for (text, expected) in [
        ("sysctl -p", reload("/etc/sysctl.conf")),
        ("sysctl -p >/dev/null 2>&1", reload("/etc/sysctl.conf")),
        (
            "/sbin/sysctl -e -p /etc/sysctl.d/lvs.conf",
            reload("/etc/sysctl.d/lvs.conf"),
        ),
        ("sysctl --load=/etc/lvs.conf", reload("/etc/lvs.conf")),
        ("sysctl --system", Deed::Reload(None)),
        ("sysctl -a", Deed::Talk),
        ("sysctl -w net.ipv4.ip_forward=1", Deed::Other),
        ("echo 1 > /proc/sys/net/ipv4/ip_forward", Deed::Other),
    ] {
        assert_eq!(deed(text), expected, "{text}");
    }
}

#[test]
fn what_runs_a_script_or_brings_an_alias_up_is_known() {
    let run = |name: &str| Deed::Run(name.to_owned());
    for (text, expected) in [
        ("sh /opt/lvs_dr_rs.sh", run("/opt/lvs_dr_rs.sh")),
        (
            "/bin/bash -x /opt/lvs_dr_rs.sh start",
            run("/opt/lvs_dr_rs.sh"),
        ),
        ("/opt/lvs_dr_rs.sh start &", run("/opt/lvs_dr_rs.sh")),
        ("./lvs_dr_rs.sh", run("./lvs_dr_rs.sh")),
        (
            ". /opt/lvs_dr_rs.sh",
            Deed::Read("/opt/lvs_dr_rs.sh".to_owned()),
        ),
        ("sudo -u root nohup /opt/lvs.sh", run("/opt/lvs.sh")),
        (
            "su - root -c '/opt/lvs.sh'",
            Deed::Text("/opt/lvs.sh".to_owned()),
        ),
        ("bash -c \"ip a\"", Deed::Text("ip a".to_owned())),
        ("service realserver start", run("realserver")),
        ("/usr/sbin/service realserver restart", run("realserver")),
        ("invoke-rc.d realserver start", run("realserver")),
        (
            "/etc/init.d/realserver start",
            run("/etc/init.d/realserver"),
        ),
        (
            "systemctl start realserver.service",
            run("realserver.service"),
        ),
        (
            "systemctl --no-block enable --now realserver",
            run("realserver"),
        ),
        ("/etc/init.d/realserver stop", Deed::Other),
        ("service realserver status", Deed::Other),
        ("ifup lo:0", Deed::Raise("lo:0".to_owned())),
        (
            "/etc/sysconfig/network-scripts/ifup ifcfg-lo:0",
            Deed::Raise("lo:0".to_owned()),
        ),
        (". /etc/rc.d/init.d/functions", Deed::Talk),
        ("cd /opt", Deed::Go("/opt".to_owned())),
    ] {
        assert_eq!(deed(text), expected, "{text}");
    }
}
