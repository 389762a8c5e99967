//! The site most scenarios begin with: two directors, three real servers and a client on one
//! LAN, under direct routing, every interface called `ens192`.

use super::host::Host;
use super::lan::Lan;
use super::scenario::Lab;

/// The virtual address of the site.
pub(crate) const VIP: &str = "192.168.1.200";

/// Two directors, three real servers with nginx that say "I am 53" and so on, and a client.
/// Nothing of LVS is set up yet.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) lan: Lan,
    pub(crate) lvs51: Host,
    pub(crate) lvs52: Host,
    pub(crate) real_servers: [Host; 3],
    pub(crate) client: Host,
}

impl Site {
    pub(crate) fn build(lab: &Lab) -> Self {
        let lan = lab.lan();
        let host = |name: &str, last: u8| {
            lan.host_with_nic(name, "ens192", &format!("192.168.1.{last}/24"))
        };
        let real_servers = [53, 54, 55].map(|last| host(&format!("rs{last}"), last));
        for (rs, last) in real_servers.iter().zip([53, 54, 55]) {
            rs.nginx(&format!("I am {last}\n"));
        }
        Self {
            lvs51: host("lvs51", 51),
            lvs52: host("lvs52", 52),
            client: host("client", 10),
            real_servers,
            lan,
        }
    }

    /// Does on the real servers what the administrators' scripts do: the VIP on `lo`, and no
    /// ARP for it.
    pub(crate) fn configure_real_servers_by_hand(&self) {
        for rs in &self.real_servers {
            for nic in ["lo", "all"] {
                rs.set_sysctl(&format!("net.ipv4.conf.{nic}.arp_ignore"), 1);
                rs.set_sysctl(&format!("net.ipv4.conf.{nic}.arp_announce"), 2);
            }
            rs.run(&format!("ip addr add {VIP}/32 dev lo label lo:0"))
                .ok();
        }
    }

    /// The address that answers requests.
    pub(crate) fn url() -> String {
        format!("http://{VIP}/")
    }
}
