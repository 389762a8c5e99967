//! What the rest of the host thinks of a router's fitness to be master.

use std::collections::BTreeSet;

use super::Priority;

/// What trackers and the director itself make of a virtual router. The default
/// is no influence at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Influence {
    /// Why it must not be master, by name; any such reason is a fault.
    pub faults: BTreeSet<String>,
    /// What is added to the configured priority.
    pub priority: i16,
}

impl Influence {
    /// The priority that a router runs with: within 1..=254, for 0 and 255 mean
    /// something else (RFC 9568 §5.2.4). An owner stays one.
    pub fn effective(&self, configured: Priority) -> Priority {
        if configured == Priority::OWNER {
            return configured;
        }
        let sum = i16::from(configured.get()).saturating_add(self.priority);
        let clamped = u8::try_from(sum.clamp(1, 254)).unwrap_or(1);
        Priority::try_from(clamped).unwrap_or(configured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_priority_stays_within_1_and_254_and_an_owner_stays_one() {
        let effective = |configured: u8, priority| {
            let influence = Influence {
                priority,
                ..Influence::default()
            };
            influence.effective(configured.try_into().unwrap()).get()
        };
        assert_eq!(effective(100, 0), 100);
        assert_eq!(effective(100, -30), 70);
        assert_eq!(effective(100, -100), 1);
        assert_eq!(effective(100, i16::MIN), 1);
        assert_eq!(effective(100, 155), 254);
        assert_eq!(effective(254, i16::MAX), 254);
        assert_eq!(effective(255, -100), 255);
    }
}
