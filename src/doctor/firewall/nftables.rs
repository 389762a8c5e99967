//! Reading what `nft -j list ruleset` prints: libnftables-json(5).

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use crate::lvs::{Family, Prefixed};
use crate::sys;

mod implied;
mod map;
mod named;

use super::{
    Asked, Chain, ChainId, Field, Hook, Kind, Match, Rule, Ruleset, Verdict, network,
    protocol as protocol_of,
};
use named::Named;

/// Reads the whole output.
///
/// # Errors
/// Those of JSON.
pub fn parse(text: &str) -> serde_json::Result<Ruleset> {
    let document: Value = serde_json::from_str(text)?;
    let mut ruleset = Ruleset::default();
    let objects = list(&document["nftables"]);
    let named = Named::of(objects);
    for object in objects {
        if is_of_lvsd(&object["chain"]) || is_of_lvsd(&object["rule"]) {
            continue;
        }
        if let chain @ Value::Object(_) = &object["chain"] {
            ruleset.chains.insert(id(chain, "name"), read_chain(chain));
        } else if let rule @ Value::Object(_) = &object["rule"] {
            let chain = ruleset.chains.entry(id(rule, "chain")).or_default();
            let spelt = named.spelt_out(rule);
            chain
                .rules
                .extend(map::spread(read_rule(rule, &spelt), &spelt));
        }
    }
    Ok(ruleset)
}

/// What lvsd itself drops is what the configuration wants, and comes after IPVS; what it
/// hides from IPVS arrives.
fn is_of_lvsd(object: &Value) -> bool {
    let ours = [sys::nftables::TABLE, sys::nftables::peers::TABLE];
    text(&object["family"]) == "inet" && ours.contains(&text(&object["table"]))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn id(object: &Value, name: &str) -> ChainId {
    ChainId {
        table: format!("{} {}", text(&object["family"]), text(&object["table"])),
        name: text(&object[name]).to_owned(),
    }
}

fn read_chain(chain: &Value) -> Chain {
    // Chains of bridges and of ARP see other packets.
    let of_ip = matches!(text(&chain["family"]), "ip" | "ip6" | "inet" | "netdev");
    let hook = chain["hook"].as_str().map(|hook| match hook {
        "input" | "prerouting" | "ingress" if of_ip => Hook::Input,
        "output" | "postrouting" | "egress" if of_ip => Hook::Output,
        _ => Hook::Other,
    });
    let devices = each(&chain["dev"]).filter_map(Value::as_str);
    Chain {
        hook,
        devices: devices.map(str::to_owned).collect(),
        drops: text(&chain["policy"]) == "drop",
        packets: None,
        rules: Vec::new(),
    }
}

/// A rule as it is written and with the elements of its sets.
fn read_rule(rule: &Value, spelt: &Value) -> Rule {
    let mut read = Rule {
        matches: Vec::new(),
        verdict: Verdict::Continue,
        packets: None,
        text: String::new(),
    };
    let mut words = Vec::new();
    for (written, spelt) in list(&rule["expr"]).iter().zip(list(&spelt["expr"])) {
        let Some((kind, value)) = written.as_object().and_then(|it| it.iter().next()) else {
            continue;
        };
        let word = match kind.as_str() {
            "match" => {
                read.matches.extend(matches(&spelt["match"]));
                words_of(value)
            }
            "counter" => {
                read.packets = value["packets"].as_u64();
                continue;
            }
            // What these say of each element, such as a limit, decides whether the rule is met.
            "meter" | "set" if !value["stmt"].is_null() => {
                read.matches.push(unknown(true));
                continue;
            }
            "log" | "mangle" | "notrack" | "meter" | "set" | "flow" => continue,
            "xt" => {
                read.matches.push(unknown(true));
                text(&value["name"]).to_owned()
            }
            _ => match verdict(kind, value) {
                Some(verdict) => {
                    read.verdict = verdict;
                    kind.clone()
                }
                None => {
                    read.matches.push(unknown(true));
                    kind.clone()
                }
            },
        };
        words.push(word);
    }
    let ChainId { table, name } = id(rule, "chain");
    read.text = format!("nft {table} {name}: {}", words.join(" "));
    read
}

fn verdict(kind: &str, value: &Value) -> Option<Verdict> {
    let chain = |goto| Verdict::Chain {
        name: text(&value["target"]).to_owned(),
        goto,
    };
    match kind {
        "accept" => Some(Verdict::Accept),
        "drop" | "reject" => Some(Verdict::Drop),
        "return" => Some(Verdict::Return),
        "jump" => Some(chain(false)),
        "goto" => Some(chain(true)),
        "continue" => Some(Verdict::Continue),
        _ => None,
    }
}

fn unknown(is: bool) -> Match {
    Match {
        is,
        of: Field::Unknown,
    }
}

/// The conditions of one match, and those that come with what it looks at.
fn matches(value: &Value) -> Vec<Match> {
    let (left, right, op) = (&value["left"], &value["right"], text(&value["op"]));
    let is = op != "!=";
    let own = match (&left["concat"], op) {
        (Value::Array(parts), "==" | "in") => columns(parts, right),
        (Value::Array(_), _) => vec![unknown(is)],
        (_, "==" | "!=" | "in") => {
            let of = field(left, right).unwrap_or(Field::Unknown);
            vec![Match { is, of }]
        }
        _ => vec![unknown(is)],
    };
    let implied = implied::by(left).into_iter();
    let implied = implied.map(|of| Match { is: true, of });
    implied.chain(own).collect()
}

/// What is looked at and for which values; none: there is no word for it here.
fn field(left: &Value, right: &Value) -> Option<Field> {
    let payload = &left["payload"];
    let header = match &payload["tunnel"] {
        Value::Null => (text(&payload["protocol"]), text(&payload["field"])),
        _ => return None,
    };
    match (text(&left["meta"]["key"]), text(&left["ct"]["key"]), header) {
        ("l4proto", _, _) | (_, _, ("ip", "protocol") | ("ip6", "nexthdr")) => {
            all(right, protocol).map(Field::Protocol)
        }
        ("nfproto" | "protocol", _, _) => {
            let families = all(right, |it| version(text(it)))?;
            Some(Field::Family(families.into_iter().flatten().collect()))
        }
        ("pkttype", _, _) => kinds(Asked::Frame, right),
        ("iifname" | "iif", _, _) => interface(Hook::Input, right),
        ("oifname" | "oif", _, _) => interface(Hook::Output, right),
        (_, "state", _) => Some(Field::State {
            new: each(right).any(|it| text(it) == "new"),
            established: each(right).any(|it| text(it) == "established"),
        }),
        (_, _, ("ip" | "ip6", "saddr")) => all(right, address).map(Field::Source),
        (_, _, ("ip" | "ip6", "daddr")) => all(right, address).map(Field::Destination),
        (_, _, ("tcp" | "udp" | "th", "sport")) => all(right, ports).map(Field::SourcePort),
        (_, _, ("tcp" | "udp" | "th", "dport")) => all(right, ports).map(Field::Port),
        _ => kinds(asked_by_fib(&left["fib"])?, right),
    }
}

/// The conditions of a concatenation, such as `ip daddr . tcp dport`: each part must have a
/// value that some element has for it. With several elements this is not enough.
fn columns(parts: &[Value], right: &Value) -> Vec<Match> {
    let elements: Vec<_> = each(right).map(|it| list(&it["concat"])).collect();
    if elements.iter().any(|it| it.len() != parts.len()) {
        return vec![unknown(true)];
    }
    let of_part = parts.iter().enumerate().flat_map(|(index, part)| {
        let values: Vec<_> = elements.iter().map(|it| &it[index]).collect();
        matches(&json!({"op": "==", "left": part, "right": {"set": values}}))
    });
    let mut found: Vec<_> = of_part.collect();
    if elements.len() > 1 {
        found.push(unknown(true));
    }
    found
}

/// `fib daddr type`, `fib daddr . iif type`
fn asked_by_fib(fib: &Value) -> Option<Asked> {
    let flags: Vec<_> = each(&fib["flags"]).map(text).collect();
    match (text(&fib["result"]), flags.as_slice()) {
        ("type", ["daddr"]) => Some(Asked::Address),
        ("type", ["daddr", "iif"] | ["iif", "daddr"]) => Some(Asked::AddressHere),
        _ => None,
    }
}

fn kinds(asked: Asked, right: &Value) -> Option<Field> {
    let kinds = all(right, |it| Kind::named(asked, text(it)))?;
    Some(Field::Kind(asked, kinds))
}

/// The version of IP that a value of such a key is; the inner none: another protocol.
fn version(name: &str) -> Option<Option<Family>> {
    match name {
        "arp" | "vlan" | "8021q" | "8021ad" | "bridge" | "netdev" => Some(None),
        _ => family(name).map(Some),
    }
}

/// As headers, and keys that tell the version of IP, are called.
fn family(name: &str) -> Option<Family> {
    match name {
        "ip" | "ipv4" => Some(Family::Ipv4),
        "ip6" | "ipv6" => Some(Family::Ipv6),
        _ => None,
    }
}

/// The elements of a set, of a list, or the value alone.
fn each(value: &Value) -> impl Iterator<Item = &Value> {
    let elements = match value {
        Value::Array(elements) => elements.as_slice(),
        other => match &other["set"] {
            Value::Array(elements) => elements.as_slice(),
            _ => std::slice::from_ref(other),
        },
    };
    elements.iter().map(bare)
}

/// An element that has a timeout, a counter or a comment is an object of its own.
fn bare(element: &Value) -> &Value {
    let object = element.get("elem");
    object.map_or(element, |object| &object["val"])
}

/// None unless all can be read.
fn all<T>(value: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    each(value).map(read).collect()
}

fn protocol(value: &Value) -> Option<u8> {
    match value.as_u64() {
        Some(number) => u8::try_from(number).ok(),
        None => protocol_of(text(value)),
    }
}

fn interface(hook: Hook, value: &Value) -> Option<Field> {
    let name = |it: &Value| {
        let name = it.as_str().filter(|name| !name.starts_with('@'))?;
        Some(name.to_owned())
    };
    all(value, name).map(|names| Field::Interface(hook, names))
}

fn address(value: &Value) -> Option<Prefixed> {
    let prefix = &value["prefix"];
    match prefix {
        Value::Object(_) => {
            let len = prefix["len"].as_u64()?;
            network(&format!("{}/{len}", text(&prefix["addr"])))
        }
        _ => network(text(value)),
    }
}

fn ports(value: &Value) -> Option<RangeInclusive<u16>> {
    let port = |value: &Value| u16::try_from(value.as_u64()?).ok();
    match &value["range"] {
        Value::Array(ends) => Some(port(ends.first()?)?..=port(ends.get(1)?)?),
        _ => port(value).map(|port| port..=port),
    }
}

/// A match in words, for people.
fn words_of(value: &Value) -> String {
    let left = &value["left"];
    let left = match left.as_object().and_then(|it| it.iter().next()) {
        Some((kind, of)) if kind == "payload" => {
            format!("{} {}", text(&of["protocol"]), text(&of["field"]))
        }
        Some((kind, of)) if kind == "fib" => {
            let flags: Vec<_> = each(&of["flags"]).map(text).collect();
            format!("fib {} {}", flags.join(" . "), text(&of["result"]))
        }
        Some((kind, of)) => format!("{kind} {}", text(&of["key"])),
        None => String::new(),
    };
    let right = words_of_value(&value["right"]);
    match text(&value["op"]) {
        "!=" => format!("{left} != {right}"),
        _ => format!("{left} {right}"),
    }
}

/// As `nft` writes it in rules.
fn words_of_value(value: &Value) -> String {
    let (prefix, set) = (&value["prefix"], &value["set"]);
    match (value, prefix, set, &value["range"]) {
        (Value::String(word), ..) => word.clone(),
        (_, Value::Object(_), ..) => {
            format!("{}/{}", words_of_value(&prefix["addr"]), prefix["len"])
        }
        (_, _, Value::Array(elements), _) => {
            let words: Vec<_> = elements.iter().map(words_of_value).collect();
            format!("{{ {} }}", words.join(", "))
        }
        (_, _, _, Value::Array(ends)) => {
            let words: Vec<_> = ends.iter().map(words_of_value).collect();
            words.join("-")
        }
        (other, ..) => other.to_string(),
    }
}
