//! What a router is told, what it asks for, and what others see of it.

use std::net::IpAddr;

use super::text::{LinkFault, Notice};
use crate::vrrp::Settings;
use crate::vrrp::advert::Forms;
use crate::vrrp::group::Order;
use crate::vrrp::influence::Influence;
use crate::vrrp::receive::Heard;

/// What happens to a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Start taking part.
    Startup,
    /// An advert of this virtual router that passed every check.
    Heard(Heard),
    /// The deadline has come.
    Deadline,
    /// Packets came in that nobody will ever see: the socket was full. Adverts may have
    /// been among them. Told before a deadline that they came before.
    Dropped {
        /// How many since the last time.
        packets: u64,
    },
    /// The interface can carry adverts, and this is its primary address.
    LinkUp {
        /// The address that adverts come from.
        address: IpAddr,
    },
    /// The interface cannot carry adverts.
    LinkDown(LinkFault),
    /// What is thought of its fitness from now on.
    Influence(Influence),
    /// Every address of the last [`Action::ClaimVips`] or
    /// [`Action::AnnounceVips`] is on its interface, and announced once.
    VipsHeld,
    /// Every address is on its interface since an earlier run, which was master when
    /// it ended without a word. Told once, soon after the start.
    VipsLeft,
    /// Whether this host has what it takes to serve: until then a router leaves
    /// a working master alone. One that was told nothing has it.
    Ready(bool),
    /// Hand mastership over, and leave it to others while there are any.
    Yield,
    /// Take part as configured again, and take back from a lesser master now.
    Reclaim,
    /// What its sync group wants of it.
    Group(Order),
    /// Stop taking part. It has stopped when [`Router::is_idle`](super::Router::is_idle).
    Shutdown,
    /// Go on with other settings. VRID and version stay: a router that changes
    /// these is another one.
    Reconfigure(Settings),
}

/// What the driver must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send an advert.
    SendAdvert {
        /// From this address.
        source: IpAddr,
        /// With this priority: the one it runs with, or 0.
        priority: u8,
        /// With these forms of checksum.
        forms: Forms,
    },
    /// Put the configured addresses on the interface, and announce them.
    ClaimVips,
    /// Announce the addresses again: others have seen another master.
    AnnounceVips,
    /// Take the addresses off the interface.
    ReleaseVips,
    /// Tell people.
    Report(Notice),
}

/// The state of a router, as people know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not taking part.
    Initialize,
    /// The interface cannot carry adverts, or the host is not fit.
    Fault,
    /// Listening for a master.
    Backup,
    /// Holds the addresses.
    Master,
}

/// What a router is about, within its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing but what the state says.
    Steady,
    /// A backup that claims the addresses, and then preempts.
    TakingOver,
    /// A master that has resigned, and serves until a successor is heard.
    HandingOver,
    /// A backup that leaves mastership to others because it was asked to.
    Yielded,
    /// A backup that would be master, if the rest of its group could be.
    WaitsForGroup,
}

/// What must become of the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// On the interface.
    Hold,
    /// As they are: nobody has been heard yet, so what a crash left behind
    /// still works, and may turn out to be ours.
    Undecided,
    /// As they are, unannounced: another router takes over, and what is still
    /// on its way to this host is served until it has.
    Keep,
    /// Not on the interface.
    Release,
}

/// Another router of the same virtual router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Peer {
    /// Its primary address.
    pub address: IpAddr,
    /// Its priority, as last heard.
    pub priority: u8,
}
