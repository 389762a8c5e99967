use super::*;

const V2: Version = Version::V2 { auth: None };

fn micros(n: u64) -> Duration {
    Duration::from_micros(n)
}

fn priority(n: u8) -> Priority {
    n.try_into().unwrap()
}

/// 6.1-a, 6.1-b.
#[test]
fn at_priority_100_and_one_second_both_versions_wait_3_609375_s() {
    let second = Duration::from_secs(1);
    for version in [V2, Version::V3] {
        assert_eq!(skew_time(&version, priority(100), second), micros(609_375));
        assert_eq!(
            master_down_interval(&version, priority(100), second),
            micros(3_609_375)
        );
    }
}

/// 6.1-a: version 3 counts in the master's interval, version 2 in seconds.
#[test]
fn the_skew_time_of_version_3_follows_the_interval_and_that_of_version_2_does_not() {
    let ten = Duration::from_secs(10);
    assert_eq!(
        skew_time(&Version::V3, priority(100), ten),
        micros(6_093_750)
    );
    assert_eq!(skew_time(&V2, priority(100), ten), micros(609_375));
    let fast = Duration::from_millis(10);
    assert_eq!(
        master_down_interval(&Version::V3, priority(254), fast),
        micros(30_000) + Duration::from_nanos(78_125)
    );
}

#[test]
fn a_greater_priority_always_waits_less() {
    for version in [V2, Version::V3] {
        for n in 1..255 {
            let second = Duration::from_secs(1);
            assert!(
                skew_time(&version, priority(n), second)
                    > skew_time(&version, priority(n + 1), second)
            );
        }
    }
}
