//! How long clients go without an answer when mastership changes, on purpose and not: lvsd
//! beside keepalived, and lvsd with keepalived as its peer, with the same settings.
//!
//! Without IPVS the holder of the address answers by itself, in namespaces of this machine's
//! kernel (`failover`); with it, real servers do (`failover_of_a_site`).

mod asking;
mod node;
mod outage;
mod pages;
mod trio;

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::chance::Chance;
use super::figures::markdown;
use crate::lab::Lab;
use crate::lab::wait::{millis, secs};
use node::{Behind, Fate, Make};
use outage::{HEAD, Outages};
use trio::{NOTHING, Trio};

/// What is measured.
struct Plan {
    behind: Behind,
    /// Advert intervals, and how many sites go through their rounds side by side: those with
    /// slow adverts mostly wait.
    intervals: Vec<(Duration, usize)>,
    /// Rounds of each change unless told otherwise.
    rounds: usize,
    /// First and second director.
    contenders: &'static [Contender],
}

type Contender = (&'static str, [Make; 2]);

const LVSD: Contender = ("lvsd", [Make::Lvsd, Make::Lvsd]);
const KEEPALIVED: Contender = ("keepalived", [Make::Keepalived, Make::Keepalived]);
const MIXED: Contender = ("lvsd beside keepalived", [Make::Lvsd, Make::Keepalived]);

/// What was measured, by row and contender.
type Found = BTreeMap<(usize, usize), Outages>;

pub(super) fn failover(lab: &Lab) {
    run(
        lab,
        &Plan {
            behind: Behind::Director,
            intervals: vec![(secs(1), 15), (millis(100), 10), (millis(10), 3)],
            rounds: 30,
            contenders: &[LVSD, KEEPALIVED, MIXED],
        },
    );
}

pub(super) fn failover_of_a_site(lab: &Lab) {
    run(
        lab,
        &Plan {
            behind: Behind::RealServers,
            // One site at a time: two would have to share the kernel's one processor.
            intervals: vec![(secs(1), 1), (millis(100), 1)],
            rounds: 6,
            contenders: &[LVSD, KEEPALIVED],
        },
    );
}

fn run(lab: &Lab, plan: &Plan) {
    println!("\n### {}\n", super::kernel_name());
    let chance = Chance::seeded();
    println!("Moments of failure by seed {}.\n", chance.seed);
    let rounds = super::rounds_or(plan.rounds);
    for (interval, lanes) in &plan.intervals {
        let found = Mutex::new(Found::new());
        let left = Mutex::new(rounds);
        let lane = || {
            let mut sites: Vec<_> = plan.contenders.iter().map(|_| None).collect();
            while take(&left) {
                for (contender, site) in sites.iter_mut().enumerate() {
                    let (_, makes) = plan.contenders[contender];
                    let build = || Trio::build(lab, makes, *interval, plan.behind);
                    let measured = site.get_or_insert_with(build).round(&chance);
                    let mut found = found.lock().unwrap();
                    for (row, outage) in measured {
                        found.entry((row, contender)).or_default().add(outage);
                    }
                }
            }
            sites.iter().flatten().for_each(Trio::end);
        };
        thread::scope(|scope| {
            let lanes = 0..(*lanes).min(rounds);
            let lanes: Vec<_> = lanes.map(|_| scope.spawn(lane)).collect();
            for lane in lanes {
                // In the words of the lane: the scope's own say nothing of what went wrong.
                if let Err(panic) = lane.join() {
                    resume_unwind(panic);
                }
            }
        });
        lab.say(&format!("adverts each {interval:?}: done"));
        let found = found.lock().unwrap();
        println!("{}", table(*interval, rounds, plan.contenders, &found));
    }
}

/// Takes one of the rounds that are left.
fn take(left: &Mutex<usize>) -> bool {
    let mut left = left.lock().unwrap();
    let taken = left.checked_sub(1);
    *left = taken.unwrap_or(0);
    taken.is_some()
}

fn table(interval: Duration, rounds: usize, contenders: &[Contender], found: &Found) -> String {
    let none = Outages::default();
    let changes = Fate::ALL.iter().enumerate().flat_map(|(event, fate)| {
        let [away, back] = fate.names();
        [(2 * event, away), (2 * event + 1, back)]
    });
    let mut rows = Vec::new();
    for (row, name) in changes.chain([(NOTHING, "nothing happens")]) {
        for (contender, (who, _)) in contenders.iter().enumerate() {
            let outages = found.get(&(row, contender)).unwrap_or(&none);
            let mut cells = vec![name.to_owned(), (*who).to_owned()];
            cells.extend(outages.cells());
            rows.push(cells);
        }
    }
    let title = format!("adverts each {} s, {rounds} rounds", hundredths(interval));
    let mut head = vec![title.as_str(), "directors"];
    head.extend(HEAD);
    markdown(&head, &rows)
}

/// `0.01`: seconds, as keepalived and people read them.
fn hundredths(interval: Duration) -> String {
    let text = format!("{:.2}", interval.as_secs_f64());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
