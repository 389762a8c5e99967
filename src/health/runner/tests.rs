mod virtual_time;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpListener;
use tokio::time::timeout;

use self::virtual_time::VirtualTime;
use super::*;
use crate::health::verdict::State;
use crate::health::{Probe, Timing};
use crate::pulse::{Pulses, Watch};

#[tokio::test]
async fn ten_thousand_checks_are_made_once_per_interval() {
    let made = Arc::new(AtomicUsize::new(0));
    let time = VirtualTime::start();
    let (runner, _changes) = runner_on(&time, 1_000, {
        let made = Arc::clone(&made);
        move |_| {
            made.fetch_add(1, Ordering::Relaxed);
            async { Outcome::Passed }
        }
    });
    runner.configure((0..10_000).map(new));
    time.run_for(secs(10)).await;
    let before = made.load(Ordering::Relaxed);
    time.run_for(secs(60)).await;
    let per_minute = made.load(Ordering::Relaxed) - before;
    assert_eq!(per_minute, 100_000);
}

#[tokio::test]
async fn no_more_run_at_a_time_than_may_and_all_get_their_turn() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let time = VirtualTime::start();
    let (runner, mut changes) = runner_on(&time, 10, {
        let (time, running, most) = (time.clone(), Arc::clone(&running), Arc::clone(&most));
        move |_| {
            let (time, running, most) = (time.clone(), Arc::clone(&running), Arc::clone(&most));
            async move {
                most.fetch_max(
                    running.fetch_add(1, Ordering::Relaxed) + 1,
                    Ordering::Relaxed,
                );
                time.sleep(secs(1)).await;
                running.fetch_sub(1, Ordering::Relaxed);
                Outcome::Passed
            }
        }
    });
    runner.configure((0..200).map(new));
    let mut up = 0;
    while up < 200 {
        up += time.run(changes.next()).await.unwrap().len();
    }
    assert_eq!(most.load(Ordering::Relaxed), 10);
}

#[tokio::test]
async fn a_dead_server_is_reported_down_after_its_retries() {
    let time = VirtualTime::start();
    let (runner, mut changes) = runner_on(&time, 10, {
        let time = time.clone();
        move |_| {
            let time = time.clone();
            async move {
                time.sleep(secs(1)).await;
                Outcome::Failed("no answer within 1 s".to_owned())
            }
        }
    });
    let started = time.now().at;
    runner.configure([(check(0), Origin::Adopted)]);
    let change = time.run(changes.next()).await.unwrap().remove(0);
    assert_eq!(
        (change.from, change.verdict.state),
        (State::Up, State::Down)
    );
    // Four attempts of 1 s with 3 s between.
    let took = (time.now().at - started).as_millis();
    assert_eq!(took, 13_000);
    let status = runner.snapshot().remove(0);
    assert_eq!((status.attempts, status.failures), (4, 4));
    assert_eq!(status.last.unwrap().took.as_secs(), 1);
}

#[tokio::test]
async fn a_new_configuration_takes_effect_at_once_and_leaves_the_rest_alone() {
    let time = VirtualTime::start();
    let (runner, mut changes) = runner_on(&time, 10, |_| async { Outcome::Passed });
    runner.configure([new(0)]);
    time.run(changes.next()).await.unwrap();
    let before = runner.verdict(&check(0)).unwrap();
    runner.configure([new(0), new(1)]);
    let configured = time.now().at;
    let change = time.run(changes.next()).await.unwrap().remove(0);
    assert_eq!(*change.check, check(1));
    assert!(time.now().at - configured <= Duration::from_millis(2));
    assert_eq!(runner.verdict(&check(0)).unwrap().since, before.since);
    runner.configure([new(1)]);
    assert_eq!(runner.verdict(&check(0)), None);
}

#[tokio::test]
async fn a_probe_that_panics_decides_nothing_and_is_made_again() {
    let calls = Arc::new(AtomicUsize::new(0));
    let time = VirtualTime::start();
    let (runner, mut changes) = runner_on(&time, 10, move |_| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        async move {
            assert_ne!(call, 0, "the first call panics");
            Outcome::Passed
        }
    });
    runner.configure([new(0)]);
    assert_eq!(
        time.run(changes.next()).await.unwrap()[0].verdict.state,
        State::Up
    );
    let status = runner.snapshot().remove(0);
    assert_eq!((status.attempts, status.undecided), (2, 1));
}

#[tokio::test]
async fn changes_that_were_not_read_are_merged_to_the_newest() {
    let calls = Arc::new(AtomicUsize::new(0));
    let time = VirtualTime::start();
    let (runner, mut changes) = runner_on(&time, 10, move |_| {
        let passes = calls.fetch_add(1, Ordering::Relaxed) < 2;
        async move {
            if passes {
                Outcome::Passed
            } else {
                Outcome::Draining
            }
        }
    });
    runner.configure([new(0)]);
    time.run_for(secs(60)).await;
    let unread = time.run(changes.next()).await.unwrap();
    assert_eq!(unread.len(), 1);
    assert_eq!(
        (unread[0].from, unread[0].verdict.state),
        (State::Unchecked, State::Draining)
    );
}

#[tokio::test]
async fn stopping_ends_the_running_attempts_and_the_changes() {
    struct Running(Arc<AtomicUsize>);
    impl Drop for Running {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let running = Arc::new(AtomicUsize::new(0));
    let time = VirtualTime::start();
    let (runner, mut changes) = runner_on(&time, 10, {
        let running = Arc::clone(&running);
        move |_| {
            running.fetch_add(1, Ordering::Relaxed);
            let held = Running(Arc::clone(&running));
            async move {
                let _held = held;
                std::future::pending().await
            }
        }
    });
    runner.configure((0..5).map(new));
    time.run_for(secs(1)).await;
    assert_eq!(running.load(Ordering::Relaxed), 5);
    runner.stop().await;
    assert_eq!(time.run(changes.next()).await, None);
    while running.load(Ordering::Relaxed) > 0 {
        tokio::task::yield_now().await;
    }
}

/// Real sockets and the real clock.
#[tokio::test]
async fn two_thousand_checks_over_loopback_come_up_and_go_down_with_their_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepting = tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let (runner, mut changes) = spawn(7, Pulse::default());
    // One check per address of 127.0.0.0/8; the listener's own is the only one up.
    runner.configure((1..=2_000u16).map(|n| {
        let [high, low] = n.to_be_bytes();
        let address = SocketAddr::from(([127, 0, high, low], port));
        let mut check = at(address);
        let timing = Arc::make_mut(&mut check.timing);
        timing.interval = secs(1);
        timing.retry_delay = Duration::from_millis(100);
        (check, Origin::New)
    }));
    let mut states = HashMap::new();
    timeout(secs(60), async {
        while states.len() < 2_000 {
            for change in changes.next().await.unwrap() {
                states.insert(change.check.probe.address(), change.verdict);
            }
        }
    })
    .await
    .expect("all have a verdict");
    let up = states
        .values()
        .filter(|verdict| verdict.state == State::Up)
        .count();
    let refused = states
        .values()
        .filter(|verdict| &*verdict.reason == "connection refused");
    assert_eq!((up, refused.count()), (1, 1_999));
    accepting.abort();
    let down = timeout(secs(60), changes.next())
        .await
        .expect("the listener is gone")
        .unwrap();
    assert_eq!((down.len(), down[0].verdict.state), (1, State::Down));
    assert!(
        runner
            .snapshot()
            .iter()
            .all(|status| status.attempts > 0 && status.undecided == 0)
    );
    runner.stop().await;
}

#[test]
fn half_of_the_open_files_go_to_probes() {
    let limits = |soft: &str| {
        format!(
            "Limit   Soft Limit Hard Limit Units\nMax cpu time   unlimited unlimited seconds\nMax open files            {soft}                 524288               files\n"
        )
    };
    assert_eq!(in_flight(&limits("1024")), 512);
    assert_eq!(in_flight(&limits("20")), 16);
    assert_eq!(in_flight(&limits("1000000")), 16_384);
    assert_eq!(in_flight(&limits("unlimited")), 16_384);
    assert_eq!(in_flight(""), 16);
    let own = fs::read_to_string("/proc/self/limits").unwrap();
    assert!(in_flight(&own) > 16, "{own}");
}

/// A runner on a clock of its own.
fn runner_on<F>(
    time: &VirtualTime,
    in_flight: usize,
    ask: impl Fn(Arc<Check>) -> F + Send + 'static,
) -> (Runner, Changes)
where
    F: Future<Output = Outcome> + Send + 'static,
{
    spawn_with(7, in_flight, Arc::new(time.clone()), ask, Pulse::default())
}

fn new(n: u16) -> (Check, Origin) {
    (check(n), Origin::New)
}

fn check(n: u16) -> Check {
    at(SocketAddr::from(([192, 0, 2, 1], n)))
}

fn at(address: SocketAddr) -> Check {
    Check {
        probe: Probe::Tcp { address },
        timing: Arc::new(Timing {
            interval: secs(6),
            timeout: secs(10),
            retries: 3,
            retry_delay: secs(3),
            rise: 1,
        }),
    }
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[tokio::test]
async fn it_beats_also_while_there_is_nothing_to_check_and_stops_when_it_is_dead() {
    let pulses = Pulses::default();
    let time = VirtualTime::start();
    let ask = |_| async { Outcome::Passed };
    let (runner, _changes) = spawn_with(7, 1, Arc::new(time.clone()), ask, pulses.checks.clone());
    let mut watch = Watch::default();
    watch.set_limit(time.now().at, Some(secs(3)));
    for _ in 0..10 {
        time.run_for(secs(1)).await;
        assert_eq!(watch.look(time.now().at, &pulses), []);
    }
    runner.task.abort();
    let mut now = time.now().at;
    for _ in 0..4 {
        now += secs(1);
        watch.look(now, &pulses);
    }
    assert_eq!(watch.look(now, &pulses).len(), 1);
    while !runner.is_finished() {
        tokio::task::yield_now().await;
    }
}
