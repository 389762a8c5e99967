//! What the neighbours are told of addresses, and when: as a capture sees it.

use std::collections::BTreeMap;

use crate::lab::lvsd::{DirectorFile, Pair};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Lab, Program, Scenario, eventually, millis, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(an_address_is_announced_again_after_the_delay_and_with_each_refresh).on_any_linux(),
    scenario!(hundreds_of_addresses_are_announced_at_the_pace_of_the_file)
        .alone()
        .on_any_linux(),
];

/// Captures gratuitous ARP.
fn capture(pair: &Pair) -> Program {
    let capture = pair
        .client
        .spawn("tcpdump -Z root -lnn -tt -B 8192 -i ens192 arp");
    eventually("the capture runs", within(secs(5)), || {
        capture.log().contains("listening on")
    });
    capture
}

/// Who was announced, and when, in microseconds.
fn announced(capture: &Program) -> Vec<(u64, String)> {
    let log = capture.log();
    let parsed = log.lines().filter_map(|line| {
        let (time, rest) = line.split_once(' ')?;
        let address = rest.split_once("who-has ")?.1.split(' ').next()?;
        let is_gratuitous = rest.contains(&format!("tell {address},"));
        let at = time.replace('.', "").parse().ok()?;
        is_gratuitous.then(|| (at, address.to_owned()))
    });
    parsed.collect()
}

const SECOND: u64 = 1_000_000;

fn an_address_is_announced_again_after_the_delay_and_with_each_refresh(lab: &Lab) {
    let pair = Pair::build(lab);
    let capture = capture(&pair);
    let times = || -> Vec<u64> {
        let all = announced(&capture);
        let vip = all.iter().filter(|(_, address)| address == VIP);
        vip.map(|(at, _)| *at).collect()
    };
    let file = DirectorFile::steady(100)
        .vrrp_key("announce", "{ repeat = 3, delay = '3s', refresh = '2s' }");
    let director = pair.lvs51.director(&file);
    eventually("it is refreshed three times", within(secs(30)), || {
        times().len() >= 9
    });
    let told = times();
    let since: Vec<_> = told.iter().map(|at| at - told[0]).collect();
    // A busy host is late, perhaps with the very first one. Never by half of a refresh.
    let late = within(millis(500)).limit().min(millis(900));
    let late = u64::try_from(late.as_micros()).unwrap();
    assert!(since[2] < late, "{since:?}");
    let round = 3 * SECOND;
    assert!(
        (round - late..round + late).contains(&since[3]),
        "{since:?}"
    );
    assert!(since[5] - since[3] < late, "{since:?}");
    // The time of the next one counts from when one is decided on, which is after the one
    // before was sent, however late that was.
    let (before, mut earliest) = (since[4], 0);
    for pair in since[5..].windows(2) {
        let refresh = 2 * SECOND;
        earliest += refresh;
        assert!(pair[1] - before >= earliest, "{since:?}");
        assert!(pair[1] - pair[0] < refresh + late, "{since:?}");
    }
    lab.say(&format!("announced after {since:?} microseconds"));

    let once = DirectorFile::steady(100).vrrp_key("announce", "{ repeat = 1, delay = '0s' }");
    director.terminate();
    let before = times().len();
    pair.lvs51.director(&once);
    eventually("it is announced", within(secs(10)), || {
        times().len() > before
    });
    // Longer than any delay or refresh of before, by the adverts.
    let sent = || crate::lab::lvsd::number(&pair.lvs51.status()["vrrp"][0]["adverts_sent"]);
    let adverts = sent();
    eventually("it is master for long", within(secs(20)), || {
        sent() >= adverts + 40
    });
    assert_eq!(times().len(), before + 1, "once, and no more");
}

/// 300 addresses, and 2 ms between two frames.
fn hundreds_of_addresses_are_announced_at_the_pace_of_the_file(lab: &Lab) {
    const ADDRESSES: usize = 300;
    const APART: u64 = 2_000;
    let pair = Pair::build(lab);
    let capture = capture(&pair);
    let all = (0..ADDRESSES).map(|n| format!("'10.1.{}.{}'", n / 250, n % 250 + 1));
    let all = all.collect::<Vec<_>>().join(", ");
    let file = DirectorFile::steady(100)
        .vrrp_key("extra_addresses", &format!("[{all}]"))
        .vrrp_key("announce", "{ repeat = 2, delay = '2s', interval = '2ms' }");
    pair.lvs51.director(&file);
    let frames = || {
        let mut frames = announced(&capture);
        frames.retain(|(_, address)| address.starts_with("10.1."));
        frames
    };
    eventually("each was announced four times", within(secs(30)), || {
        frames().len() >= 4 * ADDRESSES
    });
    let frames = frames();
    let mut times: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (nth, (_, address)) in frames.iter().enumerate() {
        times.entry(address).or_default().push(nth);
    }
    assert_eq!(times.len(), ADDRESSES);
    assert!(times.values().all(|nths| nths.len() == 4), "{times:?}");
    let last_first = times.values().map(|nths| nths[0]).max().unwrap();
    assert_eq!(last_first, ADDRESSES - 1, "all once before any twice");

    // What a late timer kept waiting goes out together, 5 ms of it at most.
    let window = 100_000;
    let fullest = frames.iter().enumerate().map(|(nth, (from, _))| {
        let rest = frames[nth..].iter();
        rest.take_while(|(at, _)| *at < from + window).count() as u64
    });
    let fullest = fullest.max().unwrap();
    lab.say(&format!(
        "{ADDRESSES} addresses, {} frames: at most {fullest} in 100 ms, the first round took {} ms",
        frames.len(),
        (frames[ADDRESSES - 1].0 - frames[0].0) / 1_000
    ));
    assert!(fullest <= window / APART + 4, "{fullest}");
}
