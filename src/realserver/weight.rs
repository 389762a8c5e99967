//! How much of its share of clients this host wants.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::config::realserver::{Slope, Source, Weight};

/// The longest output of a script or content of a file that is looked at.
const MAX_TEXT: usize = 64;

/// A weight, or why there is none.
pub(super) type Found = Result<u8, String>;

/// Finds the weight again and again, until it is dropped.
#[derive(Debug)]
pub(super) struct Scale {
    found: watch::Receiver<Option<Found>>,
    task: JoinHandle<()>,
}

impl Drop for Scale {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Scale {
    /// Begins to find it.
    pub(super) fn start(weight: Weight) -> Self {
        let (tell, found) = watch::channel(None);
        let task = tokio::spawn(async move {
            let mut ticks = interval(weight.interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let now = find(&weight.source).await;
                tell.send_if_modified(|before| {
                    let news = before.as_ref() != Some(&now);
                    *before = Some(now);
                    news
                });
            }
        });
        Self { found, task }
    }

    /// Waits for another weight. Cancel-safe.
    pub(super) async fn changed(&mut self) {
        if self.found.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The newest weight; none before the first.
    pub(super) fn found(&self) -> Option<Found> {
        self.found.borrow().clone()
    }
}

async fn find(source: &Source) -> Found {
    match source {
        Source::Load(slope) => {
            let text = read(Path::new("/proc/loadavg"))?;
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            let processors = u32::try_from(processors).unwrap_or(1);
            let load = load_percent(&text, processors);
            let load = load.ok_or("cannot understand /proc/loadavg")?;
            Ok(on_slope(slope, load))
        }
        Source::Pressure(slope) => {
            let text = read(Path::new("/proc/pressure/cpu"))?;
            let pressure = pressure_percent(&text);
            let pressure = pressure.ok_or("cannot understand /proc/pressure/cpu")?;
            Ok(on_slope(slope, pressure))
        }
        Source::File(path) => number(&read(path)?, &path.display().to_string()),
        Source::Script {
            command,
            timeout: limit,
        } => run(command, *limit).await,
    }
}

fn read(path: &Path) -> Result<String, String> {
    let text = fs::read_to_string(path);
    text.map_err(|error| {
        let why = crate::sys::errno::text(&error);
        format!("cannot read the weight from {}: {why}", path.display())
    })
}

async fn run(command: &[String], limit: Duration) -> Found {
    let (program, arguments) = command.split_first().ok_or("there is no script to run")?;
    let fault = |why: &str| format!("cannot get the weight from {program}: {why}");
    let running = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    match timeout(limit, running).await {
        Err(_) => Err(fault(&format!("no answer within {limit:?}"))),
        Ok(Err(error)) => Err(fault(&crate::sys::errno::text(&error))),
        Ok(Ok(output)) if !output.status.success() => Err(fault(&output.status.to_string())),
        Ok(Ok(output)) => number(&String::from_utf8_lossy(&output.stdout), program),
    }
}

/// A number on the first line, 0..=100.
fn number(text: &str, source: &str) -> Found {
    let line: String = text
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(MAX_TEXT)
        .collect();
    let number = line.trim().parse().ok().filter(|n| *n <= 100);
    number.ok_or_else(|| format!("{source} says {line:?}, which is no weight of 0..=100"))
}

/// The weight for a measure.
fn on_slope(slope: &Slope, percent: u32) -> u8 {
    let Slope { full, empty, least } = *slope;
    if percent <= full {
        return 100;
    }
    if percent >= empty {
        return least;
    }
    let drop = u32::from(100 - least) * (percent - full) / (empty - full);
    u8::try_from(100 - drop).unwrap_or(least)
}

/// The load of the last minute in percent of the processors, from `0.52 0.58 …`.
fn load_percent(text: &str, processors: u32) -> Option<u32> {
    Some(hundredths(text.split_whitespace().next()?)? / processors)
}

/// `some avg10=1.23 …`: the share of time, in whole percent.
fn pressure_percent(text: &str) -> Option<u32> {
    let line = text.lines().find(|line| line.starts_with("some "))?;
    let share = line
        .split(' ')
        .find_map(|word| word.strip_prefix("avg10="))?;
    Some(hundredths(share)? / 100)
}

/// A number with two digits after its point, times one hundred.
fn hundredths(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.')?;
    let part: u32 = (part.len() == 2).then(|| part.parse().ok())??;
    whole
        .parse::<u32>()
        .ok()?
        .checked_mul(100)?
        .checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOPE: Slope = Slope {
        full: 100,
        empty: 400,
        least: 10,
    };

    #[test]
    fn the_weight_falls_evenly_between_full_and_empty() {
        let weights = [0, 100, 250, 399, 400, u32::MAX].map(|load| on_slope(&SLOPE, load));
        assert_eq!(weights, [100, 100, 55, 11, 10, 10]);
    }

    #[test]
    fn the_kernels_numbers_are_understood() {
        assert_eq!(load_percent("0.52 0.58 0.59 1/345 9876\n", 1), Some(52));
        assert_eq!(load_percent("12.00 0.58 0.59 1/345 9876\n", 4), Some(300));
        let pressure = "some avg10=34.56 avg60=0.10 avg300=0.00 total=1\nfull avg10=0.00\n";
        assert_eq!(pressure_percent(pressure), Some(34));
        for garbage in [
            "",
            "x",
            "1",
            "1.2.3",
            "-1.00",
            "some avg10=",
            "99999999999.00",
        ] {
            assert_eq!(load_percent(garbage, 1), None, "{garbage}");
            assert_eq!(pressure_percent(garbage), None, "{garbage}");
        }
    }

    #[test]
    fn a_file_or_script_says_a_number_or_is_told_what_it_said() {
        assert_eq!(number(" 40 \nmore", "x"), Ok(40));
        assert_eq!(number("0", "x"), Ok(0));
        for wrong in ["", "101", "-1", "forty", "4.0"] {
            let why = number(wrong, "/run/app.weight").unwrap_err();
            assert!(why.contains("/run/app.weight says"), "{why}");
        }
        assert!(number(&"9".repeat(10_000), "x").unwrap_err().len() < 200);
    }

    #[tokio::test]
    async fn a_script_that_fails_hangs_or_is_missing_is_told_apart() {
        let sh = |script: &str| {
            let command = ["/bin/sh", "-c", script].map(str::to_owned);
            let limit = Duration::from_secs(5);
            async move { run(&command, limit).await }
        };
        assert_eq!(sh("echo 70").await, Ok(70));
        assert!(sh("exit 3").await.unwrap_err().contains("exit status: 3"));
        let missing = run(&["/nowhere/x".to_owned()], Duration::from_secs(5)).await;
        assert!(missing.unwrap_err().contains("no such file"));
        let slow = ["/bin/sh", "-c", "sleep 60"].map(str::to_owned);
        let hung = run(&slow, Duration::from_millis(20)).await;
        assert!(hung.unwrap_err().contains("no answer within 20ms"));
    }
}
