//! The agent's unit without IPv6.

use super::{AGENT, AGENT_FILE, Machine};

/// As where the kernel was started with `ipv6.disable=1`: no socket of the family.
pub(super) fn without_ipv6_it_listens_by_ipv4(site: &Machine) {
    let listening = || site.run("ss -Hltn 'sport = :9480'").ok();
    let both = listening();
    assert!(
        both.contains("*:9480") || both.contains("[::]:9480"),
        "{both}"
    );
    site.host.write("/etc/lvsd/realserver.toml", AGENT_FILE);
    site.host.write(
        "/etc/systemd/system/lvsd-realserver.service.d/ipv4.conf",
        "[Service]\nRestrictAddressFamilies=\n\
         RestrictAddressFamilies=AF_UNIX AF_INET AF_NETLINK AF_PACKET\n",
    );
    site.run(&format!(
        "systemctl daemon-reload && systemctl restart {AGENT}"
    ))
    .ok();
    let alone = listening();
    assert!(alone.contains("0.0.0.0:9480"), "{alone}");
    assert_eq!(site.ready(), 200);
    let journal = site.journal();
    assert!(journal.contains("there is no IPv6 here"), "{journal}");
}
