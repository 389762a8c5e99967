//! What the kernel's table holds, seen from beside the program that changes it.

use std::fs::File;
use std::io::Read as _;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lvsd::ipvs::client::Client;
use lvsd::ipvs::table::Table;

use crate::lab::Host;
use crate::lab::room::in_net;
use crate::lab::wait::{millis, secs};

/// Nothing measured here takes longer.
const LIMIT: Duration = secs(600);

/// Somebody who looks at a host's table again and again until something is so.
pub(super) struct Watch<T>(JoinHandle<T>);

impl<T: Send + 'static> Watch<T> {
    /// Starts to look; when this returns it is looking.
    ///
    /// A look costs a few system calls, and there is at most one each millisecond and one each
    /// half percent of the time, so the one watched is not held up.
    pub(super) fn begin(
        host: &Host,
        what: &'static str,
        mut look: impl FnMut(&mut Client) -> Option<T> + Send + 'static,
    ) -> Self {
        let (ready, is_ready) = mpsc::channel();
        let watching = in_net(host.room().net(), move || {
            let mut client = Client::open().unwrap();
            ready.send(()).unwrap();
            let begun = Instant::now();
            loop {
                if let Some(seen) = look(&mut client) {
                    return seen;
                }
                assert!(begun.elapsed() < LIMIT, "waited in vain until {what}");
                thread::sleep((begun.elapsed() / 200).clamp(millis(1), millis(50)));
            }
        });
        is_ready.recv().unwrap();
        Self(watching)
    }

    pub(super) fn wait(self) -> T {
        self.0.join().unwrap()
    }
}

/// Whether the table of this thread's network has no virtual server. Cheap: it reads only the
/// first page of what there may be.
pub(super) fn is_empty() -> bool {
    const HEAD_LINES: usize = 3;
    let mut page = [0; 4096];
    let mut file = File::open("/proc/thread-self/net/ip_vs").unwrap();
    let length = file.read(&mut page).unwrap();
    page[..length].split(|byte| *byte == b'\n').count() <= HEAD_LINES + 1
}

/// What is in the host's table now.
pub(super) fn table(host: &Host) -> Table {
    let read = || Client::open().unwrap().dump().unwrap().table();
    in_net(host.room().net(), read).join().unwrap()
}
