//! Listening for what this host says of chosen addresses on its links.
//!
//! An interface whose parameters are right answers no question about a VIP. What
//! leaves the host all the same proves that they are not, whatever `/proc` says:
//! another namespace's rule, a driver, a program that answers by itself. So this
//! hears ARP and neighbour discovery on every interface, in both directions:
//! questions that come in, and answers that go out.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{LinkAddr, recvfrom};
use socket2::{Domain, SockFilter, Socket, Type};
use tokio::io::unix::AsyncFd;

use super::bpf;
use super::neighbour::packet_address;

/// `ETH_P_ALL` of `<linux/if_ether.h>`: what leaves is only heard by those who hear
/// everything.
const ETH_P_ALL: u16 = 3;
const ETH_P_ARP: u32 = 0x0806;
const ETH_P_IPV6: u32 = 0x86dd;
/// `PACKET_OUTGOING` of `<linux/if_packet.h>`.
const PACKET_OUTGOING: u8 = 4;
const ICMPV6: u32 = 58;
const NEIGHBOUR_SOLICITATION: u32 = 135;
const NEIGHBOUR_ADVERTISEMENT: u32 = 136;
/// Enough of a packet for ARP and for the target of an advertisement.
const PACKET_LEN: usize = 96;
/// How many packets are read at once, before others get a turn.
const BURST: usize = 64;

/// Something about an address was said on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// The index of the interface.
    pub interface: u32,
    /// The address that it was about.
    pub address: IpAddr,
    /// What was said.
    pub what: What,
}

/// What was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Somebody asked who has it.
    Asked,
    /// This host answered that it has it, or announced so.
    Answered,
    /// This host asked for another address in its name.
    Named,
}

/// A socket that hears ARP and neighbour discovery.
#[derive(Debug)]
pub struct TellTale {
    socket: AsyncFd<Socket>,
}

impl TellTale {
    /// Opens the socket in the network namespace of the calling thread. Needs
    /// `CAP_NET_RAW` and a tokio runtime around it.
    ///
    /// It hears nothing until the filter is there: the protocol is chosen last.
    pub fn open() -> io::Result<Self> {
        let socket = Socket::new(Domain::PACKET, Type::DGRAM.nonblocking(), None)?;
        socket.attach_filter(&filter())?;
        socket.bind(&packet_address(0, ETH_P_ALL)?)?;
        #[expect(
            unsafe_code,
            reason = "tokio has no safe way to wait for a socket it did not make"
        )]
        // SAFETY: the socket owns its descriptor, and nothing else closes it while it
        // is registered.
        let socket = unsafe { AsyncFd::register(socket) }?;
        Ok(Self { socket })
    }

    /// Waits until something may have been said. Cancel-safe.
    pub async fn ready(&self) {
        match self.socket.readable().await {
            Ok(mut ready) => ready.clear_ready(),
            Err(_) => std::future::pending().await,
        }
    }

    /// What was said since the last call, a burst at most; packets that are about
    /// no address are left out. An error ends the use of it.
    pub fn heard(&self) -> io::Result<Vec<Heard>> {
        let mut heard = Vec::new();
        for _ in 0..BURST {
            let mut packet = [0; PACKET_LEN];
            let (len, from) = match recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut packet) {
                Ok(received) => received,
                Err(Errno::EAGAIN) => break,
                Err(errno) => return Err(errno.into()),
            };
            let Some(from) = from else { continue };
            let outgoing = from.pkttype() == PACKET_OUTGOING;
            let packet = &packet[..len.min(PACKET_LEN)];
            let said = read(u16::from_be(from.protocol()), packet, outgoing);
            heard.extend(said.map(|(address, what)| Heard {
                interface: u32::try_from(from.ifindex()).unwrap_or(0),
                address,
                what,
            }));
        }
        Ok(heard)
    }
}

/// What a packet says, and of which address.
fn read(protocol: u16, packet: &[u8], outgoing: bool) -> Option<(IpAddr, What)> {
    match (u32::from(protocol), outgoing) {
        (ETH_P_ARP, _) => {
            let request = packet.get(6..8)? == [0, 1];
            let sender = Ipv4Addr::from(*packet.get(14..)?.first_chunk::<4>()?);
            let target = Ipv4Addr::from(*packet.get(24..)?.first_chunk::<4>()?);
            if !outgoing {
                return request.then_some((target.into(), What::Asked));
            }
            let named = request && sender != target;
            let what = if named { What::Named } else { What::Answered };
            (!sender.is_unspecified()).then_some((sender.into(), what))
        }
        (ETH_P_IPV6, _) => {
            let kind = u32::from(*packet.get(40)?);
            let target = Ipv6Addr::from(*packet.get(48..)?.first_chunk::<16>()?);
            let what = match (kind, outgoing) {
                (NEIGHBOUR_ADVERTISEMENT, true) => What::Answered,
                // Only what the NIC passes on: nobody here listens to the VIP's group.
                (NEIGHBOUR_SOLICITATION, false) => What::Asked,
                _ => return None,
            };
            (u32::from(*packet.get(6)?) == ICMPV6).then_some((target.into(), what))
        }
        _ => None,
    }
}

/// Lets through ARP, neighbour solicitations and advertisements; all else stays in the kernel.
fn filter() -> [SockFilter; 11] {
    /// Where they are in a packet without the link's header.
    const NEXT_HEADER: u32 = 6;
    const KIND: u32 = 40;
    [
        bpf::load_word(bpf::PROTOCOL),
        bpf::skip(ETH_P_ARP, 0, 1),
        bpf::accept(),
        bpf::skip(ETH_P_IPV6, 0, 6),
        bpf::load_byte(NEXT_HEADER),
        bpf::skip(ICMPV6, 0, 4),
        bpf::load_byte(KIND),
        bpf::skip(NEIGHBOUR_ADVERTISEMENT, 1, 0),
        bpf::skip(NEIGHBOUR_SOLICITATION, 0, 1),
        bpf::accept(),
        bpf::reject(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARP: u16 = 0x0806;
    const IPV6: u16 = 0x86dd;
    const VIP: [u8; 4] = [192, 168, 1, 200];
    const RIP: [u8; 4] = [192, 168, 1, 53];
    const ROUTER: [u8; 4] = [192, 168, 1, 1];

    fn arp(operation: u8, sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
        let mut packet = vec![0; 28];
        packet[7] = operation;
        packet[14..18].copy_from_slice(&sender);
        packet[24..28].copy_from_slice(&target);
        packet
    }

    #[test]
    fn a_question_that_comes_in_is_told_from_an_answer_that_leaves() {
        let vip = IpAddr::from(VIP);
        let said = |packet: &[u8], outgoing| read(ARP, packet, outgoing);
        assert_eq!(said(&arp(1, ROUTER, VIP), false), Some((vip, What::Asked)));
        assert_eq!(said(&arp(2, VIP, ROUTER), false), None, "another's answer");
        assert_eq!(
            said(&arp(2, VIP, ROUTER), true),
            Some((vip, What::Answered))
        );
        assert_eq!(said(&arp(1, VIP, VIP), true), Some((vip, What::Answered)));
        assert_eq!(said(&arp(1, VIP, ROUTER), true), Some((vip, What::Named)));
        let own = (IpAddr::from(RIP), What::Named);
        assert_eq!(said(&arp(1, RIP, ROUTER), true), Some(own));
        assert_eq!(
            said(&arp(1, [0; 4], VIP), true),
            None,
            "a probe names nobody"
        );
    }

    #[test]
    fn a_neighbour_advertisement_is_about_its_target() {
        let target: Ipv6Addr = "2001:db8::200".parse().unwrap();
        let mut packet = vec![0; 72];
        (packet[6], packet[40]) = (58, 136);
        packet[48..64].copy_from_slice(&target.octets());
        let advertised = Some((target.into(), What::Answered));
        assert_eq!(read(IPV6, &packet, true), advertised);
        assert_eq!(read(IPV6, &packet, false), None);
        packet[40] = 135;
        assert_eq!(read(IPV6, &packet, true), None, "a question of this host");
        let asked = Some((target.into(), What::Asked));
        assert_eq!(read(IPV6, &packet, false), asked);
    }

    #[test]
    fn no_packet_is_too_short() {
        let packet = arp(2, VIP, ROUTER);
        for length in 0..packet.len() {
            for outgoing in [true, false] {
                assert_eq!(read(ARP, &packet[..length], outgoing), None);
                assert_eq!(read(IPV6, &packet[..length], outgoing), None);
            }
        }
    }
}
