//! VIPs where they must not be.

use super::{QUICK, WHOLE, clean, each_finds, file, finds, heals, runs_scripts};
use crate::lab::lvsd::{DirectorFile, Pair, text};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(a_vip_that_a_killed_director_left_is_named_there).on_any_linux(),
    scenario!(a_vip_on_a_nic_of_a_real_server_is_named).on_any_linux(),
    scenario!(a_vip_that_checks_leave_from_is_named),
];

const VIP6: &str = "2001:db8::200";

/// Adverts each second, and no virtual servers.
fn vrrp(priority: u8) -> DirectorFile {
    DirectorFile {
        server: String::new(),
        ..file(priority)
    }
}

fn a_vip_that_a_killed_director_left_is_named_there(lab: &Lab) {
    let pair = Pair::build(lab);
    let Pair { lvs51, lvs52, .. } = &pair;
    [lvs51, lvs52].into_iter().for_each(clean);
    let first = lvs51.director(&vrrp(100));
    let _second = lvs52.director(&vrrp(50));
    pair.become_states("master", "backup");
    each_finds(lab, &[lvs51, lvs52].map(|host| (host, [].as_slice())));

    first.kill9();
    eventually("the other one is master", within(secs(10)), || {
        lvs52.vrrp_state() == "master" && lvs52.holds(VIP)
    });
    assert!(lvs51.holds(VIP), "nobody took it off");
    let expected: [(&Host, &[&str]); 2] = [
        (lvs51, &["broken vip-on-backup"]),
        (lvs52, &["broken vip-duplicate"]),
    ];
    each_finds(lab, &expected);
    // Nor does it matter that there is a file: somebody's address by hand is the same.
    lvs51.run("rm -r /etc/lvsd").ok();
    let command = format!("ip addr del {VIP}/32 dev ens192");
    heals(lab, lvs51, WHOLE, "broken vip-on-backup", &command);
    finds(lab, lvs52, WHOLE, &[]);

    // As the first address of the network, this host's own would go with it.
    lvs51
        .run(&format!(
            "ip addr flush dev ens192 scope global; ip addr add {VIP}/24 dev ens192; \
             ip addr add 192.168.1.51/24 dev ens192; ip route replace default via 192.168.1.1"
        ))
        .ok();
    let command = format!(
        "sysctl -w net.ipv4.conf.ens192.promote_secondaries=1; ip addr del {VIP}/24 dev ens192"
    );
    heals(lab, lvs51, WHOLE, "broken vip-on-backup", &command);
    assert!(lvs51.has_address("192.168.1.51"));
}

fn a_vip_on_a_nic_of_a_real_server_is_named(lab: &Lab) {
    let lan = lab.lan();
    let host = |name: &str, last: u8| {
        let host = lan.host_with_nic(name, "ens192", &format!("192.168.1.{last}/24"));
        clean(&host);
        host.run(&format!(
            "ip addr add 2001:db8::{last}/64 dev ens192 nodad && \
             ip -6 route add default via 2001:db8::1"
        ))
        .ok();
        host
    };
    let (lvs51, rs53) = (host("lvs51", 51), host("rs53", 53));
    rs53.nginx("I am 53\n");
    runs_scripts(&rs53);
    let director = lvs51.director(&vrrp(100));
    eventually("51 has the VIP", within(secs(10)), || lvs51.holds(VIP));
    lvs51
        .run(&format!("ip addr add {VIP6}/128 dev ens192 nodad"))
        .ok();
    rs53.run(&format!("ip addr add {VIP6}/128 dev lo")).ok();
    finds(lab, &rs53, WHOLE, &[]);

    for (vip, of_host) in [(VIP, "32"), (VIP6, "128 nodad")] {
        let len = of_host.split(' ').next().unwrap();
        rs53.run(&format!("ip addr add {vip}/{of_host} dev ens192"))
            .ok();
        let command = format!("ip addr del {vip}/{len} dev ens192");
        heals(lab, &rs53, WHOLE, "broken vip-on-nic", &command);
    }

    // The file wants it on `lo`, and somebody puts it elsewhere.
    rs53.write(
        "/etc/lvsd/realserver.toml",
        &format!("vips = ['{VIP}', '{VIP6}']\n"),
    );
    rs53.run("rm /etc/rc.local /etc/lvs_dr_rs.sh").ok();
    rs53.run(&format!(
        "ip addr del {VIP}/32 dev lo && ip addr add {VIP}/32 dev ens192"
    ))
    .ok();
    let command = format!("ip address add {VIP}/32 dev lo; ip addr del {VIP}/32 dev ens192");
    heals(lab, &rs53, WHOLE, "broken vip-on-nic", &command);
    assert!(director.is_running());
}

fn a_vip_that_checks_leave_from_is_named(lab: &Lab) {
    let lan = lab.lan();
    let [lvs51, rs53] = [("lvs51", 51), ("rs53", 53)].map(|(name, last)| {
        let host = lan.host_with_nic(name, "ens192", &format!("192.168.1.{last}/24"));
        clean(&host);
        host.run(&format!("ip addr add 2001:db8::{last}/64 dev ens192 nodad"))
            .ok();
        host
    });
    rs53.nginx("I am 53\n");
    rs53.spawn(&format!("lvsd realserver --vip {VIP6}"));
    eventually("53 has the VIP", within(secs(10)), || {
        rs53.has_address(VIP6)
    });
    // As somebody does who has one director.
    lvs51
        .run(&format!("ip addr add {VIP6}/128 dev ens192 nodad"))
        .ok();
    lvs51.write(
        "/etc/lvsd/director.toml",
        &format!(
            "[[virtual_server]]\naddress = '[{VIP6}]:80'\nreal_servers = ['2001:db8::53']\n\
             check = {{ type = 'tcp', timeout = '500ms', interval = '1s', retries = 0 }}\n"
        ),
    );
    lvs51.spawn("lvsd director");
    let expected = ["broken vip-is-source", "broken no-real-server"];
    let health = || text(&lvs51.real_server("[2001:db8::53]:80")["health"]);
    eventually("the check has failed", within(secs(10)), || {
        lvs51.real_server("[2001:db8::53]:80")["reason"]
            .as_str()
            .is_some_and(|reason| reason.starts_with("no answer within"))
    });
    let findings = finds(lab, &lvs51, QUICK, &expected);
    let command = format!("ip addr change {VIP6}/128 dev ens192 preferred_lft 0");
    assert!(text(&findings[0]["mend"]).contains(&command));
    lvs51.run(&command).ok();
    eventually("53 is up", within(secs(10)), || health() == "up");
    finds(lab, &lvs51, QUICK, &[]);
}
