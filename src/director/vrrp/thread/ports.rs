//! The loop's dealings with interfaces: their links, their sockets, and what
//! comes in.

use std::collections::BTreeMap;
use std::time::Instant;

use super::super::Link;
use super::super::log::Line;
use super::VrrpThread;
use super::unread::Looked;
use crate::lvs::Family;
use crate::sys::clock;
use crate::vrrp::advert;
use crate::vrrp::discard::Discard;
use crate::vrrp::ipv4::Datagram;
use crate::vrrp::router::{Event, LinkFault};

impl VrrpThread {
    /// Has sockets for what the virtual routers use, and no others.
    pub(super) fn want_sockets(&mut self, now: Instant) {
        let mut wanted: BTreeMap<String, BTreeMap<Family, bool>> = BTreeMap::new();
        for instance in self.instances.values() {
            let families = wanted.entry(instance.interface().to_owned()).or_default();
            *families.entry(instance.family()).or_default() |= instance.is_multicast();
        }
        self.interfaces.retain(|name, _| wanted.contains_key(name));
        for (name, families) in &wanted {
            let interface = self.interfaces.entry(name.clone()).or_default();
            interface.want(name, now, families);
            self.complain_of_sockets(now, name);
        }
    }

    /// An interface changed. Routers that cannot go on resign while the old
    /// sockets are open, and come back when the new ones are.
    pub(super) fn set_link(&mut self, name: &str, link: Link) {
        let now = clock::now();
        let Some(interface) = self.interfaces.get_mut(name) else {
            return;
        };
        if interface.link() == Some(&link) {
            return;
        }
        let before = interface.link().and_then(Link::index);
        let is_another = before.is_some() && link.index().is_some() && before != link.index();
        for instance in self.instances.values_mut() {
            let fault = match instance.source_on(&link) {
                Ok(_) if is_another => LinkFault::Missing,
                Ok(_) => continue,
                Err(fault) => fault,
            };
            if instance.interface() == name {
                instance.handle(now, Event::LinkDown(fault), interface, &mut self.log);
            }
        }
        self.changed = true;
        interface.set_link(name, now, link);
        self.complain_of_sockets(now, name);
        self.tell_links(now, Some(name));
    }

    /// Tells the routers of an interface, or all, what they can expect of it.
    pub(super) fn tell_links(&mut self, now: Instant, only: Option<&str>) {
        for instance in self.instances.values_mut() {
            if only.is_none_or(|only| only == instance.interface())
                && let Some(interface) = self.interfaces.get(instance.interface())
                && let Some(link) = interface.usable(instance.family())
            {
                let event = match instance.source_on(&link) {
                    Ok(address) => Event::LinkUp { address },
                    Err(fault) => Event::LinkDown(fault),
                };
                instance.handle(now, event, interface, &mut self.log);
                instance.handle(now, Event::Startup, interface, &mut self.log);
            }
        }
    }

    /// Opens again the sockets that broke or could not be opened.
    pub(super) fn open_sockets(&mut self) {
        let now = clock::now();
        let interfaces = self.interfaces.iter_mut();
        let reopened: Vec<String> = interfaces
            .filter_map(|(name, interface)| interface.reopen(name, now).then(|| name.clone()))
            .collect();
        for name in reopened {
            self.complain_of_sockets(now, &name);
            self.tell_links(now, Some(&name));
        }
    }

    fn complain_of_sockets(&mut self, now: Instant, name: &str) {
        let interface = self.interfaces.get(name);
        for fault in interface.into_iter().flat_map(|it| it.faults()) {
            if self.quieter.admit(now, "socket").is_some() {
                let interface = name.to_owned();
                self.log.write(Line::SocketFailed { interface, fault });
            }
        }
    }

    /// Reads packets from a socket, so many at most, and tells the routers what is lost.
    pub(super) fn read(
        &mut self,
        name: &str,
        family: Family,
        most: usize,
        buffer: &mut [u8],
    ) -> Looked {
        let looked = self.read_packets(name, family, most, buffer);
        self.tell_dropped(name, family);
        looked
    }

    fn tell_dropped(&mut self, name: &str, family: Family) {
        let Some(interface) = self.interfaces.get_mut(name) else {
            return;
        };
        let packets = u64::from(interface.take_dropped(family));
        if packets == 0 {
            return;
        }
        let now = clock::now();
        interface.counters.count_dropped(clock::wall(), packets);
        for instance in self.instances.values_mut() {
            if instance.interface() == name && instance.family() == family {
                let event = Event::Dropped { packets };
                instance.handle(now, event, interface, &mut self.log);
            }
        }
        if self.quieter.admit(now, "dropped").is_some() {
            self.log.write(Line::Dropped {
                interface: name.to_owned(),
                packets,
            });
        }
    }

    fn read_packets(
        &mut self,
        name: &str,
        family: Family,
        most: usize,
        buffer: &mut [u8],
    ) -> Looked {
        let begun = clock::now();
        let looked = |packets| Looked {
            packets,
            empty_at: Some(begun),
        };
        for packets in 0..most {
            let Some(interface) = self.interfaces.get_mut(name) else {
                return looked(packets);
            };
            match interface.receive(family, buffer) {
                Ok(None) => return looked(packets),
                Ok(Some(packet)) => self.dispatch(name, packet),
                Err(error) => {
                    let now = clock::now();
                    interface.socket_broke(family, now);
                    if self.quieter.admit(now, "receive").is_some() {
                        self.log.write(Line::ReceiveFailed {
                            interface: name.to_owned(),
                            errno: error.raw_os_error().unwrap_or(0),
                        });
                    }
                    return looked(packets);
                }
            }
        }
        Looked {
            packets: most,
            empty_at: None,
        }
    }

    /// Gives a packet to the router that its VRID names.
    fn dispatch(&mut self, name: &str, packet: Result<Datagram<'_>, Discard>) {
        let now = clock::now();
        let Some(interface) = self.interfaces.get(name) else {
            return;
        };
        let source = packet.as_ref().ok().map(|datagram| datagram.source);
        let discard = match packet {
            Err(discard) => discard,
            Ok(datagram) => {
                let vrid = advert::vrid(datagram.message).unwrap_or(0);
                let family = Family::of(datagram.source);
                let of_vrid = self.instances.values_mut().filter(|it| {
                    it.vrid() == vrid && it.family() == family && it.interface() == name
                });
                // Several, while one of another name hands over.
                let mut is_known = false;
                for instance in of_vrid {
                    is_known = true;
                    instance.hear(now, &datagram, interface, &mut self.log);
                }
                if is_known {
                    return;
                }
                Discard::UnknownVrid(vrid)
            }
        };
        interface.counters.count_discard(&discard);
        let rejections = &interface.counters.rejections;
        let is_news = source.is_none_or(|source| rejections.note(clock::wall(), source, discard));
        if is_news && let Some(kept_quiet) = self.quieter.admit(now, discard.counter()) {
            self.log.write(Line::Discarded {
                place: name.to_owned(),
                source,
                discard,
                kept_quiet,
            });
        }
    }
}
