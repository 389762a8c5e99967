//! The checks of RFC 9568 §7.1 and RFC 3768 §7.1 on a received message.

use std::net::IpAddr;

use super::advert::{Advert, Checksum, verified_checksum};
use super::discard::Discard;
use super::ipv4::Datagram;
use super::transport::Transport;
use super::{Priority, Settings, Version};
use crate::lvs::Family;

/// An advert that passed every check, and who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The sender's primary address.
    pub source: IpAddr,
    /// What it says.
    pub advert: Advert,
    /// How the sender computes checksums.
    pub checksum: Checksum,
}

/// Decides whether a message is an advert for the virtual router `settings` on
/// this interface, where our adverts come from `own`.
///
/// The order is that of the RFCs, cheap checks first.
pub fn receive(
    datagram: &Datagram<'_>,
    settings: &Settings,
    transport: &Transport,
    own: IpAddr,
) -> Result<Heard, Discard> {
    transport.check(datagram, own)?;
    let advert = Advert::decode(datagram.message, Family::of(datagram.source))?;
    let checksum = verified_checksum(datagram).ok_or(Discard::Checksum)?;
    if advert.vrid != settings.vrid {
        return Err(Discard::UnknownVrid(advert.vrid.get()));
    }
    check_version(&advert, settings)?;
    Ok(Heard {
        source: datagram.source,
        advert,
        checksum,
    })
}

/// Both speak the same version, and in version 2 everything that only it fixes.
fn check_version(advert: &Advert, settings: &Settings) -> Result<(), Discard> {
    let (theirs, ours) = match (&advert.version, &settings.version) {
        (Version::V3, Version::V3) => return Ok(()),
        (Version::V2 { .. }, Version::V3) => return Err(Discard::Version(2)),
        (Version::V3, Version::V2 { .. }) => return Err(Discard::Version(3)),
        (Version::V2 { auth: theirs }, Version::V2 { auth: ours }) => (theirs, ours),
    };
    if settings.priority == Priority::OWNER {
        return Err(Discard::OwnerHere);
    }
    match (theirs, ours) {
        (Some(_), None) => return Err(Discard::AuthType(1)),
        (None, Some(_)) => return Err(Discard::AuthType(0)),
        (Some(theirs), Some(ours)) if theirs != ours => return Err(Discard::AuthPassword),
        (Some(_), Some(_)) | (None, None) => {}
    }
    if advert.interval == settings.advert_interval {
        Ok(())
    } else {
        Err(Discard::Interval {
            theirs: advert.interval,
            ours: settings.advert_interval,
        })
    }
}

#[cfg(test)]
mod tests;
