//! What a scenario is, and the lab it is given.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::host::Host;
use super::journal::Journal;
use super::lan::Lan;
use super::wait::secs;

/// A scenario: a name that is a sentence, a function, and what it needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Lab),
    pub(crate) needs: Needs,
    /// How long it may take, on hardware.
    pub(crate) limit: Duration,
    /// Whether its kernel must have nf_tables, or must not.
    pub(crate) nftables: Option<bool>,
    /// No other runs beside it: it would starve them of the kernel's one processor.
    pub(crate) alone: bool,
}

/// What a scenario needs of its kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// IPVS, with its modules loaded.
    Ipvs,
    /// Nothing that any Linux lacks.
    AnyLinux,
    /// A boot of its own under systemd, without IPVS until somebody asks the kernel for it, and
    /// with lvsd as `make install` puts it there. These files (name, text) join it: units, of
    /// which those with an `[Install]` section are enabled, and, with a name that is a whole
    /// path, any other file. A unit without a text is lvsd's own, to be enabled.
    Systemd(&'static [(&'static str, &'static str)]),
}

/// Names a scenario's function: `scenario!(the_vip_moves)`, then perhaps `.on_any_linux()`.
macro_rules! scenario {
    ($function:ident) => {
        $crate::lab::scenario::Scenario::new(stringify!($function), $function)
    };
}
pub(crate) use scenario;

impl Scenario {
    /// A scenario that needs IPVS and at most two minutes.
    pub(crate) const fn new(name: &'static str, run: fn(&Lab)) -> Self {
        Self {
            name,
            run,
            needs: Needs::Ipvs,
            limit: secs(120),
            nftables: None,
            alone: false,
        }
    }

    /// It needs no IPVS: in `LVSD_LAB=native` it runs on any Linux.
    pub(crate) const fn on_any_linux(mut self) -> Self {
        self.needs = Needs::AnyLinux;
        self
    }

    /// It runs only on kernels with nf_tables, which user-mode Linux is not.
    pub(crate) const fn with_nftables(mut self) -> Self {
        self.nftables = Some(true);
        self
    }

    /// It runs only on kernels without nf_tables.
    pub(crate) const fn without_nftables(mut self) -> Self {
        self.nftables = Some(false);
        self
    }

    /// It runs in a boot of its own under systemd, with these files installed.
    pub(crate) const fn under_systemd(
        mut self,
        units: &'static [(&'static str, &'static str)],
    ) -> Self {
        self.needs = Needs::Systemd(units);
        self
    }

    /// It keeps a processor busy, so no other scenario runs beside it.
    pub(crate) const fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// It may take this long, on hardware.
    pub(crate) const fn limited_to(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

/// The lab as one scenario sees it: its own switches and hosts, and a place to narrate.
#[derive(Debug, Clone)]
pub(crate) struct Lab {
    journal: Arc<Journal>,
    hosts: Arc<Mutex<Vec<Host>>>,
}

impl Lab {
    pub(super) fn open(directory: &Path, live: bool) -> Self {
        Self {
            journal: Arc::new(Journal::open(directory, live)),
            hosts: Arc::default(),
        }
    }

    /// A new LAN with nobody on it. Scenarios may use the same addresses side by side.
    pub(crate) fn lan(&self) -> Lan {
        Lan::new(Arc::clone(&self.journal), Arc::clone(&self.hosts))
    }

    /// Narrates, with the time since the scenario began: printed at once in the demo, kept for
    /// the report else.
    pub(crate) fn say(&self, text: &str) {
        self.journal.say(text);
    }

    /// Every host so far.
    pub(crate) fn hosts(&self) -> Vec<Host> {
        self.hosts.lock().unwrap().clone()
    }

    pub(super) fn narration(&self) -> String {
        self.journal.narration()
    }

    /// What a failure prints: the narration, the state of every host, and every log.
    pub(super) fn describe(&self) -> String {
        let hosts: String = self.hosts().iter().map(Host::describe).collect();
        format!("{}{hosts}{}", self.narration(), self.journal.logs())
    }

    /// Ends every host with all that runs in it, and removes the files.
    pub(super) fn close(&self) {
        self.hosts().iter().for_each(Host::close);
        self.journal.close();
    }
}
