//! Healthy hosts to take away from, and what follows from facts.

use std::time::Duration;

use super::*;
use crate::ipvs::kernel::{Info, KernelRealServer, KernelVirtualServer, Timeouts, Version};
use crate::ipvs::table::{self, Settings};
use crate::lvs::{Forwarding, Prefixed, Scheduler, VirtualServerId, Weight};
use crate::sys::address::Scope;
use crate::sys::neighbour::Mac;
use crate::vrrp::advert::Advert;
use crate::vrrp::transport::MULTICAST_V4;
use crate::vrrp::{Version as VrrpVersion, Vrid};

/// The VIP of the site.
pub(crate) const VIP: [u8; 4] = [192, 168, 1, 200];

/// 192.168.1.`last`.
pub(crate) fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 168, 1, last])
}

/// Its hardware address.
pub(crate) fn mac(last: u8) -> Mac {
    [2, 0, 192, 168, 1, last]
}

fn link(index: u32, name: &str, hardware_address: &[u8]) -> Link {
    Link {
        index,
        name: name.to_owned(),
        up: true,
        carrier: true,
        loopback: name == "lo",
        noarp: hardware_address.is_empty(),
        hardware_address: hardware_address.to_vec(),
        mtu: 1500,
        ..Link::default()
    }
}

/// `1` is `lo`, `2` is `ens192`.
pub(crate) fn address(link: u32, text: &str) -> Address {
    Address {
        link,
        address: text.parse().unwrap(),
        label: None,
        scope: Scope::Global,
        tentative: false,
        dad_failed: false,
        deprecated: false,
        secondary: false,
    }
}

/// A host of the LAN without any LVS.
pub(crate) fn host(last: u8) -> Facts {
    let mut facts = Facts {
        links: vec![link(1, "lo", &[]), link(2, "ens192", &mac(last))],
        addresses: vec![
            address(1, "127.0.0.1/8"),
            address(2, &format!("192.168.1.{last}/24")),
        ],
        gateways: [ip(1)].into(),
        stall: Some(Duration::from_millis(3)),
        conntrack: Some((100, 65_536)),
        neighbours: Some((6, 1_024)),
        ..Facts::default()
    };
    for interface in ["all", "lo", "ens192"] {
        for name in ["arp_ignore", "arp_announce", "rp_filter"] {
            facts.set(&format!("net.ipv4.conf.{interface}.{name}"), 0);
        }
    }
    facts.set("net.ipv4.ip_forward", 0);
    facts
}

/// 192.168.1.51, master, balancing onto 53 and 54 under direct routing.
pub(crate) fn master() -> Facts {
    let mut facts = host(51);
    facts.addresses.push(address(2, "192.168.1.200/32"));
    facts.ipvs = Ipvs::Seen(Box::new(kernel()));
    for last in [53, 54] {
        let on_link = Hop {
            gateway: None,
            link: Some(2),
            local: false,
            source: None,
        };
        facts.routes.insert(ip(last), Some(on_link));
    }
    facts.wire = Some(Wire::default());
    facts.hears(51, 51, &[VIP]);
    facts.answers(VIP.into(), &[]);
    facts.answers(ip(53), &[53]);
    facts.answers(ip(54), &[54]);
    facts
}

/// 192.168.1.52, which hears 51.
pub(crate) fn backup() -> Facts {
    let mut facts = master();
    facts.links[1].hardware_address = mac(52).to_vec();
    facts.addresses = vec![address(1, "127.0.0.1/8"), address(2, "192.168.1.52/24")];
    facts.answers(VIP.into(), &[51]);
    facts
}

/// 192.168.1.53, as the scripts leave it.
pub(crate) fn real_server() -> Facts {
    let mut facts = host(53);
    facts.addresses.push(address(1, "192.168.1.200/32"));
    facts.set("net.ipv4.conf.all.arp_ignore", 1);
    facts.set("net.ipv4.conf.all.arp_announce", 2);
    facts.listening = ["0.0.0.0:80", "192.168.1.53:22"]
        .map(|text| text.parse().unwrap())
        .into();
    facts.wire = Some(Wire::default());
    facts.answers(VIP.into(), &[51]);
    facts.hears(51, 51, &[VIP]);
    facts
}

/// `tcp 192.168.1.200:80` onto 53 and 54.
fn kernel() -> Kernel {
    let mut server = KernelVirtualServer::new(Settings::of(Scheduler::WeightedRoundRobin));
    for last in [53, 54] {
        let settings = table::RealServer {
            forwarding: Forwarding::DirectRoute,
            weight: Weight::ONE,
            upper_threshold: 0,
            lower_threshold: 0,
        };
        let rip = SocketAddr::new(ip(last), 80);
        server
            .pool_mut()
            .insert(rip, KernelRealServer::new(settings));
    }
    Kernel {
        info: Info {
            version: Version(0x01_02_01),
            connection_table_size: 4096,
        },
        timeouts: Timeouts {
            tcp: Duration::from_secs(900),
            tcp_fin: Duration::from_secs(120),
            udp: Duration::from_secs(300),
        },
        table: [(virtual_server(), server)].into(),
        daemons: vec![],
        flows: BTreeMap::new(),
    }
}

/// The virtual server of [`master`].
pub(crate) fn virtual_server() -> VirtualServerId {
    "tcp 192.168.1.200:80".parse().unwrap()
}

impl Facts {
    /// Sets a kernel parameter.
    pub(crate) fn set(&mut self, key: &str, value: i32) {
        self.sysctls.insert(key.parse().unwrap(), value);
    }

    /// The kernel's IPVS, to be changed.
    pub(crate) fn kernel_mut(&mut self) -> &mut Kernel {
        match &mut self.ipvs {
            Ipvs::Seen(kernel) => kernel,
            other => panic!("{other:?}"),
        }
    }

    /// The virtual server of [`master`], to be changed.
    pub(crate) fn server_mut(&mut self) -> &mut KernelVirtualServer {
        let table = &mut self.kernel_mut().table;
        table.get_mut(&virtual_server()).unwrap()
    }

    /// Its real server 192.168.1.`last`, to be changed.
    pub(crate) fn rs_mut(&mut self, last: u8) -> &mut KernelRealServer {
        let pool = self.server_mut().pool_mut();
        pool.get_mut(&SocketAddr::new(ip(last), 80)).unwrap()
    }

    /// This host keeps the adverts of others from its programs.
    pub(crate) fn keeps_out(&mut self) {
        for heard in &mut self.wire.as_mut().unwrap().heard {
            heard.came_through = 0;
        }
    }

    /// Adverts of 192.168.1.`last` are heard all the time.
    pub(crate) fn hears(&mut self, last: u8, vrid: u8, addresses: &[[u8; 4]]) {
        let advert = Advert {
            version: VrrpVersion::V3,
            vrid: Vrid::try_from(vrid).unwrap(),
            priority: 100,
            interval: Duration::from_secs(1),
            addresses: addresses.iter().map(|it| IpAddr::from(*it)).collect(),
        };
        let heard = Heard {
            interface: "ens192".to_owned(),
            source: ip(last),
            mac: mac(last),
            advert,
            destination: MULTICAST_V4.into(),
            arrived: 3,
            came_through: 3,
            first: Duration::from_millis(300),
            last: Duration::from_millis(2_300),
        };
        self.wire.as_mut().unwrap().heard.push(heard);
    }

    /// The hosts 192.168.1.`lasts` say to have an address.
    pub(crate) fn answers(&mut self, address: IpAddr, lasts: &[u8]) {
        let macs = lasts.iter().map(|last| (mac(*last), 3)).collect();
        let place = ("ens192".to_owned(), address);
        self.wire.as_mut().unwrap().answers.insert(place, macs);
    }
}

#[test]
fn a_host_is_what_its_kernel_and_files_say() {
    assert_eq!(host(9).roles(), []);
    assert_eq!(master().roles(), [Role::Director]);
    assert_eq!(real_server().roles(), [Role::RealServer]);
    let mut both = master();
    both.addresses.push(address(1, "192.168.1.200/32"));
    assert_eq!(both.roles(), [Role::Director], "reached by routing");
    let server = *both.rs_mut(53);
    let own = SocketAddr::new(ip(51), 80);
    both.server_mut().pool_mut().insert(own, server);
    assert_eq!(both.roles(), [Role::Director, Role::RealServer]);
}

#[test]
fn the_lan_of_an_address_is_the_one_whose_network_has_it() {
    let facts = master();
    assert_eq!(facts.lan_of(ip(7)).unwrap().name, "ens192");
    assert_eq!(facts.lan_of([10, 0, 0, 1].into()), None);
    // A host address, as a VIP has, is no network.
    assert!(
        !facts
            .addresses
            .iter()
            .any(|it| it.link == 2 && it.address == Prefixed::host(ip(7)))
    );
}

#[test]
fn a_station_is_called_by_its_rip_rather_than_by_the_vip() {
    let mut facts = master();
    facts.answers(VIP.into(), &[54]);
    assert_eq!(facts.name_of(mac(54)), Some(ip(54)));
    assert_eq!(facts.name_of(mac(51)), Some(ip(51)), "by its adverts");
    assert_eq!(facts.name_of(mac(9)), None);
}
