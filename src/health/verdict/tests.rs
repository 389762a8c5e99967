use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::sys::clock;

#[test]
fn an_unchecked_server_is_up_after_rise_successes() {
    assert_eq!(states(unchecked(), 3, 2, "++"), "unchecked up");
    assert_eq!(states(unchecked(), 3, 1, "+"), "up");
}

#[test]
fn an_unchecked_server_is_down_at_the_first_failure_with_the_reason() {
    assert_eq!(states(unchecked(), 3, 1, "-+"), "down up");
    let mut verdict = unchecked();
    verdict.record(&timing(3, 1), now(), &failed());
    assert_eq!(&*verdict.reason, "connection refused");
}

#[test]
fn a_server_that_is_up_is_down_after_one_failure_and_its_retries() {
    assert_eq!(states(up(), 3, 1, "----"), "up up up down");
    assert_eq!(states(up(), 0, 1, "-"), "down");
}

#[test]
fn a_success_between_failures_starts_the_count_again() {
    assert_eq!(states(up(), 1, 1, "-+-+--"), "up up up up up down");
}

#[test]
fn a_failure_between_successes_starts_the_rise_again() {
    assert_eq!(states(unchecked(), 1, 2, "-+-++"), "down down down down up");
}

#[test]
fn a_server_that_asks_to_drain_drains_at_once_from_every_state() {
    assert_eq!(states(up(), 3, 3, "d"), "draining");
    assert_eq!(states(unchecked(), 3, 3, "d"), "draining");
    assert_eq!(states(unchecked(), 3, 3, "-d"), "down draining");
}

#[test]
fn a_draining_server_needs_rise_successes_to_come_back() {
    assert_eq!(
        states(up(), 3, 2, "d+d++"),
        "draining draining draining draining up"
    );
}

#[test]
fn a_draining_server_keeps_its_connections_through_a_lost_probe() {
    assert_eq!(
        states(up(), 1, 1, "d-d--"),
        "draining draining draining draining down"
    );
}

#[test]
fn a_fault_of_this_host_is_as_if_nobody_had_asked() {
    assert_eq!(states(up(), 1, 1, "?-??-"), "up up up up down");
    assert_eq!(
        states(unchecked(), 1, 2, "?+?+"),
        "unchecked unchecked unchecked up"
    );
}

#[test]
fn an_adopted_server_is_up_until_proven_down_and_confirmed_by_its_first_success() {
    assert_eq!(states(Verdict::adopted(now()), 1, 3, "--"), "up down");
    let mut verdict = Verdict::adopted(now());
    assert!(verdict.adopted);
    let since = verdict.since;
    assert_eq!(
        verdict.record(&timing(1, 3), now(), &Outcome::Passed),
        Some(State::Up)
    );
    assert!(!verdict.adopted);
    assert_eq!(verdict.since, since, "it has been up all the time");
}

#[test]
fn since_and_reason_are_those_of_the_last_change() {
    let mut verdict = up();
    let (first, second) = (later(1), later(2));
    verdict.record(
        &timing(0, 1),
        first,
        &Outcome::Failed("status 503".to_owned()),
    );
    assert_eq!(verdict.record(&timing(0, 1), second, &failed()), None);
    assert_eq!((verdict.since, &*verdict.reason), (first, "status 503"));
}

#[test]
fn failures_are_retried_until_they_are_confirmed() {
    let timing = timing(2, 1);
    let mut verdict = up();
    let mut retrying = Vec::new();
    for _ in 0..4 {
        verdict.record(&timing, now(), &failed());
        retrying.push(verdict.is_retrying(&timing));
    }
    assert_eq!(retrying, [true, true, false, false]);
    verdict.record(&timing, now(), &Outcome::Passed);
    assert!(!verdict.is_retrying(&timing));
}

proptest! {
    /// The counts written the other way round: look back over all results.
    #[test]
    fn the_state_follows_from_the_results_alone(
        results in "[-+d?]{0,40}", retries in 0u32..4, rise in 1u32..4,
    ) {
        let mut verdict = unchecked();
        let mut seen = String::new();
        for result in results.chars() {
            let before = verdict.state;
            let reported = verdict.record(&timing(retries, rise), now(), &outcome(result));
            prop_assert_eq!(reported, (before != verdict.state).then_some(before));
            if result == '?' {
                prop_assert_eq!(before, verdict.state);
                continue;
            }
            seen.push(result);
            let tail = |c| seen.chars().rev().take_while(|&s| s == c).count();
            let risen = tail('+') >= usize::try_from(rise).unwrap();
            let fallen = tail('-') > usize::try_from(retries).unwrap();
            let expected = match result {
                'd' => State::Draining,
                '+' if risen => State::Up,
                '-' if fallen || before == State::Unchecked => State::Down,
                _ => before,
            };
            prop_assert_eq!(verdict.state, expected, "after {}", seen);
        }
    }
}

/// The states after each of the results: `+` passed, `-` failed, `d` draining,
/// `?` undecided.
fn states(mut verdict: Verdict, retries: u32, rise: u32, results: &str) -> String {
    let after = results.chars().map(|result| {
        verdict.record(&timing(retries, rise), now(), &outcome(result));
        verdict.state.as_str()
    });
    after.collect::<Vec<_>>().join(" ")
}

fn outcome(result: char) -> Outcome {
    match result {
        '+' => Outcome::Passed,
        '-' => failed(),
        'd' => Outcome::Draining,
        _ => Outcome::Undecided("too many open files".to_owned()),
    }
}

fn failed() -> Outcome {
    Outcome::Failed("connection refused".to_owned())
}

fn unchecked() -> Verdict {
    Verdict::unchecked(now())
}

fn up() -> Verdict {
    let mut verdict = unchecked();
    verdict.record(&timing(0, 1), now(), &Outcome::Passed);
    verdict
}

fn timing(retries: u32, rise: u32) -> Timing {
    Timing {
        interval: Duration::from_secs(6),
        timeout: Duration::from_secs(10),
        retries,
        retry_delay: Duration::from_secs(3),
        rise,
    }
}

fn now() -> Moment {
    Moment {
        at: clock::now(),
        wall: clock::wall(),
    }
}

fn later(seconds: u64) -> Moment {
    let now = now();
    Moment {
        at: now.at + Duration::from_secs(seconds),
        ..now
    }
}

fn wants(percent: u8) -> Outcome {
    Outcome::Wants(Share::percent(percent).unwrap())
}

#[test]
fn what_a_server_wants_counts_at_once_when_it_comes_up_and_in_steps_from_then_on() {
    let timing = timing(0, 1);
    let mut verdict = unchecked();
    let mut follow = |outcome: &Outcome| {
        let reported = verdict.record(&timing, now(), outcome);
        (reported, verdict.share.get(), verdict.reason.to_string())
    };
    let passed = |percent: u8| match percent {
        100 => "the check passed".to_owned(),
        _ => format!("the check passed; the server wants {percent}% of its weight"),
    };
    for (outcome, reported, share) in [
        (wants(98), Some(State::Unchecked), 98),
        (wants(95), None, 98),
        (wants(40), Some(State::Up), 40),
        (wants(41), None, 40),
        (wants(0), Some(State::Up), 0),
        (Outcome::Passed, Some(State::Up), 100),
    ] {
        assert_eq!(
            follow(&outcome),
            (reported, share, passed(share)),
            "{outcome:?}"
        );
    }
}

#[test]
fn a_share_changes_neither_the_state_nor_since_when_it_is() {
    let timing = timing(2, 1);
    let mut verdict = up();
    let since = verdict.since;
    verdict.record(&timing, later(10), &wants(0));
    assert_eq!((verdict.state, verdict.since), (State::Up, since));
    verdict.record(&timing, later(20), &failed());
    assert_eq!(verdict.share, Share::NONE, "one lost answer is no change");
}
