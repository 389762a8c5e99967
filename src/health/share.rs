//! How much of its weight a server wants.

use std::fmt;

use crate::lvs::Weight;

/// How much of its weight a server wants, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u8);

impl Share {
    /// All of it, which is what a server wants that does not say.
    pub const FULL: Self = Self(100);
    /// No new connections; it serves those it has.
    pub const NONE: Self = Self(0);
    /// The smallest change that is followed. A load average wavers by less all
    /// the time, and each step is a write to the kernel on every director.
    pub const STEP: u8 = 5;

    /// A share of so many percent; none: there is no such share.
    pub fn percent(percent: u8) -> Option<Self> {
        (percent <= 100).then_some(Self(percent))
    }

    /// The percent.
    pub fn get(self) -> u8 {
        self.0
    }

    /// The share that is followed after this one: what was heard, if it differs
    /// by a step or crosses an end. None and all of it mean more than a number
    /// that is near them.
    #[must_use]
    pub fn follow(self, heard: Self) -> Self {
        let crosses = heard == Self::FULL || (heard == Self::NONE) != (self == Self::NONE);
        if crosses || self.0.abs_diff(heard.0) >= Self::STEP {
            heard
        } else {
            self
        }
    }

    /// This much of a weight, rounded to the nearest. Only a share of none makes
    /// a weight 0.
    pub fn of(self, weight: Weight) -> Weight {
        if self == Self::NONE {
            return Weight::ZERO;
        }
        let whole = u64::from(weight.get());
        let part = (whole * u64::from(self.0) + 50) / 100;
        let part = u32::try_from(part.max(1).min(whole)).unwrap_or(weight.get());
        Weight::reported(part)
    }
}

/// `40%`.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(percent: u8) -> Share {
        Share::percent(percent).unwrap()
    }

    #[test]
    fn a_weight_becomes_0_only_for_who_wants_nothing() {
        for (percent, weight, expected) in [
            (100, 65_535, 65_535),
            (100, 0, 0),
            (40, 100, 40),
            (40, 10, 4),
            (45, 10, 5),
            (44, 10, 4),
            (1, 10, 1),
            (1, 1, 1),
            (99, 1, 1),
            (50, 0, 0),
            (0, 65_535, 0),
            (0, 1, 0),
        ] {
            let weight = Weight::try_from(weight).unwrap();
            let found = share(percent).of(weight).get();
            assert_eq!(found, expected, "{percent}% of {weight}");
        }
    }

    #[test]
    fn a_small_change_is_not_followed_unless_it_reaches_or_leaves_an_end() {
        for (from, heard, expected) in [
            (50, 46, 50),
            (50, 54, 50),
            (50, 45, 45),
            (50, 55, 55),
            (97, 100, 100),
            (100, 97, 100),
            (100, 95, 95),
            (3, 0, 0),
            (0, 3, 3),
            (3, 1, 3),
        ] {
            let found = share(from).follow(share(heard));
            assert_eq!(found, share(expected), "{from} hears {heard}");
        }
    }

    #[test]
    fn there_is_no_share_above_all_of_it() {
        assert_eq!(Share::percent(101), None);
        assert_eq!(Share::percent(255), None);
    }
}
