//! One line of a saved table: words to options.

use std::collections::BTreeMap;

use lexopt::{Arg, Parser, ValueExt};

/// What follows an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    None,
    Needed,
    Optional,
}

/// An option by the name that messages give it, and its other name.
#[derive(Debug, Clone, Copy)]
struct Known(&'static str, &'static str, Value);

/// The options of `ipvsadm` that a saved table can have.
const KNOWN: [Known; 27] = [
    Known("-A", "--add-service", Value::None),
    Known("-a", "--add-server", Value::None),
    Known("-t", "--tcp-service", Value::Needed),
    Known("-u", "--udp-service", Value::Needed),
    Known("--sctp-service", "", Value::Needed),
    Known("-f", "--fwmark-service", Value::Needed),
    Known("-6", "--ipv6", Value::None),
    Known("-s", "--scheduler", Value::Needed),
    Known("-b", "--sched-flags", Value::Needed),
    Known("-p", "--persistent", Value::Optional),
    Known("-M", "--netmask", Value::Needed),
    Known("--pe", "", Value::Needed),
    Known("-o", "--ops", Value::None),
    Known("-r", "--real-server", Value::Needed),
    Known("-g", "--gatewaying", Value::None),
    Known("-i", "--ipip", Value::None),
    Known("-m", "--masquerading", Value::None),
    Known("-w", "--weight", Value::Needed),
    Known("-x", "--u-threshold", Value::Needed),
    Known("-y", "--l-threshold", Value::Needed),
    Known("--tun-type", "", Value::Needed),
    Known("--tun-port", "", Value::Needed),
    Known("--tun-nocsum", "", Value::None),
    Known("--tun-csum", "", Value::None),
    Known("--tun-remcsum", "", Value::None),
    // Changes nothing: addresses are always numeric here.
    Known("-n", "--numeric", Value::None),
    Known("--tun-info", "", Value::None),
];

/// The options of a line with the text behind each, not looked at yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line(BTreeMap<&'static str, String>);

impl Line {
    /// Reads the words of a line; `ipvsadm` may be the first of them.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let words = text.split_whitespace().enumerate();
        let words = words.filter(|(index, word)| *index > 0 || *word != "ipvsadm");
        let mut parser = Parser::from_args(words.map(|(_, word)| word));
        let mut options = BTreeMap::new();
        while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
            let Known(name, _, takes) = known(&arg)?;
            let value = match takes {
                Value::None => String::new(),
                Value::Needed => parser
                    .value()
                    .and_then(|value| value.string())
                    .map_err(|error| error.to_string())?,
                Value::Optional => optional(&mut parser)?,
            };
            if options.insert(name, value).is_some() {
                return Err(format!("{name} is given twice"));
            }
        }
        Ok(Self(options))
    }

    /// Takes an option's text out of the line.
    pub(super) fn take(&mut self, name: &'static str) -> Option<String> {
        self.0.remove(name)
    }

    /// Takes an option that has no text.
    pub(super) fn has(&mut self, name: &'static str) -> bool {
        self.take(name).is_some()
    }

    /// Takes the one of these options that is there.
    pub(super) fn take_one(
        &mut self,
        names: &[&'static str],
    ) -> Result<Option<(&'static str, String)>, String> {
        let mut found = None;
        for name in names {
            if let Some(value) = self.take(name)
                && let Some((other, _)) = found.replace((*name, value))
            {
                return Err(format!("{other} and {name} exclude each other"));
            }
        }
        Ok(found)
    }

    /// What nobody took.
    pub(super) fn left(&self) -> Option<&'static str> {
        self.0.keys().next().copied()
    }
}

fn known(arg: &Arg<'_>) -> Result<Known, String> {
    let written = match arg {
        Arg::Short(letter) => format!("-{letter}"),
        Arg::Long(name) => format!("--{name}"),
        Arg::Value(word) => return Err(format!("{word:?} belongs to no option")),
    };
    KNOWN
        .into_iter()
        .find(|Known(name, other, _)| written == *name || written == *other)
        .ok_or_else(|| match written.as_str() {
            "-E" | "-D" | "-C" | "-e" | "-d" | "-Z" | "--set" | "--start-daemon"
            | "--stop-daemon" => format!("{written} is no part of a table: only -A and -a are"),
            _ => format!("there is no option {written}"),
        })
}

/// The text behind an option that may have none: attached to it, or the next
/// word unless that is an option.
fn optional(parser: &mut Parser) -> Result<String, String> {
    let value = match parser.optional_value() {
        Some(attached) => attached,
        None => {
            let Some(mut words) = parser.try_raw_args() else {
                return Ok(String::new());
            };
            let is_value = |word: &std::ffi::OsStr| !word.as_encoded_bytes().starts_with(b"-");
            match words.next_if(is_value) {
                Some(word) => word,
                None => return Ok(String::new()),
            }
        }
    };
    value.string().map_err(|error| error.to_string())
}
