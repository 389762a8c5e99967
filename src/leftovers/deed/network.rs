//! `ip`, `ifconfig` and `route`.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use super::Deed;
use crate::lvs::Prefixed;

/// `ip address add`, `ip route add`, in every abbreviation that ip takes.
pub(super) fn ip(words: &[String]) -> Deed {
    let mut words = words;
    while let [option, rest @ ..] = words
        && option.starts_with('-')
    {
        let has_value = matches!(option.as_str(), "-f" | "-family" | "-n" | "-netns");
        words = rest.get(usize::from(has_value)..).unwrap_or_default();
    }
    let [object, verb, rest @ ..] = words else {
        return Deed::Talk;
    };
    let is = |word: &String, whole: &[&str]| {
        let mut whole = whole.iter();
        !word.is_empty() && whole.any(|whole| whole.starts_with(word.as_str()))
    };
    let on_lo = value_of(rest, &["dev"]).is_some_and(|device| is_lo(device));
    let routes = is(object, &["route"]);
    match () {
        () if is(object, &["link"]) && rest.iter().all(|word| is_lo(word) || word == "up") => {
            Deed::Talk
        }
        () if !(routes || is(object, &["address"])) => Deed::Other,
        () if is(verb, &["show", "list", "lst"]) => Deed::Talk,
        () if !on_lo => Deed::Other,
        () if is(
            verb,
            &["add", "change", "chg", "replace", "append", "prepend"],
        ) =>
        {
            let rest = without(
                rest,
                &["brd", "broadcast", "label", "src", "via", "table", "scope"],
            );
            bind(rest.iter().copied(), routes)
        }
        () if is(verb, &["delete", "flush"]) => Deed::Undo,
        () => Deed::Other,
    }
}

/// `ifconfig lo:0 VIP netmask 255.255.255.255 up`
pub(super) fn ifconfig(words: &[String]) -> Deed {
    let words: Vec<_> = words
        .iter()
        .filter(|word| !word.starts_with('-'))
        .cloned()
        .collect();
    match words.split_first() {
        None => Deed::Talk,
        Some((_, [])) => Deed::Talk,
        Some((device, _)) if !is_lo(device) => Deed::Other,
        Some((_, rest))
            if rest
                .iter()
                .any(|word| matches!(word.as_str(), "down" | "del")) =>
        {
            Deed::Undo
        }
        Some((_, rest)) => {
            let rest = without(rest, &["broadcast", "netmask", "pointopoint"]);
            match bind(rest.iter().copied(), false) {
                // `ifconfig lo up`
                Deed::Bind(_) if rest.iter().all(|word| *word == "up") => Deed::Talk,
                deed => deed,
            }
        }
    }
}

/// `route add -host VIP dev lo:0`
pub(super) fn route(words: &[String]) -> Deed {
    let on_lo = words.iter().any(|word| is_lo(word));
    let has = |verb: &str| words.iter().any(|word| word == verb);
    match () {
        () if has("del") => Deed::Undo,
        () if has("add") && on_lo && !has("-net") => {
            bind(without(words, &["netmask", "gw"]).into_iter(), true)
        }
        () if words.iter().all(|word| word.starts_with('-')) => Deed::Talk,
        () => Deed::Other,
    }
}

/// What is put on `lo`: host addresses that are not `lo`'s own.
fn bind<'a>(words: impl Iterator<Item = &'a String>, only_hosts: bool) -> Deed {
    let addresses: Vec<_> = words.filter_map(|word| prefixed(word)).collect();
    let wanted = addresses
        .iter()
        .filter(|it| !only_hosts || **it == Prefixed::host(it.address));
    let vips: BTreeSet<_> = wanted.filter_map(|it| vip(*it)).collect();
    match vips.is_empty() && (only_hosts || !addresses.is_empty()) {
        true => Deed::Other,
        false => Deed::Bind(vips),
    }
}

/// `192.168.1.200`, `192.168.1.200/32`, `192.168.1.200/255.255.255.255`
fn prefixed(word: &str) -> Option<Prefixed> {
    let (address, length) = word.split_once('/').unwrap_or((word, ""));
    let mask = length.parse::<Ipv4Addr>().ok();
    match mask {
        None => word.parse().ok(),
        Some(mask) => format!("{address}/{}", mask.to_bits().count_ones())
            .parse()
            .ok(),
    }
}

/// An address that a script puts on `lo`, if it can be a VIP.
pub(in crate::leftovers) fn vip(address: Prefixed) -> Option<IpAddr> {
    let ip = address.address;
    let is_mask = matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 255);
    let is_no_vip = is_mask || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast();
    (!is_no_vip).then_some(ip)
}

/// `lo`, `lo:0`.
pub(in crate::leftovers) fn is_lo(device: &str) -> bool {
    device == "lo" || device.starts_with("lo:")
}

/// The word after one of these.
fn value_of<'a>(words: &'a [String], names: &[&str]) -> Option<&'a String> {
    let name = words
        .iter()
        .position(|word| names.contains(&word.as_str()))?;
    words.get(name + 1)
}

/// The words but these, each with the word after it.
fn without<'a>(words: &'a [String], names: &[&str]) -> Vec<&'a String> {
    let mut words = words.iter();
    let mut left = Vec::new();
    while let Some(word) = words.next() {
        match names.contains(&word.as_str()) {
            true => drop(words.next()),
            false => left.push(word),
        }
    }
    left
}
