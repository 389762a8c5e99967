use std::path::Path;

use super::*;
use crate::sys::clock;

fn hook(script: &str, limit: Duration) -> Hook {
    Hook {
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        environment: vec![("LVSD_EVENT", "quorum_up".to_owned())],
        limit,
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn hooks_run_one_at_a_time_in_order_and_are_told_what_happened() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log").display().to_string();
    let hooks = Hooks::start();
    hooks.run(hook(&format!("sleep 0.2; echo first >> {file}"), SECOND));
    hooks.run(hook(&format!("echo second $LVSD_EVENT >> {file}"), SECOND));
    hooks.stop().await;
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(text, "first\nsecond quorum_up\n");
}

#[tokio::test]
async fn a_hook_that_takes_too_long_is_killed_with_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid").display().to_string();
    let begun = clock::now();
    let script = format!("sleep 60 & echo $! > {file}; wait");
    run(&hook(&script, Duration::from_millis(300))).await;
    assert!(clock::now() - begun < 10 * SECOND);
    let child = std::fs::read_to_string(file).unwrap();
    let stat = Path::new("/proc").join(child.trim()).join("stat");
    let is_gone = || match std::fs::read_to_string(&stat) {
        Err(_) => true,
        // Nobody may wait for it in this container.
        Ok(text) => text.contains(") Z ") || text.contains(") X "),
    };
    for _ in 0..100 {
        if is_gone() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the child still runs");
}

#[tokio::test]
async fn a_hook_that_cannot_be_run_does_not_stop_those_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log").display().to_string();
    let hooks = Hooks::start();
    hooks.run(Hook {
        argv: vec!["/nonexistent/hook".to_owned()],
        ..hook("", SECOND)
    });
    hooks.run(hook("exit 3", SECOND));
    hooks.run(hook(&format!("echo third >> {file}"), SECOND));
    hooks.stop().await;
    assert_eq!(std::fs::read_to_string(file).unwrap(), "third\n");
}

#[test]
fn an_event_has_the_hook_of_its_virtual_server() {
    let text = "
        router_id = 'lb1'
        [[virtual_server]]
        address = '10.0.0.9:80'
        real_servers = ['10.0.0.1']
        on_quorum_down = ['/bin/notify', 'down']
        hook_timeout = '3s'
    ";
    let config = DirectorConfig::parse(Path::new("d.toml"), text).unwrap();
    let virtual_server = "tcp 10.0.0.9:80".parse().unwrap();
    let (weight, quorum) = (0, 1);
    let lost = Event::QuorumLost {
        virtual_server,
        weight,
        quorum,
    };
    let hook = of(&lost, &config).unwrap();
    assert_eq!(hook.argv, ["/bin/notify", "down"]);
    assert_eq!(hook.limit, 3 * SECOND);
    let told = |key: &str| {
        let mut pairs = hook.environment.iter();
        pairs.find(|(name, _)| *name == key).unwrap().1.clone()
    };
    assert_eq!(told("LVSD_EVENT"), "quorum_down");
    assert_eq!(told("LVSD_VIRTUAL_SERVER"), "tcp 10.0.0.9:80");
    assert_eq!(told("LVSD_WEIGHT"), "0");
    let gained = Event::QuorumGained {
        virtual_server,
        weight,
        quorum,
    };
    assert_eq!(of(&gained, &config), None);
}
