//! The kernel's neighbour tables: which hardware address it sends to for an IP address on
//! a LAN.

use std::net::IpAddr;

use futures_util::TryStreamExt;
use netlink_packet_core::NLM_F_CREATE;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};

use super::neighbour::Mac;
use super::rtnetlink::{Error, Rtnetlink, address_family};
use crate::lvs::Family;

/// A neighbour whose Ethernet address the kernel knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// The index of the interface that it is behind.
    pub link: u32,
    /// Its IP address.
    pub address: IpAddr,
    /// Its Ethernet address.
    pub mac: Mac,
}

impl Rtnetlink {
    /// The neighbours that the kernel knows.
    pub async fn neighbours(&self) -> Result<Vec<Neighbour>, Error> {
        let neighbours = self.handle.neighbours().get().execute();
        let listed: Vec<_> = neighbours
            .try_collect()
            .await
            .map_err(|error| Error::refused("list the neighbours".into(), error))?;
        Ok(listed.iter().filter_map(known).collect())
    }

    /// Has the kernel ask for the hardware address of a neighbour on this link.
    pub async fn ask_for_neighbour(&self, link: u32, address: IpAddr) -> Result<(), Error> {
        let mut request = NeighbourMessage::default();
        request.header.family = address_family(Family::of(address));
        request.header.ifindex = link;
        request.header.flags = NeighbourFlags::Use;
        let to = NeighbourAttribute::Destination(address.into());
        request.attributes.push(to);
        let request = RouteNetlinkMessage::NewNeighbour(request);
        let what = || format!("have the kernel ask for the hardware address of {address}");
        self.ask(request, NLM_F_CREATE, what).await
    }
}

fn known(message: &NeighbourMessage) -> Option<Neighbour> {
    use NeighbourState::{Failed, Incomplete, Noarp, None as Nothing};
    if matches!(message.header.state, Failed | Incomplete | Noarp | Nothing) {
        return None;
    }
    let attributes = || message.attributes.iter();
    let address = attributes().find_map(|it| match it {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(it)) => Some(IpAddr::V4(*it)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(it)) => Some(IpAddr::V6(*it)),
        _ => None,
    });
    let mac = attributes().find_map(|it| match it {
        NeighbourAttribute::LinkLayerAddress(mac) => mac.as_slice().try_into().ok(),
        _ => None,
    });
    Some(Neighbour {
        link: message.header.ifindex,
        address: address?,
        mac: mac?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::rtnetlink::tests::in_own_namespace;

    #[test]
    fn neighbours_are_listed_where_the_kernel_knows_them_and_asked_for_else() {
        in_own_namespace(async |kernel| {
            let shell = |words: &str| {
                let mut shell = std::process::Command::new("sh");
                let output = shell.args(["-c", words]).output().unwrap();
                assert!(output.status.success(), "{words}: {output:?}");
                String::from_utf8(output.stdout).unwrap()
            };
            shell(
                "ip link add veth1 type veth peer name veth2; \
                 ip link set veth1 up; ip link set veth2 up; \
                 ip address add 192.0.2.1/24 dev veth1; \
                 ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev veth1 nud stale; \
                 ip neigh add 2001:db8::9 lladdr 02:00:00:00:00:09 dev veth1 nud reachable",
            );
            let link = kernel.link("veth1").await.unwrap().unwrap().index;
            let known = kernel.neighbours().await.unwrap();
            for address in ["192.0.2.9", "2001:db8::9"] {
                let neighbour = Neighbour {
                    link,
                    address: address.parse().unwrap(),
                    mac: [2, 0, 0, 0, 0, 9],
                };
                assert!(known.contains(&neighbour), "{known:?}");
            }
            let silent = "192.0.2.10".parse().unwrap();
            kernel.ask_for_neighbour(link, silent).await.unwrap();
            let asked = shell("ip neigh show 192.0.2.10");
            assert!(asked.contains("INCOMPLETE"), "{asked}");
            let known = kernel.neighbours().await.unwrap();
            assert!(known.iter().all(|it| it.address != silent), "{known:?}");
        });
    }
}
