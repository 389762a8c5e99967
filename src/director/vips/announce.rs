//! When to announce which address.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::holding::Place;
use crate::config::director::Announce;

/// Between two announcements of one address in a round: a frame may be lost, and
/// the LAN is in trouble just now.
const SPACING: Duration = Duration::from_millis(20);

/// What a busy host sends late goes out together, as far as it is not later than
/// this.
const TICK: Duration = Duration::from_millis(5);

/// How long what was put off waits before it is looked at again.
const PAUSE: Duration = Duration::from_millis(20);

/// The announcements that are still to be made.
///
/// | when | why |
/// |---|---|
/// | at once | clients must not go on sending to the old master |
/// | some more, 20 ms apart | a frame may be lost |
/// | as many after `delay` | a switch port that was blocked learns only now |
/// | each `refresh`, if asked for | a cache that nothing else would mend |
///
/// On each interface two frames are `interval` apart, so that hundreds of
/// addresses do not fill a switch's queue. An address that was not announced yet
/// comes before those that were.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    pending: BTreeMap<Place, Progress>,
    /// When an interface may carry the next frame.
    free_at: BTreeMap<String, Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Progress {
    pace: Announce,
    start: Instant,
    /// Announcements made since.
    made: u32,
    due_at: Instant,
}

impl Schedule {
    /// Begins anew with an address.
    pub(super) fn start(&mut self, now: Instant, place: Place, pace: Announce) {
        let progress = Progress {
            pace,
            start: now,
            made: 0,
            due_at: now,
        };
        self.pending.insert(place, progress);
    }

    /// Drops the addresses that are no longer to be announced.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&Place) -> bool) {
        self.pending.retain(|place, _| is_wanted(place));
        let pending = &self.pending;
        self.free_at
            .retain(|name, _| pending.keys().any(|place| place.interface == *name));
    }

    /// Whether an address was announced since it was last begun with.
    pub(super) fn is_announced(&self, place: &Place) -> bool {
        self.pending
            .get(place)
            .is_none_or(|progress| progress.made > 0)
    }

    /// When the next announcement is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let pending = self.pending.iter();
        pending
            .map(|(place, progress)| self.free_at(place, progress.due_at))
            .min()
    }

    /// Has the announcements of these addresses wait, those that are due: nobody knows
    /// whether they are still true. What comes of that restarts or drops them.
    pub(super) fn put_off(&mut self, now: Instant, places: &BTreeSet<Place>) {
        for place in places {
            if let Some(progress) = self.pending.get_mut(place) {
                progress.due_at = progress.due_at.max(now + PAUSE);
            }
        }
    }

    /// Takes the announcements that are due.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Place> {
        let pending = self.pending.iter();
        let mut due: Vec<_> = pending
            .filter(|(_, progress)| progress.due_at <= now)
            .map(|(place, it)| (it.made > 0, it.due_at, place))
            .collect();
        due.sort_unstable();
        // What a timer that is a tick late kept waiting may catch up, no more.
        let earliest = now.checked_sub(TICK).unwrap_or(now);
        let mut taken = Vec::new();
        for (_, _, place) in due {
            let free_at = self.free_at.entry(place.interface.clone());
            let free_at = free_at.or_insert(earliest);
            if *free_at <= now {
                *free_at = (*free_at).max(earliest) + self.pending[place].pace.interval;
                taken.push(place.clone());
            }
        }
        for place in &taken {
            self.advance(now, place);
        }
        taken
    }

    /// Not before `at`, and not before the interface is free.
    fn free_at(&self, place: &Place, at: Instant) -> Instant {
        let free_at = self.free_at.get(&place.interface);
        free_at.map_or(at, |free_at| at.max(*free_at))
    }

    fn advance(&mut self, now: Instant, place: &Place) {
        let Some(progress) = self.pending.get_mut(place) else {
            return;
        };
        progress.made += 1;
        match progress.next(now) {
            Some(at) => progress.due_at = at,
            None => drop(self.pending.remove(place)),
        }
    }
}

impl Progress {
    /// When the next announcement is due; none: that was the last.
    fn next(&self, now: Instant) -> Option<Instant> {
        let Announce {
            repeat,
            delay,
            refresh,
            ..
        } = self.pace;
        let rounds = if delay.is_zero() { 1 } else { 2 };
        if self.made >= repeat.saturating_mul(rounds) {
            return refresh.map(|refresh| now + refresh);
        }
        let (round, nth) = (self.made / repeat.max(1), self.made % repeat.max(1));
        Some(self.start + delay * round + SPACING * nth)
    }
}

#[cfg(test)]
mod tests;
