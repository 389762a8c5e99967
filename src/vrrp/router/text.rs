//! What a router tells people: state changes with their cause, and sightings of
//! other masters.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::{Peer, Phase, State};
use crate::vrrp::refused::Refused;

/// Something worth a line in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The state changed.
    Changed(Transition),
    /// We are master and heard another master, of lesser rank.
    RivalHeard(Peer),
    /// We are master, and so is another router, whose adverts are discarded.
    RivalRefused(Refused),
    /// The other master resigned or fell silent.
    RivalGone(Peer),
    /// The master down timer was handled late: the router listens once more
    /// before it takes over.
    ListensAgain {
        /// By how much.
        late: Duration,
    },
    /// Nobody was heard, and packets were dropped before they could be: the router
    /// listens once more before it takes over, or goes on as a master that was starved.
    HeardTooLittle {
        /// How many were dropped.
        dropped: u64,
    },
    /// A master could not send its adverts for longer than a backup waits: it listens
    /// before it goes on.
    Starved {
        /// Since its last advert.
        silent: Duration,
    },
    /// A master has resigned, and serves on until it hears its successor.
    HandsOver {
        /// For how long at most.
        limit: Duration,
    },
    /// Another router than the first one heard has taken over from this one.
    OtherSuccessor(Peer),
    /// No successor was heard.
    NobodyTookOver {
        /// For how long it was waited for.
        waited: Duration,
    },
    /// A master that was handing over goes on: nobody took over, or there is no
    /// reason to any more.
    StaysMaster,
    /// A master must not be one any longer, and hands over.
    Unfit(Cause),
    /// It preempts although nobody said that its addresses are held.
    ClaimUnconfirmed,
}

/// One change of state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The old state.
    pub from: State,
    /// The new state.
    pub to: State,
    /// Why.
    pub cause: Cause,
}

/// Why a router is in its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// It has not been started.
    NotStarted,
    /// It was started, and listens.
    Started,
    /// It was started, or its interface came back, as owner of the addresses.
    Owner,
    /// Its interface came back; it listens.
    LinkUp,
    /// Its interface cannot carry adverts.
    LinkDown(LinkFault),
    /// Trackers, or the director itself, say that it must not be master.
    Unfit(BTreeSet<String>),
    /// What kept it from being master is over; it listens.
    Fit,
    /// It listened, and there is no master.
    NoMaster {
        /// For how long it listened.
        waited: Duration,
    },
    /// The master stopped sending.
    MasterSilent {
        /// The master, as last heard.
        peer: Peer,
        /// The time since then.
        silence: Duration,
    },
    /// The master sent priority 0.
    MasterResigned(IpAddr),
    /// The master has a lesser priority than we have.
    Preempts(Peer),
    /// The master has a lesser priority, and mastership was taken back by the
    /// operator.
    Reclaims(Peer),
    /// Mastership was handed to this router by the operator.
    HandedOver(Peer),
    /// A member of its group is in fault.
    GroupFault(String),
    /// A member of its group follows another master.
    Group(String),
    /// A router of greater priority, or of equal priority and greater address.
    Outranked(Peer),
    /// It was master, could not send for that long, and found another one.
    Succeeded {
        /// The other one.
        peer: Peer,
        /// Since its own last advert.
        silent: Duration,
    },
    /// It was stopped.
    Shutdown,
}

/// Why an interface cannot carry adverts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkFault {
    /// There is no interface of that name.
    #[error("no such interface")]
    Missing,
    /// The interface of that name has another one now.
    #[error("it was renamed to {0}")]
    Renamed(InterfaceName),
    /// It is set down.
    #[error("it is down")]
    Down,
    /// No cable, no peer, or a bridge without a working port.
    #[error("no carrier")]
    NoCarrier,
    /// It has no address that adverts could come from.
    #[error("it has no address of its own")]
    NoAddress,
    /// IPv6: without a link-local address there are no adverts.
    #[error("it has no IPv6 link-local address")]
    NoLinkLocal,
    /// IPv6: the kernel still asks whether somebody else has its address.
    #[error("duplicate address detection of its IPv6 address has not finished")]
    Tentative,
    /// IPv6: somebody else has its address.
    #[error("another host has its IPv6 address")]
    Duplicate,
    /// The configured `source_address` is not on it.
    #[error("source_address {0} is not on it")]
    NoSource(IpAddr),
    /// One of `unicast_peers` is an address of its own.
    #[error("{0}, one of unicast_peers, is its own address")]
    OwnPeer(IpAddr),
    /// The socket could not be opened; the errno says why.
    #[error("cannot open the VRRP socket on it: {}", std::io::Error::from_raw_os_error(*.0))]
    Socket(i32),
}

/// The name of an interface, in the 16 bytes (`IFNAMSIZ`) that the kernel has for it and
/// its NUL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceName([u8; 16]);

impl From<&str> for InterfaceName {
    /// What is longer than any name ends where a name must.
    fn from(name: &str) -> Self {
        let mut bytes = [0; 16];
        for (byte, of_name) in bytes.iter_mut().zip(name.bytes().take(15)) {
            *byte = of_name;
        }
        Self(bytes)
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.split(|byte| *byte == 0).next();
        f.write_str(&String::from_utf8_lossy(name.unwrap_or_default()))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Initialize => "initialize",
            Self::Fault => "fault",
            Self::Backup => "backup",
            Self::Master => "master",
        })
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Steady => "steady",
            Self::TakingOver => "taking over",
            Self::HandingOver => "handing over",
            Self::Yielded => "yielded",
            Self::WaitsForGroup => "waits for its group",
        })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with priority {}", self.address, self.priority)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted => write!(f, "not started yet"),
            Self::Started => write!(f, "started, listens for a master"),
            Self::Owner => write!(f, "owns the addresses"),
            Self::LinkUp => write!(f, "the interface works again, listens for a master"),
            Self::LinkDown(fault) => write!(f, "the interface does not work: {fault}"),
            Self::Unfit(faults) => write!(f, "must not be master: {}", list(faults)),
            Self::Fit => write!(f, "fit to be master again, listens for a master"),
            Self::NoMaster { waited } => write!(f, "no master heard for {}", Seconds(*waited)),
            Self::MasterSilent { peer, silence } => {
                write!(
                    f,
                    "master {} silent for {}",
                    peer.address,
                    Seconds(*silence)
                )
            }
            Self::MasterResigned(address) => write!(f, "master {address} resigned"),
            Self::Preempts(peer) => write!(f, "preempts {peer}"),
            Self::Reclaims(peer) => write!(f, "taken back from {peer}"),
            Self::HandedOver(peer) => write!(f, "handed over to {peer}"),
            Self::GroupFault(member) => write!(f, "{member} of its group is in fault"),
            Self::Group(member) => write!(f, "{member} of its group follows another master"),
            Self::Outranked(peer) => write!(f, "heard {peer}"),
            Self::Succeeded { peer, silent } => {
                write!(f, "was starved for {}, and heard {peer}", Seconds(*silent))
            }
            Self::Shutdown => write!(f, "stopped"),
        }
    }
}

impl Cause {
    /// The other router that had a part in it.
    pub fn peer(&self) -> Option<IpAddr> {
        match self {
            Self::MasterSilent { peer, .. }
            | Self::Preempts(peer)
            | Self::Reclaims(peer)
            | Self::HandedOver(peer)
            | Self::Succeeded { peer, .. }
            | Self::Outranked(peer) => Some(peer.address),
            Self::MasterResigned(address) => Some(*address),
            Self::NotStarted
            | Self::Started
            | Self::Owner
            | Self::LinkUp
            | Self::LinkDown(_)
            | Self::Unfit(_)
            | Self::Fit
            | Self::GroupFault(_)
            | Self::Group(_)
            | Self::NoMaster { .. }
            | Self::Shutdown => None,
        }
    }
}

fn list(names: &BTreeSet<String>) -> String {
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    names.join(", ")
}

/// `3.61 s`.
pub(crate) struct Seconds(pub(crate) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let centiseconds = (self.0.as_millis() + 5) / 10;
        write!(f, "{}.{:02} s", centiseconds / 100, centiseconds % 100)
    }
}
