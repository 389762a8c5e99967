//! The thread: looks for the hardware addresses, and holds the table to them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::net::if_::if_nametoindex;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::known::Known;
use super::{IpvsError, Report, Wanted};
use crate::status::text::chain;
use crate::sys::clock;
use crate::sys::nftables::peers::Pair;
use crate::sys::nftables::{self, Found, Nftables, Watch};
use crate::sys::rtnetlink::{self, Rtnetlink};
use crate::sys::state_file::{self, StateFile};

/// How often the kernel is asked without a cause: hardware addresses change, and other
/// people's rules are loaded anew.
const LOOK: Duration = Duration::from_secs(1);

/// A look at many takes a tenth of the time at most.
const LARGEST_SHARE: u32 = 10;

/// Between a change of the rules and the look at it: a program that loads many makes one
/// change after the other.
const CALM: Duration = Duration::from_millis(5);

/// Why a pass came to nothing.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Neighbours(#[from] rtnetlink::Error),
    #[error(transparent)]
    Filter(#[from] nftables::Error),
    #[error(transparent)]
    StateFile(#[from] state_file::Error),
}

/// Starts it, in the network namespace of the caller.
pub(super) fn start(
    state_file: PathBuf,
    wanted: watch::Receiver<Wanted>,
    report: watch::Sender<Arc<Report>>,
) -> Result<JoinHandle<()>, IpvsError> {
    let file = StateFile::new(state_file);
    let owned = file.load()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let worker = Worker {
        file,
        owned,
        kernel: None,
        known: Known::default(),
        last: None,
        watch: None,
        report: Report::default(),
        publisher: report,
    };
    let thread = thread::Builder::new()
        .name("lvsd-peers".to_owned())
        .spawn(move || runtime.block_on(worker.run(wanted)))?;
    Ok(thread)
}

struct Worker {
    file: StateFile<bool>,
    /// Whether the table is lvsd's to change.
    owned: bool,
    /// None while there is no connection.
    kernel: Option<(Rtnetlink, Nftables)>,
    known: Known,
    /// What the table held when it was left, once it was.
    last: Option<BTreeSet<Pair>>,
    /// Tells when somebody changes the rules.
    watch: Option<Watch>,
    report: Report,
    publisher: watch::Sender<Arc<Report>>,
}

impl Worker {
    async fn run(mut self, mut wanted: watch::Receiver<Wanted>) {
        loop {
            let newest = wanted.borrow_and_update().clone();
            let began_at = clock::now();
            self.pass(&newest).await;
            let pause = LOOK.max((clock::now() - began_at) * LARGEST_SHARE);
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() {
                    // The handle is gone: what it wanted last, and then the end.
                    let newest = wanted.borrow().clone();
                    self.pass(&newest).await;
                    return;
                },
                () = tokio::time::sleep(pause) => {}
                () = changed(&mut self.watch) => tokio::time::sleep(CALM).await,
            }
        }
    }

    /// Makes the table what is wanted, and tells what came of it.
    async fn pass(&mut self, wanted: &Wanted) {
        if wanted.is_empty() && !self.owned {
            self.report = Report::default();
        } else if let Err(error) = self.hold(wanted).await {
            self.kernel = None;
            let problem = problem(&error);
            if self.report.problem.as_ref() != Some(&problem) {
                error!(
                    problem,
                    "cannot hide from IPVS what other directors have balanced"
                );
            }
            self.report.hidden = None;
            self.report.pairs.clear();
            self.report.problem = Some(problem);
        }
        let report = Arc::new(self.report.clone());
        self.publisher.send_replace(report);
    }

    async fn hold(&mut self, wanted: &Wanted) -> Result<(), Error> {
        if self.watch.is_none() {
            self.watch = Some(Watch::open()?);
        }
        let (rtnetlink, mut filter) = match self.kernel.take() {
            Some(kernel) => kernel,
            None => (Rtnetlink::open()?, Nftables::open()?),
        };
        let found = filter.look_at_peers()?;
        self.compare(&found);
        self.learn(&rtnetlink, wanted).await?;
        let pairs = self.known.pairs(wanted);
        // Before the table is made, and until it is gone.
        if !pairs.is_empty() {
            self.own(true)?;
        }
        if self.owned {
            filter.hold_peers(&found, &pairs)?;
        }
        if wanted.is_empty() {
            self.own(false)?;
        }
        self.kernel = Some((rtnetlink, filter));
        self.last = Some(pairs.clone());
        let hidden = found.counted().unwrap_or_default();
        self.report = Report {
            pairs,
            masters: self.known.masters().clone(),
            known: self.known.macs().clone(),
            unknown: self.known.missing(wanted).collect(),
            hidden: (!wanted.is_empty()).then_some(hidden),
            problem: None,
            repaired: self.report.repaired,
        };
        Ok(())
    }

    /// Notes what an earlier run left, or that somebody changed the table.
    fn compare(&mut self, found: &Found<Pair>) {
        let pairs = found.held().cloned().unwrap_or_default();
        match &self.last {
            None => self.known.inherit(pairs),
            Some(last) if *last != pairs => {
                warn!("somebody else changed the table inet lvsd-peers of nf_tables: repairing");
                self.report.repaired += 1;
            }
            Some(_) => {}
        }
    }

    /// Takes in the neighbours, and has the kernel ask for those that it does not know.
    async fn learn(&mut self, rtnetlink: &Rtnetlink, wanted: &Wanted) -> Result<(), Error> {
        let neighbours = rtnetlink.neighbours().await?;
        let link_of = |name: &str| if_nametoindex(name).ok();
        self.known.learn(wanted, &neighbours, link_of);
        for address in self.known.missing(wanted) {
            ask(rtnetlink, address).await;
        }
        for (address, interface) in self.known.missing_masters(wanted) {
            if let Some(link) = link_of(interface) {
                // What cannot be asked stays unknown.
                let _ = rtnetlink.ask_for_neighbour(link, *address).await;
            }
        }
        let known = self.known.macs();
        if *known != self.report.known {
            info!(?known, "hardware addresses of other real servers");
        }
        Ok(())
    }

    /// Remembers whether there is a table to remove.
    fn own(&mut self, owned: bool) -> Result<(), Error> {
        if self.owned != owned {
            self.file.save(&owned)?;
            self.owned = owned;
        }
        Ok(())
    }
}

/// Waits until somebody changes rules, for ever where nobody tells.
async fn changed(watch: &mut Option<Watch>) {
    if let Some(open) = watch {
        match open.changed().await {
            Ok(()) => return,
            // The next pass opens another one.
            Err(_) => *watch = None,
        }
    }
    std::future::pending::<()>().await;
}

/// Has the kernel ask for a hardware address, if the host is on a LAN of this one. One that
/// is behind a router cannot be reached by direct routing, nor reach this host.
async fn ask(rtnetlink: &Rtnetlink, address: std::net::IpAddr) {
    if let Ok(Some(hop)) = rtnetlink.route_to(address).await
        && hop.gateway.is_none()
        && !hop.local
        && let Some(link) = hop.link
    {
        // What cannot be asked stays unknown, and is told as such.
        let _ = rtnetlink.ask_for_neighbour(link, address).await;
    }
}

fn problem(error: &Error) -> String {
    let mend = match error {
        Error::Filter(nftables::Error::Unknown(_)) => {
            ": use a kernel that has CONFIG_NF_TABLES_INET"
        }
        _ => ", trying on",
    };
    format!(
        "packets may loop between this host and other directors while mastership moves: {}{mend}",
        chain(error)
    )
}
