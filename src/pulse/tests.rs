use super::*;

const LIMIT: Duration = Duration::from_secs(10);

/// A watch over parts that have all begun, and when it looked first.
fn watch() -> (Watch, Pulses, Instant) {
    let (mut watch, pulses, now) = (
        Watch::default(),
        Pulses::default(),
        crate::sys::clock::now(),
    );
    watch.set_limit(now, Some(LIMIT));
    all_beat(&pulses);
    assert_eq!(watch.look(now, &pulses), []);
    (watch, pulses, now)
}

fn all_beat(pulses: &Pulses) {
    Part::ALL
        .into_iter()
        .for_each(|part| pulses.of(part).beat());
}

/// Looks once a second for so many seconds, while `beats` is done before each look.
fn look(
    watch: &mut Watch,
    pulses: &Pulses,
    now: &mut Instant,
    seconds: u32,
    beats: impl Fn(&Pulses),
) -> Vec<String> {
    let mut stuck = vec![];
    for _ in 0..seconds {
        beats(pulses);
        *now += LOOK;
        assert_eq!(watch.deadline(), Some(*now));
        stuck = watch.look(*now, pulses);
    }
    stuck.iter().map(Stuck::to_string).collect()
}

#[test]
fn a_part_that_is_silent_for_the_limit_is_stuck_until_it_beats() {
    let (mut watch, pulses, mut now) = watch();
    let others = |pulses: &Pulses| {
        pulses.core.beat();
        pulses.table.beat();
        pulses.vips.beat();
    };
    assert!(look(&mut watch, &pulses, &mut now, 9, others).is_empty());
    let told = ["the checks have not moved for 10 s"];
    assert_eq!(look(&mut watch, &pulses, &mut now, 1, others), told);
    assert_eq!(
        look(&mut watch, &pulses, &mut now, 100, others),
        told,
        "told as it was first seen"
    );
    assert!(look(&mut watch, &pulses, &mut now, 1, all_beat).is_empty());
    assert!(look(&mut watch, &pulses, &mut now, 9, others).is_empty());
    assert_eq!(look(&mut watch, &pulses, &mut now, 1, others), told);
}

#[test]
fn every_part_is_watched_and_named() {
    let (mut watch, pulses, mut now) = watch();
    assert_eq!(
        look(&mut watch, &pulses, &mut now, 10, |_| ()),
        [
            "the director's core has not moved for 10 s",
            "the checks have not moved for 10 s",
            "the IPVS thread has not moved for 10 s",
            "the VIP thread has not moved for 10 s",
        ]
    );
}

#[test]
fn a_part_that_has_not_begun_or_has_ended_is_not_missed() {
    let (mut watch, pulses, mut now) = watch();
    pulses.table.rest();
    pulses.vips.rest();
    let others = |pulses: &Pulses| pulses.core_works();
    assert!(look(&mut watch, &pulses, &mut now, 60, others).is_empty());
    pulses.table.beat();
    assert!(look(&mut watch, &pulses, &mut now, 10, others).is_empty());
    let told = ["the IPVS thread has not moved for 10 s"];
    assert_eq!(look(&mut watch, &pulses, &mut now, 1, others), told);
    pulses.table.rest();
    assert!(look(&mut watch, &pulses, &mut now, 1, others).is_empty());
}

#[test]
fn the_time_that_the_whole_host_slept_does_not_count() {
    let (mut watch, pulses, mut now) = watch();
    now += Duration::from_secs(3_600);
    assert_eq!(watch.look(now, &pulses), []);
    assert!(look(&mut watch, &pulses, &mut now, 7, |_| ()).is_empty());
    assert_eq!(look(&mut watch, &pulses, &mut now, 1, |_| ()).len(), 4);
}

#[test]
fn without_a_limit_nobody_is_looked_at_and_another_one_counts_anew() {
    let (mut watch, pulses, mut now) = watch();
    assert_eq!(look(&mut watch, &pulses, &mut now, 10, |_| ()).len(), 4);
    watch.set_limit(now, None);
    assert_eq!(watch.deadline(), None);
    assert_eq!(watch.look(now + LIMIT * 9, &pulses), []);
    let limit = Duration::from_secs(3);
    watch.set_limit(now, Some(limit));
    assert!(look(&mut watch, &pulses, &mut now, 3, |_| ()).is_empty());
    assert_eq!(look(&mut watch, &pulses, &mut now, 1, |_| ()).len(), 4);
}
