//! When to announce which address.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::plan::Place;

/// When an address is announced, counted from its claim.
///
/// | when | why |
/// |---|---|
/// | at once | clients must not go on sending to the old master |
/// | four more, 20 ms apart | a frame may be lost, and the LAN is in trouble just now |
/// | five after 5 s | a switch port that was blocked learns only now; keepalived does it too |
const OFFSETS: [Duration; 10] = [
    Duration::ZERO,
    Duration::from_millis(20),
    Duration::from_millis(40),
    Duration::from_millis(60),
    Duration::from_millis(80),
    Duration::from_millis(5_000),
    Duration::from_millis(5_020),
    Duration::from_millis(5_040),
    Duration::from_millis(5_060),
    Duration::from_millis(5_080),
];

/// How many frames go out back to back, and the pause after them: 600 addresses
/// may not fill a switch's ARP queue at once.
const BATCH: usize = 32;
const PAUSE: Duration = Duration::from_millis(1);

/// The announcements that are still to be made.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// Start and next offset, by address.
    pending: BTreeMap<Place, (Instant, usize)>,
    not_before: Option<Instant>,
}

impl Schedule {
    /// Begins anew with an address.
    pub(super) fn start(&mut self, now: Instant, place: Place) {
        self.pending.insert(place, (now, 0));
    }

    /// Drops the addresses that are no longer to be announced.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&Place) -> bool) {
        self.pending.retain(|place, _| is_wanted(place));
    }

    /// Whether an address was announced since it was last begun with.
    pub(super) fn is_announced(&self, place: &Place) -> bool {
        self.pending.get(place).is_none_or(|(_, next)| *next > 0)
    }

    /// When the next announcement is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = self.pending.values().map(|progress| at(*progress)).min()?;
        Some(self.not_before.map_or(due, |pause| due.max(pause)))
    }

    /// Takes the announcements that are due, a batch at most.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Place> {
        if self.not_before.is_some_and(|pause| now < pause) {
            return vec![];
        }
        let mut due: Vec<_> = self
            .pending
            .iter()
            .filter(|(_, progress)| at(**progress) <= now)
            .map(|(place, progress)| (at(*progress), place.clone()))
            .collect();
        due.sort();
        due.truncate(BATCH);
        for (_, place) in &due {
            self.advance(place);
        }
        self.not_before = (due.len() == BATCH).then_some(now + PAUSE);
        due.into_iter().map(|(_, place)| place).collect()
    }

    fn advance(&mut self, place: &Place) {
        if let Some((_, next)) = self.pending.get_mut(place) {
            *next += 1;
            if *next == OFFSETS.len() {
                self.pending.remove(place);
            }
        }
    }
}

/// `next` is within the table: [`Schedule::advance`] removes what is beyond.
fn at((start, next): (Instant, usize)) -> Instant {
    start + OFFSETS[next]
}

#[cfg(test)]
mod tests;
