//! What other directors have balanced and this host serves.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Packets that are hidden from IPVS, because another director sent them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peers {
    /// The other real servers of pools that this host is in, and by what they are known.
    pub known: Vec<PeerAddress>,
    /// Those whose hardware address is not known.
    pub unknown: Vec<IpAddr>,
    /// How many packets were hidden since the table was made.
    pub packets: u64,
    /// How many bytes they had.
    pub bytes: u64,
    /// How often the table was put right after somebody had changed it.
    pub repaired: u64,
}

/// A real server and its hardware address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerAddress {
    /// Its IP address.
    pub address: IpAddr,
    /// `02:00:00:00:00:52`
    pub mac: String,
}

/// How many real servers are named.
const MOST: usize = 3;

/// One line.
impl fmt::Display for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            known,
            unknown,
            packets,
            bytes,
            ..
        } = self;
        write!(
            f,
            "hidden from IPVS because another director had balanced them: {packets} packets \
             ({bytes} bytes)"
        )?;
        let known = known.iter();
        let known = known.map(|PeerAddress { address, mac }| format!("{address} at {mac}"));
        named(f, "known are ", known)?;
        let unknown = unknown.iter().map(IpAddr::to_string);
        named(f, "no hardware address is known of ", unknown)
    }
}

fn named(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    names: impl ExactSizeIterator<Item = String>,
) -> fmt::Result {
    let all = names.len();
    if all == 0 {
        return Ok(());
    }
    let first: Vec<_> = names.take(MOST).collect();
    write!(f, "; {what}{}", first.join(", "))?;
    match all.saturating_sub(MOST) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}
