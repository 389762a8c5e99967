//! What was found, in words, with the command that takes it out.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::address::Part;
use super::enabled::name;
use super::place::quoted;
use super::script::{Effect, Verdict, Work};
use super::{Leftover, Place, Removal, Setting, Start};

/// What makes a line a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comment {
    /// `#`.
    Hash,
    /// `: #`, a command that does nothing: a loop or condition around it needs one.
    Shell,
}

impl Comment {
    /// `stub`: what must stand there instead.
    fn sign(self, stub: Option<&str>) -> String {
        match self {
            Self::Hash => "#".to_owned(),
            Self::Shell => format!("{} #", stub.unwrap_or(":")),
        }
    }
}

/// `ifcfg-lo:0`
pub(super) fn alias(file: &str, parts: &[Part], start: Start) -> Leftover {
    let place = Place::whole(file);
    let texts: Vec<_> = parts.iter().map(|part| part.text.as_str()).collect();
    let vips = parts.iter().flat_map(|part| part.vips.clone()).collect();
    Leftover {
        text: match texts.is_empty() {
            true => "an alias of lo".to_owned(),
            false => texts.join(", "),
        },
        does: puts(&vips),
        vips,
        runs: BTreeSet::new(),
        start,
        removal: Removal::Command(place.removal("")),
        caution: Some("no ifdown before: that takes the VIP away"),
        place,
    }
}

/// A line, or lines, with an address.
pub(super) fn part(file: &str, part: &Part, start: Start) -> Leftover {
    let place = Place::lines(file, part.lines.0..=part.lines.1);
    Leftover {
        text: part.text.clone(),
        does: puts(&part.vips),
        vips: part.vips.clone(),
        runs: BTreeSet::new(),
        start,
        removal: Removal::Command(place.removal("#")),
        caution: None,
        place,
    }
}

/// `iface lo:0 inet static`, `auto lo:0`
pub(super) fn stanza(file: &str, found: &Part) -> Leftover {
    let words = found.text.split_whitespace();
    let aliases: Vec<_> = words
        .clone()
        .filter(|word| word.starts_with("lo:"))
        .collect();
    let has_others = found.text.starts_with("a") && words.count() > aliases.len() + 1;
    let told = part(file, found, Start::AtBoot);
    Leftover {
        does: match found.text.starts_with("iface") {
            true => told.does,
            false => format!("brings {} up", aliases.join(" ")),
        },
        removal: match has_others {
            true => Removal::Edit(format!("take {} out of the line", aliases.join(" "))),
            false => told.removal,
        },
        caution: Some("no ifdown before: that takes the VIP away"),
        ..told
    }
}

/// `net.ipv4.conf.all.arp_ignore = 1`
pub(super) fn setting(line: &Setting) -> Leftover {
    Leftover {
        place: line.place.clone(),
        text: line.text.clone(),
        does: "lvsd sets it while it is needed; here it would stay when lvsd is gone".to_owned(),
        vips: [].into(),
        runs: BTreeSet::new(),
        start: Start::AtBoot,
        removal: Removal::Command(line.place.removal("#")),
        caution: None,
    }
}

/// A line of a script, or of a file with commands.
pub(super) fn work(
    file: &str,
    text: &str,
    work: &Work,
    start: &Start,
    comment: Comment,
) -> Leftover {
    let place = Place::lines(file, work.lines.clone());
    let (first, last) = (*work.lines.start(), *work.lines.end());
    let lines = text.lines().skip(first - 1).take(last - first + 1);
    let lines: Vec<_> = lines
        .map(|line| line.trim().trim_end_matches('\\').trim())
        .collect();
    Leftover {
        text: lines.join(" "),
        does: done(&work.effect),
        vips: work.effect.vips.clone(),
        runs: work.effect.runs.clone(),
        start: start.clone(),
        removal: match &work.among {
            None => Removal::Command(place.removal(&comment.sign(work.stub.as_deref()))),
            Some(commands) => Removal::Edit(format!(
                "put `:` in the place of `{commands}`, and leave the rest"
            )),
        },
        caution: None,
        place,
    }
}

/// `ExecStart=` of a unit.
pub(super) fn unit(place: Place, text: &str, found: &Work, whole: bool, start: &Start) -> Leftover {
    let (file, number) = (place.file, place.lines.map_or(1, |(first, _)| first));
    let lines = Work {
        lines: number..=number,
        ..found.clone()
    };
    let told = work(&file, text, &lines, start, Comment::Hash);
    if !whole {
        return told;
    }
    let name = name(&file);
    Leftover {
        removal: Removal::Command(format!("systemctl disable {name}; rm -f {}", quoted(&file))),
        caution: Some("do not stop it before: that takes the VIP away if it has an ExecStop"),
        ..told
    }
}

/// A whole script.
pub(super) fn script(file: &str, verdict: &Verdict, links: &[String], start: Start) -> Leftover {
    let effect = Effect {
        // It goes with the script.
        reloads: BTreeSet::new(),
        ..verdict.effect()
    };
    let place = Place::whole(file);
    let removal = match links.is_empty() {
        true => place.removal(""),
        false => format!("rm -f {} {}", links.join(" "), quoted(file)),
    };
    Leftover {
        text: done(&effect),
        does: done(&effect),
        vips: effect.vips,
        runs: match effect.binds {
            true => BTreeSet::new(),
            false => effect.runs,
        },
        start,
        removal: Removal::Command(removal),
        caution: verdict
            .undoes
            .then_some("do not run its stop: that takes the VIP away"),
        place,
    }
}

/// "puts 192.168.1.200 on lo, sets ARP parameters"
fn done(effect: &Effect) -> String {
    let mut parts = Vec::new();
    if effect.binds {
        parts.push(puts(&effect.vips));
    }
    if effect.sets {
        parts.push("sets ARP parameters".to_owned());
    }
    parts.extend(effect.runs.iter().map(|script| format!("runs {script}")));
    parts.extend(
        effect
            .raises
            .iter()
            .map(|alias| format!("brings {alias} up")),
    );
    parts.extend(effect.reloads.iter().map(|file| match file.as_str() {
        "" => "applies every line of sysctl.d".to_owned(),
        file => format!("applies {file}; keep it if other lines there need it"),
    }));
    parts.join(", ")
}

fn puts(vips: &BTreeSet<IpAddr>) -> String {
    let vips: Vec<_> = vips.iter().map(ToString::to_string).collect();
    match vips.is_empty() {
        true => "puts an address on lo".to_owned(),
        false => format!("puts {} on lo", vips.join(" and ")),
    }
}
