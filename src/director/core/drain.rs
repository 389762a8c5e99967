//! `on_stop = "drain"`: a stop that first lets connections end, for a director
//! whose VIPs nobody takes over. It holds them meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{interval, sleep};
use tracing::{info, warn};

use super::balance::{load, reported};
use super::{Core, LOOK_AFTER, STOP_WITHIN};
use crate::config::director::{OnStop, VirtualServer};
use crate::director::api::Ask;
use crate::director::control::Refused;
use crate::director::reconcile::Report;
use crate::ipvs::table::Table;
use crate::lvs::Weight;
use crate::sys::signal::{Signal, Signals};
use crate::sys::{clock, systemd};

impl Core {
    /// Takes new connections away from every real server, and waits until those
    /// there are have ended, the longest drain is over, or another signal comes.
    pub(super) async fn drain(&mut self, signals: &mut Signals, asks: &mut mpsc::Receiver<Ask>) {
        let (Some(balancer), Some(table)) = (&self.balancer, &self.wanted) else {
            return;
        };
        if self.config.on_stop != OnStop::Drain {
            return;
        }
        let limit = self.longest_drain();
        info!(?limit, "waiting for connections to end");
        systemd::stopping("waiting for connections to end", limit + STOP_WITHIN);
        let (began, at_rest) = (clock::now(), Arc::new(at_rest(table)));
        balancer.want(Arc::clone(&at_rest));
        let mut alive = interval(LOOK_AFTER);
        let over = sleep(limit);
        tokio::pin!(over);
        loop {
            self.pulses.core.beat();
            tokio::select! {
                () = reported(&mut self.reports) => {
                    let reports = self.reports.as_mut();
                    let report = reports.map(|reports| Arc::clone(&reports.borrow_and_update()));
                    if report.is_none_or(|report| is_empty(&report, &at_rest, began)) {
                        return;
                    }
                }
                () = &mut over => return warn!("connections are left, and are cut now"),
                Signal::Terminate = signals.next() => {
                    return warn!("told to stop again: connections that are left are cut");
                }
                Some(occurrence) = self.vrrp.occurrences.recv() => self.note(&occurrence),
                Some(ask) = asks.recv() => self.answer_while_stopping(ask),
                _ = alive.tick() => systemd::alive(),
            }
        }
    }

    fn longest_drain(&self) -> Duration {
        let servers = self.config.virtual_servers.values();
        let servers = servers.flat_map(VirtualServer::servers);
        let limits = servers.map(|(_, server)| server.conduct.drain);
        limits.max().unwrap_or_default()
    }

    /// Whoever asks may look, and change nothing any more.
    pub(super) fn answer_while_stopping(&self, ask: Ask) {
        let refused = || Refused::runtime("lvsd stops".to_owned());
        match ask {
            Ask::Status(reply) => drop(reply.send(Box::new(self.snapshot()))),
            Ask::Reload(reply) => drop(reply.send(Err(refused()))),
            Ask::Events(last, follow, reply) => drop(reply.send(self.journal.read(last, follow))),
            Ask::Plan(_, reply) => drop(reply.send(Err(refused()))),
            Ask::Server(_, reply) => drop(reply.send(Err(refused()))),
            Ask::Changed(told, reply) => drop(reply.send(self.what_became_of(&told))),
            Ask::Vrrp(_, reply) => drop(reply.send(Err(refused()))),
        }
    }
}

fn at_rest(table: &Table) -> Table {
    let mut at_rest = table.clone();
    let servers = at_rest.values_mut();
    for entry in servers.flat_map(|server| server.real_servers.values_mut()) {
        entry.weight = Weight::ZERO;
    }
    at_rest
}

/// Whether nobody had a connection any more, counted after that moment.
fn is_empty(report: &Report, table: &Table, moment: Instant) -> bool {
    let keys = table
        .iter()
        .flat_map(|(id, server)| server.real_servers.keys().map(move |rip| (id, rip)));
    let mut loads = keys.filter_map(|(id, rip)| load(report, id, rip));
    loads.all(|load| load.counted_at > moment && load.weight == Weight::ZERO && load.active == 0)
}
