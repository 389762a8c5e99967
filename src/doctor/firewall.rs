//! What the packet filter does with a packet, told from its rules.
//!
//! Rules of iptables and nftables become one [`Ruleset`]. [`Ruleset::fate`] walks
//! it for a [`Packet`] as the kernel would. A match that this file has no word for
//! is neither true nor false, and makes what follows uncertain; only what is
//! certain becomes a finding.

pub mod iptables;
pub mod nftables;
mod packet;
mod suspects;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::lvs::{Family, Prefixed};

pub use packet::{Asked, Field, Kind, Match, Packet};
pub use suspects::Suspect;

/// Where a base chain is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// For packets to this host, routed or not.
    Input,
    /// For packets from this host.
    Output,
    /// Elsewhere.
    Other,
}

/// Every chain, those of all tables and tools together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// By table and name.
    pub chains: BTreeMap<ChainId, Chain>,
}

/// The names of a chain's table and its own. The table's begins with who has it:
/// `iptables filter`, `ip6tables filter`, `inet filter`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChainId {
    /// The table.
    pub table: String,
    /// The chain.
    pub name: String,
}

/// A chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// Where it is asked; none: by other chains.
    pub hook: Option<Hook>,
    /// The interfaces that it is of; none: every one.
    pub devices: Vec<String>,
    /// Whether its policy is to drop.
    pub drops: bool,
    /// How many packets met the policy, if it counts.
    pub packets: Option<u64>,
    /// Its rules in their order.
    pub rules: Vec<Rule>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// All of them must be true.
    pub matches: Vec<Match>,
    /// What it does then.
    pub verdict: Verdict,
    /// How many packets it met, if it counts.
    pub packets: Option<u64>,
    /// As its tool writes it.
    pub text: String,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The packet passes this base chain.
    Accept,
    /// It is gone.
    Drop,
    /// Another chain of the table goes on; with `goto` this one does not.
    Chain {
        /// Which.
        name: String,
        /// Whether this chain is over.
        goto: bool,
    },
    /// The chain that called this one goes on.
    Return,
    /// Nothing: it counts, logs or marks.
    Continue,
}

impl ChainId {
    /// Its policy, as people call it.
    fn policy(&self) -> String {
        format!("the policy of chain {} in table {}", self.name, self.table)
    }

    /// The versions of IP whose packets its table sees.
    fn sees(&self, family: Family) -> bool {
        match self.table.split(' ').next() {
            Some("iptables" | "ip") => family == Family::Ipv4,
            Some("ip6tables" | "ip6") => family == Family::Ipv6,
            _ => true,
        }
    }

    /// The command that has a base chain accept such packets before it does anything
    /// else: adverts on that interface, TCP to that port, or answers of TCP from there.
    pub fn accept(&self, packet: &Packet) -> String {
        let Self { table, name } = self;
        match table.split_once(' ') {
            Some((tool @ ("iptables" | "ip6tables"), table)) => {
                let table = match table {
                    "filter" => String::new(),
                    other => format!("-t {other} "),
                };
                let matches = packet.in_words_of_iptables();
                format!("{tool} {table}-I {name} {matches} -j ACCEPT")
            }
            _ => {
                let matches = packet.in_words_of_nft();
                format!("nft insert rule {table} {name} {matches} accept")
            }
        }
    }
}

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It passes, or may.
    Passes,
    /// It is dropped for certain: the rule, or the policy of a chain, and how many
    /// packets met it.
    Dropped {
        /// The rule as its tool writes it.
        by: String,
        /// Its counter.
        packets: Option<u64>,
        /// The base chain that led there: what it accepts first is not dropped.
        base: ChainId,
    },
}

/// Chains that call chains: more than any tool allows.
const DEEPEST: usize = 16;

/// What a walk through a chain came to.
enum Walk<'a> {
    /// The base chain lets it pass, or might.
    Pass,
    Drop(&'a Rule),
    /// The end of the chain was reached.
    End,
    /// The end was reached, but a rule on the way might have accepted it.
    Unsure,
}

impl Ruleset {
    /// Adds what another tool says.
    pub fn extend(&mut self, other: Self) {
        self.chains.extend(other.chains);
    }

    /// What becomes of a packet: every base chain of its hook must let it pass.
    pub fn fate(&self, packet: &Packet) -> Fate {
        for (id, chain) in self.bases(packet) {
            let (by, packets) = match self.walk(id, packet, 0) {
                Walk::Drop(rule) => (rule.text.clone(), rule.packets),
                Walk::End if chain.drops => (id.policy(), None),
                Walk::Pass | Walk::Unsure | Walk::End => continue,
            };
            return Fate::Dropped {
                by,
                packets,
                base: id.clone(),
            };
        }
        Fate::Passes
    }

    /// The chains that the kernel asks about the packet.
    fn bases(&self, packet: &Packet) -> impl Iterator<Item = (&ChainId, &Chain)> {
        self.chains.iter().filter(|(id, chain)| {
            let is_there = chain.devices.is_empty() || chain.devices.contains(&packet.interface);
            chain.hook == Some(packet.hook) && is_there && id.sees(packet.family)
        })
    }

    fn walk(&self, id: &ChainId, packet: &Packet, depth: usize) -> Walk<'_> {
        let Some(chain) = self.chains.get(id).filter(|_| depth < DEEPEST) else {
            return Walk::Unsure;
        };
        let mut unsure = false;
        for rule in &chain.rules {
            let met = rule.meets(packet);
            if met == Some(false) {
                continue;
            }
            let certain = met == Some(true) && !unsure;
            match &rule.verdict {
                Verdict::Continue => {}
                Verdict::Drop if certain || rule.dropped_such(packet) => {
                    return Walk::Drop(rule);
                }
                // A drop that may be: what passes it is decided further on.
                Verdict::Drop => {}
                Verdict::Accept if certain => return Walk::Pass,
                Verdict::Return if certain => return Walk::End,
                Verdict::Accept | Verdict::Return => unsure = true,
                Verdict::Chain { name, goto } => {
                    let called = ChainId {
                        table: id.table.clone(),
                        name: name.clone(),
                    };
                    match self.walk(&called, packet, depth + 1) {
                        Walk::Drop(rule) if certain => return Walk::Drop(rule),
                        Walk::Pass if certain => return Walk::Pass,
                        Walk::End if *goto && certain => return Walk::End,
                        Walk::Pass | Walk::Unsure => unsure = true,
                        Walk::Drop(_) | Walk::End => {}
                    }
                }
            }
        }
        match unsure {
            true => Walk::Unsure,
            false => Walk::End,
        }
    }
}

impl Rule {
    /// None: it cannot be told.
    fn meets(&self, packet: &Packet) -> Option<bool> {
        let matches = self.matches.iter().map(|it| it.meets(packet));
        let met: Vec<_> = matches.collect();
        match () {
            () if met.contains(&Some(false)) => Some(false),
            () if met.contains(&None) => None,
            () => Some(true),
        }
    }

    /// Whether a rule that is about adverts and little else has counted: its packets can
    /// only be such. Those of somebody in particular may be dropped for good reason.
    fn dropped_such(&self, packet: &Packet) -> bool {
        let only = Field::Protocol(vec![crate::vrrp::IP_PROTOCOL]);
        let mut matches = self.matches.iter();
        let names_it = self.matches.iter().any(|it| it.is && it.of == only);
        let names_whom = matches.any(|it| matches!(it.of, Field::Source(_)));
        let has_counted = self.packets.is_some_and(|packets| packets > 0);
        packet.protocol == crate::vrrp::IP_PROTOCOL && names_it && !names_whom && has_counted
    }
}

/// Reads `224.0.0.18`, `224.0.0.0/24`, `10.0.0.0/255.0.0.0`.
fn network(text: &str) -> Option<Prefixed> {
    let mask = text.split_once('/').and_then(|(address, mask)| {
        let mask: Ipv4Addr = mask.parse().ok()?;
        Some((address, mask.to_bits().leading_ones()))
    });
    match mask {
        Some((address, len)) => format!("{address}/{len}").parse().ok(),
        None => text.parse().ok(),
    }
}

/// An IP protocol by number or by its name in `/etc/protocols`.
fn protocol(text: &str) -> Option<u8> {
    match text {
        "tcp" => Some(6),
        "udp" => Some(17),
        "icmp" => Some(1),
        "ipv6-icmp" | "icmpv6" => Some(58),
        "esp" => Some(50),
        "ah" => Some(51),
        "sctp" => Some(132),
        "vrrp" => Some(112),
        "igmp" => Some(2),
        "gre" => Some(47),
        "ipip" | "ipencap" => Some(4),
        "udplite" => Some(136),
        "dccp" => Some(33),
        "comp" => Some(108),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests;
