//! How much of its share of clients this host wants.

use std::fs;
use std::io;
use std::path::Path;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::config::realserver::{Slope, Source, Weight};
use crate::sys::command::{self, Command, Ended};
use crate::sys::small_file::SmallFile;

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
            let mut finder = Finder::new(weight.source);
            loop {
                ticks.tick().await;
                let now = finder.find().await;
                tell.send_if_modified(|before| {
                    let news = before.as_ref() != Some(&now);
                    if news {
                        log(before.as_ref(), &now);
                    }
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

/// One line for each fault, and one for its end.
fn log(before: Option<&Found>, now: &Found) {
    match now {
        Err(error) => warn!(error, "no weight: directors go by their own"),
        Ok(weight) if before.is_some_and(Result::is_err) => {
            info!(weight, "there is a weight again");
        }
        Ok(_) => {}
    }
}

/// Where a weight comes from, and what must be remembered to ask there again.
#[derive(Debug)]
enum Finder {
    /// The kernel, which answers at once.
    Kernel(&'static str, Measure, Slope),
    File(SmallFile),
    Script(Command),
}

/// What a file of the kernel measures, in percent; none: it is not understood.
type Measure = fn(&str) -> Option<u32>;

impl Finder {
    fn new(source: Source) -> Self {
        match source {
            Source::Load(slope) => Self::Kernel("/proc/loadavg", load, slope),
            Source::Pressure(slope) => Self::Kernel("/proc/pressure/cpu", pressure_percent, slope),
            Source::File(path) => Self::File(SmallFile::new(&path)),
            Source::Script { command, timeout } => Self::Script(Command {
                argv: command,
                user: None,
                environment: Vec::new(),
                limit: timeout,
            }),
        }
    }

    async fn find(&mut self) -> Found {
        match self {
            Self::Kernel(path, measure, slope) => {
                let measured = measure(&read(Path::new(path))?);
                let percent = measured.ok_or_else(|| format!("cannot understand {path}"))?;
                Ok(on_slope(slope, percent))
            }
            Self::File(file) => {
                let text = file.read().await;
                let text = text.map_err(|error| unreadable(file.path(), &error))?;
                number(&text, &file.path().display().to_string())
            }
            Self::Script(command) => run(command).await,
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    let why = crate::sys::errno::text(error);
    format!("cannot read the weight from {}: {why}", path.display())
}

fn load(text: &str) -> Option<u32> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    load_percent(text, u32::try_from(processors).unwrap_or(1))
}

/// Whatever the script started ends with it, and when its time is over.
async fn run(command: &Command) -> Found {
    let program = command.argv.first().map_or("", String::as_str);
    let ended: Ended = command::answer(command).await;
    match ended.succeeded() {
        true => number(&ended.output, program),
        false => Err(format!("cannot get the weight from {program}: it {ended}")),
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
    use std::time::Duration;

    use super::*;
    use crate::sys::command::witness;

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

    fn sh(script: &str, limit: Duration) -> Command {
        Command {
            argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            user: None,
            environment: Vec::new(),
            limit,
        }
    }

    #[tokio::test]
    async fn a_script_that_fails_hangs_or_is_missing_is_told_apart() {
        let minute = Duration::from_secs(60);
        assert_eq!(run(&sh("echo 70", minute)).await, Ok(70));
        let complains = sh("echo hm >&2; echo 70", minute);
        assert_eq!(
            run(&complains).await,
            Ok(70),
            "what it complains is no answer"
        );
        let failed = run(&sh("exit 3", minute)).await.unwrap_err();
        assert!(failed.ends_with("from /bin/sh: it exits 3"), "{failed}");
        let missing = Command {
            argv: vec!["/nowhere/x".to_owned()],
            ..sh("", minute)
        };
        let missing = run(&missing).await.unwrap_err();
        assert!(
            missing.contains("it cannot be run: No such file"),
            "{missing}"
        );
        let hung = run(&sh("sleep 60", Duration::from_millis(20))).await;
        assert!(hung.unwrap_err().contains("takes longer than 20ms"));
    }

    #[tokio::test]
    async fn a_script_that_hangs_takes_everything_with_it_that_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let script = sh(&witness::escaping(dir.path()), Duration::from_millis(1_500));
        let asked = tokio::spawn(async move { run(&script).await });
        witness::escaped(dir.path()).await;
        assert!(asked.await.unwrap().unwrap_err().contains("is killed"));
        witness::caught(dir.path()).await;
    }

    #[tokio::test]
    async fn a_child_in_the_background_that_keeps_the_output_open_holds_up_nothing() {
        let script = sh("sleep 600 & echo 40", Duration::from_secs(300));
        assert_eq!(run(&script).await, Ok(40));
    }
}
