//! Looks for a process.
//!
//! `/proc` is read, once each interval: as long as the process that was found
//! last is still there that is one small file. Only when it is gone are all of
//! them looked through. The kernel's process connector would tell of an exit at
//! once, to root in the first process namespace only, and forgets some under
//! load.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::Outlet;
use crate::track::{Observation, Process, Source};

/// The kernel keeps so much of a process's name: `TASK_COMM_LEN` less its NUL.
const LONGEST_COMM: usize = 15;

/// For ever.
pub(super) async fn look(process: &Process, source: &Source, outlet: &Outlet) {
    let mut found = None;
    loop {
        let (wanted, last) = (process.clone(), found.take());
        let Ok(now) = spawn_blocking(move || find(&wanted, last)).await else {
            sleep(Duration::from_secs(1)).await;
            continue;
        };
        let seen = match now {
            Some(_) => Observation::Good,
            None => Observation::Bad(unseen().into()),
        };
        found = now;
        if outlet.send((source.clone(), seen)).await.is_err() {
            return;
        }
        sleep(process.pace.interval).await;
    }
}

/// Where `/proc` hides other users' processes (`hidepid`, `ProtectProc` of
/// systemd) it hides the first one too.
fn unseen() -> &'static str {
    if Path::new("/proc/1").exists() {
        "no such process"
    } else {
        "no such process is seen, and /proc hides those of others: see docs/vrrp.md"
    }
}

/// The number of a process that is wanted, the one that was found last if it is
/// still there.
fn find(wanted: &Process, last: Option<u32>) -> Option<u32> {
    if let Some(last) = last.filter(|pid| is_wanted(wanted, *pid)) {
        return Some(last);
    }
    let entries = fs::read_dir("/proc").ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut pids = names.filter_map(|name| name.parse().ok());
    pids.find(|pid| is_wanted(wanted, *pid))
}

fn is_wanted(wanted: &Process, pid: u32) -> bool {
    let place = Path::new("/proc").join(pid.to_string());
    let Ok(stat) = fs::read_to_string(place.join("stat")) else {
        return false;
    };
    let Some((comm, state)) = comm_and_state(&stat) else {
        return false;
    };
    // The name comes first: it rules out nearly all.
    let begins = wanted.name.get(..LONGEST_COMM).unwrap_or(&wanted.name);
    if comm != begins || matches!(state, 'Z' | 'X') {
        return false;
    }
    if wanted.name.len() <= LONGEST_COMM && wanted.cmdline.is_none() {
        return true;
    }
    let Ok(line) = fs::read(place.join("cmdline")) else {
        return false;
    };
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    let is_whole = wanted.name.len() <= LONGEST_COMM || line.contains(&wanted.name);
    is_whole
        && wanted
            .cmdline
            .as_ref()
            .is_none_or(|text| line.contains(text))
}

/// `1234 (nginx) S …`; the name may hold anything, parentheses too.
fn comm_and_state(stat: &str) -> Option<(&str, char)> {
    let (_, rest) = stat.split_once('(')?;
    let (comm, rest) = rest.rsplit_once(')')?;
    Some((comm, rest.trim_start().chars().next()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::track::Pace;

    fn wanted(name: &str, cmdline: Option<&str>) -> Process {
        Process {
            name: name.to_owned(),
            cmdline: cmdline.map(str::to_owned),
            pace: Pace {
                interval: Duration::from_secs(1),
                rise: 1,
                fall: 1,
            },
        }
    }

    #[test]
    fn a_process_is_found_by_its_name_and_command_line_as_long_as_it_runs() {
        let mut child = std::process::Command::new("sleep")
            .arg("61.25")
            .spawn()
            .unwrap();
        let this = wanted("sleep", Some("61.25"));
        let mut found = None;
        // Until it has become that program.
        while found.is_none() {
            found = find(&this, None);
        }
        assert_eq!(found, Some(child.id()));
        assert_eq!(find(&wanted("sleep", Some("61.26")), found), None);
        assert_eq!(find(&wanted("slee", None), None), None);
        child.kill().unwrap();
        while !fs::read_to_string(format!("/proc/{}/stat", child.id()))
            .unwrap()
            .contains(") Z")
        {}
        assert_eq!(find(&this, found), None, "a zombie is no process");
        child.wait().unwrap();
        assert_eq!(find(&this, found), None);
    }

    #[test]
    fn a_name_may_hold_parentheses() {
        assert_eq!(comm_and_state("7 (a) b) S 1 2"), Some(("a) b", 'S')));
        assert_eq!(comm_and_state("7 nonsense"), None);
    }
}
