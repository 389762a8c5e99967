//! A weight in a file: read in a thread of its own, because a file system may never
//! answer, and nothing but a small regular file, because the rest may never end.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::libc;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a read may take.
pub(super) const LIMIT: Duration = Duration::from_secs(2);
/// So much of the file is read; its first line counts.
const MOST_BYTES: u64 = 4096;

type Text = io::Result<String>;

/// The file, of which at most one read is under way.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    limit: Duration,
    late: Option<oneshot::Receiver<Text>>,
}

impl File {
    pub(super) fn new(path: &Path, limit: Duration) -> Self {
        Self {
            path: path.to_owned(),
            limit,
            late: None,
        }
    }

    /// What it says now.
    pub(super) async fn read(&mut self) -> Result<String, String> {
        let path = self.path.clone();
        self.read_by(move || read_regular(&path)).await
    }

    async fn read_by(
        &mut self,
        read: impl FnOnce() -> Text + Send + 'static,
    ) -> Result<String, String> {
        let reading = async {
            if let Some(late) = self.late.as_mut() {
                // What it says is old by now.
                let _ = late.await;
                self.late = None;
            }
            let text = self.late.insert(begin(read)?).await;
            self.late = None;
            text.unwrap_or_else(|_| Err(io::Error::other("the reader was lost")))
        };
        let why = match timeout(self.limit, reading).await {
            Ok(Ok(text)) => return Ok(text),
            Ok(Err(error)) => crate::sys::errno::text(&error),
            Err(_) => format!("no answer within {:?}", self.limit),
        };
        let path = self.path.display();
        Err(format!("cannot read the weight from {path}: {why}"))
    }
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

/// The runtime would wait at its end for a thread of its own.
fn begin(read: impl FnOnce() -> Text + Send + 'static) -> io::Result<oneshot::Receiver<Text>> {
    let (tell, heard) = oneshot::channel();
    let reader = thread::Builder::new().name("weight".to_owned());
    reader.spawn(move || {
        // Nobody may wait for it any more.
        let _ = tell.send(read());
    })?;
    Ok(heard)
}

/// Opening a pipe does not wait for somebody who writes to it.
fn read_regular(path: &Path) -> Text {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn only_the_beginning_of_a_regular_file_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let (fifo, large) = (dir.path().join("fifo"), dir.path().join("large"));
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        for wrong in [fifo.as_path(), dir.path(), Path::new("/dev/zero")] {
            let why = read_regular(wrong).unwrap_err().to_string();
            assert_eq!(why, "it is no regular file", "{}", wrong.display());
        }
        let made = std::fs::File::create(&large).unwrap();
        made.set_len(1 << 40).unwrap();
        assert_eq!(read_regular(&large).unwrap().len(), 4096);
    }

    #[tokio::test]
    async fn a_read_that_hangs_is_told_and_there_is_no_second_until_it_ends() {
        let (go, wait) = mpsc::channel();
        let mut file = File::new(Path::new("/nfs/weight"), Duration::from_millis(20));
        let hung = file.read_by(move || {
            wait.recv().map_err(io::Error::other)?;
            Ok("old".to_owned())
        });
        let told = "cannot read the weight from /nfs/weight: no answer within 20ms";
        assert_eq!(hung.await.unwrap_err(), told);
        let second = file.read_by(|| panic!("a second read began"));
        assert_eq!(second.await.unwrap_err(), told);
        go.send(()).unwrap();
        file.limit = Duration::from_secs(10);
        let third = file.read_by(|| Ok("new".to_owned()));
        assert_eq!(third.await.unwrap(), "new");
    }
}
