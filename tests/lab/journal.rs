//! What a scenario says and where its programs log.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

/// How much of a long log a failure prints: its last lines.
const TAIL: usize = 120;

/// The record of one scenario.
#[derive(Debug)]
pub(crate) struct Journal {
    directory: PathBuf,
    begun: Instant,
    live: bool,
    narration: Mutex<String>,
    logs: Mutex<Vec<(String, PathBuf)>>,
}

impl Journal {
    /// Opens the record below `directory`; with `live`, narration is printed at once.
    pub(crate) fn open(directory: &Path, live: bool) -> Self {
        fs::create_dir_all(directory).unwrap();
        Self {
            directory: directory.to_owned(),
            begun: Instant::now(),
            live,
            narration: Mutex::default(),
            logs: Mutex::default(),
        }
    }

    /// Adds a line of narration with the time since the scenario began.
    pub(crate) fn say(&self, text: &str) {
        let line = format!("[{:8.3} s] {text}", self.begun.elapsed().as_secs_f64());
        if self.live {
            println!("{line}");
        }
        let _ = writeln!(self.narration.lock().unwrap(), "{line}");
    }

    /// Makes a new, empty file, not shown in reports.
    pub(crate) fn scratch(&self, kind: &str) -> (File, PathBuf) {
        static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = self.directory.join(format!("{number}.{kind}"));
        let file = File::options()
            .create_new(true)
            .append(true)
            .open(&path)
            .unwrap();
        (file, path)
    }

    /// Makes a log file that a failure will print under this title.
    pub(crate) fn log(&self, title: &str) -> (File, PathBuf) {
        let (file, path) = self.scratch("log");
        let stamp = self.begun.elapsed().as_secs_f64();
        self.logs
            .lock()
            .unwrap()
            .push((format!("{title} (started at {stamp:.3} s)"), path.clone()));
        (file, path)
    }

    /// The narration so far.
    pub(crate) fn narration(&self) -> String {
        self.narration.lock().unwrap().clone()
    }

    /// The last lines of every log, under its title.
    pub(crate) fn logs(&self) -> String {
        let mut text = String::new();
        for (title, path) in self.logs.lock().unwrap().iter() {
            let log = read(path);
            let lines: Vec<_> = log.lines().collect();
            let skipped = lines.len().saturating_sub(TAIL);
            let _ = writeln!(text, "--- {title}");
            if skipped > 0 {
                let _ = writeln!(text, "… {skipped} lines before");
            }
            for line in &lines[skipped..] {
                let _ = writeln!(text, "{line}");
            }
        }
        text
    }

    /// Removes the files; the kernel's memory is shared by all scenarios.
    pub(crate) fn close(&self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A log's text, as far as it is text.
pub(crate) fn read(path: &Path) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}
