//! What an interface offers to virtual routers, and what one of them makes of it.

use std::net::IpAddr;
use std::num::NonZeroU32;

use crate::config::director::VrrpInstance;
use crate::lvs::Family;
use crate::vrrp::router::LinkFault;

/// Whether an interface can carry adverts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// It can.
    Up {
        /// Its index; another one than before: it is a new interface.
        index: NonZeroU32,
        /// The longest packet that it carries, in bytes.
        mtu: u32,
        /// Where adverts may come from.
        addresses: Addresses,
    },
    /// It cannot.
    Down(LinkFault),
}

/// The addresses of an interface that adverts may come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Those that work, the primary one of each family before its others. What
    /// lvsd put there is not among them.
    pub usable: Vec<IpAddr>,
    /// The host's addresses on other interfaces.
    pub elsewhere: Vec<IpAddr>,
    /// Why the IPv6 link-local address, which is there, does not work yet.
    pub link_local_fault: Option<LinkFault>,
}

impl Link {
    /// The index of an interface that works.
    pub(super) fn index(&self) -> Option<NonZeroU32> {
        match self {
            Self::Up { index, .. } => Some(*index),
            Self::Down(_) => None,
        }
    }

    /// The longest packet of an interface that works.
    pub(super) fn mtu(&self) -> Option<usize> {
        match self {
            Self::Up { mtu, .. } => usize::try_from(*mtu).ok(),
            Self::Down(_) => None,
        }
    }

    /// Where the adverts of this virtual router come from, or why there can be
    /// none.
    pub(super) fn source_for(&self, router: &VrrpInstance) -> Result<IpAddr, LinkFault> {
        match self {
            Self::Up { addresses, .. } => addresses.source_for(router),
            Self::Down(fault) => Err(*fault),
        }
    }
}

impl Addresses {
    fn source_for(&self, router: &VrrpInstance) -> Result<IpAddr, LinkFault> {
        let peers = router.transport.peers();
        let is_own = |peer: &&IpAddr| self.usable.contains(peer) || self.elsewhere.contains(peer);
        if let Some(own) = peers.iter().find(is_own) {
            return Err(LinkFault::OwnPeer(*own));
        }
        match router.transport.source {
            Some(source) if self.usable.contains(&source) => Ok(source),
            Some(source) => Err(LinkFault::NoSource(source)),
            None => self.primary(router.settings.family(), peers),
        }
    }

    /// RFC 9568 §5.1.1.1, §5.1.2.1. Peers beyond the link cannot answer a
    /// link-local address.
    fn primary(&self, family: Family, peers: &[IpAddr]) -> Result<IpAddr, LinkFault> {
        let on_link = peers.iter().all(is_link_local);
        let mut usable = self.usable.iter().copied();
        match family {
            Family::Ipv4 => usable.find(IpAddr::is_ipv4).ok_or(LinkFault::NoAddress),
            Family::Ipv6 if on_link => {
                let fault = self.link_local_fault.unwrap_or(LinkFault::NoLinkLocal);
                usable.find(is_link_local).ok_or(fault)
            }
            Family::Ipv6 => usable
                .find(|address| address.is_ipv6() && !is_link_local(address))
                .ok_or(LinkFault::NoAddress),
        }
    }
}

/// Of IPv6: its IPv4 namesakes are as good as any address.
fn is_link_local(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

#[cfg(test)]
mod tests;
