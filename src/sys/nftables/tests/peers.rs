//! The table that hides packets from IPVS.

use super::super::expression::{Expression, NETWORK_HEADER};
use super::super::layout::{Chain, Hook, Layout};
use super::super::peers::{Origin, Pair};
use super::*;

fn lan(last: u8, to: &str) -> Pair {
    (Origin::Lan([2, 0, 0, 0, 0, last]), to.parse().unwrap())
}

fn device(name: &str, to: &str) -> Pair {
    (Origin::Device(name.to_owned()), to.parse().unwrap())
}

/// Counts what a hook of IPVS's priority sees with this number of a protocol, at an offset of
/// the header of a family.
fn witness(name: &'static str, hook: Hook, family: u8, offset: u32, protocol: u8) -> Layout {
    let rule = vec![
        Expression::Meta(15),
        Expression::Compare(0, vec![family]),
        Expression::Payload {
            base: NETWORK_HEADER,
            offset,
            length: 1,
            register: 1,
        },
        Expression::Compare(0, vec![protocol]),
        Expression::Counter,
    ];
    let chain = Chain {
        name: "chain",
        hook,
        priority: if hook == Hook::Input { 98 } else { -98 },
        rules: vec![rule],
    };
    Layout {
        name,
        sets: &[],
        chains: vec![chain],
    }
}

fn counted(nftables: &mut Nftables, witness: &Layout) -> u64 {
    let found = nftables.find(witness).unwrap();
    found.counted().map(|count| count.packets).unwrap()
}

#[test]
fn the_kernel_gives_back_the_pairs_it_was_given() {
    in_namespace(|| {
        let mut nftables = Nftables::open().unwrap();
        let all: BTreeSet<_> = [
            lan(52, "192.168.1.200"),
            lan(52, "2001:db8::200"),
            lan(53, "192.168.1.200"),
            device("tunl0", "192.168.1.200"),
            device("lvsd-ip6", "2001:db8::200"),
            (Origin::Here, "192.168.1.200".parse().unwrap()),
            (Origin::Here, "2001:db8::200".parse().unwrap()),
        ]
        .into();
        let whole = |pairs: &BTreeSet<Pair>| Found::Whole {
            held: pairs.clone(),
            counted: Count::default(),
        };
        assert_eq!(nftables.look_at_peers().unwrap(), Found::Absent);
        nftables.hold_peers(&Found::Absent, &all).unwrap();
        let found = nftables.look_at_peers().unwrap();
        assert_eq!(found, whole(&all));
        let fewer = [lan(54, "2001:db8::200")].into();
        nftables.hold_peers(&found, &fewer).unwrap();
        let found = nftables.look_at_peers().unwrap();
        assert_eq!(found, whole(&fewer));
        assert_eq!(nftables.look().unwrap(), Found::Absent, "the other table");
        nftables.hold_peers(&found, &BTreeSet::new()).unwrap();
        assert_eq!(nftables.look_at_peers().unwrap(), Found::Absent);
    });
}

/// From whatever is there to whatever is wanted, damage by others on the way included.
#[test]
fn any_pairs_become_any_others() {
    in_namespace(|| {
        let all: Vec<Pair> = (0..4)
            .flat_map(|n| {
                let (v4, v6) = (format!("192.0.2.{n}"), format!("2001:db8::{n}"));
                [
                    lan(n, &v4),
                    lan(n, &v6),
                    device("gre0", &v4),
                    device("sit0", &v6),
                ]
            })
            .collect();
        let mut nftables = Nftables::open().unwrap();
        let mut dice = 1_u32;
        for round in 0..60 {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let wanted: BTreeSet<_> = (0..all.len())
                .filter(|nth| dice >> (16 + nth % 16) & 1 == 1 && round % 7 != 6)
                .map(|nth| all[nth].clone())
                .collect();
            if round % 5 == 4 {
                // Somebody takes all of it away, or puts a table of that name there.
                let layout = super::super::peers::layout();
                let others = Layout {
                    chains: vec![],
                    ..layout
                };
                let _ = nftables.transact(others.changes(&Found::Damaged, &BTreeSet::new()), true);
                if round % 2 == 0 {
                    nftables
                        .transact(others.made(&BTreeSet::new()), true)
                        .unwrap();
                }
            }
            let found = nftables.look_at_peers().unwrap();
            nftables.hold_peers(&found, &wanted).unwrap();
            let found = nftables.look_at_peers().unwrap();
            assert_eq!(
                found.held().cloned().unwrap_or_default(),
                wanted,
                "round {round}"
            );
            assert_eq!(found == Found::Absent, wanted.is_empty(), "round {round}");
        }
    });
}

#[test]
fn ipvs_sees_another_protocol_and_the_socket_the_packet_as_it_was_sent() {
    in_namespace(|| {
        has_addresses("192.0.2.1 192.0.2.2");
        let mut nftables = Nftables::open().unwrap();
        let pairs = [device("lo", "192.0.2.1"), device("lo", "2001:db8::1")].into();
        nftables.hold_peers(&Found::Absent, &pairs).unwrap();
        // UDP is 17.
        let witnesses = [
            witness("w4", Hook::Input, 2, 9, 17 ^ 192),
            witness("w6", Hook::Input, 10, 6, 17 ^ 192),
            witness("plain", Hook::Input, 2, 9, 17),
        ];
        for witness in &witnesses {
            let made = witness.made(&BTreeSet::new());
            nftables.transact(made, true).unwrap();
        }
        for address in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
            assert!(arrives(address), "{address}");
        }
        let seen = witnesses.each_ref().map(|it| counted(&mut nftables, it));
        assert_eq!(seen, [1, 1, 1], "hidden, hidden, and not hidden");
        let hidden = nftables.look_at_peers().unwrap().counted();
        assert_eq!(hidden.unwrap().packets, 2);
    });
}

/// Waits for a change of the rules in this namespace; whether there was one.
fn hears(runtime: &tokio::runtime::Runtime, watch: &Watch, patience: Duration) -> bool {
    let heard = async { tokio::time::timeout(patience, watch.changed()).await };
    runtime.block_on(heard).is_ok_and(|outcome| outcome.is_ok())
}

/// Else its own IPVS would send it elsewhere, with an address that nobody takes it from.
#[test]
fn what_this_host_sends_itself_is_hidden_where_it_leaves_and_where_it_arrives() {
    in_namespace(|| {
        has_addresses("192.0.2.1");
        let mut nftables = Nftables::open().unwrap();
        let own = ["192.0.2.1", "2001:db8::1"].map(|it| (Origin::Here, it.parse().unwrap()));
        nftables.hold_peers(&Found::Absent, &own.into()).unwrap();
        let witnesses = [
            witness("in4", Hook::Input, 2, 9, 17 ^ 192),
            witness("out4", Hook::Output, 2, 9, 17 ^ 192),
            witness("in6", Hook::Input, 10, 6, 17 ^ 192),
            witness("out6", Hook::Output, 10, 6, 17 ^ 192),
        ];
        for witness in &witnesses {
            let made = witness.made(&BTreeSet::new());
            nftables.transact(made, true).unwrap();
        }
        assert!(arrives("192.0.2.1") && arrives("2001:db8::1"));
        let seen = witnesses.each_ref().map(|it| counted(&mut nftables, it));
        assert_eq!(seen, [1, 1, 1, 1]);
        let hidden = nftables.look_at_peers().unwrap().counted();
        assert_eq!(hidden.unwrap().packets, 0, "no other director sent it");
    });
}

#[test]
fn whoever_changes_rules_is_heard() {
    in_namespace(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().unwrap();
        let watch = runtime.block_on(async { Watch::open() }).unwrap();
        let mut nftables = Nftables::open().unwrap();
        assert!(
            !hears(&runtime, &watch, Duration::from_millis(50)),
            "nothing"
        );
        let pairs = [lan(52, "192.168.1.200")].into();
        nftables.hold_peers(&Found::Absent, &pairs).unwrap();
        assert!(hears(&runtime, &watch, Duration::from_secs(5)));
        assert!(!hears(&runtime, &watch, Duration::from_millis(50)), "once");
        nftables.look_at_peers().unwrap();
        assert!(
            !hears(&runtime, &watch, Duration::from_millis(50)),
            "a look is no change"
        );
    });
}

#[test]
fn a_chain_that_is_gone_is_noticed_and_made_anew() {
    in_namespace(|| {
        let mut nftables = Nftables::open().unwrap();
        let pairs = [lan(52, "192.168.1.200")].into();
        nftables.hold_peers(&Found::Absent, &pairs).unwrap();
        // A rule more in one of the two chains.
        let layout = super::super::peers::layout();
        let made = layout.made(&BTreeSet::new());
        let mut rules = made.into_iter().filter(|it| it.is(Kind::NewRule));
        nftables
            .transact(vec![rules.next().unwrap()], true)
            .unwrap();
        assert_eq!(nftables.look_at_peers().unwrap(), Found::Damaged);
        nftables.hold_peers(&Found::Damaged, &pairs).unwrap();
        assert_eq!(nftables.look_at_peers().unwrap().held(), Some(&pairs));
    });
}

/// 192 turns round no number that IPVS knows into another, nor one that begins an IPv6 packet.
#[test]
fn no_number_that_matters_becomes_another_one_that_does() {
    let known = [1, 6, 17, 50, 51, 58, 132, 0, 4, 41, 43, 44, 47, 59, 60, 135];
    for number in known {
        assert!(!known.contains(&(number ^ 0xC0_u8)), "{number}");
    }
}
