//! A few seconds of the LANs: adverts are listened to, and neighbours are asked
//! who has the VIPs, in the way that tells them nothing (RFC 5227 §2.1.1; of IPv6, nothing
//! but where this host is).

mod note;

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::doctor::Facts;
use crate::sys::clock;
use crate::sys::errno;
use crate::sys::link::Link;
use crate::sys::neighbour::{Listener, Mac, Solicitor};
use crate::sys::socket::{RawV4, RawV6};
use crate::sys::tap::Tap;
use crate::vrrp::transport::{MULTICAST_V4, MULTICAST_V6};
use crate::vrrp::{IP_PROTOCOL, ipv4, ipv6};

use self::note::Notes;

/// How long is listened where adverts come each second.
const SHORTEST: Duration = Duration::from_millis(3_300);
/// How long where they come seldom.
const LONGEST: Duration = Duration::from_secs(10);

/// Between two questions for one address.
const AGAIN: Duration = Duration::from_millis(700);

/// Between two looks at the sockets.
const TICK: Duration = Duration::from_millis(20);

/// How many adverts are read at once: a flood does not keep the listening from
/// its end.
const BURST: usize = 256;

/// A frame with an advert of 255 addresses fits.
const FRAME: usize = 2_048;

/// One interface.
struct Ear {
    interface: String,
    mac: Mac,
    /// Hears adverts after the packet filter, as a program does that they are for.
    through: RawV4,
    /// Hears them before it.
    adverts: Tap,
    arp: Listener,
    /// Whom to ask for.
    addresses: Vec<Ipv4Addr>,
    of_ipv6: Option<EarOfIpv6>,
}

/// The same for IPv6, on an interface that has an address of it.
struct EarOfIpv6 {
    through: RawV6,
    adverts: Tap,
    solicitor: Solicitor,
    /// In whose name.
    source: Ipv6Addr,
    addresses: Vec<Ipv6Addr>,
}

pub(super) async fn look(facts: &mut Facts) {
    let ears: io::Result<Vec<_>> = ears(facts).collect();
    let ears = match ears {
        Ok(ears) => ears,
        Err(error) => {
            facts
                .unseen
                .push(format!("the wire: {} (run as root)", errno::text(&error)));
            return;
        }
    };
    if ears.is_empty() {
        return;
    }
    let intervals = facts.virtual_routers().into_iter().map(|it| it.interval);
    let slowest = intervals.max().unwrap_or_default();
    let length = (slowest * 3).clamp(SHORTEST, LONGEST);
    let (notes, stall) = listen(&ears, length).await;
    facts.wire = Some(notes.wire);
    facts.stall = Some(stall);
    facts.unseen.extend(notes.failures);
}

fn ears(facts: &Facts) -> impl Iterator<Item = io::Result<Ear>> {
    let mut wanted = facts.vips();
    wanted.extend(super::neighbours(facts));
    wanted.extend(facts.virtual_routers().into_iter().flat_map(|it| it.peers));
    facts.lan_links().filter_map(move |link| {
        let index = NonZeroU32::new(link.index)?;
        let mac = Mac::try_from(link.hardware_address.as_slice()).ok()?;
        let is_here = |address: &IpAddr| facts.lan_of(*address).is_some_and(|lan| lan == link);
        let addresses: BTreeSet<_> = wanted.iter().filter(|it| is_here(it)).collect();
        let (addresses, addresses6) = by_family(addresses);
        let open = || {
            // First: what the tap hears, this hears too, unless the host drops it.
            let through = RawV4::open(IP_PROTOCOL, &link.name, index)?;
            through.join(MULTICAST_V4)?;
            Ok(Ear {
                through,
                interface: link.name.clone(),
                mac,
                adverts: Tap::open(index, IP_PROTOCOL, MULTICAST_V4.into())?,
                arp: Listener::open(index, addresses.clone())?,
                addresses,
                of_ipv6: of_ipv6(facts, link, index, addresses6)?,
            })
        };
        Some(open())
    })
}

fn by_family(addresses: BTreeSet<&IpAddr>) -> (Vec<Ipv4Addr>, Vec<Ipv6Addr>) {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for address in addresses {
        match address {
            IpAddr::V4(address) => v4.push(*address),
            IpAddr::V6(address) => v6.push(*address),
        }
    }
    (v4, v6)
}

/// Asks in the name of the address that this host has on the link itself, which nobody
/// takes for a VIP.
fn of_ipv6(
    facts: &Facts,
    link: &Link,
    index: NonZeroU32,
    addresses: Vec<Ipv6Addr>,
) -> io::Result<Option<EarOfIpv6>> {
    let of_link = facts.addresses.iter().filter(|it| it.link == link.index);
    let mut sources = of_link.filter(|it| !it.tentative && !it.dad_failed);
    let source = sources.find_map(|it| match it.address.address {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some(v6),
        _ => None,
    });
    let Some(source) = source else {
        return Ok(None);
    };
    // In this order for the same reason.
    let through = RawV6::open(
        IP_PROTOCOL,
        &link.name,
        index,
        ipv6::HOP_LIMIT,
        ipv6::TRAFFIC_CLASS,
    )?;
    through.join(MULTICAST_V6)?;
    Ok(Some(EarOfIpv6 {
        through,
        adverts: Tap::open(index, IP_PROTOCOL, MULTICAST_V6.into())?,
        solicitor: Solicitor::open(index)?,
        source,
        addresses,
    }))
}

/// Listens, asks, and measures how long it was kept from running.
async fn listen(ears: &[Ear], length: Duration) -> (Notes, Duration) {
    let begun = clock::now();
    let mut notes = Notes::default();
    let mut stall = Duration::ZERO;
    let mut ask_at = begun;
    let mut now = begun;
    while now < begun + length {
        // The last answers get the time that the others had.
        if now >= ask_at && now + AGAIN <= begun + length {
            ears.iter().for_each(|ear| ask(ear, &mut notes));
            ask_at = now + AGAIN;
        }
        tokio::time::sleep(TICK).await;
        let woken = clock::now();
        stall = stall.max(woken.duration_since(now).saturating_sub(TICK));
        now = woken;
        for ear in ears {
            hear(ear, begun, now, &mut notes);
        }
    }
    (notes, stall)
}

fn ask(ear: &Ear, notes: &mut Notes) {
    for address in &ear.addresses {
        match ear.arp.probe(ear.mac, *address) {
            Ok(()) => notes.asked(&ear.interface, (*address).into()),
            Err(error) => notes.failed(&ear.interface, &error),
        }
    }
    if let Some(of_ipv6) = &ear.of_ipv6 {
        for address in &of_ipv6.addresses {
            match of_ipv6.solicitor.ask(ear.mac, of_ipv6.source, *address) {
                Ok(()) => notes.asked(&ear.interface, (*address).into()),
                Err(error) => notes.failed(&ear.interface, &error),
            }
        }
    }
}

fn hear(ear: &Ear, begun: Instant, now: Instant, notes: &mut Notes) {
    let of_ipv6 = ear.of_ipv6.iter().map(|it| it.solicitor.heard());
    for heard in of_ipv6.chain([ear.arp.heard()]) {
        match heard {
            Ok(statements) => {
                for statement in statements {
                    notes.answered(&ear.interface, statement);
                }
            }
            Err(error) => notes.failed(&ear.interface, &error),
        }
    }
    // At the interface first: what came through is counted for a sender that is known.
    let mut heard = hear_at_interface(&ear.adverts, ear, now - begun, notes);
    if let (Ok(()), Some(of_ipv6)) = (&heard, &ear.of_ipv6) {
        heard = hear_at_interface(&of_ipv6.adverts, ear, now - begun, notes);
    }
    if let Err(error) = heard.and_then(|()| hear_behind_filter(ear, notes)) {
        notes.failed(&ear.interface, &error);
    }
}

fn hear_at_interface(tap: &Tap, ear: &Ear, at: Duration, notes: &mut Notes) -> io::Result<()> {
    let mut buffer = [0; FRAME];
    for _ in 0..BURST {
        match tap.receive(&mut buffer)? {
            Some(frame) => notes.advert(&ear.interface, frame.mac, frame.packet, at),
            None => break,
        }
    }
    Ok(())
}

fn hear_behind_filter(ear: &Ear, notes: &mut Notes) -> io::Result<()> {
    let mut buffer = [0; FRAME];
    for _ in 0..BURST {
        match ear.through.receive(&mut buffer)? {
            Some(len) => notes.came_through(&ear.interface, ipv4::parse(&buffer[..len])),
            None => break,
        }
    }
    let Some(of_ipv6) = &ear.of_ipv6 else {
        return Ok(());
    };
    for _ in 0..BURST {
        let Some(packet) = of_ipv6.through.receive(&mut buffer)? else {
            break;
        };
        let message = &buffer[..packet.len];
        let read = ipv6::datagram(message, packet.source, packet.destination, packet.hop_limit);
        notes.came_through(&ear.interface, read);
    }
    Ok(())
}
