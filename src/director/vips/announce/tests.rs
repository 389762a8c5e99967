use super::*;

fn place(n: usize) -> Place {
    Place {
        interface: "ens192".to_owned(),
        address: format!("10.0.{}.{}", n / 256, n % 256).parse().unwrap(),
    }
}

/// Runs the schedule to its end; what was announced when, since `start`.
fn run(schedule: &mut Schedule, start: Instant) -> Vec<(Duration, Place)> {
    let mut announced = vec![];
    while let Some(now) = schedule.deadline() {
        let due = schedule.due(now.max(start));
        announced.extend(due.into_iter().map(|place| (now - start, place)));
    }
    announced
}

#[test]
fn a_vip_is_announced_five_times_at_once_and_five_times_after_five_seconds() {
    let start = crate::sys::clock::now();
    let mut schedule = Schedule::default();
    assert_eq!(schedule.deadline(), None);
    schedule.start(start, place(1));
    let times: Vec<_> = run(&mut schedule, start)
        .into_iter()
        .map(|(at, _)| at.as_millis())
        .collect();
    assert_eq!(
        times,
        [0, 20, 40, 60, 80, 5_000, 5_020, 5_040, 5_060, 5_080]
    );
}

#[test]
fn many_vips_go_out_in_batches_with_pauses_and_none_is_forgotten() {
    let start = crate::sys::clock::now();
    let mut schedule = Schedule::default();
    for n in 0..600 {
        schedule.start(start, place(n));
    }
    let announced = run(&mut schedule, start);
    assert_eq!(announced.len(), 6_000);
    for (at, _) in &announced {
        let same_time = announced.iter().filter(|(other, _)| other == at).count();
        assert!(same_time <= BATCH);
    }
    let first_round = &announced[..600];
    let (last, _) = first_round.last().unwrap();
    assert!(*last < Duration::from_millis(40), "{last:?}");
    let (end, _) = announced.last().unwrap();
    assert!(*end < Duration::from_millis(5_300), "{end:?}");
}

#[test]
fn a_vip_that_went_is_announced_no_more_and_one_that_starts_again_begins_anew() {
    let start = crate::sys::clock::now();
    let mut schedule = Schedule::default();
    schedule.start(start, place(1));
    schedule.start(start, place(2));
    assert_eq!(schedule.due(start), [place(1), place(2)]);
    schedule.retain(|kept| *kept == place(2));
    let later = start + Duration::from_secs(1);
    schedule.start(later, place(2));
    assert_eq!(run(&mut schedule, later).len(), OFFSETS.len());
}
