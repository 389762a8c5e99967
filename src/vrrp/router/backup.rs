//! Listening for a master.

use std::time::{Duration, Instant};

use super::role::{Backup, Claiming, Role, Sighted, Why};
use super::{
    Action, CLAIM_WITHIN, Cause, DEAF_ROUNDS, Event, Heard, Notice, Peer, Router, Version,
};
use crate::vrrp::group::Order;

impl Router {
    pub(super) fn in_backup(&mut self, now: Instant, backup: Backup, event: Event) -> Vec<Action> {
        match event {
            Event::Heard(heard) => {
                let told = self.hear_other_successor(&heard);
                self.hear_as_backup(now, backup, &heard);
                return told.into_iter().collect();
            }
            Event::Deadline => return self.backup_deadline(now, backup),
            Event::Dropped { packets } => {
                let dropped = backup.dropped.saturating_add(packets);
                self.role = Role::Backup(Backup { dropped, ..backup });
            }
            Event::Reconfigure(settings) => {
                self.settings = settings;
                self.count_anew(now, backup);
            }
            Event::Influence(influence) => {
                self.influence = influence;
                self.count_anew(now, backup);
                return self.leave_if_unfit(now);
            }
            Event::Group(order) => return self.obey_as_backup(now, backup, order),
            Event::Ready(ready) => self.ready = ready,
            Event::Yield => {
                self.yielded = true;
                if let Sighted::Lesser(peer) = backup.sighted {
                    let interval = backup.master_interval;
                    self.role = Role::Backup(self.listen(now, interval, Sighted::Master(peer)));
                } else {
                    self.count_anew(now, backup);
                }
            }
            Event::Reclaim => return self.reclaim(now, backup),
            Event::LinkUp { address } => self.link = Ok(address),
            Event::LinkDown(fault) => return self.lose_link(now, fault),
            // RFC 9568 §6.4.2: a backup says nothing.
            Event::Shutdown => return vec![self.enter(now, Role::Initialize, Cause::Shutdown)],
            Event::VipsLeft => self.resume_soon(now, backup),
            Event::Startup | Event::VipsHeld => {}
        }
        vec![]
    }

    /// Of several backups of equal rank that take over at once the first one heard need
    /// not be the one that stays.
    fn hear_other_successor(&mut self, heard: &Heard) -> Option<Action> {
        let peer = Peer::from(heard);
        let Cause::HandedOver(named) = self.cause else {
            return None;
        };
        let stays = (peer.priority, peer.address) > (named.priority, named.address);
        if self.lets_go_at.is_none() || !stays || peer.address == named.address {
            return None;
        }
        self.cause = Cause::HandedOver(peer);
        Some(Action::Report(Notice::OtherSuccessor(peer)))
    }

    /// RFC 9568 §6.4.2.
    pub(super) fn hear_as_backup(&mut self, now: Instant, backup: Backup, heard: &Heard) {
        self.resumes = false;
        let peer = Peer::from(heard);
        let is_lesser = peer.priority < self.priority().get();
        let interval = self.master_interval(heard);
        let lesser_since = is_lesser.then(|| backup.lesser_since.unwrap_or(now));
        let follows = |router: &Self| Backup {
            lesser_since,
            ..router.listen(now, interval, Sighted::Master(peer))
        };
        self.role = Role::Backup(if peer.priority == 0 {
            self.resigned(now, backup, peer)
        } else if !is_lesser || !self.may_preempt(now, lesser_since) {
            follows(self)
        } else if self.follows_better(&backup, peer) {
            backup
        } else {
            let master_down_at = self.preempts_at(now, &backup, lesser_since);
            Backup {
                sighted: Sighted::Lesser(peer),
                lesser_since,
                master_down_at,
                ..backup
            }
        });
    }

    /// Its timer goes on. A delay that kept it from preempting has started it anew with
    /// each advert; but the master down interval, in which no better one was heard, ran
    /// beside the delay.
    fn preempts_at(&self, now: Instant, backup: &Backup, lesser_since: Option<Instant>) -> Instant {
        let heard_out = lesser_since.map(|since| since + self.patience(backup.master_interval));
        let at = heard_out.map_or(backup.master_down_at, |at| at.min(backup.master_down_at));
        self.not_before(at.max(now))
    }

    /// Whether a master of its own rank or above is heard beside this lesser one.
    fn follows_better(&self, backup: &Backup, peer: Peer) -> bool {
        matches!(
            backup.sighted,
            Sighted::Master(master)
                if master.address != peer.address && master.priority >= self.priority().get()
        )
    }

    /// The master is silent, unless we did not listen.
    fn backup_deadline(&mut self, now: Instant, backup: Backup) -> Vec<Action> {
        if now < backup.master_down_at || backup.waits_for_group {
            return vec![];
        }
        if let Some(why) = self.listen_again(now, backup) {
            return vec![Action::Report(why)];
        }
        if self.group.is_member {
            let waits_for_group = true;
            self.role = Role::Backup(Backup {
                waits_for_group,
                ..backup
            });
            return vec![];
        }
        self.take_over(now, backup)
    }

    /// Silence proves nothing where we were asleep, or where packets were dropped before
    /// we could read them: the master gets the time of one advert to say it again. For
    /// the sleep once, so that a host that is always late still takes over; for the
    /// drops [`DEAF_ROUNDS`] times. Whoever resigned was heard: that is no silence.
    fn listen_again(&mut self, now: Instant, backup: Backup) -> Option<Notice> {
        let late = now.saturating_duration_since(backup.master_down_at);
        let dropped = backup.dropped;
        let resigned = matches!(backup.sighted, Sighted::Resigned(_));
        let (listening, why) = if late > backup.master_interval && !backup.listened_again {
            let listened_again = true;
            let listening = Backup {
                listened_again,
                ..backup
            };
            (listening, Notice::ListensAgain { late })
        } else if dropped > 0 && !resigned && backup.deaf_rounds < DEAF_ROUNDS {
            let deaf_rounds = backup.deaf_rounds + 1;
            let listening = Backup {
                deaf_rounds,
                ..backup
            };
            (listening, Notice::HeardTooLittle { dropped })
        } else {
            return None;
        };
        let wait = backup.master_interval + self.skew_time(backup.master_interval);
        self.role = Role::Backup(Backup {
            master_down_at: now + wait,
            dropped: 0,
            ..listening
        });
        Some(why)
    }

    /// From a master that works, or that has resigned and may still serve, gently;
    /// from a dead one at once.
    fn take_over(&mut self, now: Instant, backup: Backup) -> Vec<Action> {
        match backup.sighted {
            Sighted::Lesser(peer) => self.claim_from(now, peer, Why::Preempts),
            Sighted::Master(peer) if backup.master_down_at > now => {
                self.claim_from(now, peer, Why::Preempts)
            }
            Sighted::Resigned(peer) => self.claim_from(now, peer, Why::Resigned),
            Sighted::Nobody | Sighted::Master(_) => {
                self.become_master(now, backup.cause_to_take_over(now))
            }
        }
    }

    pub(super) fn claim_from(&mut self, now: Instant, from: Peer, why: Why) -> Vec<Action> {
        self.lets_go_at = None;
        let patience = match why {
            Why::Preempts | Why::Reclaims => CLAIM_WITHIN,
            // It does not serve for ever, and other backups count, too.
            Why::Resigned => (2 * self.settings.advert_interval).min(CLAIM_WITHIN),
        };
        self.role = Role::Claiming(Claiming {
            from,
            advert_by: now + patience,
            why,
        });
        vec![Action::ClaimVips]
    }

    /// The operator wants it back: no delay, and whatever `preempt` says.
    fn reclaim(&mut self, now: Instant, backup: Backup) -> Vec<Action> {
        self.yielded = false;
        match backup.sighted {
            Sighted::Master(peer) | Sighted::Lesser(peer)
                if peer.priority < self.priority().get() =>
            {
                self.claim_from(now, peer, Why::Reclaims)
            }
            Sighted::Nobody | Sighted::Master(_) | Sighted::Lesser(_) | Sighted::Resigned(_) => {
                self.count_anew(now, backup);
                vec![]
            }
        }
    }

    fn obey_as_backup(&mut self, now: Instant, backup: Backup, order: Order) -> Vec<Action> {
        if order == Order::Go {
            return self.take_over(now, backup);
        }
        self.note_group(order);
        if !self.group.is_member && backup.waits_for_group {
            return self.take_over(now, backup);
        }
        self.leave_if_unfit(now)
    }

    fn may_preempt(&self, now: Instant, lesser_since: Option<Instant>) -> bool {
        let delay = self.settings.takeover.preempt_delay;
        let waited = lesser_since.is_some_and(|since| now >= since + delay);
        self.settings.preempt && self.ready && !self.yielded && waited
    }

    /// RFC 9568 §6.4.2 (385): the timer becomes the skew time.
    fn resigned(&self, now: Instant, backup: Backup, peer: Peer) -> Backup {
        Backup {
            listens_since: now,
            master_down_at: self.not_before(now + self.skew_time(backup.master_interval)),
            sighted: Sighted::Resigned(peer),
            lesser_since: None,
            listened_again: false,
            dropped: 0,
            deaf_rounds: 0,
            waits_for_group: false,
            ..backup
        }
    }

    /// A backup that heard `sighted` just now.
    pub(super) fn listen(&self, now: Instant, interval: Duration, sighted: Sighted) -> Backup {
        Backup {
            listens_since: now,
            master_down_at: self.not_before(now + self.patience(interval)),
            master_interval: interval,
            sighted,
            lesser_since: None,
            listened_again: false,
            dropped: 0,
            deaf_rounds: 0,
            waits_for_group: false,
        }
    }

    /// The addresses are here since an earlier run that was killed as master: clients
    /// are served all the time, and it goes on before a backup takes over and breaks
    /// their connections. Unless one has already: it says so within an interval.
    fn resume_soon(&mut self, now: Instant, backup: Backup) {
        if backup.sighted == Sighted::Nobody {
            self.resumes = true;
            self.quiet_until = None;
            self.count_anew(now, backup);
        }
    }

    /// How long nobody may be heard before this one is master.
    fn patience(&self, interval: Duration) -> Duration {
        match self.resumes {
            true => interval + self.skew_time(interval),
            false => self.down_interval(interval),
        }
    }

    fn not_before(&self, deadline: Instant) -> Instant {
        self.quiet_until
            .map_or(deadline, |quiet| deadline.max(quiet))
    }

    /// Something changed that its timer depends on: the time that is left is
    /// counted anew from the last advert.
    fn count_anew(&mut self, now: Instant, backup: Backup) {
        let learnt = matches!(backup.sighted, Sighted::Master(_) | Sighted::Resigned(_));
        let master_interval = match self.settings.version {
            Version::V3 if learnt => backup.master_interval,
            Version::V2 { .. } | Version::V3 => self.settings.advert_interval,
        };
        let wait = match backup.sighted {
            Sighted::Resigned(_) => self.skew_time(master_interval),
            Sighted::Nobody | Sighted::Master(_) | Sighted::Lesser(_) => {
                self.patience(master_interval)
            }
        };
        let master_down_at = if backup.listened_again || backup.deaf_rounds > 0 {
            backup.master_down_at
        } else {
            self.not_before(now.max(backup.listens_since + wait))
        };
        self.role = Role::Backup(Backup {
            master_down_at,
            master_interval,
            ..backup
        });
    }
}
