use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::witness::{begun, caught, escaped, escaping, gone, lasting, lives};
use super::*;
use crate::sys::clock;

const SECOND: Duration = Duration::from_secs(1);

fn shell(script: &str, limit: Duration) -> Command {
    Command {
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        user: None,
        environment: vec![("LVSD_EVENT", "test".to_owned())],
        limit,
    }
}

#[tokio::test]
async fn a_program_is_told_what_it_is_told_and_nothing_else() {
    let ended = run(&shell("env; pwd; echo bad >&2; exit 3", 10 * SECOND)).await;
    assert_eq!(ended.end, End::Exited(3));
    let mut names: Vec<_> = ended
        .output
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0))
        .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LVSD_EVENT", "LVSD_RUN", "PATH", "USER"]);
    assert!(ended.output.ends_with("/\nbad\n"), "{}", ended.output);
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_killed_with_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let begun = clock::now();
    let script = format!("sleep 60 & echo $! > {}; wait", file.display());
    let limit = Duration::from_millis(500);
    let ended = run(&shell(&script, limit)).await;
    assert_eq!(ended.end, End::TimedOut(limit));
    assert!(clock::now() - begun < 10 * SECOND);
    gone(&file).await;
}

#[tokio::test]
async fn what_a_program_leaves_behind_ends_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let script = format!("sleep 60 & echo $! > {}", file.display());
    assert!(run(&shell(&script, 10 * SECOND)).await.succeeded());
    gone(&file).await;
}

#[tokio::test]
async fn a_program_nobody_waits_for_any_more_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let script = format!("echo $$ > {}; exec sleep 60", file.display());
    let command = shell(&script, 60 * SECOND);
    let task = tokio::spawn(async move { run(&command).await });
    begun(&file).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    gone(&file).await;
}

#[tokio::test]
async fn a_program_that_takes_too_long_takes_other_groups_and_sessions_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let limit = Duration::from_millis(1_500);
    let script = escaping(dir.path());
    let command = shell(&script, limit);
    let task = tokio::spawn(async move { run(&command).await });
    escaped(dir.path()).await;
    assert_eq!(task.await.unwrap().end, End::TimedOut(limit));
    caught(dir.path()).await;
}

#[tokio::test]
async fn what_another_user_has_started_is_killed_too() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let limit = Duration::from_millis(1_500);
    let command = Command {
        user: Some("nobody".to_owned()),
        ..shell(&escaping(dir.path()), limit)
    };
    let task = tokio::spawn(async move { run(&command).await });
    escaped(dir.path()).await;
    assert_eq!(task.await.unwrap().end, End::TimedOut(limit));
    caught(dir.path()).await;
}

#[tokio::test]
async fn orphans_of_a_session_that_a_program_has_begun_are_killed_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    // The inner subshell ends at once, and nobody is the parent of what it began.
    let orphan = format!("(sleep 60 & echo $! > {})", file.display());
    let script = format!("setsid sh -c '{orphan}; sleep 60' & wait");
    let limit = Duration::from_millis(1_500);
    let ended = run(&shell(&script, limit)).await;
    assert_eq!(ended.end, End::TimedOut(limit));
    gone(&file).await;
}

#[tokio::test]
async fn a_program_that_never_ceases_to_fork_leaves_nothing() {
    // Known by its arguments: nobody else sleeps for so long.
    let script = "while :; do setsid sleep 64.015625 & done";
    let limit = Duration::from_millis(300);
    let ended = run(&shell(script, limit)).await;
    assert_eq!(ended.end, End::TimedOut(limit));
    let left = || {
        let entries = fs::read_dir("/proc").unwrap();
        let lines = entries.filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
        lines
            .filter(|line| line.ends_with(b"\x0064.015625\0"))
            .count()
    };
    for _ in 0..500 {
        if left() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} still run", left());
}

#[tokio::test]
async fn a_daemon_that_a_program_has_detached_outlives_its_good_end() {
    let dir = tempfile::tempdir().unwrap();
    let (daemon, timed) = (dir.path().join("daemon"), dir.path().join("timed"));
    let script = format!(
        "setsid {} & timeout 60 {} & until [ -s {} -a -s {} ]; do sleep 0.02; done",
        lasting(&daemon),
        lasting(&timed),
        daemon.display(),
        timed.display()
    );
    assert!(run(&shell(&script, 20 * SECOND)).await.succeeded());
    gone(&timed).await;
    let number = fs::read_to_string(&daemon).unwrap();
    assert!(lives(&number), "it was meant to stay");
    let pid = Pid::from_raw(number.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
}

#[tokio::test]
async fn what_was_detached_twice_goes_with_its_own_program_and_with_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let (daemon, orphan) = (dir.path().join("daemon"), dir.path().join("orphan"));
    let script = |file: &Path| format!("(setsid {} &)", lasting(file));
    let good = format!(
        "{}; until [ -s {} ]; do sleep 0.02; done",
        script(&daemon),
        daemon.display()
    );
    assert!(run(&shell(&good, 20 * SECOND)).await.succeeded());
    let slow = format!("{}; sleep 60", script(&orphan));
    let limit = Duration::from_millis(1_500);
    let ended = run(&shell(&slow, limit)).await;
    assert_eq!(ended.end, End::TimedOut(limit));
    gone(&orphan).await;
    let number = fs::read_to_string(&daemon).unwrap();
    assert!(lives(&number), "another program's, which ended well");
    let pid = Pid::from_raw(number.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
}

#[tokio::test]
async fn what_is_given_up_is_dead_once_all_kills_were_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let command = shell(&escaping(dir.path()), 60 * SECOND);
    let task = tokio::spawn(async move { run(&command).await });
    escaped(dir.path()).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    all_killed();
    for file in ["timed", "detached"] {
        let number = fs::read_to_string(dir.path().join(file)).unwrap();
        assert!(!lives(&number), "{file}");
    }
}

#[tokio::test]
async fn endless_output_is_read_and_forgotten() {
    let limit = Duration::from_millis(300);
    let ended = run(&shell("exec yes", limit)).await;
    assert_eq!(ended.end, End::TimedOut(limit));
    assert_eq!(ended.output.len(), MOST_OUTPUT);
}

#[tokio::test]
async fn what_cannot_be_run_says_why() {
    let mut command = shell("true", SECOND);
    command.user = Some("no-such-user-here".to_owned());
    let ended = run(&command).await;
    assert_eq!(
        ended.to_string(),
        "cannot be run: there is no user no-such-user-here"
    );
    command.user = None;
    command.argv = vec!["/nonexistent/program".to_owned()];
    let ended = run(&command).await;
    assert!(matches!(ended.end, End::NotRun(_)), "{ended}");
    let ended = run(&shell("kill -9 $$", SECOND)).await;
    assert_eq!(ended.end, End::Signalled(9));
}
