//! Tunnel devices: what packets within packets come out of.

use std::net::IpAddr;

use netlink_packet_route::link::{
    GreIOFlags, InfoData, InfoGre, InfoIpTunnel, InfoKind, LinkAttribute, LinkInfo, LinkMessage,
};

use super::rtnetlink::{Error, Rtnetlink};

/// The kind of a device, by what it unpacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 within IPv4.
    Ipip,
    /// IPv6 within IPv4.
    Sit,
    /// Either within GRE over IPv4.
    Gre {
        /// Whether the packets carry a checksum.
        checksum: bool,
    },
    /// Either within IPv6.
    Ip6,
}

/// A device to make. It takes packets from anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTunnel {
    /// Its name.
    pub name: String,
    /// What it unpacks.
    pub kind: Kind,
    /// The address that packets are sent to; none: any of this host's.
    pub local: Option<IpAddr>,
}

impl Rtnetlink {
    /// Makes a tunnel device, which is down. The kernel loads the module that it
    /// needs, and that may make a device of the same name by itself.
    pub async fn add_tunnel(&self, new: &NewTunnel) -> Result<(), Error> {
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName(new.name.clone()),
            LinkAttribute::LinkInfo(describe(new)),
        ];
        let made = self.handle.link().add(message).execute().await;
        made.map_err(|error| Error::refused(format!("make the tunnel {}", new.name), error))
    }
}

fn describe(new: &NewTunnel) -> Vec<LinkInfo> {
    let local = new.local.map(InfoIpTunnel::Local);
    let (kind, data) = match new.kind {
        Kind::Ipip => (
            InfoKind::IpIp,
            InfoData::IpTunnel(local.into_iter().collect()),
        ),
        Kind::Sit => (
            InfoKind::SitTun,
            InfoData::IpTunnel(local.into_iter().collect()),
        ),
        Kind::Ip6 => (
            InfoKind::Ip6Tnl,
            // Protocol 0: IPv4 and IPv6 alike.
            InfoData::IpTunnel(
                [InfoIpTunnel::Protocol(0_u8.into())]
                    .into_iter()
                    .chain(local)
                    .collect(),
            ),
        ),
        Kind::Gre { checksum } => {
            let mut data = Vec::new();
            if let Some(IpAddr::V4(local)) = new.local {
                data.push(InfoGre::Local(local));
            }
            if checksum {
                data.push(InfoGre::IFlags(GreIOFlags::Checksum));
                data.push(InfoGre::OFlags(GreIOFlags::Checksum));
            }
            (InfoKind::GreTun, InfoData::GreTun(data))
        }
    };
    vec![LinkInfo::Kind(kind), LinkInfo::Data(data)]
}
