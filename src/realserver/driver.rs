//! The loop: waits for whatever may change the answer, lets the agent decide,
//! has it done, and publishes the result.

mod ears;
mod listeners;
mod start;
mod waits;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};

use self::ears::Ears;
use self::listeners::Listeners;
pub(super) use self::listeners::load_identity;
pub(super) use self::start::first_settle;
use self::start::{ipv6_refusal, refusals};
use self::waits::{tick, ticks, until, weighed};
use super::Error;
use super::agent::Agent;
use super::askers::Askers;
use super::endpoint::{Answers, Asked, Desk, Wish};
use super::journal::Journal;
use super::kernel::{self, Kernel};
use super::services::Services;
use super::weight::Scale;
use crate::config::realserver::RealServerConfig;
use crate::http::{Identity, UnixSocket};
use crate::status::realserver::{State, Status};
use crate::status::text::chain;
use crate::sys::rtnetlink::Changes;
use crate::sys::signal::{Signal, Signals};
use crate::sys::{clock, systemd, tcp};

/// How often everything is looked at, whether or not something was heard.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// How often connections are counted while they are waited for.
const COUNT_INTERVAL: Duration = Duration::from_millis(200);
/// What stopping may take after the drain, as systemd is told.
const STOP_TIME: Duration = Duration::from_secs(10);
/// Wishes that may wait; each asker waits for its own.
const WISHES: usize = 16;

/// Everything that runs.
#[derive(Debug)]
pub(super) struct Driver {
    config: RealServerConfig,
    agent: Agent,
    kernel: Kernel,
    services: Services,
    scale: Option<Scale>,
    ears: Ears,
    askers: Arc<Mutex<Askers>>,
    published: watch::Sender<Arc<Answers>>,
    wishes: mpsc::Receiver<Asked>,
    desk: Desk,
    state: Option<State>,
    warned: Vec<String>,
    left: Vec<String>,
    listeners: Listeners,
}

enum Event {
    /// Something may be different now.
    Look,
    Signal(Signal),
    Wish(Wish, oneshot::Sender<Result<(), String>>),
    Count,
    Alive,
}

impl Driver {
    /// Puts the host right for the first time, or leaves it as it was.
    ///
    /// After a crash it goes on with what it can: clients may be using what is there.
    pub(super) async fn start(
        config: RealServerConfig,
        journal: Journal,
        mut kernel: Kernel,
        changes: Changes,
        adopt: bool,
    ) -> Result<Self, Error> {
        let agent = first_settle(&config, journal, &mut kernel, adopt).await?;
        let status = agent.status();
        tell_found(&agent, &status);
        let answers = Arc::new(Answers::new(status, &config.readiness));
        let (published, answers) = watch::channel(answers);
        let (wish, wishes) = mpsc::channel(WISHES);
        let askers = Arc::default();
        let desk = Desk {
            answers,
            askers: Arc::clone(&askers),
            wishes: wish,
        };
        Ok(Self {
            services: Services::start(&config.services),
            scale: config.readiness.weight.clone().map(Scale::start),
            ears: Ears::open(changes, config.watch_arp),
            config,
            agent,
            kernel,
            askers,
            published,
            wishes,
            desk,
            state: None,
            warned: Vec::new(),
            left: Vec::new(),
            listeners: Listeners::default(),
        })
    }

    /// Begins to answer, and tells systemd so.
    pub(super) fn serve(
        &mut self,
        control: UnixSocket,
        public: tokio::net::TcpListener,
        identity: Option<Identity>,
    ) {
        let status = self.publish();
        self.listeners.control(control, &self.desk);
        self.listeners
            .public(public, identity, &self.config.readiness, &self.desk);
        systemd::ready(&line(&status));
    }

    /// Runs until it is to stop, and gives everything back.
    pub(super) async fn run(
        mut self,
        mut signals: Signals,
        reload: impl Fn() -> Result<RealServerConfig, String>,
    ) -> Result<(), Error> {
        let mut look = ticks(WATCH_INTERVAL);
        let mut count = ticks(COUNT_INTERVAL);
        let mut alive = systemd::watchdog_interval().map(ticks);
        while !self.agent.is_stopping() {
            let leaving = self.agent.is_leaving();
            let event = tokio::select! {
                signal = signals.next() => Event::Signal(signal),
                () = self.ears.changed() => Event::Look,
                _ = look.tick() => Event::Look,
                () = self.services.changed() => Event::Look,
                () = weighed(&mut self.scale) => Event::Look,
                Some((wish, heard)) = self.wishes.recv() => Event::Wish(wish, heard),
                () = until(self.agent.deadline()) => Event::Count,
                _ = count.tick(), if leaving => Event::Count,
                () = tick(&mut alive) => Event::Alive,
            };
            match event {
                Event::Look => self.look().await,
                Event::Signal(Signal::Terminate) => self.terminate(),
                Event::Signal(Signal::Reload) => {
                    // Told in the log.
                    let _ = self.reload(&reload).await;
                }
                Event::Wish(wish, done) => {
                    // Whoever asked may have gone.
                    let _ = done.send(self.obey(wish, &reload).await);
                }
                Event::Count => self.count().await,
                Event::Alive => systemd::alive(),
            }
        }
        self.stop().await
    }

    /// Looks, puts right what is not, and publishes what it has come to.
    async fn look(&mut self) {
        self.ears.tend(self.config.watch_arp);
        for (address, who) in self.ears.take_culprits() {
            self.kernel.suspect(address, who);
        }
        let vips = self.agent.configured_vips();
        let placed = self.kernel.placed();
        self.ears
            .listen(vips, &placed, |index| self.agent.link_name(index));
        // What failed has been told, and is a reason not to be ready.
        let _ = self.kernel.settle(&mut self.agent).await;
        if self.ears.attend(self.agent.sysctls()) {
            let _ = self.kernel.settle(&mut self.agent).await;
        }
        self.publish();
    }

    fn publish(&mut self) -> Status {
        self.agent.hear(self.services.reports());
        self.agent.hear_said(self.ears.report(clock::now()));
        let weight = self.scale.as_ref().and_then(Scale::found);
        self.agent.hear_weight(weight);
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
        for warning in &status.warnings {
            if !self.warned.contains(warning) {
                warn!(warning, "look at this");
            }
        }
        self.warned.clone_from(&status.warnings);
        let left = self.agent.left();
        for vip in left.iter().filter(|it| !self.left.contains(it)) {
            error!(vip, "look at this");
        }
        self.left = left;
        let answers = Answers::new(status.clone(), &self.config.readiness);
        self.published.send_replace(Arc::new(answers));
        status
    }

    fn terminate(&mut self) {
        let until = self.agent.terminate(clock::now(), clock::wall());
        let status = self.publish();
        match until {
            Some(until) => {
                let left = until.saturating_duration_since(clock::now());
                info!(
                    at_most = ?left,
                    "stopping when the connections have ended; a second signal stops at once"
                );
                systemd::stopping(&line(&status), left + STOP_TIME);
            }
            None => systemd::stopping(&line(&status), STOP_TIME),
        }
    }

    /// Does what an operator asks for; it is on disk when this returns.
    async fn obey(
        &mut self,
        wish: Wish,
        read: &impl Fn() -> Result<RealServerConfig, String>,
    ) -> Result<(), String> {
        let news = match wish {
            Wish::Drain => self.agent.drain(clock::now(), clock::wall()),
            Wish::Undrain => self.agent.undrain(),
            Wish::Reload => return self.reload(read).await,
        };
        if news {
            info!(?wish, "by an operator");
        }
        self.look().await;
        Ok(())
    }

    /// Counts the connections that are waited for.
    async fn count(&mut self) {
        let connections = match tcp::connections(self.agent.configured_vips()) {
            Ok(counts) => Some(counts.values().sum()),
            Err(error) => {
                warn!(%error, "cannot count connections: waiting for the whole drain");
                None
            }
        };
        {
            let askers = self.askers.lock().unwrap_or_else(PoisonError::into_inner);
            self.agent.expire(clock::now(), &askers, connections);
        }
        if self.agent.is_leaving() {
            self.publish();
        } else if !self.agent.is_stopping() {
            self.look().await;
        }
    }

    async fn reload(
        &mut self,
        read: &impl Fn() -> Result<RealServerConfig, String>,
    ) -> Result<(), String> {
        if self.agent.is_leaving() {
            info!("not reloading: draining");
            return Err("not reloading: draining".to_owned());
        }
        systemd::reloading();
        let done = self.reconfigure(read()).await;
        match &done {
            Ok(()) => info!(vips = ?self.config.vips, "reloaded"),
            Err(reason) => warn!(reason, "not reloaded: the old configuration stays"),
        }
        self.look().await;
        systemd::ready(&line(&self.agent.status()));
        done
    }

    /// Takes the whole configuration or nothing of it.
    async fn reconfigure(&mut self, read: Result<RealServerConfig, String>) -> Result<(), String> {
        let new = read?;
        if new.interface != self.config.interface {
            return Err("another interface takes a restart: the VIPs would leave the host".into());
        }
        let mut refusals = refusals(&new, &self.kernel, &self.agent)
            .await
            .map_err(|error| chain(&error))?;
        refusals.extend(ipv6_refusal(&new));
        if !refusals.is_empty() {
            return Err(refusals.join("; "));
        }
        let identity = load_identity(&new.readiness).map_err(|error| chain(&error))?;
        self.try_out(&new).await?;
        let renewed = self
            .listeners
            .renew(&self.config.readiness, &new.readiness, identity, &self.desk)
            .await;
        if let Err(error) = renewed {
            self.go_back().await;
            return Err(chain(&error));
        }
        if new.readiness.weight != self.config.readiness.weight {
            self.scale = new.readiness.weight.clone().map(Scale::start);
        }
        self.services.configure(&new.services);
        self.agent.configure(&new);
        self.config = new;
        Ok(())
    }

    /// Has the host do what a configuration wants, as a start would, or leaves it as it was.
    /// The VIPs stay meanwhile.
    async fn try_out(&mut self, new: &RealServerConfig) -> Result<(), String> {
        self.agent.try_out(new);
        let tried = self.kernel.settle_whole(&mut self.agent).await;
        if let Err(error) = tried {
            self.go_back().await;
            return Err(chain(&error));
        }
        Ok(())
    }

    /// Back to the configuration that was there before one on trial.
    async fn go_back(&mut self) {
        self.agent.configure(&self.config);
        // What failed has been told, and is a reason not to be ready.
        let _ = self.kernel.settle(&mut self.agent).await;
    }

    /// Gives everything back, answering all the while.
    async fn stop(mut self) -> Result<(), Error> {
        self.publish();
        let given_back = give_back(&mut self.kernel, &mut self.agent).await;
        // The socket's lock goes last: until then no other agent may start.
        self.listeners.stop().await;
        given_back?;
        info!(
            "stopped: sysctls are as they were before the first start, and no VIP of lvsd's is left"
        );
        Ok(())
    }
}

/// Has an agent that stops put back what there is to put back.
pub(super) async fn give_back(kernel: &mut Kernel, agent: &mut Agent) -> Result<(), Error> {
    let failures = kernel.settle(agent).await;
    let failed: Vec<_> = texts(&failures).into_iter().chain(agent.left()).collect();
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Error::Stop(failed)),
    }
}

pub(super) fn texts<'a>(errors: impl IntoIterator<Item = &'a kernel::Error>) -> Vec<String> {
    errors.into_iter().map(|error| chain(error)).collect()
}

/// What becomes of the VIPs that were there before.
fn tell_found(agent: &Agent, status: &Status) {
    for vip in agent.found_vips() {
        let stays = status.vips.iter().any(|it| it.address == vip && it.stays);
        match stays {
            true => info!(%vip, "VIP was there before lvsd: used, and left there at the stop"),
            false => info!(
                %vip,
                "VIP was there before lvsd: used, and taken away at the stop, since ARP would be \
                 answered for it with the sysctls that were there before"
            ),
        }
    }
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
        State::Draining | State::Drained | State::Stopping => reasons,
    }
}
