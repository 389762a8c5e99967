//! What the operator asks for at run time.

use std::path::Path;

use tracing::{error, info};

use super::Core;
use super::balance::is_unchecked;
use crate::config::director::DirectorConfig;
use crate::config::{self, changes};
use crate::director::Error;
use crate::director::api::{Answer, Ask};
use crate::director::control::{Changed, Refused, ServerWish, WishKind};
use crate::director::settling::{Changing, Outcome, Reloading, Server, Settling, Ticket};
use crate::lvs::{RealServerId, VirtualServerId};
use crate::pool::Override;
use crate::status::event::Event;
use crate::status::text::chain;
use crate::sys::{clock, systemd};

/// How many changes of a reload are logged; the reply to `lvsd reload` has them all.
const MOST_LOGGED: usize = 100;

impl Core {
    /// Answers; whoever asked may have gone away.
    pub(super) fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Status(reply) => drop(reply.send(Box::new(self.snapshot()))),
            Ask::Events(last, follow, reply) => {
                drop(reply.send(self.journal.read(last, follow)));
            }
            Ask::Reload(reply) => drop(reply.send(self.reload())),
            Ask::Plan(wish, reply) => drop(reply.send(self.foresee(&wish))),
            Ask::Server(wish, reply) => drop(reply.send(self.change(&wish))),
            Ask::Changed(told, reply) => drop(reply.send(self.what_became_of(&told))),
            Ask::Vrrp(wish, reply) => drop(reply.send(self.move_mastership(&wish))),
        }
    }

    /// The same without anybody who asked: the log tells what came of it.
    pub(super) fn reload_by_signal(&mut self) {
        if let Ok(reloading) = self.reload() {
            tokio::spawn(reloading.settled());
        }
    }

    /// Reads the file again; one that is refused changes nothing.
    fn reload(&mut self) -> Answer<Reloading> {
        systemd::reloading();
        let outcome = self.read_again().and_then(|config| self.replace(config));
        match &outcome {
            Ok(Reloading { changes, .. }) => {
                self.loaded = clock::wall();
                self.refused = None;
                let (file, count) = (self.path.display(), changes.len());
                info!(%file, changes = count, "reloaded");
                for change in changes.iter().take(MOST_LOGGED) {
                    info!(%change, "reloaded");
                }
                if let Some(more @ 1..) = count.checked_sub(MOST_LOGGED) {
                    info!(more, "changes that are not listed");
                }
                self.journal.tell(Event::Reloaded {
                    count,
                    changes: changes.iter().take(MOST_LOGGED).cloned().collect(),
                });
            }
            Err(Refused { error, .. }) => {
                error!("reload refused, the running configuration runs on\n{error}");
                self.refused = Some(error.clone());
                let error = error.clone();
                self.journal.tell(Event::ReloadRefused { error });
            }
        }
        self.told = self.summary();
        systemd::ready(&self.told);
        self.tidy_soon();
        outcome
    }

    fn read_again(&self) -> Answer<DirectorConfig> {
        let refused = |error: config::Error| Refused::config(error.to_string());
        let text = config::read(&self.path).map_err(refused)?;
        let config = DirectorConfig::parse_here(&self.path, &text).map_err(refused)?;
        self.examine(&config, &self.path)?;
        self.pulses.core_works();
        self.preflight(&config, &self.path, &text)?;
        self.pulses.core_works();
        Ok(config)
    }

    /// Refuses what cannot change while it runs.
    pub(super) fn examine(&self, config: &DirectorConfig, file: &Path) -> Answer<()> {
        if config.http_listen != self.config.http_listen {
            return Err(Refused::config(format!(
                "{}: http.listen cannot change while lvsd runs\n    \
                 restart lvsd, or leave it at {}",
                file.display(),
                self.config.http_listen
            )));
        }
        Ok(())
    }

    fn replace(&mut self, config: DirectorConfig) -> Answer<Reloading> {
        let changes = changes::between(self.newest_config(), &config);
        self.pulses.core_works();
        let config = self.with_removals_postponed(config);
        let before = std::mem::replace(&mut self.config, config);
        let all = self.config.virtual_servers.iter();
        let all = all.flat_map(|(id, pool)| pool.servers().map(|(rip, _)| (*id, *rip)));
        let ticket = self.waiting.begin(self.unchecked_of(all));
        self.apply(&before.virtual_servers).map_err(|error| {
            let tried = std::mem::replace(&mut self.config, before);
            // What did work once works again.
            if let Err(error) = self.apply(&tried.virtual_servers) {
                error!(
                    error = chain(&error),
                    "cannot return to the running configuration"
                );
            }
            Refused::runtime(with_mend(&error))
        })?;
        // Those of servers that the file changed are over.
        self.save_overrides()?;
        let table = self.settling(ticket);
        Ok(Reloading { changes, table })
    }

    /// Those of these servers whose check has no answer.
    fn unchecked_of(&self, servers: impl Iterator<Item = Server>) -> Vec<Server> {
        let (verdicts, configured) = (self.checks.verdicts(), &self.config.virtual_servers);
        let is_unchecked = |server: &Server| is_unchecked(&verdicts, configured, server);
        servers.filter(is_unchecked).collect()
    }

    fn settling(&self, ticket: Ticket) -> Option<Settling> {
        let balancer = self.balancer.as_ref()?;
        Some(Settling::new(ticket, balancer.report()))
    }

    /// Changes real servers, in one virtual server or in all that have them.
    fn change(&mut self, wish: &ServerWish) -> Answer<Changing> {
        let servers = self.matching(wish)?;
        let configured = &self.config.virtual_servers;
        let overridden = match wish.kind {
            WishKind::Drain { limit } => Some(Override::Drain { limit }),
            WishKind::Weight(weight) => Some(Override::Weight(weight)),
            WishKind::Enable => None,
        };
        for (id, rip) in &servers {
            let overrides = self.pools.overrides_mut();
            overrides.set(configured, *id, *rip, overridden);
            if let WishKind::Drain { limit } = wish.kind {
                self.pools.let_go(id, rip, limit);
            }
            info!(virtual_server = %id, real_server = %rip, wish = %wish.kind, "the operator's wish");
        }
        // Before anything is done, so that a crash forgets nothing that was done.
        self.save_overrides()?;
        let unchecked = match wish.kind {
            // It leaves, whatever its check says.
            WishKind::Drain { .. } => Vec::new(),
            WishKind::Weight(_) | WishKind::Enable => self.unchecked_of(servers.iter().copied()),
        };
        let ticket = self.waiting.begin(unchecked);
        self.rebalance();
        let table = self.settling(ticket);
        Ok(Changing { servers, table })
    }

    pub(super) fn what_became_of(&self, told: &Outcome) -> Vec<Changed> {
        told.of(|(id, rip)| self.changed(*id, *rip))
    }

    fn changed(&self, id: VirtualServerId, rip: RealServerId) -> Changed {
        let pool = self.pools.view(&id, self.config.virtual_servers.get(&id));
        let members = pool.map(|pool| pool.members).unwrap_or_default();
        let member = members.into_iter().find(|member| member.address == rip);
        Changed {
            virtual_server: id,
            real_server: rip,
            state: member
                .as_ref()
                .map_or("out", |member| member.state)
                .to_owned(),
            weight: member.and_then(|member| Some(member.entry?.weight.get())),
            refused: None,
            pending: None,
        }
    }

    fn save_overrides(&self) -> Answer<()> {
        let saved = self.overrides_file.save(self.pools.overrides());
        saved.map_err(|error| Refused::runtime(chain(&Error::from(error))))
    }

    /// The real servers that are meant. A drain may also mean one that the
    /// configuration no longer has and that serves on.
    fn matching(&self, wish: &ServerWish) -> Answer<Vec<(VirtualServerId, RealServerId)>> {
        let (servers, target) = (&self.config.virtual_servers, &wish.target);
        if let Some(id) = &target.virtual_server
            && !servers.contains_key(id)
        {
            let known: Vec<_> = servers.keys().map(ToString::to_string).collect();
            let known = known.join("\n    ");
            let text = format!("there is no virtual server {id}; there are:\n    {known}");
            return Err(Refused::unknown(text));
        }
        let wanted = servers.iter().filter(|(id, _)| {
            let named = target.virtual_server;
            named.is_none_or(|named| named == **id)
        });
        let matching = wanted.flat_map(|(id, server)| {
            let leaving = match wish.kind {
                WishKind::Drain { .. } => self.pools.leaving(id),
                WishKind::Weight(_) | WishKind::Enable => Vec::new(),
            };
            let rips = server.servers().map(|(rip, _)| *rip).chain(leaving);
            rips.filter(|rip| target.matches(rip)).map(|rip| (*id, rip))
        });
        let matching: Vec<_> = matching.collect();
        if matching.is_empty() {
            let text = format!("no real server {target} is configured; `lvsd status` lists them");
            return Err(Refused::unknown(text));
        }
        Ok(matching)
    }
}

fn with_mend(error: &Error) -> String {
    match error.mend() {
        Some(mend) => format!("{}\n    {mend}", chain(error)),
        None => chain(error),
    }
}
