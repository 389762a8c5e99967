//! When a pool is strong enough to serve.

use crate::config::rules::Rules;

/// Whether a pool has its quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Quorum {
    /// The first checks are under way, and could still decide either way.
    #[default]
    Undecided,
    /// It has.
    Up,
    /// It has not.
    Down,
}

impl Quorum {
    /// The word for logs and status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Undecided => "undecided",
            Self::Up => "up",
            Self::Down => "down",
        }
    }

    /// The quorum, now that servers of this weight are usable and others may
    /// yet turn out to be. `before`: what was usable when it was asked last.
    ///
    /// As keepalived has it: gained at `quorum + hysteresis`, lost below
    /// `quorum - hysteresis` or at nothing. The first decision has no state to
    /// stick to and takes the quorum itself; it waits for pending servers unless
    /// that leaves nobody where somebody served.
    pub(super) fn next(self, rules: &Rules, before: u64, weight: u64, pending: u64) -> Self {
        let (quorum, hysteresis) = (u64::from(rules.quorum), u64::from(rules.hysteresis));
        let is_up = match self {
            Self::Undecided
                if weight < quorum && weight + pending >= quorum && (weight > 0 || before == 0) =>
            {
                return Self::Undecided;
            }
            Self::Undecided => weight >= quorum,
            Self::Up => weight > 0 && weight >= quorum.saturating_sub(hysteresis),
            Self::Down => weight >= quorum + hysteresis,
        };
        if is_up { Self::Up } else { Self::Down }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(quorum: u32, hysteresis: u32) -> Rules {
        Rules {
            quorum,
            hysteresis,
            ..Rules::default()
        }
    }

    #[test]
    fn a_quorum_is_gained_above_and_lost_below_the_hysteresis() {
        let rules = rules(5, 2);
        for (from, weight, to) in [
            (Quorum::Up, 3, Quorum::Up),
            (Quorum::Up, 2, Quorum::Down),
            (Quorum::Down, 6, Quorum::Down),
            (Quorum::Down, 7, Quorum::Up),
        ] {
            assert_eq!(
                from.next(&rules, 9, weight, 100),
                to,
                "{from:?} at {weight}"
            );
        }
    }

    #[test]
    fn nothing_usable_is_no_quorum_whatever_the_hysteresis() {
        assert_eq!(Quorum::Up.next(&rules(1, 1), 1, 0, 0), Quorum::Down);
    }

    #[test]
    fn the_first_decision_waits_as_long_as_checks_under_way_could_change_it() {
        let rules = rules(3, 0);
        let first = |weight, pending| Quorum::Undecided.next(&rules, 0, weight, pending);
        assert_eq!(first(0, 3), Quorum::Undecided);
        assert_eq!(first(3, 0), Quorum::Up);
        assert_eq!(first(1, 1), Quorum::Down, "out of reach");
        let lost = Quorum::Undecided.next(&rules, 1, 0, 3);
        assert_eq!(lost, Quorum::Down, "the only one that served is gone");
    }
}
