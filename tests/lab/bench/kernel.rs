//! What the kernel's table holds, seen from beside the program that changes it.

use std::fs::File;
use std::io::Read as _;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lvsd::ipvs::client::Client;
use lvsd::ipvs::plan::plan;
use lvsd::ipvs::table::Table;

use crate::lab::room::in_net;
use crate::lab::wait::millis;
use crate::lab::{Host, Lab};

/// Somebody who looks at a host's table again and again until something is so.
pub(super) struct Watch<T>(JoinHandle<Option<T>>);

impl<T: Send + 'static> Watch<T> {
    /// Starts to look; when this returns it is looking.
    ///
    /// A look costs a few system calls, and there is at most one each two milliseconds and one
    /// each percent of the time, so that the one watched is hardly held up.
    pub(super) fn begin(
        host: &Host,
        limit: Duration,
        mut look: impl FnMut(&mut Client) -> Option<T> + Send + 'static,
    ) -> Self {
        let (ready, is_ready) = mpsc::channel();
        let watching = in_net(host.room().net(), move || {
            let mut client = Client::open().unwrap();
            ready.send(()).unwrap();
            let begun = Instant::now();
            loop {
                let seen = look(&mut client);
                if seen.is_some() || begun.elapsed() > limit {
                    return seen;
                }
                thread::sleep((begun.elapsed() / 100).clamp(millis(2), millis(50)));
            }
        });
        is_ready.recv().unwrap();
        Self(watching)
    }

    /// What was seen; none: nothing within the limit.
    pub(super) fn wait(self) -> Option<T> {
        self.0.join().unwrap()
    }
}

impl Watch<Instant> {
    /// Waits until the table is this one, from another.
    pub(super) fn for_table(host: &Host, limit: Duration, from: &Table, to: &Table) -> Self {
        let ops = plan(to, from);
        let last = *ops.last().expect("something changes").virtual_server();
        let wanted = to.clone();
        Self::begin(host, limit, move |client| {
            let pool = client.real_servers(&last).unwrap();
            let pool = pool
                .into_iter()
                .map(|(rip, found)| (rip, found.real_server));
            let moment = Instant::now();
            // The one that comes last by lvsd's order; who has another is looked at in whole
            // more than once.
            let likely = pool.eq(wanted[&last].real_servers.clone());
            (likely && client.dump().unwrap().table() == wanted).then_some(moment)
        })
    }
}

/// A host whose network nobody has used yet.
pub(super) fn fresh_host(lab: &Lab) -> Host {
    let name = format!("director{}", lab.hosts().len());
    lab.lan().host(&name, "192.168.1.51/24")
}

/// Ends a host. Its namespace stays for as long as the lab, so the table goes first: the
/// kernel would go on computing its rates.
pub(super) fn close(host: &Host) {
    host.run("ipvsadm -C").ok();
    host.die();
    // What the kernel does behind its answer is not the next contender's.
    thread::sleep(millis(500));
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
