//! What may have dropped a packet of which it is known that it was dropped.

use std::collections::BTreeSet;

use super::{Chain, ChainId, DEEPEST, Packet, Ruleset, Verdict};

/// A rule or a policy that may drop a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// The rule as its tool writes it.
    pub by: String,
    /// Its counter.
    pub packets: Option<u64>,
    /// The base chain that leads there.
    pub base: ChainId,
}

impl Suspect {
    /// How many packets it met since the earlier look; none: it does not count, or is new.
    pub fn growth(&self, earlier: &[Self]) -> Option<u64> {
        let is_same = |it: &&Self| it.by == self.by && it.base == self.base;
        let then = earlier.iter().find(is_same)?.packets?;
        self.packets?.checked_sub(then)
    }
}

impl Ruleset {
    /// Every rule and every policy that may drop the packet.
    pub fn suspects(&self, packet: &Packet) -> Vec<Suspect> {
        let mut suspects = Vec::new();
        for (base, chain) in self.bases(packet) {
            let mut found = Vec::new();
            let mut seen = BTreeSet::new();
            self.search(base, packet, &mut seen, &mut found, 0);
            if chain.drops && !accepts(chain, packet) {
                found.push((base.policy(), chain.packets));
            }
            suspects.extend(found.into_iter().map(|(by, packets)| Suspect {
                by,
                packets,
                base: base.clone(),
            }));
        }
        suspects
    }

    /// Each chain once, however many rules lead there.
    fn search(
        &self,
        id: &ChainId,
        packet: &Packet,
        seen: &mut BTreeSet<ChainId>,
        found: &mut Vec<(String, Option<u64>)>,
        depth: usize,
    ) {
        let Some(chain) = self.chains.get(id).filter(|_| depth < DEEPEST) else {
            return;
        };
        if !seen.insert(id.clone()) {
            return;
        }
        for rule in &chain.rules {
            let met = rule.meets(packet);
            if met == Some(false) {
                continue;
            }
            match &rule.verdict {
                Verdict::Drop => found.push((rule.text.clone(), rule.packets)),
                Verdict::Accept | Verdict::Return if met == Some(true) => return,
                Verdict::Chain { name, .. } => {
                    let called = ChainId {
                        table: id.table.clone(),
                        name: name.clone(),
                    };
                    self.search(&called, packet, seen, found, depth + 1);
                }
                Verdict::Accept | Verdict::Return | Verdict::Continue => {}
            }
        }
    }
}

/// Whether the chain accepts the packet for certain before its policy is asked.
fn accepts(chain: &Chain, packet: &Packet) -> bool {
    let mut rules = chain.rules.iter();
    rules.any(|rule| rule.verdict == Verdict::Accept && rule.meets(packet) == Some(true))
}
