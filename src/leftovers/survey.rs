//! Where such things are, and how the files of each place are read.

mod commands;
mod host;
mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use commands::Unit;
use places::{
    ALIASES, BOOT_SCRIPTS, CRONTABS, HOOKS, INIT, INTERFACES, LAST_SYSCTL, LOOSE, NETWORKD, SYSCTL,
    UNITS, WORDS,
};

use super::address;
use super::disk::{Disk, Source};
use super::enabled::{self, name};
use super::script::{self, Verdict, Work};
use super::tell::{self, Comment};
use super::{Leftover, Leftovers, Place, Start, setting};

pub(super) fn survey(root: &Path) -> Leftovers {
    let disk = Disk::new(root);
    let mut survey = Survey {
        enabled: enabled::all(&disk),
        disk,
        leftovers: Leftovers::default(),
        seen: BTreeSet::new(),
        starts: BTreeMap::new(),
    };
    survey.aliases();
    survey.interfaces();
    survey.networkd();
    survey.settings();
    survey.boot_scripts();
    survey.crontabs();
    survey.units();
    survey.scripts();
    Leftovers {
        enabled: survey.enabled,
        ..survey.leftovers
    }
}

struct Survey {
    disk: Disk,
    enabled: BTreeSet<String>,
    leftovers: Leftovers,
    /// The files that were read, by their own names.
    seen: BTreeSet<String>,
    /// What starts a script.
    starts: BTreeMap<String, Vec<Start>>,
}

impl Survey {
    /// A file that was not read before.
    fn read(&mut self, path: &str) -> Option<Source> {
        let source = self.disk.read(path)?;
        self.seen.insert(source.path.clone()).then_some(source)
    }

    /// The files of a directory, or the file itself.
    fn files(&self, path: &str) -> Vec<String> {
        match self.disk.list(path) {
            files if files.is_empty() => vec![path.to_owned()],
            files => files,
        }
    }

    fn found(&mut self, leftover: Leftover) {
        self.leftovers.found.push(leftover);
    }

    fn aliases(&mut self) {
        let files = ALIASES
            .iter()
            .flat_map(|directory| self.disk.list(directory));
        let of_lo = |path: &String| {
            let name = name(path);
            let device = name.strip_prefix("ifcfg-").unwrap_or(name);
            device == "lo" || device.starts_with("lo:")
        };
        for path in files.filter(of_lo).collect::<Vec<_>>() {
            let Some(source) = self.read(&path) else {
                continue;
            };
            let alias = address::ifcfg(&source.text);
            let start = alias_start(&source.path, alias.off);
            if name(&source.path).contains("lo:") {
                self.found(tell::alias(&source.path, &alias.parts, start));
                continue;
            }
            for part in &alias.parts {
                let part = tell::part(&source.path, part, start.clone());
                self.found(part);
            }
        }
    }

    fn interfaces(&mut self) {
        for path in INTERFACES
            .iter()
            .flat_map(|path| self.files(path))
            .collect::<Vec<_>>()
        {
            let Some(source) = self.read(&path) else {
                continue;
            };
            for stanza in address::interfaces(&source.text) {
                if let Some(part) = stanza.for_lo() {
                    self.found(tell::stanza(&source.path, &part));
                }
                for (number, command) in stanza.commands() {
                    let (path, text) = (&source.path, &source.text);
                    self.line(path, text, number, command, &Start::AtBoot);
                }
            }
        }
    }

    fn networkd(&mut self) {
        for path in NETWORKD
            .iter()
            .flat_map(|path| self.disk.list(path))
            .collect::<Vec<_>>()
        {
            let Some(source) = self.read(&path).filter(|_| path.ends_with(".network")) else {
                continue;
            };
            for part in address::network(&source.text) {
                self.found(tell::part(&source.path, &part, Start::AtBoot));
            }
        }
    }

    fn settings(&mut self) {
        let files = SYSCTL
            .iter()
            .flat_map(|directory| self.disk.list(directory));
        // In the order of their names, whatever directory they are in.
        let by_name: BTreeMap<_, _> = files
            .filter(|path| path.ends_with(".conf"))
            .map(|path| (name(&path).to_owned(), path))
            .collect();
        let own = |path: &str| self.disk.read(path).map(|source| source.path);
        let last = own(LAST_SYSCTL);
        // A link to the last one counts there.
        let others = by_name.into_values().filter(|path| own(path) != last);
        let paths: Vec<_> = others.chain([LAST_SYSCTL.to_owned()]).collect();
        let mut settings = Vec::new();
        for path in paths {
            if let Some(source) = self.read(&path) {
                settings.extend(setting::parse(&source.path, &source.text));
            }
        }
        for line in settings.iter().filter(|line| setting::is_arp(&line.key)) {
            self.found(tell::setting(line));
        }
        self.leftovers.settings = settings;
    }

    fn boot_scripts(&mut self) {
        let hooks = HOOKS.iter().flat_map(|directory| self.disk.list(directory));
        let paths = BOOT_SCRIPTS.map(str::to_owned).into_iter().chain(hooks);
        for path in paths.collect::<Vec<_>>() {
            let Some(source) = self.read(&path) else {
                continue;
            };
            let start = match source.executable {
                true => Start::AtBoot,
                false => Start::Missing(format!("chmod +x {}", source.path)),
            };
            let verdict = script::judge(&source.text, self);
            self.note(&verdict, &start);
            for work in &verdict.work {
                let found = tell::work(&source.path, &source.text, work, &start, Comment::Shell);
                self.found(found);
            }
        }
    }

    fn crontabs(&mut self) {
        for (place, has_user) in CRONTABS {
            for path in self.files(place) {
                let Some(source) = self.read(&path) else {
                    continue;
                };
                let lines = (1..).zip(source.text.lines());
                for (number, line) in lines {
                    if let Some(command) = commands::of_crontab(line.trim(), has_user) {
                        self.line(&source.path, &source.text, number, command, &Start::AtBoot);
                    }
                }
            }
        }
    }

    fn units(&mut self) {
        for path in UNITS
            .iter()
            .flat_map(|path| self.disk.list(path))
            .collect::<Vec<_>>()
        {
            if !path.ends_with(".service") {
                continue;
            }
            let Some(source) = self.read(&path) else {
                continue;
            };
            let unit = Unit::parse(&source.text);
            let verdict = script::judge(&unit.commands, self);
            let start = match self.enabled.contains(name(&path)) {
                true => Start::AtBoot,
                false => Start::Missing(format!("systemctl enable {}", name(&path))),
            };
            let is_work = |work: &&Work| work.effect.is_work();
            for work in verdict.work.iter().filter(is_work) {
                let number = unit.numbers.get(*work.lines.start() - 1).copied();
                let place = Place::line(&source.path, number.unwrap_or(1));
                let found = tell::unit(place, &source.text, work, verdict.whole, &start);
                self.found(found);
            }
            self.note(&verdict, &start);
        }
    }

    /// A line of another kind of file with a command in it.
    fn line(&mut self, path: &str, text: &str, number: usize, command: &str, start: &Start) {
        let verdict = script::judge(command, self);
        self.note(&verdict, start);
        for work in &verdict.work {
            let work = Work {
                lines: number..=number,
                ..work.clone()
            };
            self.found(tell::work(path, text, &work, start, Comment::Hash));
        }
    }

    fn note(&mut self, verdict: &Verdict, start: &Start) {
        for called in &verdict.calls {
            let starts = self.starts.entry(called.clone()).or_default();
            starts.push(start.clone());
        }
    }

    /// Init scripts, the scripts that something runs, and those that lie about.
    fn scripts(&mut self) {
        let init = INIT.iter().flat_map(|directory| self.disk.list(directory));
        let called = self.starts.keys().cloned();
        let loose = LOOSE.iter().flat_map(|directory| self.disk.list(directory));
        for path in init.chain(called).chain(loose).collect::<Vec<_>>() {
            let Some(source) = self.read(&path) else {
                continue;
            };
            let is_run = self.starts.contains_key(&source.path) || is_init(&source.path);
            if !is_run && !WORDS.iter().any(|word| source.text.contains(word)) {
                continue;
            }
            let verdict = script::judge(&source.text, self);
            if self.is_one(&source.path, &verdict) {
                self.script(&source, &verdict);
            }
        }
    }

    /// Whether a script does the agent's work. Distributions have scripts that put on `lo`
    /// whatever they are told.
    fn is_one(&self, path: &str, verdict: &Verdict) -> bool {
        let effect = verdict.effect();
        let names = effect.binds && !effect.vips.is_empty();
        let whole = verdict.whole && (effect.sets || effect.binds || !effect.runs.is_empty());
        names || whole || (effect.sets && effect.binds) || self.starts.contains_key(path)
    }

    fn script(&mut self, source: &Source, verdict: &Verdict) {
        let start = self.start(&source.path);
        if !verdict.whole {
            for work in verdict.work.iter().filter(|work| work.effect.is_work()) {
                let found = tell::work(&source.path, &source.text, work, &start, Comment::Shell);
                self.found(found);
            }
            return;
        }
        let links = match is_init(&source.path) {
            true => enabled::links(&self.disk, name(&source.path)),
            false => vec![],
        };
        self.found(tell::script(&source.path, verdict, &links, start));
    }

    fn start(&self, path: &str) -> Start {
        let started = self.starts.get(path).map_or(&[][..], Vec::as_slice);
        let name = name(path);
        let is_enabled = is_init(path)
            && (self.enabled.contains(name) || self.enabled.contains(&format!("{name}.service")));
        if is_enabled || started.contains(&Start::AtBoot) {
            return Start::AtBoot;
        }
        match started.first() {
            Some(start) => start.clone(),
            None if is_init(path) => Start::Missing(format!("systemctl enable {name}")),
            None => Start::ByHand,
        }
    }
}

fn is_init(path: &str) -> bool {
    INIT.iter().any(|place| {
        let rest = path
            .strip_prefix(place)
            .and_then(|rest| rest.strip_prefix('/'));
        rest.is_some_and(|name| !name.contains('/'))
    })
}

/// Whether an alias comes up with `lo`.
fn alias_start(path: &str, off: bool) -> Start {
    let name = name(path);
    match name.starts_with("ifcfg-") {
        _ if off => Start::Missing(format!("write ONPARENT=yes into {path}")),
        true => Start::AtBoot,
        // The network scripts read nothing else.
        false => {
            let directory = path.strip_suffix(name).unwrap_or_default();
            Start::Missing(format!("mv {path} {directory}ifcfg-{name}"))
        }
    }
}
