//! Network interfaces, as the kernel lists them.

use futures_util::TryStreamExt;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoMacVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, MacVlanMode,
};
use rtnetlink::LinkMacVlan;

use super::neighbour::Mac;
use super::rtnetlink::{Error, Rtnetlink};

/// A network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// The number by which other objects refer to it.
    pub index: u32,
    /// Its name, which may change.
    pub name: String,
    /// `IFF_UP`: an administrator wants it up.
    pub up: bool,
    /// `IFF_LOWER_UP`: its cable is plugged.
    pub carrier: bool,
    /// `IFF_LOOPBACK`.
    pub loopback: bool,
    /// `IFF_NOARP`: neighbours are not resolved on it.
    pub noarp: bool,
    /// Its hardware address; empty if it has none.
    pub hardware_address: Vec<u8>,
    /// The longest packet, in bytes.
    pub mtu: u32,
    /// The index of the interface below, of one that is not hardware itself.
    pub parent: Option<u32>,
    /// A macvlan in mode `bridge`, as [`Rtnetlink::add_macvlan`] makes it.
    pub macvlan: bool,
    /// A dummy: an interface without neighbours, to put addresses on.
    pub dummy: bool,
    /// A bridge: a network of its own, of what is plugged into it.
    pub bridge: bool,
    /// A tunnel of IP in IPv4, plain or with GRE, whatever its name.
    pub tunnel: bool,
}

#[cfg(test)]
impl Link {
    /// An Ethernet interface that works, or the loopback if its name is `lo`.
    pub(crate) fn working(index: u32, name: &str) -> Self {
        Self {
            index,
            name: name.to_owned(),
            up: true,
            carrier: true,
            loopback: name == "lo",
            hardware_address: vec![0; 6],
            mtu: 1_500,
            ..Self::default()
        }
    }
}

impl Rtnetlink {
    /// Adds an interface with a hardware address of its own on top of another
    /// one. It is down.
    ///
    /// Mode `bridge`: in the others a macvlan takes from the interface below what
    /// another host sends from the same hardware address, and a virtual router
    /// would not hear its rival.
    pub async fn add_macvlan(&self, name: &str, parent: u32, mac: Mac) -> Result<(), Error> {
        let message = LinkMacVlan::new(name, parent, MacVlanMode::Bridge)
            .address(mac.to_vec())
            .build();
        let message = RouteNetlinkMessage::NewLink(message);
        let what = || format!("add interface {name}");
        self.ask(message, NLM_F_CREATE | NLM_F_EXCL, what).await
    }

    /// Takes an interface up or down.
    pub async fn set_link_up(&self, link: u32, up: bool) -> Result<(), Error> {
        let mut message = LinkMessage::default();
        message.header.index = link;
        message.header.change_mask = LinkFlags::Up;
        message.header.flags = if up {
            LinkFlags::Up
        } else {
            LinkFlags::empty()
        };
        let what = || format!("take interface {link} {}", if up { "up" } else { "down" });
        let message = RouteNetlinkMessage::SetLink(message);
        self.ask(message, 0, what).await
    }

    /// Gives an interface another name. A kernel before 6.2 refuses that while it is up.
    pub async fn rename_link(&self, link: u32, name: &str) -> Result<(), Error> {
        let mut message = LinkMessage::default();
        message.header.index = link;
        let name = LinkAttribute::IfName(name.to_owned());
        let what = format!("rename interface {link}");
        message.attributes.push(name);
        let message = RouteNetlinkMessage::SetLink(message);
        self.ask(message, 0, || what).await
    }

    /// Deletes an interface.
    pub async fn delete_link(&self, link: u32) -> Result<(), Error> {
        let mut message = LinkMessage::default();
        message.header.index = link;
        let message = RouteNetlinkMessage::DelLink(message);
        let what = || format!("delete interface {link}");
        self.ask(message, 0, what).await
    }

    /// Lists the network interfaces, in the kernel's order.
    pub async fn links(&self) -> Result<Vec<Link>, Error> {
        self.handle
            .link()
            .get()
            .execute()
            .map_ok(|message| from_message(&message))
            .try_collect()
            .await
            .map_err(|error| Error::refused("list the network interfaces".into(), error))
    }

    /// Looks an interface up by name; none: there is no such interface.
    pub async fn link(&self, name: &str) -> Result<Option<Link>, Error> {
        let found: Result<Vec<_>, _> = self
            .handle
            .link()
            .get()
            .match_name(name.to_owned())
            .execute()
            .try_collect()
            .await;
        match found {
            Ok(messages) => Ok(messages.first().map(from_message)),
            Err(error) => {
                match Error::refused(format!("look up network interface {name}"), error) {
                    error if error.is_not_found() => Ok(None),
                    error => Err(error),
                }
            }
        }
    }
}

pub(super) fn from_message(message: &LinkMessage) -> Link {
    let flags = message.header.flags;
    let mut link = Link {
        index: message.header.index,
        up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp),
        loopback: flags.contains(LinkFlags::Loopback),
        noarp: flags.contains(LinkFlags::Noarp),
        ..Link::default()
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Address(bytes) => link.hardware_address.clone_from(bytes),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Link(parent) => link.parent = Some(*parent),
            LinkAttribute::LinkInfo(infos) => {
                let is = |kind| infos.contains(&LinkInfo::Kind(kind));
                link.macvlan = is_macvlan(infos);
                link.dummy = is(InfoKind::Dummy);
                link.bridge = is(InfoKind::Bridge);
                link.tunnel = is(InfoKind::IpIp) || is(InfoKind::GreTun);
            }
            _ => {}
        }
    }
    link
}

fn is_macvlan(infos: &[LinkInfo]) -> bool {
    let bridge = InfoMacVlan::Mode(MacVlanMode::Bridge);
    infos.contains(&LinkInfo::Kind(InfoKind::MacVlan))
        && infos.iter().any(
            |info| matches!(info, LinkInfo::Data(InfoData::MacVlan(all)) if all.contains(&bridge)),
        )
}
