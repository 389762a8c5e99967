//! The IPVS thread: follows the newest wanted table and holds the kernel to it.
//!
//! Netlink requests are performed inside the system call that sends them, and
//! ten thousand of them take a while; so they have a thread to themselves.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::timeout_at;
use tracing::info;

use super::reconcile::{End, Reach, Reconciler, Report};
use super::{IpvsError, join};
use crate::ipvs::client::Client;
use crate::ipvs::table::Table;
use crate::pulse::{BEAT, Pulse};
use crate::status::text::chain;
use crate::sys::clock;

/// How often the table is read without being asked: the kernel does not tell
/// when somebody changes it.
const REPAIR_INTERVAL: Duration = Duration::from_secs(1);

/// A pass may take this share of the time: one over this many.
const LARGEST_SHARE: u32 = 10;

/// What the kernel's table is to be.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Counts the tables, so that a report can be matched to its cause.
    pub(super) generation: u64,
    /// The table. None: leave everything as it is.
    pub(super) table: Option<Arc<Table>>,
}

/// A handle on the thread.
#[derive(Debug)]
pub(super) struct Balancer {
    wanted: watch::Sender<Wanted>,
    report: watch::Receiver<Arc<Report>>,
    thread: JoinHandle<()>,
}

impl Balancer {
    /// Opens IPVS and starts the thread, whose first report has the table as it
    /// is now.
    pub(super) fn start(state_file: PathBuf, pulse: Pulse) -> Result<Self, IpvsError> {
        let mut client = Client::open()?;
        let mut reconciler = Reconciler::new(state_file)?;
        reconciler.report.info = Some(client.info()?);
        reconciler.report.pause = REPAIR_INTERVAL;
        reconciler.report.read_at = Some(clock::now());
        reconciler.report.kernel = Arc::new(client.dump()?);
        let (wanted, wanted_rx) = watch::channel(Wanted::default());
        let (report_tx, report) = watch::channel(Arc::new(reconciler.report.clone()));
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let thread = thread::Builder::new()
            .name("lvsd-ipvs".to_owned())
            .spawn(move || {
                client.beat(pulse.clone());
                let worker = Worker {
                    pulse,
                    client: Some(client),
                    reconciler,
                    report: report_tx,
                };
                runtime.block_on(worker.run(wanted_rx));
            })?;
        Ok(Self {
            wanted,
            report,
            thread,
        })
    }

    /// Replaces the wanted table and returns its generation. The thread jumps
    /// to the newest; it never works through a queue of old ones.
    pub(super) fn want(&self, table: Arc<Table>) -> u64 {
        let mut generation = 0;
        self.wanted.send_modify(|wanted| {
            wanted.generation += 1;
            wanted.table = Some(table);
            generation = wanted.generation;
        });
        generation
    }

    /// What the kernel holds; changes after each pass.
    pub(super) fn report(&self) -> watch::Receiver<Arc<Report>> {
        self.report.clone()
    }

    /// Whether the thread has ended, which it does only when it is told to.
    pub(super) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends the thread after a last pass. A pass cannot be cut short, so this
    /// may take as long as one.
    pub(super) async fn stop(self) {
        drop(self.wanted);
        join("IPVS", self.thread).await;
    }
}

struct Worker {
    pulse: Pulse,
    /// None while there is no connection.
    client: Option<Client>,
    reconciler: Reconciler,
    report: watch::Sender<Arc<Report>>,
}

impl Worker {
    async fn run(mut self, mut wanted: watch::Receiver<Wanted>) {
        let mut whole_at = clock::now();
        // A change does not wait for a look at a large table that has begun. Twice in
        // succession none is given up, so that changes cannot keep it from being seen.
        let mut yields = true;
        loop {
            self.pulse.beat();
            let newest = wanted.borrow_and_update().clone();
            let started = clock::now();
            if started >= whole_at {
                let end = self.pass(&newest, Reach::Whole, || {
                    yields && wanted.has_changed().unwrap_or(true)
                });
                yields = end == End::Done;
                let ended = clock::now();
                let pause = pause_after(started, ended);
                self.reconciler.report.pause = pause;
                whole_at = ended + pause;
            } else {
                self.pass(&newest, Reach::Changes, || false);
            }
            if !self.rest(whole_at, &mut wanted).await {
                // One more pass, for what was wanted last.
                let newest = wanted.borrow().clone();
                self.pass(&newest, Reach::Whole, || false);
                self.pulse.rest();
                return;
            }
        }
    }

    /// Waits for another wanted table, until that moment, and beats. False: the handle is
    /// gone.
    async fn rest(&self, until: Instant, wanted: &mut watch::Receiver<Wanted>) -> bool {
        loop {
            self.pulse.beat();
            let beat_at = clock::now() + BEAT;
            match timeout_at(until.min(beat_at).into(), wanted.changed()).await {
                Ok(changed) => return changed.is_ok(),
                Err(_) if clock::now() >= until => return true,
                Err(_) => {}
            }
        }
    }

    fn pass(&mut self, wanted: &Wanted, reach: Reach, superseded: impl Fn() -> bool) -> End {
        let Some(table) = &wanted.table else {
            return End::Done;
        };
        if self.client.is_none() {
            self.reconnect();
        }
        if let Some(client) = &mut self.client {
            let generation = wanted.generation;
            match self
                .reconciler
                .pass(client, table, generation, reach, superseded)
            {
                Ok(End::Done) => {}
                Ok(End::BrokenOff) => return End::BrokenOff,
                Err(_) => {
                    // It has said why.
                    self.client = None;
                    self.reconciler.report.info = None;
                }
            }
        }
        self.report
            .send_replace(Arc::new(self.reconciler.report.clone()));
        End::Done
    }

    fn reconnect(&mut self) {
        let opened = Client::open().and_then(|mut client| Ok((client.info()?, client)));
        match opened {
            Ok((version, mut client)) => {
                client.beat(self.pulse.clone());
                info!("connected to IPVS again");
                self.reconciler.report.info = Some(version);
                self.client = Some(client);
            }
            Err(error) => self.reconciler.report.error = Some(chain(&error)),
        }
    }
}

/// Reading a large table again and again must not become the host's main job.
fn pause_after(started: Instant, now: Instant) -> Duration {
    REPAIR_INTERVAL.max((now - started) * LARGEST_SHARE)
}
