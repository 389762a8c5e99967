//! How punctual adverts are while their sender has other things to do, seen from outside: lvsd
//! beside keepalived, each with three virtual routers whose intervals differ.

use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use super::adverts::Capture;
use super::burden::{Burdened, Load, Make, Priority, Router, lab_has_ipvs};
use super::figures::markdown;
use super::precise;
use super::stalls::{self, Stall, Watch};
use crate::lab::Lab;
use crate::lab::wait::{millis, secs};

const ROUTERS: [Router; 3] = [
    Router {
        vrid: 51,
        interval: secs(1),
    },
    Router {
        vrid: 52,
        interval: millis(100),
    },
    Router {
        vrid: 53,
        interval: millis(10),
    },
];

/// How long each is looked at.
const LOOK: Duration = secs(30);

pub(super) fn jitter(lab: &Lab) {
    println!("\n### {}\n", super::kernel_name());
    let loads = if lab_has_ipvs() {
        in_the_lab()
    } else {
        natively()
    };
    let mut rows = Vec::new();
    for (name, load) in loads {
        for priority in [Priority::Usual, Priority::RealTime] {
            for make in [Make::Lvsd, Make::Keepalived] {
                lab.say(&format!("{name}: {}{}", make.name(), priority.suffix()));
                rows.extend(measure(lab, name, load, make, priority));
            }
        }
    }
    let head = [
        "adverts off their time",
        "sender",
        "interval",
        "adverts",
        "median",
        "p99",
        "worst",
        "changes of master (when: how long the machine stood still)",
        "the machine stood still, worst",
        "checks a second",
        "reloads",
    ];
    println!("{}", markdown(&head, &rows));
}

fn natively() -> Vec<(&'static str, Load)> {
    let idle = Load::default();
    let checks = Load {
        checks_each: Some(secs(6)),
        ..idle
    };
    let reload_each = Some(secs(1));
    vec![
        ("idle", idle),
        ("10,000 TCP checks beside it", checks),
        (
            "a reload each second",
            Load {
                reload_each,
                ..idle
            },
        ),
        (
            "both",
            Load {
                reload_each,
                ..checks
            },
        ),
    ]
}

fn in_the_lab() -> Vec<(&'static str, Load)> {
    let idle = Load::default();
    let reload_each = Some(secs(5));
    let checks = Load {
        checks_each: Some(secs(20)),
        ..idle
    };
    let table = Load {
        table: true,
        reload_each,
        ..idle
    };
    vec![
        ("idle", idle),
        ("1,000 x 10 replaced each 5 s", table),
        ("10,000 TCP checks", checks),
        (
            "10,000 TCP checks, a reload each 5 s",
            Load {
                reload_each,
                ..checks
            },
        ),
    ]
}

fn measure(lab: &Lab, name: &str, load: Load, make: Make, priority: Priority) -> Vec<Vec<String>> {
    let burdened = Burdened::start(lab, make, priority, &ROUTERS, load);
    let before = burdened.checks();
    let capture = Capture::begin(&burdened.pair.client);
    let watch = Watch::begin();
    let begun = UNIX_EPOCH.elapsed().expect("it is later than 1970");
    thread::sleep(LOOK);
    let (stalls, adverts) = (watch.end(), capture.end());
    let checks = (burdened.checks() - before) as u64 / LOOK.as_secs();
    let reloads = burdened.end();
    let rows = ROUTERS.iter().map(|router| {
        let mut row = vec![
            name.to_owned(),
            format!("{}{}", make.name(), priority.suffix()),
            format!("{:?}", router.interval),
        ];
        let (count, spread) = adverts
            .jitter(router.vrid, router.interval)
            .expect("adverts were sent");
        row.push(count.to_string());
        row.extend([spread.median, spread.p99, spread.worst].map(precise));
        row.push(changes(&adverts.changes(router.vrid), begun, &stalls));
        row.push(precise(stalls::worst(&stalls)));
        row.push(checks.to_string());
        row.push(reloads.to_string());
        row
    });
    rows.collect()
}

/// How often the sender changed; if it did, when, and how long no program ran just before.
fn changes(changes: &[Duration], begun: Duration, stalls: &[Stall]) -> String {
    if changes.is_empty() {
        return "0".to_owned();
    }
    let told = changes.iter().map(|&at| {
        let after = at.saturating_sub(begun).as_secs_f64();
        let stood_still = precise(stalls::before(stalls, at));
        format!("after {after:.2} s: {stood_still}")
    });
    let told: Vec<_> = told.collect();
    format!("{} ({})", changes.len(), told.join(", "))
}
