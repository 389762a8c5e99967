mod peers;

use std::process::Command;
use std::time::Duration;

use netlink_packet_core::NetlinkSerializable;
use nix::sched::{CloneFlags, unshare};

use super::message::{Kind, SUBSYSTEM, bytes, text};
use super::set::Set;
use super::*;

/// What nft 1.0.6 sent for `lvsd.nft`, told by `nft --debug=mnl`: the number of each message and its bytes.
const SENT_BY_NFT: &str = include_str!("tests/nft.hex");

const NOTHING: [u16; 0] = [];

fn addresses(texts: &[&str]) -> BTreeSet<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn whole(addresses: &BTreeSet<IpAddr>) -> Found<IpAddr> {
    Found::Whole {
        held: addresses.clone(),
        counted: Count::default(),
    }
}

fn made(addresses: &BTreeSet<IpAddr>) -> Vec<Message> {
    table::layout().made(&table::elements(addresses))
}

fn hex(message: &Message) -> String {
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    let bytes = bytes.iter().map(|byte| format!("{byte:02x}"));
    let number = message.message_type() & 0xff;
    assert_eq!(message.message_type() >> 8, SUBSYSTEM);
    format!("{number} {}", bytes.collect::<String>())
}

#[test]
fn the_table_is_sent_to_the_byte_as_nft_sends_it() {
    let wanted = addresses(&["192.168.1.200", "2001:db8::200"]);
    let made: Vec<_> = made(&wanted).iter().map(hex).collect();
    assert_eq!(made, SENT_BY_NFT.lines().collect::<Vec<_>>());
}

#[test]
fn nothing_is_sent_where_nothing_is_to_do_and_no_more_than_the_difference_else() {
    let kinds = |found: &Found<IpAddr>, wanted: &[&str]| {
        let wanted = table::elements(&addresses(wanted));
        let messages = table::layout().changes(&found.translated(table::elements), &wanted);
        let kinds: Vec<_> = messages.iter().map(|it| it.message_type() & 0xff).collect();
        kinds
    };
    let whole = |texts: &[&str]| whole(&addresses(texts));
    assert_eq!(kinds(&Found::Absent, &[]), NOTHING);
    assert_eq!(kinds(&whole(&["10.0.0.1"]), &["10.0.0.1"]), NOTHING);
    let add = Kind::NewElements as u16;
    let remove = Kind::DeleteElements as u16;
    assert_eq!(
        kinds(&whole(&["10.0.0.1"]), &["10.0.0.1", "10.0.0.2"]),
        [add]
    );
    assert_eq!(kinds(&whole(&["10.0.0.1"]), &["fe80::1"]), [add, remove]);
    let (made, gone) = (Kind::NewTable as u16, Kind::DeleteTable as u16);
    assert_eq!(kinds(&whole(&["10.0.0.1"]), &[]), [made, gone]);
    assert_eq!(kinds(&Found::Damaged, &[]), [made, gone]);
    assert_eq!(
        kinds(&Found::Damaged, &["10.0.0.1"])[..3],
        [made, gone, made]
    );
}

#[test]
fn thousands_of_addresses_go_in_messages_that_are_short_enough() {
    let many: BTreeSet<_> = (0..5_000_u32)
        .map(|n| IpAddr::from(n.to_be_bytes()))
        .collect();
    let messages = made(&many);
    let elements = messages.iter().filter(|it| it.is(Kind::NewElements));
    let mut read = BTreeSet::new();
    for message in elements {
        assert!(message.buffer_len() < 1 << 16, "{}", message.buffer_len());
        let found = layout::elements_in(Set::V4, std::slice::from_ref(message));
        read.extend(found.unwrap());
    }
    assert_eq!(read, table::elements(&many));
}

#[test]
fn rules_are_known_again_by_what_they_do_and_counted() {
    let rules: Vec<_> = made(&BTreeSet::new())
        .into_iter()
        .filter(|it| it.is(Kind::NewRule))
        .collect();
    let layout = table::layout();
    let whole = |rules: &[Message]| layout.chains[0].is_whole(rules).unwrap();
    assert_eq!(whole(&rules), Some(Count::default()));
    assert_eq!(whole(&rules[..2]), None, "one is missing");
    let turned: Vec<_> = rules.iter().rev().cloned().collect();
    assert_eq!(whole(&turned), None, "another order");
    let twice = [rules.clone(), rules[..1].to_vec()].concat();
    assert_eq!(whole(&twice), None, "one too many");
    let mut changed = rules;
    changed[0].attributes.pop();
    assert_eq!(whole(&changed), None, "one without expressions");
}

#[test]
fn what_makes_no_sense_is_an_error_and_no_panic() {
    let broken = Message::new(Kind::NewRule, vec![bytes(4, &[9, 0, 1])]);
    assert!(table::layout().chains[0].is_whole(&[broken]).is_err());
    let broken = Message::new(Kind::NewElements, vec![bytes(3, &[9, 0, 1])]);
    assert!(layout::elements_in(Set::V4, &[broken]).is_err());
    let odd = [Message::new(
        Kind::NewElements,
        vec![message::nested(
            3,
            &[message::nested(
                1,
                &[message::nested(1, &[bytes(1, &[1, 2])])],
            )],
        )],
    )];
    assert!(layout::elements_in(Set::V4, &odd).unwrap().is_empty());
}

/// In a network namespace of its own; None, and a word why, where that cannot be.
fn in_namespace<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let thread = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).ok()?;
        match Nftables::check() {
            Err(Error::Unknown(_)) => None,
            _ => Some(work()),
        }
    });
    let outcome = thread.join().unwrap();
    if outcome.is_none() {
        println!("skipped: needs root, and nf_tables in the kernel");
    }
    outcome
}

/// Whether a datagram from this host to an address of it arrives in time.
fn arrives_within(address: &str, patience: Duration) -> bool {
    let here: IpAddr = address.parse().unwrap();
    let socket = std::net::UdpSocket::bind((here, 0)).unwrap();
    socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
    socket.set_read_timeout(Some(patience)).unwrap();
    socket.recv(&mut [0; 1]).is_ok()
}

fn arrives(address: &str) -> bool {
    arrives_within(address, Duration::from_secs(5))
}

/// That it was dropped, and is not late, the counters tell.
fn is_lost(address: &str) -> bool {
    !arrives_within(address, Duration::from_millis(50))
}

fn run(words: &str) {
    let status = Command::new("sh").args(["-c", words]).status().unwrap();
    assert!(status.success(), "{words}");
}

/// Gives `lo` these addresses and 2001:db8::1, whose route the kernel adds a while after it has
/// said that the address is there.
fn has_addresses(of_ipv4: &str) {
    run(&format!(
        "ip link set lo up; for it in {of_ipv4}; do ip addr add $it/32 dev lo; done
         ip addr add 2001:db8::1/128 dev lo nodad
         timeout 10 sh -c 'until ip -6 route get 2001:db8::1 >/dev/null 2>&1; do sleep 0.01; done'"
    ));
}

#[test]
fn the_kernel_drops_counts_and_gives_back_what_it_was_given() {
    in_namespace(|| {
        has_addresses("192.0.2.1 192.0.2.2");
        let mut nftables = Nftables::open().unwrap();
        assert_eq!(
            nftables.look().unwrap(),
            Found::Absent,
            "a try leaves nothing"
        );
        let first = addresses(&["192.0.2.1"]);
        nftables.hold(&Found::Absent, &first).unwrap();
        let found = nftables.look().unwrap();
        assert!(found.is_like(&whole(&first)));
        assert!(is_lost("192.0.2.1"));
        assert!(arrives("192.0.2.2") && arrives("2001:db8::1"));

        let both = addresses(&["192.0.2.2", "2001:db8::1"]);
        nftables.hold(&found, &both).unwrap();
        assert!(arrives("192.0.2.1"));
        assert!(is_lost("192.0.2.2") && is_lost("2001:db8::1"));
        let found = nftables.look().unwrap();
        assert_eq!(found.held(), Some(&both));
        let dropped = found.counted().unwrap();
        // 28 bytes and one over IPv4, 48 and one over IPv6.
        assert_eq!((dropped.packets, dropped.bytes), (3, 29 + 29 + 49));
        nftables.hold(&found, &BTreeSet::new()).unwrap();
        assert_eq!(nftables.look().unwrap(), Found::Absent);
        assert!(arrives("192.0.2.2") && arrives("2001:db8::1"));
    });
}

#[test]
fn tables_of_others_are_told_by_name() {
    in_namespace(|| {
        let mut nftables = Nftables::open().unwrap();
        nftables
            .hold(&Found::Absent, &addresses(&["192.0.2.1"]))
            .unwrap();
        assert_eq!(nftables.foreign_tables().unwrap(), [""; 0]);
        let mine = Message::new(Kind::NewTable, vec![text(1, "mine")]);
        nftables.transact(vec![mine], true).unwrap();
        assert_eq!(nftables.foreign_tables().unwrap(), ["mine"]);
    });
}

#[test]
fn a_table_that_somebody_changed_is_damaged_and_made_anew() {
    in_namespace(|| {
        let mut nftables = Nftables::open().unwrap();
        let wanted: BTreeSet<_> = (0..3_000_u32)
            .map(|n| IpAddr::from(n.to_be_bytes()))
            .collect();
        nftables.hold(&Found::Damaged, &wanted).unwrap();
        assert!(nftables.look().unwrap().is_like(&whole(&wanted)));
        // A fourth rule, which lets everything pass.
        let mut messages = made(&BTreeSet::new()).into_iter();
        let rule = messages.find(|it| it.is(Kind::NewRule));
        nftables.transact(vec![rule.unwrap()], true).unwrap();
        assert_eq!(nftables.look().unwrap(), Found::Damaged);
        nftables.hold(&Found::Damaged, &wanted).unwrap();
        assert!(nftables.look().unwrap().is_like(&whole(&wanted)));
    });
}
