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
        let real_servers = Self::real_servers(&lan);
        Self {
            lvs51: host(&lan, "lvs51", 51),
            lvs52: host(&lan, "lvs52", 52),
            client: host(&lan, "client", 10),
            real_servers,
            lan,
        }
    }

    /// The site with one director, lvs51, which has the VIP whether it is a master or not.
    pub(crate) fn with_one_director(lab: &Lab) -> Self {
        let site = Self::build(lab);
        site.configure_real_servers_by_hand();
        site.lvs51
            .run(&format!("ip addr add {VIP}/32 dev ens192"))
            .ok();
        site
    }

    /// The real servers alone.
    pub(crate) fn real_servers(lan: &Lan) -> [Host; 3] {
        [53, 54, 55].map(|last| {
            let rs = host(lan, &format!("rs{last}"), last);
            rs.nginx(&format!("I am {last}\n"));
            rs
        })
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

fn host(lan: &Lan, name: &str, last: u8) -> Host {
    lan.host_with_nic(name, "ens192", &format!("192.168.1.{last}/24"))
}
