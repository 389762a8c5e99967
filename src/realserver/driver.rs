//! The loop: waits for whatever may change the answer, lets the agent decide,
//! has it done, and publishes the result.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{FutureExt, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{self, MissedTickBehavior};
use tracing::{error, info, warn};

use super::Error;
use super::agent::Agent;
use super::endpoint::{Answers, handler};
use super::journal::Journal;
use super::kernel::{self, Kernel};
use super::services::Services;
use super::vip;
use crate::config::realserver::RealServerConfig;
use crate::http::{Limits, Listener, UnixSocket, bind_tcp, serve};
use crate::status::realserver::{State, Status};
use crate::status::text::chain;
use crate::sys::rtnetlink::Changes;
use crate::sys::signal::{Signal, Signals};
use crate::sys::{clock, systemd};

/// How often the parameters are read: the kernel does not report writes to them.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// What stopping may take after the drain, as systemd is told.
const STOP_TIME: Duration = Duration::from_secs(10);

/// Everything that runs.
#[derive(Debug)]
pub(super) struct Driver {
    config: RealServerConfig,
    agent: Agent,
    kernel: Kernel,
    services: Services,
    published: watch::Sender<Arc<Answers>>,
    state: Option<State>,
    control: Option<Server>,
    public: Option<Server>,
}

/// A listener's task, and how to end it.
#[derive(Debug)]
struct Server {
    task: JoinHandle<()>,
    end: oneshot::Sender<()>,
}

impl Server {
    fn spawn(listener: impl Into<Listener>, answers: watch::Receiver<Arc<Answers>>) -> Self {
        let (end, ended) = oneshot::channel::<()>();
        let listener = listener.into();
        let task = tokio::spawn(async move {
            // Dropping the other end ends it, too.
            let shutdown = ended.map(|_| ());
            serve(listener, Limits::default(), handler(answers), shutdown).await;
        });
        Self { task, end }
    }

    async fn stop(self) {
        drop(self.end);
        if let Err(error) = self.task.await {
            error!(%error, "an HTTP listener ended badly");
        }
    }
}

enum Event {
    /// Something may be different now.
    Look,
    Signal(Signal),
    DrainOver,
    Alive,
}

impl Driver {
    /// Puts the host right for the first time, or leaves it as it was.
    ///
    /// After a crash it goes on with what it can: clients may be using what is there.
    pub(super) async fn start(
        config: RealServerConfig,
        journal: Journal,
        kernel: Kernel,
    ) -> Result<Self, Error> {
        let first_start = journal.is_empty();
        let mut agent = Agent::new(&config, journal, clock::wall());
        let refusals = refusals(&config, &kernel, &agent).await?;
        if !refusals.is_empty() {
            return Err(Error::Refused(refusals));
        }
        let failures = kernel.settle(&mut agent).await;
        if first_start && !failures.is_empty() {
            agent.stop();
            let undone = kernel.settle(&mut agent).await;
            return Err(Error::Start(texts(failures.iter().chain(&undone))));
        }
        let services = Services::start(&config.services);
        let status = agent.status();
        for vip in status.vips.iter().filter(|vip| vip.stays) {
            info!(vip = %vip.address, "VIP was on lo before lvsd: used, and left there at the stop");
        }
        let (published, _) = watch::channel(Arc::new(Answers::new(status, None)));
        Ok(Self {
            config,
            agent,
            kernel,
            services,
            published,
            state: None,
            control: None,
            public: None,
        })
    }

    /// Begins to answer, and tells systemd so.
    pub(super) fn serve(&mut self, control: UnixSocket, public: TcpListener) {
        let status = self.publish();
        self.control = Some(Server::spawn(control, self.published.subscribe()));
        self.public = Some(Server::spawn(public, self.published.subscribe()));
        systemd::ready(&line(&status));
    }

    /// Runs until it is to stop, and gives everything back.
    pub(super) async fn run(
        mut self,
        mut signals: Signals,
        changes: Changes,
        reload: impl Fn() -> Result<RealServerConfig, String>,
    ) -> Result<(), Error> {
        let mut changes = Some(changes);
        let mut look = ticks(WATCH_INTERVAL);
        let mut alive = systemd::watchdog_interval().map(ticks);
        while !self.agent.is_stopping() {
            let event = tokio::select! {
                signal = signals.next() => Event::Signal(signal),
                () = changed(&mut changes) => Event::Look,
                _ = look.tick() => {
                    changes = changes.or_else(|| Changes::subscribe().ok());
                    Event::Look
                }
                () = self.services.changed() => Event::Look,
                () = until(self.agent.deadline()) => Event::DrainOver,
                () = tick(&mut alive) => Event::Alive,
            };
            match event {
                Event::Look => self.look().await,
                Event::Signal(Signal::Terminate) => self.terminate(),
                Event::Signal(Signal::Reload) => self.reload(&reload).await,
                Event::DrainOver => self.agent.expire(clock::now()),
                Event::Alive => systemd::alive(),
            }
        }
        self.stop().await
    }

    /// Looks, puts right what is not, and publishes what it has come to.
    async fn look(&mut self) {
        // What failed has been told, and is a reason not to be ready.
        let _ = self.kernel.settle(&mut self.agent).await;
        self.publish();
    }

    fn publish(&mut self) -> Status {
        self.agent.hear(self.services.reports());
        let status = self.agent.status();
        if self.state != Some(status.state) {
            let from = self.state.map_or("starting".to_owned(), |s| s.to_string());
            match status.reasons.as_slice() {
                [] => info!(from, to = %status.state, "readiness"),
                reasons => {
                    info!(from, to = %status.state, because = reasons.join("; "), "readiness");
                }
            }
            self.state = Some(status.state);
            systemd::status(&line(&status));
        }
        let allow = self.config.readiness.allow.clone();
        let answers = Answers::new(status.clone(), allow);
        self.published.send_replace(Arc::new(answers));
        status
    }

    fn terminate(&mut self) {
        let until = self.agent.terminate(clock::now(), clock::wall());
        let status = self.publish();
        match until {
            Some(_) => {
                info!(drain = ?self.config.drain, "stopping after the drain; a second signal ends it");
                systemd::stopping(&line(&status), self.config.drain + STOP_TIME);
            }
            None => systemd::stopping(&line(&status), STOP_TIME),
        }
    }

    async fn reload(&mut self, read: &impl Fn() -> Result<RealServerConfig, String>) {
        if self.agent.deadline().is_some() {
            info!("not reloading: draining");
            return;
        }
        systemd::reloading();
        match self.reconfigure(read()).await {
            Ok(()) => info!(vips = ?self.config.vips, "reloaded"),
            Err(reason) => warn!(reason, "not reloaded: the old configuration stays"),
        }
        self.look().await;
        systemd::ready(&line(&self.agent.status()));
    }

    /// Takes the whole configuration or nothing of it.
    async fn reconfigure(&mut self, read: Result<RealServerConfig, String>) -> Result<(), String> {
        let new = read?;
        let refusals = refusals(&new, &self.kernel, &self.agent)
            .await
            .map_err(|error| chain(&error))?;
        if !refusals.is_empty() {
            return Err(refusals.join("; "));
        }
        if new.readiness.listen != self.config.readiness.listen {
            self.move_to(new.readiness.listen).await?;
        }
        self.services.configure(&new.services);
        self.agent.configure(&new);
        self.config = new;
        Ok(())
    }

    /// Answers at another address from now on; the old one ends when the new one is there.
    async fn move_to(&mut self, listen: SocketAddr) -> Result<(), String> {
        let listener = bind_tcp(listen).map_err(|error| chain(&error))?;
        let new = Server::spawn(listener, self.published.subscribe());
        if let Some(old) = self.public.replace(new) {
            old.stop().await;
        }
        Ok(())
    }

    /// Gives everything back, answering all the while.
    async fn stop(mut self) -> Result<(), Error> {
        self.publish();
        let failures = self.kernel.settle(&mut self.agent).await;
        // The socket's lock goes last: until then no other agent may start.
        for server in [self.public.take(), self.control.take()]
            .into_iter()
            .flatten()
        {
            server.stop().await;
        }
        if failures.is_empty() {
            info!("stopped: VIPs and sysctls are as they were before the first start");
            Ok(())
        } else {
            Err(Error::Stop(texts(&failures)))
        }
    }
}

/// Why the VIPs of a configuration must not be taken as this host is.
async fn refusals(
    config: &RealServerConfig,
    kernel: &Kernel,
    agent: &Agent,
) -> Result<Vec<String>, kernel::Error> {
    let observed = kernel.observe(agent).await?;
    let refused = |vip: &std::net::IpAddr| {
        let place = vip::locate(*vip, &observed.links, &observed.addresses);
        vip::refusals(*vip, &place)
    };
    Ok(config.vips.iter().flat_map(refused).collect())
}

fn texts<'a>(errors: impl IntoIterator<Item = &'a kernel::Error>) -> Vec<String> {
    errors.into_iter().map(|error| chain(error)).collect()
}

/// The line that `systemctl status` shows.
fn line(status: &Status) -> String {
    let reasons = status.reasons.join("; ");
    match status.state {
        State::Ready | State::NotReady if !reasons.is_empty() => {
            format!("{}: {reasons}", status.state)
        }
        State::Ready | State::NotReady => status.state.to_string(),
        // Their first reason is the state.
        State::Draining | State::Stopping => reasons,
    }
}

/// Waits for the kernel to report anything, and takes all that it has reported.
/// A broken socket becomes none; drift is then found by looking once a second.
async fn changed(changes: &mut Option<Changes>) {
    let Some(stream) = changes else {
        return std::future::pending().await;
    };
    if stream.next().await.is_none() {
        warn!("the kernel's reports of changes have ended; subscribing again");
        *changes = None;
        return;
    }
    while stream.next().now_or_never().flatten().is_some() {}
}

fn ticks(interval: Duration) -> time::Interval {
    let mut ticks = time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn tick(ticks: &mut Option<time::Interval>) {
    match ticks {
        Some(ticks) => {
            ticks.tick().await;
        }
        None => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
