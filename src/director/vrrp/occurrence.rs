//! What happens to virtual routers, for hooks and for whoever follows.

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::vrrp::router::{Notice, Peer, State};

/// Something that happened to a virtual router.
///
/// Of each router, and of all of them together, every one comes, once and in the
/// order in which they happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// When.
    pub at: Timestamp,
    /// The virtual router's name.
    pub instance: String,
    /// The interface that it runs on.
    pub interface: String,
    /// The state afterwards; the one before is in [`Notice::Changed`].
    pub state: State,
    /// The priority that it runs with.
    pub priority: u8,
    /// The version of VRRP that it speaks.
    pub version: u8,
    /// The other router that is master now, or is another master.
    pub peer: Option<Peer>,
    /// What.
    pub notice: Notice,
}

/// Where they come from. Nobody may let them wait for long: what is not taken is
/// kept in memory.
pub type Occurrences = mpsc::UnboundedReceiver<Occurrence>;

/// Where the thread leaves them. Never blocks.
pub(super) type Outlet = mpsc::UnboundedSender<Occurrence>;
