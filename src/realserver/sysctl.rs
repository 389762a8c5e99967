//! The kernel parameters that keep a real server silent about its VIP: which,
//! what they must be, and what to write when they are not.

use std::collections::BTreeMap;

use crate::sys::sysctl::Key;

/// Where a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The row `all` or `lo`.
    Row(&'static str),
    /// Every interface that speaks ARP.
    Speakers,
    /// Every tunnel that packets come out of.
    Tunnels,
}

/// How the kernel makes one value of that for `all` and that of the interface which
/// a packet comes in or goes out by: `IN_DEV_MAXCONF`, `IN_DEV_ORCONF` and
/// `IN_DEV_ANDCONF` of `<linux/inetdevice.h>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combine {
    /// The larger of the two.
    Max,
    /// Whether either is set.
    Or,
    /// Whether both are set.
    And,
}

impl Combine {
    /// The value that the kernel goes by.
    pub fn apply(self, all: i32, own: i32) -> i32 {
        match self {
            Self::Max => all.max(own),
            Self::Or => i32::from(all != 0 || own != 0),
            Self::And => i32::from(all != 0 && own != 0),
        }
    }
}

/// What a parameter must be.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    place: Place,
    name: &'static str,
    /// What is written if it is not right.
    pub wanted: i32,
    /// Other values that do as well and are left alone.
    also: &'static [i32],
    /// How it goes together with the value for `all`.
    pub combine: Combine,
    /// Why it must be so.
    pub why: &'static str,
}

/// Every parameter the agent sets.
///
/// | `arp_ignore` | meaning | with a VIP on `lo` |
/// |---|---|---|
/// | 0 | answers for every address of the host | leaks |
/// | 1, 2 | answers for addresses of the interface asked | right |
/// | 3 | hides addresses of scope host only | leaks |
/// | 4 to 7 | as 0 | leaks |
/// | 8 | answers for nothing | hides the RIP too: nobody on the LAN reaches this host |
///
/// `arp_announce`: 0 and 1 name the VIP in requests sent for an answer from the VIP
/// (1 wherever the neighbour is in the VIP's network), 2 never does, above 2 is 0.
///
/// The larger value wins, so `all` covers every NIC that has less. Each NIC is set
/// all the same: then no single write, by whoever, makes it leak until the next look,
/// and a NIC that had more than is good is put right.
///
/// IPv6 needs none: the kernel answers neighbour solicitations for addresses of the
/// interface asked, and for those that it is a proxy of.
const RULES: [Rule; 7] = [
    Rule {
        place: Place::Row("all"),
        name: "arp_ignore",
        wanted: 1,
        also: &[2],
        combine: Combine::Max,
        why: "ARP for the VIP is answered by the director alone",
    },
    Rule {
        place: Place::Row("all"),
        name: "arp_announce",
        wanted: 2,
        also: &[],
        combine: Combine::Max,
        why: "ARP requests sent from here never name the VIP, which would lead the router here",
    },
    Rule {
        place: Place::Row("lo"),
        name: "arp_ignore",
        wanted: 1,
        also: &[2],
        combine: Combine::Max,
        why: "as on all; `lo` itself never gets ARP, yet every LVS guide sets it and tools look for it",
    },
    Rule {
        place: Place::Row("lo"),
        name: "arp_announce",
        wanted: 2,
        also: &[],
        combine: Combine::Max,
        why: "as on all, and as every LVS guide has it",
    },
    Rule {
        place: Place::Speakers,
        name: "arp_ignore",
        wanted: 1,
        also: &[2],
        combine: Combine::Max,
        why: "this interface stays silent about the VIP even while somebody changes all",
    },
    Rule {
        place: Place::Speakers,
        name: "arp_announce",
        wanted: 2,
        also: &[],
        combine: Combine::Max,
        why: "requests out of this interface never name the VIP, even while somebody changes all",
    },
    Rule {
        place: Place::Tunnels,
        name: "rp_filter",
        wanted: 2,
        // Not 0: with 1 on `all` that would still be strict. 2 wants an address on the
        // tunnel, see `tunnel::ADDRESS`.
        also: &[],
        combine: Combine::Max,
        why: "packets come in by the tunnel and answers leave by another interface",
    },
];

impl Rule {
    /// Tells whether a value is right.
    pub fn accepts(&self, value: i32) -> bool {
        value == self.wanted || self.also.contains(&value)
    }

    /// The parameter of `all` that this one is combined with; none: it is that one.
    pub fn of_all(&self) -> Option<Key> {
        (self.place != Place::Row("all")).then(|| Key::ipv4_conf("all", self.name))
    }
}

/// The rules that hold, by parameter.
pub type Wanted = BTreeMap<Key, &'static Rule>;

/// The rules for a host with an IPv4 VIP, of which these interfaces speak ARP and
/// these are tunnels.
pub fn wanted(speakers: &[&str], tunnels: &[&str]) -> Wanted {
    let mut wanted = Wanted::new();
    for rule in &RULES {
        let row = match &rule.place {
            Place::Row(row) => std::slice::from_ref(row),
            Place::Speakers => speakers,
            Place::Tunnels => tunnels,
        };
        wanted.extend(
            row.iter()
                .map(|name| (Key::ipv4_conf(name, rule.name), rule)),
        );
    }
    wanted
}

/// Whether a host whose interfaces speak ARP, these ones, keeps silent about a VIP on `lo`
/// with these values. One that cannot be read counts as 0.
pub fn is_quiet(speakers: &[&str], value: impl Fn(&Key) -> Option<i32>) -> bool {
    let value = |key: &Key| value(key).unwrap_or(0);
    wanted(speakers, &[]).iter().all(|(key, rule)| {
        let all = rule.of_all().filter(|_| rule.place == Place::Speakers);
        all.is_none_or(|all| {
            let value = rule.combine.apply(value(&all), value(key));
            rule.accepts(value) || (rule.name == "arp_ignore" && value == 8)
        })
    })
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

#[cfg(test)]
mod tests;
