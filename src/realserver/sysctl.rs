//! The kernel parameters that keep a real server silent about its VIP: which,
//! what they must be, and what to write when they are not.

use std::collections::BTreeMap;

use crate::lvs::Forwarding;
use crate::sys::sysctl::Key;

/// What a parameter must be.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// `all`, or an interface.
    interface: &'static str,
    name: &'static str,
    /// What is written if it is not right.
    pub wanted: i32,
    /// Other values that do as well and are left alone.
    also: &'static [i32],
    /// Whom the rule is for.
    forwarding: Option<Forwarding>,
    /// Why it must be so.
    pub why: &'static str,
}

/// Every parameter the agent sets.
///
/// The kernel uses the larger of the values for `all` and for the interface that
/// a packet comes in or goes out by, so `all` covers every NIC.
const RULES: [Rule; 5] = [
    Rule {
        interface: "all",
        name: "arp_ignore",
        wanted: 1,
        // 2 asks for more. 8 would answer for no address at all, the RIP
        // included; 3 hides only addresses of scope host; 4 to 7 mean 0.
        also: &[2],
        forwarding: None,
        why: "ARP for the VIP is answered by the director alone",
    },
    Rule {
        interface: "all",
        name: "arp_announce",
        wanted: 2,
        // 1 still announces a VIP of the neighbour's network; above 2 means 0.
        also: &[],
        forwarding: None,
        why: "ARP requests sent from here never name the VIP, which would lead the router here",
    },
    Rule {
        interface: "lo",
        name: "arp_ignore",
        wanted: 1,
        also: &[2],
        forwarding: None,
        why: "as on all; `lo` itself never gets ARP, yet every LVS guide sets it and tools look for it",
    },
    Rule {
        interface: "lo",
        name: "arp_announce",
        wanted: 2,
        also: &[],
        forwarding: None,
        why: "as on all, and as every LVS guide has it",
    },
    Rule {
        interface: "tunl0",
        name: "rp_filter",
        wanted: 2,
        // Not 0: with 1 on `all` that would still be strict.
        also: &[],
        forwarding: Some(Forwarding::IPIP),
        why: "packets come in by the tunnel and answers leave by another interface",
    },
];

impl Rule {
    /// The parameter it is about.
    pub fn key(&self) -> Key {
        Key::ipv4_conf(self.interface, self.name)
    }

    /// Tells whether a value is right.
    pub fn accepts(&self, value: i32) -> bool {
        value == self.wanted || self.also.contains(&value)
    }
}

/// The rules that hold, by parameter.
pub type Wanted = BTreeMap<Key, &'static Rule>;

/// The rules for a host with an IPv4 VIP. (An IPv6 VIP on `lo` needs none: the
/// kernel answers neighbour solicitations for addresses of the interface only.)
pub fn wanted(forwarding: Forwarding) -> Wanted {
    RULES
        .iter()
        .filter(|rule| rule.forwarding.is_none_or(|only| only == forwarding))
        .map(|rule| (rule.key(), rule))
        .collect()
}

/// What a parameter was before the first start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Original {
    /// Its value then.
    pub value: i32,
    /// Whether it was written since, so that it must be put back.
    pub changed: bool,
}

/// A value to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub key: Key,
    /// What was found there.
    pub from: i32,
    /// What is to be there.
    pub to: i32,
}

/// The writes that make every wanted parameter right and put back every changed
/// one that is not wanted any more. A value that is right already is left alone,
/// and so is a parameter this kernel does not have.
pub fn plan(
    found: &BTreeMap<Key, i32>,
    wanted: &Wanted,
    originals: &BTreeMap<Key, Original>,
) -> Vec<Write> {
    let write = |key: &Key, from: i32, to: i32| Write {
        key: key.clone(),
        from,
        to,
    };
    let set = wanted.iter().filter_map(|(key, rule)| {
        let from = *found.get(key)?;
        (!rule.accepts(from)).then(|| write(key, from, rule.wanted))
    });
    let restore = originals.iter().filter_map(|(key, original)| {
        let from = *found.get(key)?;
        let differs = original.changed && from != original.value;
        (differs && !wanted.contains_key(key)).then(|| write(key, from, original.value))
    });
    set.chain(restore).collect()
}

/// The parameters whose value on each interface must be known to judge
/// [`exposed`].
pub const PER_INTERFACE: [&str; 2] = ["arp_ignore", "arp_announce"];

/// What an interface's own value spoils although `all` is right: the kernel takes
/// the larger of the two, and some larger values protect less. These are the
/// administrator's and are not written; the agent is not ready until they are gone.
///
/// `arp_ignore = 8` is no fault here: it hides the VIP, and an interface that must
/// not answer ARP at all is somebody's intention.
pub fn exposed(found: &BTreeMap<Key, i32>, interface: &str) -> Vec<String> {
    PER_INTERFACE
        .iter()
        .filter_map(|name| {
            let key = Key::ipv4_conf(interface, name);
            let own = *found.get(&key)?;
            let all = *found.get(&Key::ipv4_conf("all", name))?;
            let spoilt = match *name {
                "arp_ignore" => own > all && !matches!(own, 1 | 2 | 8),
                _ => own > all && own != 2,
            };
            spoilt.then(|| {
                format!("{key} is {own}, which outdoes {all} on all and lets {interface} tell the LAN about the VIP: set it to 0")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
