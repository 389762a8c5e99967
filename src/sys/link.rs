//! Network interfaces, as the kernel lists them.

use futures_util::TryStreamExt;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};

use super::rtnetlink::{Error, Rtnetlink};

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

impl Rtnetlink {
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
        name: String::new(),
        up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp),
        loopback: flags.contains(LinkFlags::Loopback),
        noarp: flags.contains(LinkFlags::Noarp),
        hardware_address: Vec::new(),
        mtu: 0,
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Address(bytes) => link.hardware_address.clone_from(bytes),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            _ => {}
        }
    }
    link
}
