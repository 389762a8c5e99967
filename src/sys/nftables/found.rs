//! What is found of a table.

use std::collections::BTreeSet;

use super::Count;

/// What the kernel has of a table that is made for things of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Found<T> {
    /// No such table.
    #[default]
    Absent,
    /// A table that does something else.
    Damaged,
    /// The table as it is made.
    Whole {
        /// For these.
        held: BTreeSet<T>,
        /// What its rules have counted since it was made.
        counted: Count,
    },
}

impl<T: Ord> Found<T> {
    /// For what it does its work for sure; none: for nothing.
    pub fn held(&self) -> Option<&BTreeSet<T>> {
        match self {
            Self::Whole { held, .. } => Some(held),
            Self::Absent | Self::Damaged => None,
        }
    }

    /// What it has counted; none: it is not there as a whole.
    pub fn counted(&self) -> Option<Count> {
        match self {
            Self::Whole { counted, .. } => Some(*counted),
            Self::Absent | Self::Damaged => None,
        }
    }

    /// Whether it is as the other one but for what it counted.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self.held(), other.held()) {
            (Some(held), Some(others)) => held == others,
            _ => self == other,
        }
    }

    /// The same in other words.
    pub(super) fn translated<U>(
        &self,
        translate: impl FnOnce(&BTreeSet<T>) -> BTreeSet<U>,
    ) -> Found<U> {
        match self {
            Self::Absent => Found::Absent,
            Self::Damaged => Found::Damaged,
            Self::Whole { held, counted } => Found::Whole {
                held: translate(held),
                counted: *counted,
            },
        }
    }
}
