//! Hearing at once of writes to kernel parameters.
//!
//! The kernel sends no message when a parameter is written. But a write is made to a
//! file, and of those inotify tells, below `/proc` too: of each that a process makes
//! through the same mount of `/proc`. What it cannot tell (another mount, as a
//! container has, or the kernel itself) is left to whoever reads from time to time.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::{Errno, read};
use tokio::io::unix::AsyncFd;

/// Enough for many events at once; what is left is read next.
const BUFFER: usize = 4096;

/// Hears of writes to the parameters in chosen folders.
#[derive(Debug)]
pub struct Writes {
    inotify: AsyncFd<OwnedFd>,
    /// By folder, the number of its watch.
    watched: BTreeMap<PathBuf, i32>,
}

impl Writes {
    /// Hears nothing before [`Writes::watch`]. Needs a tokio runtime.
    pub fn open() -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        #[expect(
            unsafe_code,
            reason = "tokio leaves it to its caller that the file stays"
        )]
        // SAFETY: `AsyncFd` owns the file, which stays the same one until it is dropped.
        let inotify = unsafe { AsyncFd::register(inotify) }?;
        Ok(Self {
            inotify,
            watched: BTreeMap::new(),
        })
    }

    /// Watches these folders and no others. Returns whether one was not watched so
    /// far: what was written there before is not heard of any more.
    ///
    /// To be called again from time to time: the kernel forgets folders under
    /// `/proc/sys` when it is short of memory, and watches go with them. A folder that
    /// is not there, or is one too many for `fs.inotify.max_user_watches`, is left out.
    pub fn watch(&mut self, folders: &BTreeSet<PathBuf>) -> bool {
        let mut before = std::mem::take(&mut self.watched);
        let mut news = false;
        let inotify = self.inotify.get_ref();
        for folder in folders {
            let Ok(watch) = inotify::add_watch(inotify, folder, WatchFlags::MODIFY) else {
                continue;
            };
            // A folder made anew, or forgotten, is another one with the same name.
            match before.remove(folder) {
                Some(old) if old == watch => {}
                Some(old) => {
                    let _ = inotify::remove_watch(inotify, old);
                    news = true;
                }
                None => news = true,
            }
            self.watched.insert(folder.clone(), watch);
        }
        for gone in before.into_values() {
            // Of an interface that is gone the kernel keeps what is watched.
            let _ = inotify::remove_watch(inotify, gone);
        }
        news
    }

    /// Waits until something was written, and forgets what it was. Cancel-safe.
    pub async fn heard(&mut self) -> io::Result<()> {
        let mut events = [0; BUFFER];
        loop {
            let mut ready = self.inotify.readable().await?;
            let mut heard = false;
            loop {
                match read(ready.get_inner(), &mut events) {
                    Ok(length) => heard |= length > 0,
                    Err(Errno::INTR) => {}
                    Err(Errno::AGAIN) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            ready.clear_ready();
            if heard {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;
    use crate::sys::sysctl::Key;

    /// Runs in a network namespace of its own, whose parameters nobody else writes.
    fn in_a_namespace(what: impl AsyncFnOnce() + Send + 'static) {
        let there = move || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            runtime.block_on(what());
        };
        std::thread::spawn(there).join().unwrap();
    }

    fn folder(interface: &str) -> PathBuf {
        let file = Key::ipv4_conf(interface, "arp_ignore").file();
        file.parent().unwrap().to_owned()
    }

    #[test]
    fn a_write_is_heard_and_a_read_is_not() {
        in_a_namespace(async || {
            let mut writes = Writes::open().unwrap();
            let folders = BTreeSet::from([folder("all"), folder("lo")]);
            assert!(writes.watch(&folders));
            assert!(!writes.watch(&folders), "nothing new");
            let key = Key::ipv4_conf("lo", "arp_ignore");
            key.read().unwrap();
            assert_eq!(writes.heard().now_or_never().map(|_| ()), None);
            for value in [1, 2, 1] {
                key.write(value).unwrap();
                let limit = Duration::from_secs(10);
                let heard = tokio::time::timeout(limit, writes.heard()).await;
                heard.expect("it is heard").unwrap();
            }
        });
    }

    #[test]
    fn a_folder_that_is_wanted_no_more_is_not_heard_and_one_that_is_not_there_is_left_out() {
        in_a_namespace(async || {
            let mut writes = Writes::open().unwrap();
            writes.watch(&BTreeSet::from([folder("lo"), folder("none")]));
            assert_eq!(writes.watched.len(), 1);
            assert!(writes.watch(&BTreeSet::from([folder("all")])));
            Key::ipv4_conf("lo", "arp_ignore").write(1).unwrap();
            Key::ipv4_conf("all", "arp_ignore").write(1).unwrap();
            writes.heard().await.unwrap();
            // The end of the watch on lo may be an event of its own.
            while writes.heard().now_or_never().is_some() {}
            Key::ipv4_conf("lo", "arp_ignore").write(0).unwrap();
            assert_eq!(writes.heard().now_or_never().map(|_| ()), None);
        });
    }
}
