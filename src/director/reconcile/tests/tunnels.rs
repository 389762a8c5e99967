use super::*;
use crate::lvs::Tunnel;

/// The table of 1, its first real server behind this tunnel.
fn tunnelled(tunnel: Tunnel) -> Table {
    let (id, mut server) = entry(1);
    let first = server.real_servers.values_mut().next().unwrap();
    first.forwarding = Forwarding::Tunnel(tunnel);
    Table::from([(id, server)])
}

#[test]
fn a_tunnel_that_the_kernel_makes_ip_in_ip_of_is_told_once_and_its_server_kept_out() {
    let mut site = Site::new(Table::new());
    site.kernel.is_old = true;
    let wanted = tunnelled(Tunnel::Gre { checksum: false });
    site.pass(&wanted, 1);
    let in_kernel = &site.kernel.table.values().next().unwrap().real_servers;
    assert_eq!(in_kernel.len(), 1, "the other one serves: {in_kernel:?}");
    let told = &site.reconciler.report.refused;
    let told = &told.first_key_value().unwrap().1.sentence;
    assert!(
        told.contains("10.1.0.1:80") && told.contains("Linux 5.3"),
        "{told:?}"
    );
    assert_eq!(site.pass(&wanted, 1), 0, "nothing is tried for ever");
    assert_eq!(site.reconciler.report.repaired, 0);
    assert_eq!(site.reconciler.report.refused.len(), 1);
    site.restart();
    site.pass(&tunnelled(Tunnel::Ipip), 2);
    assert_eq!(site.kernel.table, tunnelled(Tunnel::Ipip));
    assert!(site.reconciler.report.refused.is_empty());
}

#[test]
fn a_tunnel_that_the_kernel_has_is_read_back_once() {
    let mut site = Site::new(Table::new());
    let wanted = tunnelled(Tunnel::Gre { checksum: true });
    site.pass(&wanted, 1);
    assert_eq!(site.kernel.table, wanted);
    assert_eq!(site.kernel.dumps, 2);
    site.kernel.table.clear();
    site.pass(&wanted, 1);
    assert_eq!((site.kernel.table == wanted, site.kernel.dumps), (true, 3));
}
