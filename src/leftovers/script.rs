//! A script, and whether it does the agent's work: line by line, or as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::deed::{self, Deed};
use super::function::{self, Function};
use super::shell::{self, Command};

/// What became of the scripts that were run, by their files.
type Known = BTreeMap<String, Verdict>;

/// What the lines of a script do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Effect {
    /// The VIPs that it puts on `lo`.
    pub(super) vips: BTreeSet<IpAddr>,
    /// Whether it puts any there, known or not.
    pub(super) binds: bool,
    /// Whether it sets ARP parameters.
    pub(super) sets: bool,
    /// The scripts and services that it runs, and that do either.
    pub(super) runs: BTreeSet<String>,
    /// The aliases that it brings up.
    pub(super) raises: BTreeSet<String>,
    /// The files of parameters that it has applied; empty text: all of them.
    pub(super) reloads: BTreeSet<String>,
}

impl Effect {
    /// Whether it does the agent's work: more than having a file applied.
    pub(super) fn is_work(&self) -> bool {
        self.binds || self.sets || !self.raises.is_empty() || !self.runs.is_empty()
    }

    fn is_none(&self) -> bool {
        *self == Self::default()
    }

    fn add(&mut self, other: Self) {
        self.binds |= other.binds;
        self.sets |= other.sets;
        self.vips.extend(other.vips);
        self.runs.extend(other.runs);
        self.raises.extend(other.raises);
        self.reloads.extend(other.reloads);
    }
}

/// A line with the agent's work, or several that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Work {
    /// Where.
    pub(super) lines: RangeInclusive<usize>,
    /// The commands of it that do the work, as far as there are others.
    pub(super) among: Option<String>,
    /// What must stand in its place, if anything must.
    pub(super) stub: Option<String>,
    /// What it does.
    pub(super) effect: Effect,
}

/// What became of reading a script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The lines with the agent's work.
    pub(super) work: Vec<Work>,
    /// Whether it does nothing else, so that the whole of it can go.
    pub(super) whole: bool,
    /// Whether it can take back what it does.
    pub(super) undoes: bool,
    /// The scripts that it runs, and those that they run, which do the agent's work.
    pub(super) calls: BTreeSet<String>,
}

impl Verdict {
    /// What the whole script does.
    pub(super) fn effect(&self) -> Effect {
        let mut effect = Effect::default();
        for work in &self.work {
            effect.add(work.effect.clone());
        }
        effect
    }
}

/// What a script must know of the host that it is on.
pub(super) trait Host {
    /// The text of a file.
    fn text(&self, path: &str) -> Option<String>;
    /// The file, and its text, of a script that is run by a path, by the name of a
    /// program, or as a service.
    fn script(&self, name: &str) -> Option<(String, String)>;
    /// The VIPs that the file of an alias has.
    fn alias(&self, name: &str) -> BTreeSet<IpAddr>;
}

/// Reads a script.
pub(super) fn judge(text: &str, host: &dyn Host) -> Verdict {
    judge_knowing(text, host, &mut Known::new())
}

fn judge_knowing(text: &str, host: &dyn Host, known: &mut Known) -> Verdict {
    let script = shell::parse(text, &|path| host.text(path));
    let mut judge = Judge {
        host,
        known,
        directory: String::from("/"),
        functions: &script.functions,
        read: BTreeMap::new(),
        verdict: Verdict {
            whole: true,
            ..Verdict::default()
        },
    };
    let mut lines: BTreeMap<usize, Line> = BTreeMap::new();
    for command in &script.commands {
        let (first, last) = (*command.lines.start(), *command.lines.end());
        let found = judge.effect(command);
        // One that begins on a line on which another one ends belongs to it.
        let before = lines.range(..=first).next_back();
        let joined = before.filter(|(_, line)| line.last >= first);
        let first = joined.map_or(first, |(first, _)| *first);
        let line = lines.entry(first).or_default();
        line.last = line.last.max(last);
        line.add(command, found);
    }
    let work = lines
        .into_iter()
        .filter_map(|(first, line)| line.work(first, text, &script.functions));
    let mut verdict = judge.verdict;
    verdict.work = work.collect();
    verdict.whole &= verdict.work.iter().any(|work| work.effect.is_work());
    verdict
}

struct Judge<'a> {
    host: &'a dyn Host,
    known: &'a mut Known,
    directory: String,
    functions: &'a [Function],
    /// The functions of scripts that were read and go as a whole, with their files.
    read: BTreeMap<String, String>,
    verdict: Verdict,
}

impl Judge<'_> {
    fn effect(&mut self, command: &Command) -> Effect {
        let mut effect = Effect::default();
        let name = command.words.first().map_or("", String::as_str);
        if self.functions.iter().any(|function| function.name == name) {
            return effect;
        }
        if let Some(file) = self.read.get(name) {
            effect.runs.insert(file.clone());
            return effect;
        }
        match deed::of(command) {
            Deed::Bind(vips) => {
                effect.binds = true;
                effect.vips = vips;
            }
            Deed::Set => effect.sets = true,
            Deed::Reload(file) => drop(effect.reloads.insert(file.unwrap_or_default())),
            Deed::Raise(alias) => {
                effect.vips = self.host.alias(&alias);
                effect.raises.insert(alias);
            }
            Deed::Run(name) => drop(self.run(&name, &mut effect)),
            Deed::Read(name) => {
                if let Some(text) = self.run(&name, &mut effect) {
                    let functions = shell::parse(&text, &|_| None).functions;
                    let file = effect.runs.first().cloned().unwrap_or_default();
                    let names = functions.into_iter().map(|it| (it.name, file.clone()));
                    self.read.extend(names);
                }
            }
            Deed::Text(text) => self.text(&text, &mut effect),
            Deed::Go(directory) => self.directory = self.path(&directory),
            Deed::Undo => self.verdict.undoes = true,
            Deed::Talk => {}
            Deed::Other => self.verdict.whole = false,
        }
        effect
    }

    /// A script that it runs: of no interest here where only some lines of it are, which
    /// then are found there. Returns the text of one that goes as a whole.
    fn run(&mut self, name: &str, effect: &mut Effect) -> Option<String> {
        let path = match name.contains('/') {
            true => self.path(name),
            false => name.to_owned(),
        };
        let called = self.host.script(&path);
        let judged = called.map(|(path, text)| {
            let verdict = self.judged(&path, &text);
            (path, text, verdict)
        });
        let is_work = |verdict: &Verdict| verdict.effect().is_work();
        let Some((path, text, verdict)) = judged.filter(|(_, _, verdict)| is_work(verdict)) else {
            self.verdict.whole = false;
            return None;
        };
        if verdict.whole {
            effect.vips = verdict.effect().vips;
            effect.runs.insert(path.clone());
        } else {
            self.verdict.whole = false;
        }
        self.verdict.calls.extend(verdict.calls);
        self.verdict.calls.insert(path);
        verdict.whole.then_some(text)
    }

    fn judged(&mut self, path: &str, text: &str) -> Verdict {
        if let Some(verdict) = self.known.get(path) {
            return verdict.clone();
        }
        // Until it is known, so that one which runs itself comes to an end.
        self.known.insert(path.to_owned(), Verdict::default());
        let verdict = judge_knowing(text, self.host, self.known);
        self.known.insert(path.to_owned(), verdict.clone());
        verdict
    }

    fn text(&mut self, text: &str, effect: &mut Effect) {
        let verdict = judge_knowing(text, self.host, self.known);
        self.verdict.whole &= verdict.whole;
        self.verdict.undoes |= verdict.undoes;
        self.verdict.calls.extend(verdict.calls.iter().cloned());
        *effect = verdict.effect();
    }

    fn path(&self, path: &str) -> String {
        let below = path.trim_start_matches("./");
        match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("{}/{below}", self.directory.trim_end_matches('/')),
        }
    }
}

/// The commands of a line, or of lines that a command joins.
#[derive(Default)]
struct Line {
    last: usize,
    effect: Effect,
    work: Vec<String>,
    has_others: bool,
}

/// Programs whose loss a line can bear.
const IDLE: [&str; 11] = [
    "echo", "printf", "test", "[", "[[", "sleep", "logger", "true", ":", "cd", "grep",
];

impl Line {
    fn add(&mut self, command: &Command, found: Effect) {
        let program = command.words.first().map_or("", String::as_str);
        match found.is_none() {
            true => self.has_others |= !IDLE.contains(&program),
            false => self.work.push(command.words.join(" ")),
        }
        self.effect.add(found);
    }

    fn work(self, first: usize, text: &str, functions: &[Function]) -> Option<Work> {
        let lines = text.lines().skip(first - 1).take(self.last - first + 1);
        let mixed = self.has_others || !stands_alone(&lines.collect::<Vec<_>>().join("\n"));
        let lines = first..=self.last;
        (!self.effect.is_none()).then(|| Work {
            stub: function::stub(functions, &lines),
            among: mixed.then(|| self.work.join("; ")),
            lines,
            effect: self.effect,
        })
    }
}

/// Whether what is around the lines is whole without them.
fn stands_alone(lines: &str) -> bool {
    let words = lines.split(|c: char| c.is_whitespace() || c == ';');
    let count = |of: &[&str]| words.clone().filter(|word| of.contains(word)).count();
    let opened = count(&["if", "case", "for", "while", "until", "{"]);
    let closed = count(&["fi", "esac", "done", "}"]);
    let joints = count(&["then", "else", "elif", "do"]);
    let brackets = |bracket| lines.matches(bracket).count();
    opened == closed
        && (joints == 0 || opened > 0)
        && (opened > 0 || !lines.contains(";;"))
        && brackets('(') == brackets(')')
        && brackets('{') == brackets('}')
}

#[cfg(test)]
mod tests;
