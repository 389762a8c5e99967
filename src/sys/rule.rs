//! Routing rules of the kernel: list, add, delete. Every rule here is lvsd's own:
//! it carries [`PROTOCOL`], and others are not listed.

use std::net::IpAddr;

use futures_util::TryStreamExt;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{RouteHeader, RouteProtocol};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::IpVersion;

use super::route::{PROTOCOL, family};
use super::rtnetlink::{Error, Rtnetlink};
use crate::lvs::routing::Rule;
use crate::lvs::{Family, Prefixed};

impl Rtnetlink {
    /// Lists the rules of [`PROTOCOL`], both families.
    pub async fn rules(&self) -> Result<Vec<Rule>, Error> {
        let mut rules = Vec::new();
        for (version, family) in [(IpVersion::V4, Family::Ipv4), (IpVersion::V6, Family::Ipv6)] {
            let listed = self.handle.rule().get(version).execute();
            let listed: Vec<_> = listed
                .try_collect()
                .await
                .map_err(|error| Error::refused("list the routing rules".into(), error))?;
            let ours = listed.iter().filter(|message| is_ours(message));
            rules.extend(ours.map(|message| from_message(message, family)));
        }
        Ok(rules)
    }

    /// Adds a rule.
    pub async fn add_rule(&self, rule: &Rule) -> Result<(), Error> {
        let message = RouteNetlinkMessage::NewRule(to_message(rule));
        let what = || format!("add rule {rule}");
        self.ask(message, NLM_F_CREATE | NLM_F_EXCL, what).await
    }

    /// Deletes a rule of [`PROTOCOL`].
    pub async fn delete_rule(&self, rule: &Rule) -> Result<(), Error> {
        let message = RouteNetlinkMessage::DelRule(to_message(rule));
        let what = || format!("delete rule {rule}");
        self.ask(message, 0, what).await
    }
}

/// Whether it is lvsd's, by what it carries.
pub(super) fn is_ours(message: &RuleMessage) -> bool {
    let ours = RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL));
    message.attributes.contains(&ours)
}

fn to_message(rule: &Rule) -> RuleMessage {
    let unspecified = match rule.family {
        Family::Ipv4 => IpAddr::from([0; 4]),
        Family::Ipv6 => IpAddr::from([0; 16]),
    };
    let prefix_len = |prefix: &Option<Prefixed>| prefix.map_or(0, |prefix| prefix.prefix_len);
    let mut message = RuleMessage::default();
    message.header.family = family(unspecified);
    message.header.action = RuleAction::ToTable;
    message.header.table = u8::try_from(rule.table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
    message.header.src_len = prefix_len(&rule.from);
    message.header.dst_len = prefix_len(&rule.to);
    let is_some = |prefix: &&Prefixed| prefix.prefix_len > 0;
    let attributes = [
        Some(RuleAttribute::Priority(rule.priority)),
        Some(RuleAttribute::Table(rule.table)),
        Some(RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL))),
        (rule.from.as_ref().filter(is_some)).map(|it| RuleAttribute::Source(it.address)),
        (rule.to.as_ref().filter(is_some)).map(|it| RuleAttribute::Destination(it.address)),
        rule.fwmark.map(RuleAttribute::FwMark),
        rule.iif.clone().map(RuleAttribute::Iifname),
        rule.oif.clone().map(RuleAttribute::Oifname),
    ];
    message.attributes = attributes.into_iter().flatten().collect();
    message
}

fn from_message(message: &RuleMessage, family: Family) -> Rule {
    let header = &message.header;
    let mut rule = Rule {
        priority: 0,
        family,
        from: None,
        to: None,
        fwmark: None,
        iif: None,
        oif: None,
        table: u32::from(header.table),
    };
    let prefixed = |address: IpAddr, prefix_len: u8| Prefixed {
        address,
        prefix_len,
    };
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Priority(priority) => rule.priority = *priority,
            RuleAttribute::Table(table) => rule.table = *table,
            RuleAttribute::Source(ip) => rule.from = Some(prefixed(*ip, header.src_len)),
            RuleAttribute::Destination(ip) => rule.to = Some(prefixed(*ip, header.dst_len)),
            RuleAttribute::FwMark(mark) => rule.fwmark = Some(*mark).filter(|mark| *mark != 0),
            RuleAttribute::Iifname(name) => rule.iif = Some(name.clone()),
            RuleAttribute::Oifname(name) => rule.oif = Some(name.clone()),
            _ => {}
        }
    }
    rule
}
