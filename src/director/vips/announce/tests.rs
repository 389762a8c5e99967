use super::*;
use crate::sys::clock;

fn place(n: usize) -> Place {
    Place {
        interface: "ens192".to_owned(),
        address: format!("10.0.{}.{}", n / 256, n % 256).parse().unwrap(),
    }
}

/// A clock that wakes the schedule when it asks for it, at whole milliseconds.
struct Run {
    schedule: Schedule,
    start: Instant,
    now: Instant,
}

impl Run {
    fn new() -> Self {
        let start = clock::now();
        Self {
            schedule: Schedule::default(),
            start,
            now: start,
        }
    }

    /// What is announced when until `end`, since the start.
    fn until(&mut self, end: Duration) -> Vec<(Duration, Place)> {
        let mut announced = vec![];
        while let Some(deadline) = self.schedule.deadline()
            && deadline <= self.start + end
        {
            let wait = deadline.saturating_duration_since(self.now);
            self.now +=
                Duration::from_millis(u64::try_from(wait.as_micros().div_ceil(1_000)).unwrap());
            let due = self.schedule.due(self.now);
            announced.extend(due.into_iter().map(|place| (self.now - self.start, place)));
        }
        announced
    }

    fn times(&mut self, end: Duration) -> Vec<u128> {
        let announced = self.until(end).into_iter();
        announced.map(|(at, _)| at.as_millis()).collect()
    }
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const LONG: Duration = secs(3_600);

#[test]
fn a_vip_is_announced_five_times_at_once_and_five_times_after_five_seconds() {
    let mut run = Run::new();
    assert_eq!(run.schedule.deadline(), None);
    run.schedule.start(run.now, place(1), Announce::default());
    assert_eq!(
        run.times(LONG),
        [0, 20, 40, 60, 80, 5_000, 5_020, 5_040, 5_060, 5_080]
    );
}

#[test]
fn repeat_delay_and_refresh_are_the_operators() {
    let mut run = Run::new();
    let pace = Announce {
        repeat: 2,
        delay: secs(1),
        refresh: Some(secs(60)),
        ..Announce::default()
    };
    run.schedule.start(run.now, place(1), pace);
    assert_eq!(run.times(secs(130)), [0, 20, 1_000, 1_020, 61_020, 121_020]);
    let once = Announce {
        repeat: 1,
        delay: Duration::ZERO,
        refresh: None,
        ..pace
    };
    let mut run = Run::new();
    run.schedule.start(run.now, place(1), once);
    assert_eq!(run.times(LONG), [0]);
}

#[test]
fn six_hundred_vips_are_paced_and_none_waits_for_the_second_announcement_of_another() {
    let mut run = Run::new();
    let pace = Announce::default();
    for n in 0..600 {
        run.schedule.start(run.now, place(n), pace);
    }
    let announced = run.until(LONG);
    assert_eq!(announced.len(), 6_000);
    let mut first: Vec<_> = announced[..600].iter().map(|(_, place)| place).collect();
    first.sort();
    first.dedup();
    assert_eq!(
        first.len(),
        600,
        "each of them once, before any is repeated"
    );
    let (last, _) = announced[599];
    assert!(last <= Duration::from_millis(61), "{last:?}");
    for start in 0..announced.len() {
        let (from, to) = (
            announced[start].0,
            announced[start].0 + Duration::from_millis(10),
        );
        let within = announced[start..].iter().take_while(|(at, _)| *at < to);
        let count = within.count();
        assert!(count <= 151, "{count} frames in 10 ms from {from:?}");
    }
}

#[test]
fn a_slower_pace_is_kept_and_each_interface_has_its_own() {
    let mut run = Run::new();
    let slow = Announce {
        repeat: 1,
        delay: Duration::ZERO,
        interval: Duration::from_millis(50),
        ..Announce::default()
    };
    let elsewhere = Place {
        interface: "ens224".to_owned(),
        ..place(9)
    };
    for n in 0..4 {
        run.schedule.start(run.now, place(n), slow);
    }
    run.schedule.start(run.now, elsewhere.clone(), slow);
    let announced = run.until(LONG);
    let there: Vec<_> = announced
        .iter()
        .filter(|(_, it)| *it == elsewhere)
        .collect();
    assert_eq!(there, [&(Duration::ZERO, elsewhere)]);
    let here = announced.iter().filter(|(_, it)| it.interface == "ens192");
    let times: Vec<_> = here.map(|(at, _)| at.as_millis()).collect();
    assert_eq!(times.len(), 4);
    assert!(
        times.windows(2).all(|pair| pair[1] - pair[0] >= 45),
        "{times:?}"
    );
}

#[test]
fn a_schedule_that_is_served_late_makes_no_burst() {
    let mut run = Run::new();
    for n in 0..600 {
        run.schedule.start(run.now, place(n), Announce::default());
    }
    let late = run.now + secs(1);
    assert!(run.schedule.due(late).len() <= 51);
}

#[test]
fn a_vip_that_went_is_announced_no_more_and_one_that_starts_again_begins_anew() {
    let mut run = Run::new();
    run.schedule.start(run.now, place(1), Announce::default());
    run.schedule.start(run.now, place(2), Announce::default());
    assert!(!run.schedule.is_announced(&place(2)));
    assert_eq!(run.schedule.due(run.now), [place(1), place(2)]);
    assert!(run.schedule.is_announced(&place(2)));
    run.schedule.retain(|kept| *kept == place(2));
    run.now += secs(1);
    run.schedule.start(run.now, place(2), Announce::default());
    assert!(!run.schedule.is_announced(&place(2)));
    let announced = run.until(LONG);
    assert_eq!(announced.len(), 10);
    assert!(
        announced
            .iter()
            .all(|(_, announced)| *announced == place(2))
    );
}

#[test]
fn what_is_put_off_is_looked_at_again_soon_and_other_addresses_go_on() {
    let mut run = Run::new();
    for n in [1, 2] {
        run.schedule.start(run.now, place(n), Announce::default());
    }
    let unsure = [place(1)].into();
    run.schedule.put_off(run.now, &unsure);
    assert_eq!(run.schedule.due(run.now), [place(2)]);
    assert!(!run.schedule.is_announced(&place(1)));
    run.now += Duration::from_millis(19);
    assert_eq!(run.schedule.due(run.now), []);
    run.now += Duration::from_millis(1);
    let due: BTreeSet<_> = run.schedule.due(run.now).into_iter().collect();
    assert!(due.contains(&place(1)), "{due:?}");
}
