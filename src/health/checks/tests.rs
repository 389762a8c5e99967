use std::net::SocketAddr;

use super::*;
use crate::health::{Probe, Timing};
use crate::sys::clock;

#[test]
fn a_handful_of_new_checks_goes_out_within_milliseconds() {
    let mut sim = Sim::new();
    sim.configure((0..8).map(check));
    assert_eq!(sim.due_within(millis(1)), 8);
}

#[test]
fn ten_thousand_new_checks_go_out_evenly_over_a_second() {
    let mut sim = Sim::new();
    sim.configure((0..10_000).map(check));
    for _ in 0..10 {
        let started = sim.due_within(millis(100));
        assert!((800..1200).contains(&started), "{started} in 100 ms");
    }
    assert_eq!(sim.checks.deadline(), None, "all are running");
}

#[test]
fn however_many_new_checks_there_are_all_go_out_within_a_second() {
    let mut sim = Sim::new();
    sim.configure((0..30_000).map(check));
    assert_eq!(sim.due_within(secs(1)), 30_000);
}

#[test]
fn new_checks_of_a_short_interval_go_out_within_it() {
    let mut sim = Sim::new();
    sim.configure((0..10_000).map(|n| with_interval(check(n), millis(200))));
    assert_eq!(sim.due_within(millis(200)), 10_000);
}

#[test]
fn ten_thousand_checks_of_one_interval_make_an_even_load_ever_after() {
    for outcome in [Outcome::Passed, failed()] {
        let mut sim = Sim::new();
        sim.configure((0..10_000).map(check));
        // Past the first attempts, the retries, and the choice of a phase.
        sim.run(secs(22), |_| outcome.clone());
        for _ in 0..60 {
            let made = sim.run(millis(100), |_| outcome.clone());
            // 10,000 in 6 s are 167 in 100 ms.
            assert!((110..230).contains(&made), "{made} in 100 ms, {outcome:?}");
        }
    }
}

#[test]
fn the_interval_is_from_start_to_start() {
    let mut sim = Sim::new();
    sim.configure([check(0)]);
    let (id, _) = sim.attempt(Outcome::Passed);
    sim.attempt(Outcome::Passed);
    let second = sim.now.at;
    sim.start();
    assert_eq!(sim.now.at, second + secs(6));
    sim.now.at += secs(2);
    sim.finish(id, Outcome::Passed);
    sim.start();
    assert_eq!(sim.now.at, second + secs(12));
}

#[test]
fn a_check_has_answered_since_a_moment_when_it_was_asked_after_it_and_is_not_on_its_way_up() {
    let mut sim = Sim::new();
    sim.configure([check(0)]);
    assert!(!sim.checks.all_answered_since(sim.now.wall), "never asked");
    let id = sim.start();
    let since = sim.now.wall + secs(1);
    sim.now.wall += secs(2);
    let outcome = Outcome::Passed;
    sim.checks.finished(sim.now, id, secs(2), outcome);
    assert!(!sim.checks.all_answered_since(since), "asked before");
    let id = sim.start();
    sim.now.wall = since + secs(3);
    sim.checks.finished(sim.now, id, secs(3), failed());
    assert!(sim.checks.all_answered_since(since));

    let mut slow = check(1);
    Arc::make_mut(&mut slow.timing).rise = 2;
    let mut sim = Sim::new();
    sim.configure([slow]);
    sim.attempt(failed());
    let since = sim.now.wall;
    sim.now.wall += secs(1);
    sim.attempt(Outcome::Passed);
    assert!(!sim.checks.all_answered_since(since), "one success of two");
    sim.attempt(Outcome::Passed);
    assert!(sim.checks.all_answered_since(since));
}

#[test]
fn an_attempt_longer_than_the_interval_is_followed_by_the_next_without_delay() {
    let mut sim = Sim::new();
    sim.configure([check(0)]);
    sim.attempt(Outcome::Passed);
    let id = sim.start();
    sim.now.at += secs(10);
    sim.finish(id, Outcome::Passed);
    assert_eq!(sim.checks.deadline(), Some(sim.now.at + MIN_PAUSE));
}

#[test]
fn a_failure_is_repeated_after_the_retry_delay_until_the_verdict() {
    let mut sim = Sim::new();
    sim.configure([check(0)]);
    sim.attempt(Outcome::Passed);
    let mut pauses = Vec::new();
    let mut changes = Vec::new();
    for _ in 0..6 {
        let (id, change) = sim.attempt(failed());
        changes.push(change.map(|change| change.verdict.state));
        pauses.push((sim.checks.entries[&id].due - sim.now.at).as_secs());
    }
    assert_eq!(pauses, [3, 3, 3, 6, 6, 6]);
    assert_eq!(changes, [None, None, None, Some(State::Down), None, None]);
}

#[test]
fn an_attempt_that_could_not_be_made_is_repeated_soon_and_changes_nothing() {
    let mut sim = Sim::new();
    sim.configure([check(0)]);
    let (id, change) = sim.attempt(Outcome::Undecided("too many open files".to_owned()));
    assert_eq!(change, None);
    assert_eq!(sim.checks.deadline(), Some(sim.now.at + secs(3)));
    let status = &sim.checks.entries[&id].status;
    assert_eq!(
        (status.attempts, status.failures, status.undecided),
        (1, 0, 1)
    );
    assert_eq!(status.verdict.state, State::Unchecked);
}

#[test]
fn a_change_names_the_check_the_state_before_and_the_new_verdict() {
    let mut sim = Sim::new();
    sim.configure([check(0)]);
    let (_, change) = sim.attempt(failed());
    let change = change.unwrap();
    assert_eq!(*change.check, check(0));
    assert_eq!(
        (change.from, change.verdict.state),
        (State::Unchecked, State::Down)
    );
    assert_eq!(&*change.verdict.reason, "connection refused");
}

#[test]
fn a_check_that_stays_keeps_verdict_timing_and_running_attempt() {
    let mut sim = Sim::new();
    sim.configure([check(0), check(1)]);
    sim.attempt(Outcome::Passed);
    let id = sim.start();
    let before = (sim.checks.snapshot(), sim.checks.deadline());
    sim.now.at += secs(1);
    sim.configure([check(1), check(0), check(1)]);
    assert_eq!((sim.checks.snapshot(), sim.checks.deadline()), before);
    sim.finish(id, Outcome::Passed)
        .expect("its result still counts");
}

#[test]
fn a_check_that_goes_is_forgotten_with_its_running_attempt() {
    let mut sim = Sim::new();
    sim.configure([check(0), check(1)]);
    let id = sim.start();
    sim.configure([]);
    assert_eq!(sim.checks.deadline(), None);
    assert_eq!(sim.finish(id, Outcome::Passed), None);
    assert!(sim.checks.entries.is_empty() && sim.checks.ids.is_empty());
    // Back again, it is new, and the old attempt is not its own.
    sim.configure([check(0), check(1)]);
    assert_eq!(sim.finish(id, Outcome::Passed), None);
    assert_eq!(
        sim.checks.verdict(&check(0)).unwrap().state,
        State::Unchecked
    );
}

#[test]
fn a_check_with_another_timing_is_another_check() {
    let mut sim = Sim::new();
    sim.configure([check(0)]);
    sim.attempt(Outcome::Passed);
    sim.configure([with_interval(check(0), secs(1))]);
    assert_eq!(sim.checks.verdict(&check(0)), None);
    let state = sim.checks.snapshot()[0].verdict.state;
    assert_eq!(state, State::Unchecked);
}

#[test]
fn servers_that_share_a_check_adopt_it_if_one_of_them_served() {
    for origins in [
        [Origin::Adopted, Origin::New],
        [Origin::New, Origin::Adopted],
    ] {
        let mut sim = Sim::new();
        sim.checks
            .configure(sim.now, origins.map(|origin| (check(0), origin)));
        let verdict = sim.checks.verdict(&check(0)).unwrap();
        assert_eq!((verdict.state, verdict.adopted), (State::Up, true));
        assert_eq!(sim.checks.snapshot().len(), 1);
    }
}

#[test]
fn a_check_in_force_is_not_adopted_anew() {
    let mut sim = Sim::new();
    sim.configure([check(0)]);
    sim.attempt(failed());
    sim.checks.configure(sim.now, [(check(0), Origin::Adopted)]);
    assert_eq!(sim.checks.verdict(&check(0)).unwrap().state, State::Down);
}

#[test]
fn few_places_go_to_those_that_waited_longest() {
    let mut sim = Sim::new();
    sim.configure((0..100).map(check));
    sim.now.at += secs(1);
    let mut order = Vec::new();
    while let [due] = &sim.checks.due(sim.now.at, 1)[..] {
        order.push(sim.checks.entries[&due.id].due);
    }
    assert_eq!(order.len(), 100);
    assert!(order.is_sorted());
    assert_eq!(sim.checks.due(sim.now.at, 0), []);
}

#[test]
fn checks_that_slept_through_whole_intervals_spread_again() {
    let mut sim = Sim::new();
    sim.configure((0..10_000).map(check));
    sim.run(secs(13), |_| Outcome::Passed);
    sim.now.at += secs(3600);
    sim.run(secs(7), |_| Outcome::Passed);
    let made = sim.run(millis(100), |_| Outcome::Passed);
    assert!((110..230).contains(&made), "{made} in 100 ms");
}

#[test]
fn the_same_seed_spreads_in_the_same_way() {
    let times = |seed| {
        let mut sim = Sim {
            checks: Checks::new(seed),
            ..Sim::new()
        };
        sim.configure((0..20).map(check));
        let ids: Vec<_> = sim.checks.waiting.iter().map(|(_, id)| *id).collect();
        ids
    };
    assert_eq!(times(1), times(1));
    assert_ne!(times(1), times(2));
}

#[test]
fn a_check_costs_little_memory() {
    // Two maps with their keys, at 8/7 of the entries; the set.
    let maps = (size_of::<Entry>() + 3 * size_of::<CheckId>()) * 8 / 7;
    let waiting = size_of::<(Instant, CheckId)>() * 2;
    assert!(maps + waiting <= 310, "{maps} + {waiting}");
}

struct Sim {
    now: Moment,
    checks: Checks,
}

impl Sim {
    fn new() -> Self {
        let now = Moment {
            at: clock::now(),
            wall: clock::wall(),
        };
        Self {
            now,
            checks: Checks::new(7),
        }
    }

    fn configure(&mut self, checks: impl IntoIterator<Item = Check>) {
        self.checks.configure(
            self.now,
            checks.into_iter().map(|check| (check, Origin::New)),
        );
    }

    /// Lets the time pass and starts what becomes due; how many that were.
    fn due_within(&mut self, length: Duration) -> usize {
        self.now.at += length;
        self.checks.due(self.now.at, usize::MAX).len()
    }

    /// Moves to the next deadline and starts one attempt.
    fn start(&mut self) -> CheckId {
        self.now.at = self.checks.deadline().expect("something waits");
        self.checks.due(self.now.at, 1)[0].id
    }

    fn finish(&mut self, id: CheckId, outcome: Outcome) -> Option<Change> {
        self.checks.finished(self.now, id, millis(1), outcome)
    }

    /// Moves to the next deadline and makes one attempt, in no time.
    fn attempt(&mut self, outcome: Outcome) -> (CheckId, Option<Change>) {
        let id = self.start();
        (id, self.finish(id, outcome))
    }

    /// Makes all attempts of a length of time; how many they were.
    fn run(&mut self, length: Duration, outcome: impl Fn(&Check) -> Outcome) -> usize {
        let end = self.now.at + length;
        let mut made = 0;
        while let Some(next) = self.checks.deadline().filter(|next| *next < end) {
            self.now.at = next.max(self.now.at);
            for due in self.checks.due(self.now.at, usize::MAX) {
                made += 1;
                self.finish(due.id, outcome(&due.check));
            }
        }
        self.now.at = end;
        made
    }
}

fn check(n: u16) -> Check {
    Check {
        probe: Probe::Tcp {
            address: SocketAddr::from(([192, 0, 2, 1], n)),
        },
        timing: Arc::new(Timing {
            interval: secs(6),
            timeout: secs(10),
            retries: 3,
            retry_delay: secs(3),
            rise: 1,
        }),
    }
}

fn with_interval(mut check: Check, interval: Duration) -> Check {
    Arc::make_mut(&mut check.timing).interval = interval;
    check
}

fn failed() -> Outcome {
    Outcome::Failed("connection refused".to_owned())
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}
