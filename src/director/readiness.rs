//! Whether this host may relieve a director that serves: it must serve as well.
//!
//! What its checks know is worth nothing when it has just started, and little when
//! an interface was cut off: its servers were out of reach, and are found again
//! only by the next attempt. So it waits, then as now, until every check has been
//! asked and answered since, for [`SERVE_ANYWAY`] at most.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::health::verdict::Moment;

/// How long a working master of lower priority is left alone at most.
const SERVE_ANYWAY: Duration = Duration::from_secs(60);

/// What is waited for, if anything.
#[derive(Debug)]
pub(super) struct Readiness {
    /// Since when the checks must have answered.
    since: Option<Moment>,
    /// Which interfaces worked when they were last looked at.
    works: BTreeMap<String, bool>,
}

impl Readiness {
    /// Of a host that starts.
    pub(super) fn starting(now: Moment) -> Self {
        Self {
            since: Some(now),
            works: BTreeMap::new(),
        }
    }

    /// Looks at the interfaces of virtual routers, and whether each works; none:
    /// nobody knows yet. True: one failed or came back, and it waits anew.
    pub(super) fn see<'a>(
        &mut self,
        now: Moment,
        interfaces: impl Iterator<Item = (&'a String, Option<bool>)>,
    ) -> bool {
        let mut changed = false;
        for (name, works) in interfaces {
            let Some(works) = works else { continue };
            let before = self.works.insert(name.clone(), works);
            changed |= before.is_some_and(|before| before != works);
        }
        if changed {
            self.since = Some(now);
        }
        changed
    }

    /// Since when every check must have been asked and answered; none: nothing is
    /// waited for.
    pub(super) fn waits_since(&self) -> Option<Timestamp> {
        self.since.map(|since| since.wall)
    }

    /// When it waits no longer, whatever the checks do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.since.map(|since| since.at + SERVE_ANYWAY)
    }

    /// It has waited long enough.
    pub(super) fn done(&mut self) {
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock;

    fn moment(after: u64) -> Moment {
        let after = Duration::from_secs(after);
        Moment {
            at: clock::now() + after,
            wall: Timestamp::UNIX_EPOCH + after,
        }
    }

    #[test]
    fn a_host_waits_when_it_starts_and_again_when_an_interface_fails_and_comes_back() {
        let mut readiness = Readiness::starting(moment(0));
        let name = "eth0".to_owned();
        assert_eq!(readiness.waits_since(), Some(moment(0).wall));
        assert!(!readiness.see(moment(1), [(&name, None)].into_iter()));
        assert!(!readiness.see(moment(2), [(&name, Some(true))].into_iter()));
        readiness.done();
        assert_eq!(readiness.waits_since(), None);
        assert_eq!(readiness.deadline(), None);

        let fails = moment(3);
        assert!(readiness.see(fails, [(&name, Some(false))].into_iter()));
        assert_eq!(readiness.waits_since(), Some(fails.wall));
        assert_eq!(readiness.deadline(), Some(fails.at + SERVE_ANYWAY));
        assert!(!readiness.see(moment(4), [(&name, Some(false))].into_iter()));
        readiness.done();

        let returns = moment(5);
        assert!(readiness.see(returns, [(&name, Some(true))].into_iter()));
        assert_eq!(readiness.waits_since(), Some(returns.wall));
    }
}
