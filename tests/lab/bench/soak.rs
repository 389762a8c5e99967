//! Adverts each 10 ms for a long time under all loads at once: how often mastership changed that
//! nobody asked to change. `LVSD_SOAK=1h` says how long; a minute unless told. `LVSD_SOAK_ONLY=realtime`
//! leaves out the rows whose name has no such part.

use std::thread;
use std::time::{Duration, Instant};

use super::adverts::Capture;
use super::burden::{Burdened, Load, Make, Priority, Router};
use super::figures::markdown;
use super::precise;
use super::stalls::{self, Watch};
use crate::lab::Lab;
use crate::lab::lvsd::number;
use crate::lab::wait::{millis, secs};

const ROUTER: Router = Router {
    vrid: 51,
    interval: millis(10),
};

const KINDS: [(&str, Priority); 2] = [
    ("as it comes", Priority::Usual),
    ("realtime_priority = 50", Priority::RealTime),
];

/// From how long on a machine that stood still is why a backup heard nothing: its 36 ms, less
/// the 10 ms until the next advert, and some for what the clocks of both threads differ.
const STOOD_STILL: Duration = millis(20);

pub(super) fn soak(lab: &Lab) {
    println!("\n### {}\n", super::kernel_name());
    let time = length();
    let load = Load {
        checks_each: Some(secs(6)),
        table: false,
        reload_each: Some(secs(3)),
    };
    let wanted = std::env::var("LVSD_SOAK_ONLY").unwrap_or_default();
    let kinds = KINDS.iter().filter(|(name, _)| name.contains(&wanted));
    let rows: Vec<_> = kinds
        .map(|&(name, priority)| {
            lab.say(&format!("{name}: {time:?}"));
            measure(
                lab,
                name,
                Burdened::start(lab, Make::Lvsd, priority, &[ROUTER], load),
                time,
            )
        })
        .collect();
    let head = [
        "adverts each 10 ms",
        "for",
        "adverts",
        "off their time: median",
        "p99",
        "worst",
        "takeovers",
        "changes of sender",
        "of them while the machine ran",
        "the machine stood still, worst",
        "checks a second, both",
        "reloads of each",
    ];
    println!("{}", markdown(&head, &rows));
}

fn measure(lab: &Lab, name: &str, burdened: Burdened, time: Duration) -> Vec<String> {
    let became = || {
        let hosts = [&burdened.pair.lvs51, &burdened.pair.lvs52];
        hosts.map(|host| number(&host.status()["vrrp"][0]["became_master"]))
    };
    let (checks, masters) = (burdened.checks(), became());
    let capture = Capture::begin(&burdened.pair.client);
    let watch = Watch::begin();
    let begun = Instant::now();
    while begun.elapsed() < time {
        thread::sleep(time.saturating_sub(begun.elapsed()).min(secs(60)));
        lab.say(&format!(
            "after {:?}: became master {:?}",
            begun.elapsed(),
            became()
        ));
    }
    let (adverts, stalls) = (capture.end(), watch.end());
    let changes = adverts.changes(ROUTER.vrid);
    let stood_still = changes.iter().map(|&at| stalls::before(&stalls, at));
    let stood_still: Vec<_> = stood_still.collect();
    lab.say(&format!(
        "before each change the machine stood still for {stood_still:?}"
    ));
    let changed: u64 = became()
        .iter()
        .zip(masters)
        .map(|(now, then)| now - then)
        .sum();
    let checks = (burdened.checks() - checks) as u64 / time.as_secs();
    let reloads = burdened.end();
    let (count, spread) = adverts
        .jitter(ROUTER.vrid, ROUTER.interval)
        .expect("adverts were sent");
    vec![
        name.to_owned(),
        format!("{time:?}"),
        count.to_string(),
        precise(spread.median),
        precise(spread.p99),
        precise(spread.worst),
        changed.to_string(),
        changes.len().to_string(),
        stood_still
            .iter()
            .filter(|still| **still < STOOD_STILL)
            .count()
            .to_string(),
        precise(stalls::worst(&stalls)),
        checks.to_string(),
        reloads.to_string(),
    ]
}

/// `90s`, `10m`, `1h`.
fn length() -> Duration {
    let given = std::env::var("LVSD_SOAK").unwrap_or_default();
    let (count, unit) = given.split_at(given.len().saturating_sub(1));
    let unit = match unit {
        "h" => 3600,
        "m" => 60,
        _ => 1,
    };
    count
        .parse()
        .map_or(secs(60), |count: u64| secs(count * unit))
}
