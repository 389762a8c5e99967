//! What the virtual routers track, and what the VRRP thread is told of it.

use std::collections::BTreeMap;

use tracing::{info, warn};

use super::Core;
use crate::director::track::Eyes;
use crate::director::vrrp::{Command, Commands};
use crate::lvs::VirtualServerId;
use crate::pool::{PoolView, Quorum, Role};
use crate::status::director as status;
use crate::sys::clock;
use crate::track::{Board, Changed, Observation, Source, State};
use crate::vrrp::influence::Influence;

/// Everything that is tracked.
#[derive(Debug)]
pub(super) struct Tracking {
    pub(super) eyes: Eyes,
    pub(super) board: Board,
    /// What the VRRP thread was told of each virtual router.
    told: BTreeMap<String, Influence>,
}

impl Tracking {
    /// Of nothing.
    pub(super) fn new() -> Self {
        Self {
            eyes: Eyes::new(),
            board: Board::default(),
            told: BTreeMap::new(),
        }
    }

    /// Tells the VRRP thread what is new.
    fn tell(&mut self, commands: &Commands) {
        let influences = self.board.influences();
        let influences: BTreeMap<_, _> = influences.map(|(name, it)| (name.clone(), it)).collect();
        for (instance, influence) in &influences {
            if self.told.get(instance) != Some(influence) {
                commands.send(Command::Influence {
                    instance: instance.clone(),
                    influence: influence.clone(),
                });
            }
        }
        self.told = influences;
    }
}

impl Core {
    /// Tracks what the configuration names. The VRRP thread hears of it before
    /// it hears of new virtual routers, which so wait for their sources.
    pub(super) fn configure_tracking(&mut self) {
        let Tracking { eyes, board, .. } = &mut self.tracking;
        let routers = self.config.vrrp.iter();
        let routers = routers.map(|(name, instance)| (name, &*instance.trackers));
        board.configure(clock::wall(), routers);
        eyes.configure(board.sources());
        self.track_pools();
        self.tracking.tell(&self.vrrp.commands);
    }

    /// Something was seen of a source.
    pub(super) fn observe(&mut self, source: &Source, seen: &Observation) {
        let board = &mut self.tracking.board;
        if let Some(changed) = board.observe(clock::wall(), source, seen) {
            self.tell_changed(&changed);
            self.tell_tracker(&changed);
        }
        self.tracking.tell(&self.vrrp.commands);
    }

    /// Looks at the pools of tracked virtual servers.
    pub(super) fn track_pools(&mut self) {
        let sources = self.tracking.board.sources();
        let ids = sources.filter_map(|source| match source {
            Source::VirtualServer(id) => Some(*id),
            _ => None,
        });
        let ids: Vec<_> = ids.collect();
        for id in ids {
            if let Some(seen) = self.look_at_pool(&id) {
                self.observe(&Source::VirtualServer(id), &seen);
            }
        }
    }

    /// Whether anybody of the pool is usable; none: that is not decided yet.
    fn look_at_pool(&self, id: &VirtualServerId) -> Option<Observation> {
        let configured = self.config.virtual_servers.get(id);
        let pool = self.pools.view(id, configured)?;
        if is_served(&pool) {
            return Some(Observation::Good);
        }
        let decided = pool.quorum != Quorum::Undecided;
        decided.then(|| Observation::Bad("no real server is usable".into()))
    }

    fn tell_changed(&self, changed: &Changed) {
        let Changed {
            source,
            from,
            verdict,
        } = changed;
        for (instance, tracker) in self.tracking.board.interested(source) {
            let (name, cause) = (&tracker.name, &*verdict.reason);
            let (from, to) = (from.as_str(), verdict.state.as_str());
            match verdict.state {
                State::Down => warn!(instance, name, from, to, cause, "tracker"),
                State::Up(value) => info!(instance, name, from, to, value, "tracker"),
                State::Unknown => {}
            }
        }
    }

    /// The trackers of a virtual router, for people and programs outside.
    pub(super) fn describe_trackers(&self, router: &str) -> Vec<status::Tracker> {
        let trackers = self.tracking.board.trackers(router);
        let described = trackers.map(|(tracker, verdict, adds)| status::Tracker {
            name: tracker.name.clone(),
            kind: tracker.source.kind().to_owned(),
            state: verdict.state.as_str().to_owned(),
            since: verdict.since,
            reason: verdict.reason.to_string(),
            weight: tracker.weight,
            adds,
            unclear: verdict.unclear.as_ref().map(ToString::to_string),
        });
        described.collect()
    }
}

/// A server of the pool or the backup pool takes traffic. The sorry server does
/// not count: it is what is served when nobody is.
fn is_served(pool: &PoolView<'_>) -> bool {
    pool.weight > 0
        || pool.members.iter().any(|member| {
            let weight = member.entry.map(|entry| entry.weight.get());
            member.role == Role::Backup && weight.is_some_and(|weight| weight > 0)
        })
}
