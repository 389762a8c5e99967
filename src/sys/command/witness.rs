//! For tests: processes that write their number down, and what became of them.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// A command line of the shell that writes its process number into `file`, then
/// lives for a minute.
pub(crate) fn lasting(file: &Path) -> String {
    format!("sh -c 'echo $$ > {}; exec sleep 60'", file.display())
}

/// The same in a process group, and in a session, of its own: the two ways out of
/// a script's own group.
pub(crate) fn escaping(dir: &Path) -> String {
    let timed = lasting(&dir.join("timed"));
    let detached = lasting(&dir.join("detached"));
    format!("timeout 60 {timed} & setsid {detached} & wait")
}

/// Waits until both have begun.
pub(crate) async fn escaped(dir: &Path) {
    begun(&dir.join("timed")).await;
    begun(&dir.join("detached")).await;
}

/// Waits until both have ended.
pub(crate) async fn caught(dir: &Path) {
    gone(&dir.join("timed")).await;
    gone(&dir.join("detached")).await;
}

/// Waits until the file holds a process number.
pub(crate) async fn begun(file: &Path) {
    until(file, |text| text.ends_with('\n'), "never began").await;
}

/// Waits until the process whose number the file holds is gone.
pub(crate) async fn gone(file: &Path) {
    begun(file).await;
    until(file, |text| !lives(text), "still runs").await;
}

/// Whether the process of this number runs. Nobody may wait for it in a container.
pub(crate) fn lives(number: &str) -> bool {
    let stat = Path::new("/proc").join(number.trim()).join("stat");
    fs::read_to_string(stat).is_ok_and(|text| !text.contains(") Z ") && !text.contains(") X "))
}

async fn until(file: &Path, holds: impl Fn(&str) -> bool, what: &str) {
    for _ in 0..1_000 {
        if holds(&fs::read_to_string(file).unwrap_or_default()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} {what}", file.display());
}
