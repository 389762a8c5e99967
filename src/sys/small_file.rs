//! A file in which somebody says something short: read in a thread of its own, because a
//! file system may never answer, and nothing but the beginning of a regular file, because
//! the rest may never end.

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
const LIMIT: Duration = Duration::from_secs(2);
/// So much of the file is read.
const MOST_BYTES: u64 = 4096;

type Text = io::Result<String>;

/// The file, of which at most one read is under way.
#[derive(Debug)]
pub struct SmallFile {
    path: PathBuf,
    limit: Duration,
    late: Option<oneshot::Receiver<Text>>,
}

impl SmallFile {
    /// The file of this path, whether it is there or not.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            limit: LIMIT,
            late: None,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says now, told within two seconds: the first 4,096 bytes, whatever they are.
    ///
    /// # Errors
    /// The system's; that there was no answer; that it is no regular file.
    pub async fn read(&mut self) -> io::Result<String> {
        let path = self.path.clone();
        self.read_by(move || read_regular(&path)).await
    }

    async fn read_by(&mut self, read: impl FnOnce() -> Text + Send + 'static) -> Text {
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
        let late = || io::Error::other(format!("no answer within {:?}", self.limit));
        timeout(self.limit, reading)
            .await
            .unwrap_or_else(|_| Err(late()))
    }
}

/// The runtime would wait at its end for a thread of its own.
fn begin(read: impl FnOnce() -> Text + Send + 'static) -> io::Result<oneshot::Receiver<Text>> {
    let (tell, heard) = oneshot::channel();
    let reader = thread::Builder::new().name("lvsd-small-file".to_owned());
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
        let mut file = SmallFile::new(Path::new("/nfs/weight"));
        file.limit = Duration::from_millis(20);
        let hung = file.read_by(move || {
            wait.recv().map_err(io::Error::other)?;
            Ok("old".to_owned())
        });
        let told = "no answer within 20ms";
        assert_eq!(hung.await.unwrap_err().to_string(), told);
        let second = file.read_by(|| panic!("a second read began"));
        assert_eq!(second.await.unwrap_err().to_string(), told);
        go.send(()).unwrap();
        file.limit = Duration::from_secs(10);
        let third = file.read_by(|| Ok("new".to_owned()));
        assert_eq!(third.await.unwrap(), "new");
    }
}
