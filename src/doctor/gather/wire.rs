//! A few seconds of the LANs: adverts are listened to, and neighbours are asked
//! who has the VIPs, in the way that tells them nothing (RFC 5227 §2.1.1).

mod note;

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::doctor::Facts;
use crate::sys::clock;
use crate::sys::errno;
use crate::sys::neighbour::{Listener, Mac};
use crate::sys::tap::Tap;
use crate::vrrp::IP_PROTOCOL;
use crate::vrrp::transport::MULTICAST_V4;

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
    adverts: Tap,
    arp: Listener,
    /// Whom to ask for.
    addresses: Vec<Ipv4Addr>,
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
    facts.lan_links().filter_map(move |link| {
        let index = NonZeroU32::new(link.index)?;
        let mac = Mac::try_from(link.hardware_address.as_slice()).ok()?;
        let is_here = |address: &IpAddr| facts.lan_of(*address).is_some_and(|lan| lan == link);
        let addresses: BTreeSet<_> = wanted.iter().filter(|it| is_here(it)).collect();
        let addresses: Vec<_> = addresses.into_iter().filter_map(v4).collect();
        let open = || {
            Ok(Ear {
                interface: link.name.clone(),
                mac,
                adverts: Tap::open(index, IP_PROTOCOL, MULTICAST_V4)?,
                arp: Listener::open(index, addresses.clone())?,
                addresses,
            })
        };
        Some(open())
    })
}

fn v4(address: &IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(v4) => Some(*v4),
        IpAddr::V6(_) => None,
    }
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
}

fn hear(ear: &Ear, begun: Instant, now: Instant, notes: &mut Notes) {
    match ear.arp.heard() {
        Ok(statements) => {
            for statement in statements {
                notes.answered(&ear.interface, statement);
            }
        }
        Err(error) => notes.failed(&ear.interface, &error),
    }
    let mut buffer = [0; FRAME];
    for _ in 0..BURST {
        match ear.adverts.receive(&mut buffer) {
            Ok(Some(frame)) => {
                notes.advert(&ear.interface, frame.mac, frame.packet, now - begun);
            }
            Ok(None) => return,
            Err(error) => return notes.failed(&ear.interface, &error),
        }
    }
}
