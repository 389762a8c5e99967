//! Tables as text, in the format of `ipvsadm -Sn`: each reads the other's.
//!
//! ```text
//! -A -t 192.168.1.200:80 -s wrr -p 60
//! -a -t 192.168.1.200:80 -r 192.168.1.53:80 -g -w 3
//! ```
//!
//! A line is the arguments of one `ipvsadm` command, so a file written by hand
//! may say the same in many ways; [`parse`] takes all of them, [`write()`] has
//! one. Connection thresholds (`-x`, `-y`) are written too, which `ipvsadm -S`
//! forgets and `ipvsadm -R` takes.

use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;

use super::table::Table;
use crate::lvs::VirtualServerId;

mod line;
mod parse;
mod write;

pub use parse::parse;
pub use write::write;

/// A table as it was saved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Saved {
    /// What the lines make.
    pub table: Table,
    /// The line that adds each virtual server, from 1.
    pub lines: BTreeMap<VirtualServerId, usize>,
}

/// Everything that is wrong with a saved table.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct Malformed(pub Vec<BadLine>);

/// A line that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// From 1.
    pub number: usize,
    /// Why.
    pub fault: String,
}

/// One line per fault: `line 12: there is no option -Q`.
impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, BadLine { number, fault }) in self.0.iter().enumerate() {
            let separator = if index > 0 { "\n" } else { "" };
            write!(f, "{separator}line {number}: {fault}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
