//! Writing down what is heard: nothing here opens anything.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use crate::doctor::facts::{Heard, Wire};
use crate::lvs::Family;
use crate::sys::errno;
use crate::sys::neighbour::{Mac, Statement};
use crate::vrrp::advert::Advert;
use crate::vrrp::discard::Discard;
use crate::vrrp::ipv4::Datagram;
use crate::vrrp::{ipv4, ipv6};

/// Senders that are remembered: a forger fills no memory.
const MOST_SENDERS: usize = 256;
/// Stations that are remembered for one address.
const MOST_STATIONS: usize = 16;

/// What was heard so far.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) wire: Wire,
    /// What went wrong, each once.
    pub(super) failures: BTreeSet<String>,
}

impl Notes {
    /// Somebody was asked for an address.
    pub(super) fn asked(&mut self, interface: &str, address: IpAddr) {
        let place = (interface.to_owned(), address);
        self.wire.answers.entry(place).or_default();
    }

    /// Somebody says to have an address. Only what was asked for counts.
    pub(super) fn answered(&mut self, interface: &str, statement: Statement) {
        let place = (interface.to_owned(), statement.address);
        let Some(stations) = self.wire.answers.get_mut(&place) else {
            return;
        };
        if stations.len() < MOST_STATIONS || stations.contains_key(&statement.mac) {
            *stations.entry(statement.mac).or_default() += 1;
        }
    }

    /// A packet of VRRP at the interface. What is none is nobody's advert.
    pub(super) fn advert(&mut self, interface: &str, mac: Mac, packet: &[u8], at: Duration) {
        let version = packet.first().map(|byte| byte >> 4);
        let datagram = match version {
            Some(6) => ipv6::parse(packet),
            _ => ipv4::parse(packet),
        };
        let Some((datagram, advert)) = decode(datagram) else {
            return;
        };
        let heard = Heard {
            interface: interface.to_owned(),
            source: datagram.source,
            mac,
            advert,
            destination: datagram.destination,
            arrived: 1,
            came_through: 0,
            first: at,
            last: at,
        };
        let senders = &mut self.wire.heard;
        let is_same = |it: &Heard| it.source == heard.source && it.is_same_router(&heard);
        match senders.iter().position(is_same) {
            Some(index) => {
                senders[index].last = at;
                senders[index].advert = heard.advert;
                senders[index].destination = heard.destination;
                senders[index].arrived += 1;
            }
            None if senders.len() < MOST_SENDERS => senders.push(heard),
            None => {}
        }
    }

    /// A packet of VRRP that came through the packet filter, too.
    pub(super) fn came_through(
        &mut self,
        interface: &str,
        datagram: Result<Datagram<'_>, Discard>,
    ) {
        let Some((datagram, advert)) = decode(datagram) else {
            return;
        };
        let is_same = |it: &&mut Heard| {
            it.interface == interface
                && it.source == datagram.source
                && it.advert.vrid == advert.vrid
        };
        if let Some(heard) = self.wire.heard.iter_mut().find(is_same) {
            heard.came_through += 1;
        }
    }

    pub(super) fn failed(&mut self, interface: &str, error: &io::Error) {
        let text = format!("the wire at {interface}: {}", errno::text(error));
        self.failures.insert(text);
    }
}

/// None: it is no advert.
fn decode(datagram: Result<Datagram<'_>, Discard>) -> Option<(Datagram<'_>, Advert)> {
    let datagram = datagram.ok()?;
    let advert = Advert::decode(datagram.message, Family::of(datagram.source)).ok()?;
    Some((datagram, advert))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::vrrp::advert::Checksum;
    use crate::vrrp::transport::MULTICAST_V4;
    use crate::vrrp::{Version, Vrid};

    const MAC: Mac = [2, 0, 192, 168, 1, 52];

    fn packet(vrid: u8, priority: u8) -> Vec<u8> {
        let source = Ipv4Addr::new(192, 168, 1, 52);
        let advert = Advert {
            version: Version::V3,
            vrid: Vrid::try_from(vrid).unwrap(),
            priority,
            interval: Duration::from_secs(1),
            addresses: vec![IpAddr::from([192, 168, 1, 200])],
        };
        let message = advert.encode(Checksum::MessageOnly, source.into(), MULTICAST_V4.into());
        let header = ipv4::header(source, MULTICAST_V4, message.len());
        [header.as_slice(), &message].concat()
    }

    #[test]
    fn a_sender_is_noted_once_for_each_virtual_router_with_its_newest_advert() {
        let mut notes = Notes::default();
        for (vrid, priority, second) in [(51, 100, 0), (51, 90, 1), (52, 50, 1), (51, 80, 2)] {
            let packet = packet(vrid, priority);
            notes.advert("ens192", MAC, &packet, Duration::from_secs(second));
        }
        let seen: Vec<_> = notes
            .wire
            .heard
            .iter()
            .map(|it| {
                let (first, last) = (it.first.as_secs(), it.last.as_secs());
                (it.advert.vrid.get(), it.advert.priority, first, last)
            })
            .collect();
        assert_eq!(seen, [(51, 80, 0, 2), (52, 50, 1, 1)]);
    }

    #[test]
    fn what_came_through_is_counted_for_its_sender_and_virtual_router() {
        let mut notes = Notes::default();
        let (first, second) = (packet(51, 100), packet(52, 100));
        for _ in 0..3 {
            notes.advert("ens192", MAC, &first, Duration::ZERO);
            notes.advert("ens192", MAC, &second, Duration::ZERO);
            notes.came_through("ens192", ipv4::parse(&second));
            notes.came_through("ens224", ipv4::parse(&first));
        }
        let counts: Vec<_> = notes
            .wire
            .heard
            .iter()
            .map(|it| (it.arrived, it.came_through, it.is_kept_out()))
            .collect();
        assert_eq!(counts, [(3, 0, true), (3, 3, false)]);
    }

    #[test]
    fn garbage_is_no_advert() {
        let mut notes = Notes::default();
        let whole = packet(51, 100);
        for len in 0..whole.len() {
            notes.advert("ens192", MAC, &whole[..len], Duration::ZERO);
        }
        assert_eq!(notes.wire, Wire::default());
    }

    #[test]
    fn only_answers_to_questions_count() {
        let mut notes = Notes::default();
        let address = IpAddr::from([192, 168, 1, 200]);
        let statement = Statement { address, mac: MAC };
        notes.answered("ens192", statement);
        notes.asked("ens192", address);
        notes.answered("ens224", statement);
        for _ in 0..2 {
            notes.answered("ens192", statement);
        }
        let answers: Vec<_> = notes.wire.answers.values().flatten().collect();
        assert_eq!(answers, [(&MAC, &2)]);
    }
}
