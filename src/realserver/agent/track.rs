//! What became of each wanted thing since this process runs.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::{Action, Agent, Cause};
use crate::realserver::tunnel;

/// So many times within [`A_MINUTE`] that somebody must look.
const TOO_OFTEN: usize = 3;
/// For how long a loss counts.
const A_MINUTE: SignedDuration = SignedDuration::from_secs(60);

/// How one wanted thing fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Track {
    /// Whether it is as it must be.
    pub(super) right: bool,
    /// Since when it is, or is not.
    pub(super) since: Timestamp,
    /// Whether it ever was.
    pub(super) was_right: bool,
    /// How often it was taken away.
    pub(super) lost: u32,
    /// When it was taken away, of the last times.
    lately: VecDeque<Timestamp>,
    /// Who has, or may have, taken it away.
    pub(super) by: Option<String>,
    /// Why it could not be put right.
    pub(super) error: Option<String>,
}

impl Track {
    pub(super) fn new(right: bool, since: Timestamp) -> Self {
        Self {
            right,
            since,
            was_right: right,
            lost: 0,
            lately: VecDeque::new(),
            by: None,
            error: None,
        }
    }

    pub(super) fn observe(&mut self, right: bool, now: Timestamp) {
        if right == self.right {
            return;
        }
        (self.right, self.since) = (right, now);
        if right {
            (self.was_right, self.error) = (true, None);
        } else if self.was_right {
            self.lost = self.lost.saturating_add(1);
            self.lately.push_back(now);
            if self.lately.len() > TOO_OFTEN {
                self.lately.pop_front();
            }
        }
    }

    /// Whether somebody takes it away again and again.
    pub(super) fn is_contested(&self, now: Timestamp) -> bool {
        let first = self.lately.front();
        let first = first.filter(|_| self.lately.len() >= TOO_OFTEN);
        first.is_some_and(|first| now.duration_since(*first) < A_MINUTE)
    }

    pub(super) fn cause(&self) -> Cause {
        if self.was_right {
            Cause::Repair { count: self.lost }
        } else {
            Cause::Start
        }
    }
}

/// Why something is put right now.
pub(super) fn cause_of(track: Option<&Track>) -> Cause {
    track.map_or(Cause::Start, Track::cause)
}

impl Agent {
    /// An action was performed.
    pub fn done(&mut self, action: Action, now: Timestamp) {
        match action {
            Action::Record(journal) => {
                self.journal = journal;
                self.adopting = None;
                self.unrecorded = None;
            }
            // Noted at once, not at the next look: by then somebody may have taken
            // it away again, and that counts.
            Action::AddVip { .. } | Action::RenewVip { .. } | Action::WriteSysctl { .. } => {
                if let Action::RenewVip { address, .. } | Action::AddVip { address, .. } = &action {
                    self.renewed.insert(address.address.address, now);
                }
                if let Some(track) = self.track_of(&action) {
                    track.observe(true, now);
                }
            }
            Action::RemoveVip { vip, .. } => {
                if let Some(track) = self.strays.get_mut(&vip) {
                    track.observe(true, now);
                }
            }
            Action::Tunnel(tunnel::Step::Delete { name, .. }) => self.kept_devices.push(name),
            Action::Tunnel(tunnel::Step::Make(made)) => {
                self.kept_devices.retain(|name| *name != made.name);
            }
            Action::Tunnel(_) | Action::Route(_) => {}
        }
    }

    /// An action failed. It is planned again as long as it is needed; meanwhile
    /// the reason is told. Returns whether that is news.
    pub fn failed(&mut self, action: &Action, reason: &str) -> bool {
        if let Action::Record(_) = action {
            let before = self.unrecorded.replace(reason.to_owned());
            return before.as_deref() != Some(reason);
        }
        let Some(track) = self.track_of(action) else {
            return true;
        };
        let news = track.error.as_deref() != Some(reason);
        track.error = Some(reason.to_owned());
        news
    }

    /// Notes who has, or may have, undone what an action repaired. Returns whether
    /// it has happened so often that somebody must look.
    pub fn blame(&mut self, action: &Action, who: &str) -> bool {
        let now = self.now;
        self.track_of(action).is_some_and(|track| {
            track.by = Some(who.to_owned());
            track.is_contested(now)
        })
    }

    /// How the wanted thing fares that an action is about.
    fn track_of(&mut self, action: &Action) -> Option<&mut Track> {
        match action {
            Action::AddVip { address, .. } | Action::RenewVip { address, .. } => {
                self.vips.get_mut(&address.address.address)
            }
            Action::WriteSysctl { write, .. } => self.sysctls.get_mut(&write.key),
            Action::RemoveVip { vip, .. } => self.strays.get_mut(vip),
            Action::Record(_) | Action::Tunnel(_) | Action::Route(_) => None,
        }
    }

    pub(super) fn track(&mut self, now: Timestamp) {
        for vip in self.wanted_vips().to_vec() {
            let right = self.place(vip).bound && !self.lacks_route(vip);
            let track = self.vips.entry(vip);
            track
                .or_insert_with(|| Track::new(right, now))
                .observe(right, now);
        }
        if !self.phase.holds_vips() {
            // What is taken away now is nobody's fault, and what comes back is new.
            self.vips.clear();
        }
        self.track_strays(now);
        let wanted = self.wanted_sysctls();
        self.sysctls.retain(|key, _| wanted.contains_key(key));
        for (key, rule) in wanted {
            // An interface that is just going has no parameters any more.
            let Some(value) = self.seen.sysctls.get(&key) else {
                continue;
            };
            let right = rule.accepts(*value);
            let track = self.sysctls.entry(key);
            track
                .or_insert_with(|| Track::new(right, now))
                .observe(right, now);
        }
    }
}
