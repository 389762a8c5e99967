//! Mutated packets over IPv6 and unicast, at a backup and at a master.

use super::*;
use crate::vrrp::transport::Unicast;

const VIP6: &str = "2001:db8::200";
const OWN6: &str = "2001:db8::52";
const PEER6: &str = "2001:db8::51";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Flips up to three bytes, and now and then the length. Half of the results
/// have a good checksum.
fn mutate(dice: &mut Dice, message: &mut Vec<u8>, source: IpAddr, destination: IpAddr) {
    for _ in 0..dice.below(4) {
        let at = usize::try_from(dice.below(message.len() as u64)).unwrap();
        message[at] = dice.roll().to_le_bytes()[0];
    }
    if dice.below(8) == 0 {
        let len = usize::try_from(dice.below(message.len() as u64 + 9)).unwrap();
        message.resize(len, 0xA5);
    }
    if dice.below(2) == 0
        && let Ok(advert) = Advert::decode(message, Family::Ipv6)
    {
        *message = advert.encode(Checksum::PseudoHeader, source, destination);
    }
}

/// What a packet may say of itself: mostly the truth.
fn pick<T: Copy>(dice: &mut Dice, truth: T, others: &[T]) -> T {
    let at = usize::try_from(dice.below(4 * others.len() as u64)).unwrap();
    others.get(at).copied().unwrap_or(truth)
}

#[test]
fn what_no_peer_can_send_changes_no_state_over_ipv6_and_unicast_either() {
    let rounds = 300_000;
    let start = crate::sys::clock::now();
    let mut dice = Dice(9568);
    let settings = Settings {
        priority: 254.try_into().unwrap(),
        addresses: vec![ip(VIP6)],
        ..settings(V3)
    };
    let transport = Transport {
        source: None,
        reach: Reach::Unicast(Unicast {
            peers: vec![ip(PEER6)],
            min_ttl: 254,
        }),
    };
    let mut router = Router::new(settings.clone(), start);
    let address = ip(OWN6);
    router.handle(start, Event::LinkUp { address }).count();
    router.handle(start, Event::Startup).count();
    let now = router.deadline().unwrap();
    router.handle(now, Event::Deadline).count();
    assert_eq!(router.state(), State::Master);
    let mut accepted = 0;
    for _ in 0..rounds {
        let source = pick(&mut dice, ip(PEER6), &[ip("2001:db8::66"), ip(OWN6)]);
        let destination = pick(&mut dice, ip(OWN6), &[ip("ff02::12"), ip(VIP6)]);
        let ttl = pick(&mut dice, 254, &[255, 253, 0]);
        let mut message = settings.advert(pick(&mut dice, 100, &[0, 1, 254])).encode(
            Checksum::PseudoHeader,
            source,
            destination,
        );
        mutate(&mut dice, &mut message, source, destination);
        let datagram = Datagram {
            source,
            destination,
            ttl,
            message: &message,
        };
        let Ok(heard) = receive(&datagram, &settings, &transport, ip(OWN6)) else {
            continue;
        };
        accepted += 1;
        assert_eq!((source, destination), (ip(PEER6), ip(OWN6)));
        assert!(ttl >= 254);
        let mut again = heard
            .advert
            .encode(heard.checksum, heard.source, destination);
        // The reserved bits, and so the checksum, are not looked at.
        again[4] |= message[4] & 0xF0;
        again[6..8].copy_from_slice(&message[6..8]);
        assert_eq!(again, message);
        let outranks = heard.advert.priority == 255;
        router.handle(now, Event::Heard(heard)).count();
        let expected = if outranks {
            State::Backup
        } else {
            State::Master
        };
        assert_eq!(router.state(), expected);
        while router.state() != State::Master {
            let deadline = router.deadline().unwrap();
            router.handle(deadline, Event::Deadline).count();
        }
    }
    assert!(accepted > rounds / 20, "{accepted} accepted");
}
