//! The VIP keeper: puts the addresses of virtual routers on interfaces and takes
//! them off, announces them, and watches the interfaces for the VRRP thread.
//!
//! ```text
//!  [lvsd-vrrp] ──watch: VrrpStatus──► [lvsd-vips] ──watch: VipsStatus──► director
//!       ▲                                │  ▲  │
//!       └LinkChanged, VipsHeld, VipsLeft─┘  │  └──gratuitous ARP──► LAN
//!                                        rtnetlink
//! ```
//!
//! It has a thread and a runtime of its own, so that the kernel's answers delay
//! nobody. Whatever happens – a new state, a change of a link or an address, a
//! retry – the same path runs: list links and addresses, compare with what is
//! wanted, apply the difference. An address that somebody deleted is back at
//! once that way, and so is one whose interface came back.
//!
//! # What is whose
//!
//! lvsd removes the addresses that it added and no other. So it writes an
//! address down in `director-vips.json` before it adds it. After a crash the
//! addresses in that file are lvsd's: they stay where they are while the virtual
//! router listens, are adopted if it becomes master, and go as soon as another
//! master is heard. It is told, because it listens for a shorter time then. An
//! interface is known by its index, too, which stays when it is renamed.
//!
//! # Accept mode
//!
//! Where it is off, packets to an address are dropped from before it is claimed
//! until after it is released. The filter is a thing like the address, so it is
//! put back and adopted like one; all of it changes in one message to the kernel.
//!
//! # Who else has a VIP
//!
//! Of the addresses it holds it asks the LAN now and then, and tells who else
//! answers: a real server, or a director that VRRP does not hear. Clients come
//! first: the claim and its announcements never wait for that.

mod announce;
mod confirm;
mod conflict;
mod holding;
mod keeper;
mod kernel;
mod left;
mod link;
mod log;
mod names;
mod plan;
mod sentry;
mod vipless;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{Notify, watch};

use super::vrrp::{InstanceStatus, VrrpHandle};
use crate::config::director::VrrpInstance;
use crate::lvs::Prefixed;
use crate::pulse::Pulse;
use crate::status::director::{self as status, VipConflict};
use crate::sys::neighbour::Mac;
use crate::sys::nftables::Count;
use crate::sys::realtime::Thread;
use crate::sys::rtnetlink::{self, Rtnetlink};
use crate::sys::state_file::{self, StateFile};
use crate::vrrp::router::Claim;
pub use holding::{Holding, Place};
use names::Owned;

/// What the keeper did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VipsStatus {
    /// What is where a master wants it.
    pub held: BTreeSet<Holding>,
    /// What something is wrong with, and what.
    pub problems: BTreeMap<Holding, String>,
    /// What no master wants and is there all the same, put there by somebody else.
    pub foreign: BTreeSet<Holding>,
    /// The addresses that others on the LAN say to have as well, and who.
    pub conflicts: BTreeMap<Place, BTreeSet<Mac>>,
    /// Packets to the addresses that were dropped because accept mode is off; none:
    /// nothing is dropped.
    pub dropped: Option<Count>,
    /// What keeps it from working at all; it tries on.
    pub error: Option<String>,
    /// It has ended, and released what it had added.
    pub stopped: bool,
}

impl VipsStatus {
    /// Whether a thing is where a master wants it.
    pub fn holds(&self, place: &Place) -> bool {
        self.held.contains(&Holding::Address(place.clone()))
    }

    /// The addresses that are where a master wants them.
    pub fn places(&self) -> BTreeSet<Place> {
        self.held
            .iter()
            .filter_map(Holding::place)
            .cloned()
            .collect()
    }

    /// What is wrong with what a virtual router holds.
    pub fn problems_of(&self, instance: &InstanceStatus) -> Vec<String> {
        let things = instance.things();
        let problems = things.filter_map(|holding| self.problems.get(&holding).cloned());
        let conflicts = self.conflicts_of(instance);
        problems
            .chain(conflicts.map(|(place, mac)| conflict::describe(place, mac)))
            .chain(self.error.clone())
            .collect()
    }

    /// The addresses of a virtual router that others have as well, and who.
    pub fn describe_conflicts_of(&self, instance: &InstanceStatus) -> Vec<VipConflict> {
        let conflicts = self.conflicts_of(instance);
        let described = conflicts.map(|(place, mac)| VipConflict {
            address: place.address.address,
            mac: conflict::text(mac),
        });
        described.collect()
    }

    /// What was dropped because accept mode is off.
    pub fn describe_dropped(&self) -> Option<status::Dropped> {
        self.dropped
            .map(|Count { packets, bytes }| status::Dropped { packets, bytes })
    }

    /// What comes and goes with the mastership of a virtual router.
    pub fn describe_holdings_of(&self, instance: &InstanceStatus) -> Vec<status::Holding> {
        let wanted = instance.claim == Claim::Hold;
        let described = instance.things().map(|holding| status::Holding {
            kind: holding.kind().to_owned(),
            name: holding.to_string(),
            state: match self.held.contains(&holding) {
                true => "held",
                false if wanted => "missing",
                false if self.foreign.contains(&holding) => "foreign",
                false => "released",
            }
            .to_owned(),
        });
        described.collect()
    }

    fn conflicts_of(&self, instance: &InstanceStatus) -> impl Iterator<Item = (&Place, Mac)> {
        let places: BTreeSet<_> = match self.conflicts.is_empty() {
            true => BTreeSet::new(),
            false => instance.places().collect(),
        };
        let conflicts = self.conflicts.iter();
        conflicts
            .filter(move |(place, _)| places.contains(place))
            .flat_map(|(place, others)| others.iter().map(move |mac| (place, *mac)))
    }
}

/// Why the keeper could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The thread or its runtime.
    #[error("cannot start the VIP keeper")]
    Start(#[source] io::Error),
    /// The kernel's interface.
    #[error("cannot start the VIP keeper")]
    Netlink(#[source] rtnetlink::Error),
    /// The socket that announcements go through.
    #[error("cannot open the socket for gratuitous ARP")]
    Announce(#[source] io::Error),
    /// The file of an earlier run.
    #[error(transparent)]
    StateFile(#[from] state_file::Error),
    /// A virtual address is on another interface of this host, where it would
    /// stay when another director is master.
    #[error(
        "cannot put {} on {}: this host has it on {} already",
        place.address.address, place.interface, there.interface
    )]
    Elsewhere {
        /// Where it belongs.
        place: Place,
        /// Where it is.
        there: Place,
    },
}

/// Looks for virtual addresses that are on another interface of this host: a
/// director that cannot hold them must not become master. Needs a tokio runtime.
///
/// # Errors
/// The first such address, or what kept it from looking.
pub async fn refuse_held_elsewhere(
    instances: &BTreeMap<String, VrrpInstance>,
    runtime_dir: &Path,
) -> Result<(), Error> {
    let owned = state_file(runtime_dir).load()?;
    let netlink = Rtnetlink::open().map_err(Error::Netlink)?;
    let kernel = kernel::Kernel {
        links: netlink.links().await.map_err(Error::Netlink)?,
        addresses: netlink.addresses().await.map_err(Error::Netlink)?,
        ..kernel::Kernel::default()
    };
    let places = instances.values().flat_map(|instance| {
        let place = |address| Place::of(&instance.interface, &instance.holdings, address);
        instance.addresses.iter().map(place)
    });
    match plan::held_elsewhere(places, &owned.now(&kernel), &kernel) {
        Some((place, there)) => Err(Error::Elsewhere { place, there }),
        None => Ok(()),
    }
}

/// What lvsd has added.
fn state_file(runtime_dir: &Path) -> StateFile<Owned> {
    StateFile::new(runtime_dir.join("director-vips.json"))
}

/// The running VIP keeper.
#[derive(Debug)]
pub struct VipsHandle {
    /// The newest state.
    pub status: watch::Receiver<Arc<VipsStatus>>,
    /// Ends after [`shutdown`](Self::shutdown), when the addresses are released.
    pub join: JoinHandle<()>,
    /// The thread.
    pub thread: Thread,
    stop: Arc<Notify>,
}

impl VipsHandle {
    /// Asks the keeper to release every address that it added, and to end. Call
    /// it when the VRRP thread has resigned, or clients are sent to a host that
    /// no longer takes their packets.
    pub fn shutdown(&self) {
        self.stop.notify_one();
    }
}

/// The addresses that the director of a runtime directory has put on interfaces, for
/// whoever else on this host must know that they are no stranger's.
#[derive(Debug, Default)]
pub struct Placed(Owned);

impl Placed {
    /// As its file has it. One that cannot be read is the director's to complain about.
    pub fn read(runtime_dir: &Path) -> Self {
        Self(state_file(runtime_dir).load().unwrap_or_default())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.things.is_empty()
    }

    /// Those on the interface of this index, which has this name now.
    pub fn on(&self, index: u32, name: &str) -> impl Iterator<Item = Prefixed> {
        self.0.on(index, name)
    }
}

/// Starts the keeper in the network namespace of the caller. `runtime_dir` must
/// exist.
///
/// It reads the file of an earlier run and tells the VRRP thread of every
/// interface that a virtual router is configured on.
///
/// `pulse` beats as long as the thread does not stand still.
pub fn spawn(runtime_dir: &Path, vrrp: &VrrpHandle, pulse: Pulse) -> Result<VipsHandle, Error> {
    let (publisher, status) = watch::channel(Arc::default());
    let stop = Arc::new(Notify::new());
    let (ready, started) = std::sync::mpsc::channel();
    let (tell, told) = std::sync::mpsc::channel();
    let config = keeper::Config {
        store: state_file(runtime_dir),
        vrrp: vrrp.status.clone(),
        commands: vrrp.commands.clone(),
        publisher,
        stop: Arc::clone(&stop),
        pulse,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Start)?;
    let join = std::thread::Builder::new()
        .name("lvsd-vips".into())
        .spawn(move || {
            let _ = tell.send(Thread::current());
            runtime.block_on(keeper::run(config, &ready));
        })
        .map_err(Error::Start)?;
    let ended = || Error::Start(io::Error::other("its thread ended"));
    let thread = told.recv().map_err(|_| ended())?;
    match started.recv() {
        Ok(Ok(())) => Ok(VipsHandle {
            status,
            join,
            thread,
            stop,
        }),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(ended()),
    }
}
