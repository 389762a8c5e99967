//! What a virtual router tracks: `[[vrrp.track]]`, and `track_interfaces` for
//! short.

use std::ops::Range;
use std::time::Duration;

use toml::{Spanned, Table};

use super::super::director::VirtualServer;
use super::super::document::Document;
use super::super::raw::Field;
use super::super::script;
use super::super::show::Keys;
use super::super::values::{duration, number, show_duration};
use super::{identity, raw};
use crate::lvs::VirtualServerId;
use crate::track::{File, MOST_WEIGHT, Pace, Process, Script, Source, Tracker};
use crate::vrrp::Priority;
use std::collections::{BTreeMap, BTreeSet};

const INTERVAL: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

const KINDS: &str = "name one of: interface script process file virtual_server";

/// Every tracker of a virtual router. What is refused is noted, and left out.
pub(super) fn trackers(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    priority: Option<Priority>,
) -> Vec<Tracker> {
    let mut trackers = Vec::new();
    let mut names = BTreeSet::new();
    for interface in &raw.track_interfaces {
        let source = identity::interface_name(document, interface).map(Source::Interface);
        trackers.extend(source.map(|source| (named(None, source, None), interface.span())));
    }
    for table in &raw.track {
        let (raw, span) = (table.get_ref(), table.span());
        let source = source(document, raw, &span);
        let weight = weight(document, raw, priority);
        let name = raw.name.as_ref().map(|name| name.get_ref().as_str());
        trackers.extend(source.map(|source| (named(name, source, weight), span)));
    }
    for (tracker, span) in &trackers {
        if !names.insert(tracker.name.clone()) {
            let message = format!("the name \"{}\" is taken", tracker.name);
            let mend = "give each tracker of a virtual router a name of its own";
            document.refuse(span, message, mend);
        }
    }
    trackers.into_iter().map(|(tracker, _)| tracker).collect()
}

fn named(name: Option<&str>, source: Source, weight: Option<i16>) -> Tracker {
    Tracker {
        name: name.map_or_else(|| source.to_string(), str::to_owned),
        source,
        weight,
    }
}

/// The one thing that the table names.
fn source(document: &mut Document<'_>, raw: &raw::Track, table: &Range<usize>) -> Option<Source> {
    let named = [
        raw.interface.as_ref().map(Spanned::span),
        raw.script.as_ref().map(Spanned::span),
        raw.process.as_ref().map(Spanned::span),
        raw.file.as_ref().map(Spanned::span),
        raw.virtual_server.as_ref().map(Spanned::span),
    ];
    let mut named = named.iter().flatten();
    match (named.next(), named.next()) {
        (None, _) => {
            document.refuse_missing(table, "interface", KINDS);
            return None;
        }
        (Some(_), Some(second)) => {
            let message = "a tracker is of one kind";
            document.refuse(second, message, "write a [[vrrp.track]] table for each");
            return None;
        }
        (Some(_), None) => {}
    }
    needless(document, raw);
    let pace = pace(document, raw);
    if let Some(interface) = &raw.interface {
        identity::interface_name(document, interface).map(Source::Interface)
    } else if raw.script.is_some() {
        let user = script::user(document, &raw.user);
        let range = Duration::from_millis(10)..=LONGEST;
        let timeout = duration(document, &raw.timeout, pace.interval, range);
        Some(Source::Script(Script {
            argv: script::argv(document, &raw.script, user.as_deref())?,
            user,
            timeout: timeout?,
            pace,
        }))
    } else if let Some(name) = &raw.process {
        let legal = !name.get_ref().is_empty() && !name.get_ref().contains(['/', '\0']);
        let legal = legal.then(|| name.get_ref().clone());
        let mend = "write the program's name without its path, such as \"nginx\"";
        Some(Source::Process(Process {
            name: document.accept(&name.span(), legal.ok_or("not a program's name"), mend)?,
            cmdline: raw.cmdline.as_ref().map(|text| text.get_ref().clone()),
            pace,
        }))
    } else if let Some(path) = &raw.file {
        let legal = path.get_ref().starts_with('/') && !path.get_ref().contains('\0');
        let legal = legal.then(|| path.get_ref().into());
        let mend = "write an absolute path, such as \"/run/lvsd/priority\"";
        Some(Source::File(File {
            path: document.accept(&path.span(), legal.ok_or("not an absolute path"), mend)?,
            interval: pace.interval,
        }))
    } else {
        virtual_server(document, raw.virtual_server.as_ref()?).map(Source::VirtualServer)
    }
}

/// `tcp` may be left out.
fn virtual_server(document: &mut Document<'_>, text: &Spanned<String>) -> Option<VirtualServerId> {
    let written = text.get_ref();
    let parsed = written.parse().or_else(|error| {
        let as_tcp = format!("tcp {written}").parse();
        as_tcp.map_err(|_| error)
    });
    let mend = "write it as `lvsd status` does, such as \"tcp 192.168.1.200:80\" or \"fwmark 7\"";
    document.accept(&text.span(), parsed, mend)
}

fn pace(document: &mut Document<'_>, raw: &raw::Track) -> Pace {
    let range = Duration::from_millis(100)..=LONGEST;
    Pace {
        interval: duration(document, &raw.interval, INTERVAL, range).unwrap_or(INTERVAL),
        rise: number(document, &raw.rise, 1, 1..=1000).unwrap_or(1),
        fall: number(document, &raw.fall, 1, 1..=1000).unwrap_or(1),
    }
}

/// Refuses keys that the kind has no use for.
fn needless(document: &mut Document<'_>, raw: &raw::Track) {
    let (script, process) = (raw.script.is_some(), raw.process.is_some());
    let file = raw.file.is_some();
    let counted = script || process;
    fn span<T>(field: &Field<T>) -> Option<Range<usize>> {
        field.as_ref().map(Spanned::span)
    }
    let keys = [
        (span(&raw.cmdline), process, "process"),
        (span(&raw.user), script, "script"),
        (span(&raw.timeout), script, "script"),
        (
            span(&raw.interval),
            counted || file,
            "script, process or file",
        ),
        (span(&raw.rise), counted, "script or process"),
        (span(&raw.fall), counted, "script or process"),
        (
            span(&raw.weight),
            !file,
            "tracker other than a file, whose number is its weight",
        ),
    ];
    for (span, has_use, kind) in keys {
        if let Some(span) = span.filter(|_| !has_use) {
            let message = format!("means something only for a {kind}");
            document.refuse(&span, message, "remove it");
        }
    }
}

fn weight(
    document: &mut Document<'_>,
    raw: &raw::Track,
    priority: Option<Priority>,
) -> Option<i16> {
    let field = raw.weight.as_ref()?;
    let most = i64::from(MOST_WEIGHT);
    let weight: i16 = number(document, &raw.weight, 0, -most..=most)?;
    let refusal = if weight == 0 {
        Some((
            "changes nothing",
            "leave it out to make it a fault while down",
        ))
    } else if priority == Some(Priority::OWNER) {
        Some((
            "changes nothing: priority 255 stays what it is",
            "leave it out to make it a fault while down, or lower the priority",
        ))
    } else {
        None
    };
    match refusal {
        None => Some(weight),
        Some((message, mend)) => {
            document.refuse(&field.span(), message, mend);
            None
        }
    }
}

/// Refuses virtual servers that the file does not have.
pub(in crate::config) fn check_virtual_servers(
    document: &mut Document<'_>,
    raw: &[Spanned<raw::Vrrp>],
    servers: &BTreeMap<VirtualServerId, VirtualServer>,
) {
    for track in raw.iter().flat_map(|table| &table.get_ref().track) {
        let Some(text) = &track.get_ref().virtual_server else {
            continue;
        };
        let written = text.get_ref();
        let parsed = written
            .parse()
            .or_else(|_| format!("tcp {written}").parse::<VirtualServerId>());
        if parsed.is_ok_and(|id| !servers.contains_key(&id)) {
            let known: Vec<_> = servers.keys().map(ToString::to_string).collect();
            let mend = match known.as_slice() {
                [] => "write a [[virtual_server]] table for it".to_owned(),
                known => format!("use one of: {}", known.join(", ")),
            };
            document.refuse(&text.span(), "no such virtual server in this file", mend);
        }
    }
}

/// Writes one back.
pub(super) fn show(tracker: &Tracker) -> Table {
    let keys = Keys::default().set_text("name", &tracker.name);
    let paced = |keys: Keys, pace: &Pace| {
        keys.set_text("interval", show_duration(pace.interval))
            .set("rise", i64::from(pace.rise))
            .set("fall", i64::from(pace.fall))
    };
    let mut keys = match &tracker.source {
        Source::Interface(name) => keys.set_text("interface", name),
        Source::Script(script) => {
            let keys = keys.set("script", script.argv.clone());
            let keys = paced(keys, &script.pace);
            let keys = keys.set_text("timeout", show_duration(script.timeout));
            match &script.user {
                Some(user) => keys.set_text("user", user),
                None => keys,
            }
        }
        Source::Process(process) => {
            let keys = keys.set_text("process", &process.name);
            let keys = match &process.cmdline {
                Some(text) => keys.set_text("cmdline", text),
                None => keys,
            };
            paced(keys, &process.pace)
        }
        Source::File(file) => keys
            .set_text("file", file.path.display())
            .set_text("interval", show_duration(file.interval)),
        Source::VirtualServer(id) => keys.set_text("virtual_server", id),
    };
    if let Some(weight) = tracker.weight {
        keys = keys.set("weight", i64::from(weight));
    }
    keys.0
}

#[cfg(test)]
mod tests;
