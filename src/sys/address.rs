//! The addresses of network interfaces: list, add, delete.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use futures_util::TryStreamExt;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressScope, CacheInfo,
};

use super::rtnetlink::{Error, Rtnetlink};
use crate::lvs::Prefixed;

/// The longest label, in bytes: `IFNAMSIZ` of `<linux/if.h>` less its NUL.
pub const MAX_LABEL_LEN: usize = 15;

/// How far an address is valid, `RT_SCOPE_*` of `<linux/rtnetlink.h>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere: `ip address` says `global`.
    Global,
    /// This link only.
    Link,
    /// This host only.
    Host,
    /// Another, by number.
    Other(u8),
}

/// An address of an interface, as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The index of its interface.
    pub link: u32,
    /// The address and the length of its prefix.
    pub address: Prefixed,
    /// IPv4 only: the name `ip` and `ifconfig` show, e.g. `lo:0`. It is the
    /// interface's name if none was given.
    pub label: Option<String>,
    /// How far it is valid.
    pub scope: Scope,
    /// IPv6: duplicate address detection has not finished; it cannot be used yet.
    pub tentative: bool,
    /// IPv6: another host has it.
    pub dad_failed: bool,
    /// It is not chosen as the source of new connections.
    pub deprecated: bool,
    /// IPv4: there is an older address of the same network, and when that one
    /// goes this one goes too unless `promote_secondaries` is set.
    pub secondary: bool,
}

/// An address to add. [`NewAddress::host`] and struct update name the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAddress {
    /// The address and the length of its prefix.
    pub address: Prefixed,
    /// IPv4 only, at most [`MAX_LABEL_LEN`] bytes; it must begin with the
    /// interface's name for `ifconfig` to show it.
    pub label: Option<String>,
    /// How far it is valid.
    pub scope: Scope,
    /// IPv6: usable at once, without duplicate address detection.
    pub nodad: bool,
    /// Never the source of a connection that does not ask for it:
    /// a preferred lifetime of 0.
    pub deprecated: bool,
}

impl NewAddress {
    /// A host address with global scope, without a label, as `ip address add` makes it.
    pub fn host(address: IpAddr) -> Self {
        Self {
            address: Prefixed::host(address),
            label: None,
            scope: Scope::Global,
            nodad: false,
            deprecated: false,
        }
    }
}

/// The addresses of this host, whatever their interface.
pub fn of_this_host() -> io::Result<BTreeSet<IpAddr>> {
    let ip = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip())))
    };
    Ok(nix::ifaddrs::getifaddrs()?.filter_map(ip).collect())
}

impl Rtnetlink {
    /// Lists the addresses of every interface, both families, in the kernel's order.
    pub async fn addresses(&self) -> Result<Vec<Address>, Error> {
        let messages: Vec<_> = self
            .handle
            .address()
            .get()
            .execute()
            .try_collect()
            .await
            .map_err(|error| Error::refused("list the addresses".into(), error))?;
        Ok(messages.iter().filter_map(from_message).collect())
    }

    /// Adds an address to the interface with index `link`.
    pub async fn add_address(&self, link: u32, new: &NewAddress) -> Result<(), Error> {
        let mut request =
            self.handle
                .address()
                .add(link, new.address.address, new.address.prefix_len);
        describe(request.message_mut(), new);
        request.execute().await.map_err(|error| {
            Error::refused(
                format!("add address {} to interface {link}", new.address),
                error,
            )
        })
    }

    /// Deletes an address from the interface with index `link`.
    pub async fn delete_address(&self, link: u32, address: Prefixed) -> Result<(), Error> {
        let mut message = AddressMessage::default();
        message.header.family = family(address.address);
        message.header.index = link;
        message.header.prefix_len = address.prefix_len;
        message.attributes = vec![
            AddressAttribute::Local(address.address),
            AddressAttribute::Address(address.address),
        ];
        let request = self.handle.address().del(message);
        request.execute().await.map_err(|error| {
            Error::refused(
                format!("delete address {address} from interface {link}"),
                error,
            )
        })
    }
}

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

/// Completes a request with everything but the address itself.
fn describe(message: &mut AddressMessage, new: &NewAddress) {
    message.header.scope = new.scope.into();
    if let Some(label) = &new.label {
        message
            .attributes
            .push(AddressAttribute::Label(label.clone()));
    }
    if new.nodad {
        message.header.flags |= AddressHeaderFlags::Nodad;
        message
            .attributes
            .push(AddressAttribute::Flags(AddressFlags::Nodad));
    }
    if new.deprecated {
        let mut lifetime = CacheInfo::default();
        lifetime.ifa_preferred = 0;
        lifetime.ifa_valid = u32::MAX;
        message
            .attributes
            .push(AddressAttribute::CacheInfo(lifetime));
    }
}

/// Reads an address; none for what has no address of this host in it.
pub(super) fn from_message(message: &AddressMessage) -> Option<Address> {
    let (mut local, mut address, mut label) = (None, None, None);
    // IFA_FLAGS holds all of the flags, the header only the first eight.
    let mut flags = AddressFlags::from_bits_retain(u32::from(message.header.flags.bits()));
    for attribute in &message.attributes {
        match attribute {
            // On a point-to-point link IFA_ADDRESS is the peer's.
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => address = Some(*ip),
            AddressAttribute::Label(text) => label = Some(text.clone()),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    let v6 = message.header.family == AddressFamily::Inet6;
    Some(Address {
        link: message.header.index,
        address: Prefixed {
            address: local.or(address)?,
            prefix_len: message.header.prefix_len,
        },
        label,
        scope: message.header.scope.into(),
        tentative: flags.contains(AddressFlags::Tentative),
        dad_failed: flags.contains(AddressFlags::Dadfailed),
        deprecated: flags.contains(AddressFlags::Deprecated),
        // The same bit means "temporary" for IPv6.
        secondary: !v6 && flags.contains(AddressFlags::Secondary),
    })
}

impl From<Scope> for AddressScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Global => Self::Universe,
            Scope::Link => Self::Link,
            Scope::Host => Self::Host,
            Scope::Other(number) => number.into(),
        }
    }
}

impl From<AddressScope> for Scope {
    fn from(scope: AddressScope) -> Self {
        match scope {
            AddressScope::Universe => Self::Global,
            AddressScope::Link => Self::Link,
            AddressScope::Host => Self::Host,
            other => Self::Other(other.into()),
        }
    }
}
