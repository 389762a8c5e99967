use std::path::Path;

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

/// Waits until the process whose number the file holds is gone.
async fn gone(file: &Path) {
    let child = std::fs::read_to_string(file).unwrap();
    let stat = Path::new("/proc").join(child.trim()).join("stat");
    let is_gone = || match std::fs::read_to_string(&stat) {
        Err(_) => true,
        // Nobody may wait for it in this container.
        Ok(text) => text.contains(") Z ") || text.contains(") X "),
    };
    for _ in 0..500 {
        if is_gone() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the child still runs");
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
    assert_eq!(names, ["HOME", "LVSD_EVENT", "PATH", "USER"]);
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
    while !std::fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n')) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    gone(&file).await;
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
