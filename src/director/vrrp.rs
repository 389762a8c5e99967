//! The VRRP thread: the driver of [`crate::vrrp::router`].
//!
//! ```text
//!  director ──Configure, Shutdown──┐
//!  VIP keeper ──LinkChanged────────┤ channel + eventfd
//!                                  ▼
//!   interfaces ◄──raw sockets──► [lvsd-vrrp] ──watch: VrrpStatus──► VIP keeper, director
//!                                  │
//!                                  ├──queue: Occurrence──► director (hooks, events)
//!                                  └──bounded channel──► [lvsd-vrrp-log] ──► tracing
//! ```
//!
//! Nothing in the thread waits but `ppoll`. It takes no lock that is held for
//! longer than an `Arc` is cloned, makes no netlink request, opens no file and
//! writes no log: a terminal that stopped reading would hold up the adverts. Old
//! configurations, which the core allocated, it has the log's thread free: the lock
//! of the core's arena may be held for long, as by `malloc_trim` after a reload.
//! Log lines go through a bounded channel to a thread of their own; when that
//! channel is full they are counted and dropped. Addresses are put on interfaces
//! by [`vips`](super::vips), which follows [`VrrpStatus`].
//!
//! One pass of the loop takes a bounded number of packets from each socket, then
//! the commands, then the deadlines. Packets come first because nobody may take
//! over, or go on as master, while another one's adverts wait in the socket; their
//! number is bounded because a flood may not hold up a master's adverts. After a
//! time in which the thread did not run, it reads all that waits.

mod instance;
mod interface;
mod lease;
mod link;
pub(super) mod log;
mod occurrence;
mod rejected;
mod status;
mod thread;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc as queue, watch};

use crate::config::director::VrrpInstance;
use crate::pulse::Pulses;
use crate::sys::realtime::Thread;
use crate::sys::wakeup::Wakeup;
use crate::vrrp::influence::Influence;
pub use link::{Addresses, Link};
pub use occurrence::{Occurrence, Occurrences};
pub use rejected::Rejections;
pub(super) use rejected::in_words;
pub use status::{
    InstanceCounters, InstanceStatus, InterfaceCounters, InterfaceStatus, PartStatus, VrrpStatus,
};

/// What the VRRP thread is told.
#[derive(Debug)]
pub enum Command {
    /// From now on run these virtual routers, by name. One whose interface,
    /// VRID or version changed is another: the old one hands over first. Any other
    /// change is made without leaving the state. One that is gone hands over, and
    /// is listed with [`REMOVED`] behind its name until it has.
    Configure(BTreeMap<String, VrrpInstance>),
    /// What an interface can do now. A virtual router on an interface that
    /// nobody has told of stays in state initialize.
    LinkChanged {
        /// The interface's name.
        interface: String,
        /// Its state.
        link: Link,
    },
    /// What trackers and the director think of a virtual router. It replaces
    /// what was thought before, all of it, and holds until it is replaced, also
    /// for a router that is configured only later.
    Influence {
        /// The virtual router's name.
        instance: String,
        /// The reasons why it must not be master, and what is added to its
        /// priority.
        influence: Influence,
    },
    /// Every address that the virtual router wants held is on its interface and
    /// has been announced once. Sent by the VIP keeper for each value of
    /// [`InstanceStatus::announcements`] that it sees with a claim to hold.
    VipsHeld {
        /// The virtual router's name.
        instance: String,
        /// The value that it was seen with: an older one means nothing.
        announcements: u64,
    },
    /// Every address of the virtual router is on its interface since an earlier run
    /// that crashed as master. Sent by the VIP keeper, once.
    VipsLeft {
        /// The virtual router's name.
        instance: String,
    },
    /// The virtual router wants its advertised addresses held, and not one of them
    /// can be: it must not be master until it is told `None`.
    CannotHold {
        /// The virtual router's name.
        instance: String,
        /// Why, and the way out.
        why: Option<String>,
    },
    /// Whether this host has what it takes to serve. While it has not, no virtual
    /// router takes over from a working master. Nothing told: it has.
    Ready(bool),
    /// How long a part of the director may stand still before no virtual router here may
    /// be master; none, and nothing told: for ever.
    StuckAfter(Option<Duration>),
    /// Hand mastership of a virtual router, and of its group, to others, and leave
    /// it to them until it is taken back or nobody else is master.
    Yield {
        /// The virtual router's name.
        instance: String,
    },
    /// Take part as configured again, and take mastership back from a lesser
    /// router now.
    Reclaim {
        /// The virtual router's name.
        instance: String,
    },
    /// Hand over everywhere, and end the thread when that is done. Asked once
    /// more: end it now.
    Shutdown,
}

/// What stands behind the name of a virtual router that is no longer configured,
/// while it hands over. No configured name has a space in it.
pub const REMOVED: &str = " (removed)";

/// Sends commands to the VRRP thread. Never blocks.
#[derive(Debug, Clone)]
pub struct Commands {
    sender: mpsc::Sender<Command>,
    wakeup: Wakeup,
}

impl Commands {
    /// Sends one. A thread that has ended takes no notice.
    pub fn send(&self, command: Command) {
        if self.sender.send(command).is_ok() {
            self.wakeup.signal();
        }
    }
}

/// The running VRRP thread.
#[derive(Debug)]
pub struct VrrpHandle {
    /// Where commands go.
    pub commands: Commands,
    /// The newest state. Whoever reads it clones the `Arc` at once: while it is
    /// borrowed, the thread cannot publish.
    pub status: watch::Receiver<Arc<VrrpStatus>>,
    /// Everything that happens, in order. It ends with the thread.
    pub occurrences: Occurrences,
    /// The thread.
    pub thread: Thread,
    /// Ends after [`Command::Shutdown`], when every master has handed over or
    /// waited for its `handover_timeout`.
    pub join: JoinHandle<()>,
}

/// Starts the thread in the network namespace of the caller, without any
/// virtual router. It watches the pulses from [`Command::StuckAfter`] on.
pub fn spawn(pulses: Pulses) -> io::Result<VrrpHandle> {
    let wakeup = Wakeup::new()?;
    let (sender, receiver) = mpsc::channel();
    let (publisher, status) = watch::channel(Arc::default());
    let log = log::spawn("lvsd-vrrp-log", log::write_line)?;
    let (outlet, occurrences) = queue::unbounded_channel();
    let thread = thread::VrrpThread::new(receiver, wakeup.clone(), publisher, outlet, log, pulses);
    let (tell, told) = mpsc::channel();
    let join = std::thread::Builder::new()
        .name("lvsd-vrrp".into())
        .spawn(move || {
            let _ = tell.send(Thread::current());
            thread.run();
        })?;
    Ok(VrrpHandle {
        thread: told.recv().map_err(io::Error::other)?,
        commands: Commands { sender, wakeup },
        status,
        occurrences,
        join,
    })
}

#[cfg(test)]
mod tests;
