//! A table of sets, and of chains whose rules look into them: how one is made, changed
//! and known again.

use std::collections::BTreeSet;

use netlink_packet_core::{DecodeError, DefaultNla, NLA_TYPE_MASK, Nla};

use super::Count;
use super::expression::{Expression, LIST_ELEMENT, VALUE};
use super::found::Found;
use super::message::{
    Kind, Message, bytes, find, nested, number, number_in, parse, text, text_in, value,
};
use super::set::Set;

const NF_ACCEPT: u32 = 1;

/// Elements in one message: an attribute is shorter than 64 KiB.
const ELEMENTS: usize = 1_000;

/// A table of the family `inet`.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) name: &'static str,
    pub(super) sets: &'static [Set],
    pub(super) chains: Vec<Chain>,
}

/// A hook: `NF_INET_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hook {
    Input = 1,
    Output = 3,
}

/// A chain that lets pass what none of its rules drops.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) name: &'static str,
    pub(super) hook: Hook,
    pub(super) priority: i32,
    pub(super) rules: Vec<Vec<Expression>>,
}

/// An element and its set.
pub(super) type Element = (Set, Vec<u8>);

impl Layout {
    /// The messages that turn what was found into a table with these elements, all or none
    /// of them to be done; none at all where nothing is to do. No element, no table.
    pub(super) fn changes(
        &self,
        found: &Found<Element>,
        wanted: &BTreeSet<Element>,
    ) -> Vec<Message> {
        match found {
            Found::Absent if wanted.is_empty() => vec![],
            _ if wanted.is_empty() => self.gone(),
            Found::Whole { held, .. } => {
                let more = wanted.difference(held).cloned().collect();
                let less = held.difference(wanted).cloned().collect();
                let mut messages = self.elements(Kind::NewElements, &more, false);
                messages.extend(self.elements(Kind::DeleteElements, &less, false));
                messages
            }
            Found::Absent | Found::Damaged => [self.gone(), self.made(wanted)].concat(),
        }
    }

    /// No table, whether there is one or not.
    fn gone(&self) -> Vec<Message> {
        let named = vec![text(1, self.name)];
        vec![self.table(), Message::new(Kind::DeleteTable, named)]
    }

    /// The whole table, where there is none.
    pub(super) fn made(&self, wanted: &BTreeSet<Element>) -> Vec<Message> {
        let mut messages = vec![self.table()];
        messages.extend(self.sets.iter().map(|set| self.set(*set)));
        messages.extend(self.elements(Kind::NewElements, wanted, true));
        for chain in &self.chains {
            messages.push(self.chain(chain));
            messages.extend(chain.rules.iter().map(|rule| self.rule(chain, rule)));
        }
        messages
    }

    fn table(&self) -> Message {
        // NFTA_TABLE_NAME, _FLAGS
        Message::new(Kind::NewTable, vec![text(1, self.name), number(2, 0)])
    }

    fn set(&self, set: Set) -> Message {
        // By which nft knows their byte order: a type, a length, a number of this host.
        let [a, b, c, d] = 2_u32.to_ne_bytes();
        let attributes = vec![
            // NFTA_SET_TABLE, _NAME, _FLAGS, _KEY_TYPE, _KEY_LEN, _ID, _USERDATA
            text(1, self.name),
            text(2, set.name()),
            number(3, 0),
            number(4, set.key_type()),
            number(5, set.key_length()),
            number(10, set.id()),
            bytes(13, &[0, 4, a, b, c, d]),
        ];
        Message::new(Kind::NewSet, attributes)
    }

    /// Elements to add or to take out; `anew`: of sets that the same batch makes.
    fn elements(&self, kind: Kind, elements: &BTreeSet<Element>, anew: bool) -> Vec<Message> {
        let mut messages = Vec::new();
        for set in self.sets {
            let of_set = elements.iter().filter(|(of, _)| of == set);
            let of_set: Vec<_> = of_set.map(|(_, key)| element(key)).collect();
            for chunk in of_set.chunks(ELEMENTS) {
                // NFTA_SET_ELEM_LIST_TABLE, _SET, _SET_ID, _ELEMENTS
                let mut attributes = vec![text(1, self.name), text(2, set.name())];
                attributes.extend(anew.then(|| number(4, set.id())));
                attributes.push(nested(3, chunk));
                messages.push(Message::new(kind, attributes));
            }
        }
        messages
    }

    fn chain(&self, chain: &Chain) -> Message {
        // NFTA_HOOK_HOOKNUM, _PRIORITY
        let place = [number(1, chain.hook as u32), priority(chain.priority)];
        let hook = nested(4, &place);
        // NFTA_CHAIN_TABLE, _NAME, _TYPE, _POLICY, _HOOK
        let attributes = vec![
            text(1, self.name),
            text(3, chain.name),
            text(7, "filter"),
            number(5, NF_ACCEPT),
            hook,
        ];
        Message::new(Kind::NewChain, attributes)
    }

    fn rule(&self, chain: &Chain, rule: &[Expression]) -> Message {
        let expressions: Vec<_> = rule.iter().map(Expression::encode).collect();
        // NFTA_RULE_TABLE, _CHAIN, _EXPRESSIONS
        let attributes = vec![
            text(1, self.name),
            text(2, chain.name),
            nested(4, &expressions),
        ];
        Message::new(Kind::NewRule, attributes)
    }

    /// Asks for the table.
    pub(super) fn get_table(&self) -> Message {
        Message::new(Kind::GetTable, vec![text(1, self.name)])
    }

    /// Asks for a chain.
    pub(super) fn get_chain(&self, chain: &Chain) -> Message {
        Message::new(
            Kind::GetChain,
            vec![text(1, self.name), text(3, chain.name)],
        )
    }

    /// Asks for its rules.
    pub(super) fn get_rules(&self, chain: &Chain) -> Message {
        Message::new(Kind::GetRule, vec![text(1, self.name), text(2, chain.name)])
    }

    /// Asks for the elements of a set.
    pub(super) fn get_elements(&self, set: Set) -> Message {
        let attributes = vec![text(1, self.name), text(2, set.name())];
        Message::new(Kind::GetElements, attributes)
    }
}

impl Chain {
    /// Whether the chain that was found is asked where and when it should be.
    pub(super) fn is_in_place(&self, found: &Message) -> Result<bool, DecodeError> {
        let of = |kind| attribute(found, kind);
        let hook = of(4).unwrap_or_default();
        let hook = parse(&hook)?;
        let number = |kind| find(&hook, kind).and_then(number_in);
        Ok(number(1) == Some(self.hook as u32)
            && number(2) == Some(self.priority.cast_unsigned())
            && number_of(found, 5) == Some(NF_ACCEPT)
            && of(7).is_some_and(|kind| text_in(&kind) == b"filter"))
    }

    /// Whether these are all its rules, and what they have counted.
    pub(super) fn is_whole(&self, found: &[Message]) -> Result<Option<Count>, DecodeError> {
        let mut counted = Count::default();
        let mut read = Vec::new();
        for rule in found.iter().filter(|it| it.is(Kind::NewRule)) {
            let list = attribute(rule, 4).unwrap_or_default();
            let mut expressions = Vec::new();
            for (_, element) in parse(&list)? {
                let (expression, count) = Expression::decode(element)?;
                counted.packets += count.packets;
                counted.bytes += count.bytes;
                expressions.push(expression);
            }
            read.push(expressions);
        }
        Ok((self.rules == read).then_some(counted))
    }
}

/// Whether a table that was found is not asleep.
pub(super) fn is_awake(table: &Message) -> bool {
    number_of(table, 2) == Some(0)
}

/// The elements of a set in messages that list them. A key of another length is not one.
pub(super) fn elements_in(set: Set, found: &[Message]) -> Result<Vec<Element>, DecodeError> {
    let mut elements = Vec::new();
    for message in found.iter().filter(|it| it.is(Kind::NewElements)) {
        let list = attribute(message, 3).unwrap_or_default();
        for (_, element) in parse(&list)? {
            let element = parse(element)?;
            let key = parse(find(&element, 1).unwrap_or_default())?;
            let key = find(&key, VALUE).unwrap_or_default();
            if u32::try_from(key.len()) == Ok(set.key_length()) {
                elements.push((set, key.to_vec()));
            }
        }
    }
    Ok(elements)
}

/// `NFTA_HOOK_PRIORITY`, which may be below zero.
fn priority(priority: i32) -> DefaultNla {
    number(2, priority.cast_unsigned())
}

fn element(key: &[u8]) -> DefaultNla {
    // NFTA_SET_ELEM_KEY
    nested(LIST_ELEMENT, &[nested(1, &[bytes(VALUE, key)])])
}

/// The name in a message about a table.
pub(super) fn name_of_table(table: &Message) -> Option<String> {
    // NFTA_TABLE_NAME
    let name = attribute(table, 1)?;
    Some(String::from_utf8_lossy(text_in(&name)).into_owned())
}

fn attribute(message: &Message, kind: u16) -> Option<Vec<u8>> {
    let mut attributes = message.attributes.iter();
    let found = attributes.find(|it| it.kind() & NLA_TYPE_MASK == kind);
    found.map(value)
}

fn number_of(message: &Message, kind: u16) -> Option<u32> {
    number_in(&attribute(message, kind)?)
}
