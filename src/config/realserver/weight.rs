//! Where the weight comes from that directors may follow.

use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;

use super::raw;
use crate::config::document::Document;
use crate::config::script::argv;
use crate::config::values::absolute;
use crate::config::values::{duration, number};

/// How the weight in the readiness answer is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weight {
    /// Where it comes from.
    pub source: Source,
    /// How often it is found anew.
    pub interval: Duration,
}

/// Where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The load average of the last minute, in percent of the processors.
    Load(Slope),
    /// The share of the last ten seconds in which something waited for a
    /// processor, in percent (`/proc/pressure/cpu`).
    Pressure(Slope),
    /// The number in a file.
    File(PathBuf),
    /// The number that a program prints.
    Script {
        /// The program and its arguments.
        command: Vec<String>,
        /// How long it may take.
        timeout: Duration,
    },
}

/// From a measure to a weight: 100 up to `full`, `least` from `empty` on, and a
/// straight line between the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slope {
    /// The measure up to which the weight is 100, in percent.
    pub full: u32,
    /// The measure from which it is `least`, in percent.
    pub empty: u32,
    /// The smallest weight.
    pub least: u8,
}

const INTERVAL: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(2);
const LEAST: u8 = 1;

pub(super) fn read(document: &mut Document<'_>, table: &Spanned<raw::Weight>) -> Option<Weight> {
    let (raw, span) = (table.get_ref(), table.span());
    let mend = "use one of: load pressure file script";
    let source = document.require(&span, raw.source.as_ref(), "source", mend)?;
    let shortest = Duration::from_millis(100);
    let hour = Duration::from_secs(60 * 60);
    let interval = duration(document, &raw.interval, INTERVAL, shortest..=hour);
    let kind = source.get_ref().as_str();
    let found = match kind {
        "load" => slope(document, raw, 100, 400).map(Source::Load),
        "pressure" => slope(document, raw, 10, 80).map(Source::Pressure),
        "file" => {
            let mend = "name the file, as in path = \"/run/app.weight\"";
            let path = document.require(&span, raw.path.as_ref(), "path", mend);
            path.and_then(|path| absolute(document, path))
                .map(Source::File)
        }
        "script" => script(document, raw, &span),
        _ => {
            document.refuse(&source.span(), "unknown source", mend);
            None
        }
    };
    unused(document, raw, kind);
    Some(Weight {
        source: found?,
        interval: interval?,
    })
}

fn slope(document: &mut Document<'_>, raw: &raw::Weight, full: u32, empty: u32) -> Option<Slope> {
    let full = number(document, &raw.full, full, 0..=100_000);
    let empty = number(document, &raw.empty, empty, 1..=100_000);
    let least = number(document, &raw.least, LEAST, 0..=100);
    let slope = Slope {
        full: full?,
        empty: empty?,
        least: least?,
    };
    if slope.full >= slope.empty {
        let at = raw.empty.as_ref().or(raw.full.as_ref()).map(Spanned::span);
        let mend = "`full` must be below `empty`";
        document.refuse(&at.unwrap_or(0..0), "no room between full and empty", mend);
        return None;
    }
    Some(slope)
}

fn script(
    document: &mut Document<'_>,
    raw: &raw::Weight,
    span: &std::ops::Range<usize>,
) -> Option<Source> {
    let mend = "name the program and its arguments, as in command = [\"/usr/local/bin/weight\"]";
    document.require(span, raw.command.as_ref(), "command", mend)?;
    let command = argv(document, &raw.command, None);
    let shortest = Duration::from_millis(10);
    let hour = Duration::from_secs(60 * 60);
    let timeout = duration(document, &raw.timeout, TIMEOUT, shortest..=hour);
    Some(Source::Script {
        command: command?,
        timeout: timeout?,
    })
}

/// The keys of one source, with another source, are a mistake.
fn unused(document: &mut Document<'_>, raw: &raw::Weight, kind: &str) {
    let sloping = matches!(kind, "load" | "pressure");
    let keys = [
        (raw.full.as_ref().map(Spanned::span), sloping),
        (raw.empty.as_ref().map(Spanned::span), sloping),
        (raw.least.as_ref().map(Spanned::span), sloping),
        (raw.path.as_ref().map(Spanned::span), kind == "file"),
        (raw.command.as_ref().map(Spanned::span), kind == "script"),
        (raw.timeout.as_ref().map(Spanned::span), kind == "script"),
    ];
    for (span, used) in keys {
        if let Some(span) = span.filter(|_| !used) {
            let message = format!("not used by the source {kind:?}");
            document.refuse(&span, message, "remove it");
        }
    }
}
