use std::time::Duration;

use super::*;
use crate::sys::command::witness;
use crate::track::{Pace, Script};

fn script(text: &str, timeout: Duration) -> Source {
    let pace = Pace {
        interval: Duration::from_millis(100),
        rise: 1,
        fall: 1,
    };
    Source::Script(Script {
        argv: ["/bin/sh", "-c", text].map(str::to_owned).to_vec(),
        user: None,
        timeout,
        pace,
    })
}

#[tokio::test]
async fn a_script_never_runs_twice_at_a_time_and_ends_when_it_is_no_longer_tracked() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().display();
    let text = format!(
        "mkdir {place}/runs || exit 9; echo >> {place}/count; sleep 0.3; rmdir {place}/runs"
    );
    let source = script(&text, Duration::from_secs(10));
    let mut eyes = Eyes::new();
    eyes.configure([&source].into_iter());
    for _ in 0..3 {
        let (_, seen) = eyes.next().await.unwrap();
        assert_eq!(seen, Observation::Good);
        // A configuration that still has it disturbs nothing.
        eyes.configure([&source].into_iter());
    }
    eyes.configure(std::iter::empty());
    let lines = || std::fs::read_to_string(dir.path().join("count")).unwrap();
    let before = lines();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(lines(), before, "it is not run any more");
    eyes.stop().await;
}

#[tokio::test]
async fn a_script_that_hangs_is_bad_and_says_so() {
    let source = script("echo waiting; sleep 60", Duration::from_millis(200));
    let mut eyes = Eyes::new();
    eyes.configure([&source].into_iter());
    let (_, seen) = eyes.next().await.unwrap();
    let why = "takes longer than 200ms and is killed: waiting";
    assert_eq!(seen, Observation::Bad(why.into()));
    eyes.stop().await;
}

#[tokio::test]
async fn a_script_that_is_killed_takes_everything_with_it_that_it_started() {
    let dir = tempfile::tempdir().unwrap();
    // At its time, and when it is no longer tracked.
    for timeout in [1_500, 60_000] {
        let place = dir.path().join(timeout.to_string());
        std::fs::create_dir(&place).unwrap();
        let source = script(&witness::escaping(&place), Duration::from_millis(timeout));
        let mut eyes = Eyes::new();
        eyes.configure([&source].into_iter());
        witness::escaped(&place).await;
        if timeout < 60_000 {
            let (_, seen) = eyes.next().await.unwrap();
            assert!(matches!(seen, Observation::Bad(_)), "{seen:?}");
        }
        eyes.configure(std::iter::empty());
        witness::caught(&place).await;
        eyes.stop().await;
    }
}

#[tokio::test]
async fn an_interface_that_is_not_there_is_bad() {
    let source = Source::Interface("none.such".to_owned());
    let mut eyes = Eyes::new();
    eyes.configure([&source].into_iter());
    let seen = Observation::Bad("no such interface".into());
    assert_eq!(eyes.next().await, Some((source, seen)));
    eyes.stop().await;
}
