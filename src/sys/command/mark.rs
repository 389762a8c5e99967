//! What everything that a program starts has in its environment, unless it is given
//! another one.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::clock;

/// The variable.
pub(super) const VARIABLE: &str = "LVSD_RUN";

static RUNS: AtomicU64 = AtomicU64::new(0);

/// One run of a program, told from all others, also from those of an earlier lvsd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark(String);

impl Mark {
    pub(super) fn new() -> Self {
        let number = RUNS.fetch_add(1, Ordering::Relaxed);
        let began = clock::wall().as_nanosecond();
        Self(format!("{}.{began}.{number}", std::process::id()))
    }

    /// The value of the variable.
    pub(super) fn value(&self) -> &str {
        &self.0
    }

    /// Whether a process has it, as far as lvsd may look: it may for its own user, and for
    /// others with `CAP_SYS_PTRACE`.
    pub(super) fn is_on(&self, pid: i32) -> bool {
        let environment = fs::read(format!("/proc/{pid}/environ"));
        environment.is_ok_and(|it| self.is_in(&it))
    }

    fn is_in(&self, environment: &[u8]) -> bool {
        let mut variables = environment.split(|byte| *byte == 0);
        variables.any(|it| {
            let value = it.strip_prefix(VARIABLE.as_bytes());
            value.and_then(|it| it.strip_prefix(b"=")) == Some(self.0.as_bytes())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_told_from_every_other_by_its_whole_mark() {
        let (mark, other) = (Mark::new(), Mark::new());
        let environment = format!("A=1\0{VARIABLE}={}\0B=2\0", mark.value());
        assert!(mark.is_in(environment.as_bytes()));
        assert!(!other.is_in(environment.as_bytes()));
        let longer = format!("{VARIABLE}={}1\0X{environment}", mark.value());
        assert!(mark.is_in(longer.as_bytes()));
        let alone = format!("{VARIABLE}={}1\0", mark.value());
        assert!(!mark.is_in(alone.as_bytes()));
        assert!(!mark.is_in(b""));
    }
}
