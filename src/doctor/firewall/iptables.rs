//! Reading what `iptables-save -c` prints.
//!
//! ```text
//! *filter
//! :INPUT DROP [17:1020]
//! :vrrp - [0:0]
//! [42:1680] -A INPUT -p vrrp -j DROP
//! [3:180] -A INPUT -p tcp -m state --state NEW -m tcp --dport 80 -j ACCEPT
//! COMMIT
//! ```

use std::iter::Peekable;
use std::ops::RangeInclusive;

use super::{
    Asked, Chain, ChainId, Field, Hook, Kind, Match, Rule, Ruleset, Verdict, network,
    protocol as protocol_of,
};

/// Reads the whole output; what is no rule is left out.
pub fn parse(text: &str) -> Ruleset {
    parse_of("iptables", text)
}

/// The same of `ip6tables-save`.
pub fn parse_v6(text: &str) -> Ruleset {
    parse_of("ip6tables", text)
}

fn parse_of(tool: &str, text: &str) -> Ruleset {
    let mut ruleset = Ruleset::default();
    let mut table = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('*') {
            table = format!("{tool} {name}");
        } else if let Some(rest) = line.strip_prefix(':') {
            let mut words = rest.split_whitespace();
            let (Some(name), policy) = (words.next(), words.next()) else {
                continue;
            };
            let chain = Chain {
                hook: policy.filter(|policy| *policy != "-").map(|_| hook(name)),
                devices: Vec::new(),
                drops: policy == Some("DROP"),
                packets: words.next().and_then(packets),
                rules: Vec::new(),
            };
            ruleset.chains.insert(id(&table, name), chain);
        } else if let Some((name, rule)) = rule(tool, line) {
            let chain = ruleset.chains.entry(id(&table, &name)).or_default();
            chain.rules.push(rule);
        }
    }
    ruleset
}

fn id(table: &str, name: &str) -> ChainId {
    ChainId {
        table: table.to_owned(),
        name: name.to_owned(),
    }
}

fn hook(name: &str) -> Hook {
    match name {
        // PREROUTING sees what comes in too, before it is known to be for us.
        "INPUT" | "PREROUTING" => Hook::Input,
        "OUTPUT" | "POSTROUTING" => Hook::Output,
        _ => Hook::Other,
    }
}

/// The packets of a counter: `42:1680`, with or without its brackets.
fn packets(counter: &str) -> Option<u64> {
    let (packets, _) = counter.trim_start_matches('[').split_once(':')?;
    packets.parse().ok()
}

/// The chain and the rule of a line that begins with its counter or with `-A`.
fn rule(tool: &str, line: &str) -> Option<(String, Rule)> {
    let (packets, text) = match line.strip_prefix('[') {
        Some(rest) => {
            let (counter, text) = rest.split_once("] ")?;
            (packets(counter), text)
        }
        None => (None, line),
    };
    let mut words = text.split_whitespace().peekable();
    if words.next()? != "-A" {
        return None;
    }
    let chain = words.next()?.to_owned();
    let mut rule = Rule {
        matches: Vec::new(),
        verdict: Verdict::Continue,
        packets,
        text: format!("{tool} {text}"),
    };
    while let Some(word) = words.next() {
        read(word, &mut words, &mut rule);
    }
    Some((chain, rule))
}

/// Reads one option with its value. One without a word here makes the rule
/// uncertain.
fn read<'a>(word: &'a str, words: &mut Peekable<impl Iterator<Item = &'a str>>, rule: &mut Rule) {
    let (is, option) = match word {
        "!" => (false, words.next().unwrap_or_default()),
        option => (true, option),
    };
    if option == "--limit-iface-in" {
        let last = rule.matches.last_mut().map(|it| &mut it.of);
        if let Some(Field::Kind(asked @ Asked::Address, _)) = last {
            *asked = Asked::AddressHere;
            return;
        }
    }
    let Some(value) = words.next_if(|next| *next != "!" && !is_option(next)) else {
        rule.matches.push(Match {
            is,
            of: Field::Unknown,
        });
        return;
    };
    let of = match option {
        // What these say is in the options behind them.
        "-m" if matches!(
            value,
            "tcp"
                | "udp"
                | "state"
                | "conntrack"
                | "multiport"
                | "comment"
                | "pkttype"
                | "addrtype"
        ) =>
        {
            return;
        }
        "--comment" => return skip_quoted(value, words),
        "--reject-with" | "--log-prefix" | "--log-level" => return skip_quoted(value, words),
        "-j" | "-g" => {
            rule.verdict = verdict(value, option == "-g");
            return;
        }
        "-p" => protocol_of(value).map(|protocol| Field::Protocol(vec![protocol])),
        "-i" => Some(Field::Interface(Hook::Input, vec![value.to_owned()])),
        "-o" => Some(Field::Interface(Hook::Output, vec![value.to_owned()])),
        "-s" => network(value).map(|network| Field::Source(vec![network])),
        "-d" => network(value).map(|network| Field::Destination(vec![network])),
        "--pkt-type" => kinds(Asked::Frame, value),
        "--dst-type" => kinds(Asked::Address, value),
        "--sport" | "--sports" => ports(value).map(Field::SourcePort),
        "--dport" | "--dports" => ports(value).map(Field::Port),
        "--state" | "--ctstate" => {
            let has = |state: &str| value.split(',').any(|it| it == state);
            Some(Field::State {
                new: has("NEW"),
                established: has("ESTABLISHED"),
            })
        }
        _ => None,
    };
    rule.matches.push(Match {
        is,
        of: of.unwrap_or(Field::Unknown),
    });
}

/// `LOCAL`, `BROADCAST,MULTICAST`.
fn kinds(asked: Asked, text: &str) -> Option<Field> {
    let kinds: Option<_> = text.split(',').map(|it| Kind::named(asked, it)).collect();
    Some(Field::Kind(asked, kinds?))
}

fn is_option(word: &str) -> bool {
    word.starts_with('-') && word.parse::<i64>().is_err()
}

/// The rest of a text in quotes, of which the first word was taken.
fn skip_quoted<'a>(first: &str, words: &mut impl Iterator<Item = &'a str>) {
    if first.starts_with('"') && !(first.len() > 1 && first.ends_with('"')) {
        words.find(|word| word.ends_with('"'));
    }
}

fn verdict(target: &str, goto: bool) -> Verdict {
    match target {
        "ACCEPT" => Verdict::Accept,
        "DROP" | "REJECT" => Verdict::Drop,
        "RETURN" => Verdict::Return,
        // Targets of the kernel's are in capitals, and the packet goes on.
        "LOG" | "NFLOG" | "MARK" | "CONNMARK" | "CT" | "NOTRACK" | "TCPMSS" | "TOS" | "DSCP"
        | "CHECKSUM" | "CLASSIFY" | "TRACE" | "AUDIT" | "SECMARK" | "CONNSECMARK" | "SNAT"
        | "DNAT" | "MASQUERADE" | "REDIRECT" | "SET" => Verdict::Continue,
        chain => Verdict::Chain {
            name: chain.to_owned(),
            goto,
        },
    }
}

/// `80`, `8000:9000`, `80,443,8000:9000`.
fn ports(text: &str) -> Option<Vec<RangeInclusive<u16>>> {
    let range = |part: &str| match part.split_once(':') {
        None => part.parse().ok().map(|port: u16| port..=port),
        Some((first, last)) => {
            let first = Some(first).filter(|text| !text.is_empty()).unwrap_or("0");
            let last = Some(last)
                .filter(|text| !text.is_empty())
                .unwrap_or("65535");
            Some(first.parse().ok()?..=last.parse().ok()?)
        }
    };
    text.split(',').map(range).collect()
}
