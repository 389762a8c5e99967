use std::time::Duration;

use super::*;
use crate::sys::clock;

const OURS: Mac = [2, 0, 192, 168, 1, 51];
const OUR_OTHER_NIC: Mac = [2, 0, 10, 0, 0, 51];
const THEIRS: Mac = [2, 0, 192, 168, 1, 54];
const THIRD: Mac = [2, 0, 192, 168, 1, 55];

fn vip() -> Place {
    Place {
        interface: "ens192".to_owned(),
        address: "192.168.1.200".parse().unwrap(),
    }
}

/// A director that holds the VIP, on a LAN whose stations answer.
struct Lan {
    conflicts: Conflicts,
    start: Instant,
    now: Instant,
    /// Who answers each question.
    answering: Vec<Mac>,
    /// What they said since it was last looked at.
    said: Vec<Mac>,
    /// When a question was asked, in milliseconds since the claim.
    asked: Vec<u128>,
}

impl Lan {
    fn claim(answering: &[Mac]) -> Self {
        let start = clock::now();
        let mut conflicts = Conflicts::default();
        conflicts.watch(start, &[vip()].into(), [OURS, OUR_OTHER_NIC].into());
        Self {
            conflicts,
            start,
            now: start,
            answering: answering.to_vec(),
            said: vec![],
            asked: vec![],
        }
    }

    /// Runs until `at` after the claim; an answer takes a millisecond.
    fn run_until(&mut self, at: Duration) {
        while let Some(deadline) = self.conflicts.deadline()
            && deadline <= self.start + at
        {
            assert!(deadline >= self.now, "time goes on");
            self.now = deadline;
            for mac in std::mem::take(&mut self.said) {
                self.say(mac);
            }
            for _ in self.conflicts.due(self.now) {
                self.asked.push((self.now - self.start).as_millis());
                self.said.extend(self.answering.clone());
            }
        }
        self.now = self.start + at;
    }

    /// Somebody says that the VIP is there.
    fn say(&mut self, mac: Mac) {
        let address = vip().address.address;
        self.conflicts
            .hear(self.now, "ens192", Statement { address, mac });
    }

    fn others(&self) -> Vec<Mac> {
        self.conflicts.found().into_values().flatten().collect()
    }
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn on_a_healthy_lan_one_question_is_asked_each_ten_seconds_and_nothing_found() {
    let mut lan = Lan::claim(&[]);
    lan.run_until(secs(35));
    assert_eq!(lan.asked, [1_000, 11_000, 21_000, 31_000]);
    assert_eq!(lan.others(), [[0; 6]; 0]);
}

#[test]
fn a_station_that_answers_twice_is_in_conflict_within_four_seconds_of_the_claim() {
    let mut lan = Lan::claim(&[THEIRS]);
    lan.run_until(secs(3));
    assert!(lan.others().is_empty(), "one answer is a suspicion");
    lan.run_until(secs(4));
    assert_eq!(lan.others(), [THEIRS]);
    lan.run_until(secs(60));
    assert_eq!(lan.others(), [THEIRS]);
}

#[test]
fn a_conflict_ends_after_three_questions_without_an_answer() {
    let mut lan = Lan::claim(&[THEIRS, THIRD]);
    lan.run_until(secs(10));
    assert_eq!(lan.others(), [THEIRS, THIRD]);
    lan.answering = vec![THIRD];
    let asked = lan.asked.len();
    while lan.others() == [THEIRS, THIRD] {
        lan.run_until(lan.now - lan.start + Duration::from_millis(100));
    }
    assert_eq!(lan.others(), [THIRD]);
    assert_eq!(
        lan.asked.len() - asked,
        4,
        "three, and the one that gives up"
    );
    lan.answering.clear();
    lan.run_until(secs(40));
    assert!(lan.others().is_empty());
    let calm: Vec<_> = lan.asked.iter().rev().take(2).collect();
    assert_eq!(calm[0] - calm[1], 10_000, "then all is calm again");
}

#[test]
fn a_lost_answer_ends_no_conflict() {
    let mut lan = Lan::claim(&[THEIRS]);
    lan.run_until(secs(10));
    for _ in 0..4 {
        lan.answering.clear();
        lan.run_until(lan.now - lan.start + secs(4));
        assert_eq!(lan.others(), [THEIRS]);
        lan.answering = vec![THEIRS];
        lan.run_until(lan.now - lan.start + secs(4));
    }
}

#[test]
fn a_master_that_lets_go_is_no_conflict() {
    let mut lan = Lan::claim(&[THEIRS]);
    lan.run_until(secs(2));
    lan.answering.clear();
    lan.run_until(secs(40));
    assert!(lan.others().is_empty());
}

/// The successor of a planned hand-over announces the address before we let go.
#[test]
fn a_successor_that_announces_itself_is_no_conflict() {
    let mut lan = Lan::claim(&[]);
    lan.run_until(secs(20));
    for _ in 0..5 {
        lan.say(THEIRS);
    }
    lan.run_until(secs(21));
    assert!(lan.others().is_empty());
    lan.conflicts
        .watch(lan.now, &BTreeSet::new(), [OURS].into());
    assert_eq!(lan.conflicts.deadline(), None, "nothing is held any more");
}

#[test]
fn a_suspicion_that_nobody_confirms_is_forgotten() {
    let mut lan = Lan::claim(&[]);
    for seconds in [2, 8, 14] {
        lan.run_until(secs(seconds));
        lan.say(THEIRS);
    }
    assert!(lan.others().is_empty(), "three announcements, no answer");
}

#[test]
fn an_announcement_nobody_asked_for_makes_it_ask_soon() {
    let mut lan = Lan::claim(&[]);
    lan.run_until(secs(12));
    lan.say(THEIRS);
    lan.answering = vec![THEIRS];
    lan.run_until(secs(15));
    assert_eq!(lan.asked.last(), Some(&14_000));
    assert_eq!(lan.others(), [THEIRS]);
}

#[test]
fn our_own_interfaces_other_addresses_and_other_lans_are_no_conflict() {
    let mut lan = Lan::claim(&[OURS, OUR_OTHER_NIC]);
    lan.run_until(secs(20));
    assert!(lan.others().is_empty(), "one host, and what is looped back");
    for seconds in 21..40 {
        lan.run_until(secs(seconds));
        let says = |address: &str| Statement {
            address: address.parse().unwrap(),
            mac: THEIRS,
        };
        lan.conflicts.hear(lan.now, "ens192", says("192.168.1.201"));
        lan.conflicts.hear(lan.now, "ens224", says("192.168.1.200"));
    }
    assert!(lan.others().is_empty());
}

#[test]
fn an_address_that_is_given_up_and_claimed_again_starts_anew() {
    let mut lan = Lan::claim(&[THEIRS]);
    lan.run_until(secs(10));
    let own: BTreeSet<_> = [OURS].into();
    lan.conflicts.watch(lan.now, &[vip()].into(), own.clone());
    assert_eq!(lan.others(), [THEIRS], "it stayed");
    lan.conflicts.watch(lan.now, &BTreeSet::new(), own.clone());
    lan.conflicts.watch(lan.now, &[vip()].into(), own);
    assert!(lan.others().is_empty());
}

#[test]
fn six_hundred_addresses_are_asked_for_at_80_a_second() {
    let start = clock::now();
    let mut conflicts = Conflicts::default();
    let held: BTreeSet<_> = (0..600_u32)
        .map(|n| Place {
            interface: "ens192".to_owned(),
            address: std::net::Ipv4Addr::from_bits(0x0A00_0000 + n)
                .to_string()
                .parse()
                .unwrap(),
        })
        .collect();
    conflicts.watch(start, &held, BTreeSet::new());
    let (mut asked, mut now) = (BTreeMap::<Place, u32>::new(), start);
    while now < start + secs(11) {
        now = conflicts.deadline().unwrap();
        let due = conflicts.due(now);
        assert!(due.len() <= 4);
        for place in due {
            *asked.entry(place).or_default() += 1;
        }
    }
    assert_eq!(asked.len(), 600, "each of them");
    assert!(now - start >= secs(11), "no faster");
    assert!(asked.values().sum::<u32>() <= 10 * 80 + 4);
}

#[test]
fn a_forger_of_many_stations_fills_no_memory_and_makes_no_storm() {
    let mut lan = Lan::claim(&[]);
    lan.run_until(secs(2));
    for n in 0..=u8::MAX {
        lan.say([2, 0, 0, 0, 0, n]);
    }
    let remembered = lan.conflicts.watched[&vip()].others.len();
    assert_eq!(remembered, MOST_OTHERS);
    lan.run_until(secs(12));
    assert!(lan.asked.len() <= 7, "{:?}", lan.asked);
}

#[test]
fn the_text_names_who_where_and_the_ways_out() {
    assert_eq!(
        describe(&vip(), THEIRS),
        "192.168.1.200 is also answered by 02:00:c0:a8:01:36 on ens192: a real server that \
         answers ARP for the VIP (start lvsd realserver there), or another director that is not \
         heard (VRRP blocked by a firewall? lvsd killed there?)"
    );
}
