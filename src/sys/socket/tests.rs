use std::net::Ipv4Addr;
use std::num::NonZeroU32;

use super::*;
use crate::vrrp::ipv4::header;

/// For experiments (RFC 3692): nobody else on this host listens to it.
const EXPERIMENT: u8 = 253;

#[test]
fn a_socket_tells_how_many_packets_it_could_not_hold() {
    let index = nix::net::if_::if_nametoindex("lo").unwrap();
    let socket = match RawV4::open(EXPERIMENT, "lo", NonZeroU32::new(index).unwrap()) {
        Ok(socket) => socket,
        Err(error) => {
            eprintln!("skipped: no raw socket here: {error}");
            return;
        }
    };
    assert_eq!(socket.dropped(), 0);
    let own = Ipv4Addr::LOCALHOST;
    let mut packet = header(own, own, 1_000).to_vec();
    packet[9] = EXPERIMENT;
    packet.resize(packet.len() + 1_000, 0);
    let sent = 3 * RECEIVE_BUFFER / 1_000;
    for _ in 0..sent {
        socket.send(&packet, own).unwrap();
    }
    let mut held = 0;
    while socket.receive(&mut [0; 2_048]).unwrap().is_some() {
        held += 1;
    }
    assert!(socket.dropped() > 0 && held > 0, "{held}");
    assert_eq!(socket.dropped(), u32::try_from(sent - held).unwrap());
}
