//! Where such things are: a table of places, each with how its files are read.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use super::address::{self, Part};
use super::disk::{Disk, Source};
use super::enabled::{self, name};
use super::script::{self, Verdict, Work};
use super::tell::{self, Comment};
use super::{Leftover, Leftovers, Place, Setting, Start, setting};

/// Scripts that every boot runs, if they may be executed.
const BOOT_SCRIPTS: [&str; 5] = [
    "/etc/rc.local",
    "/etc/rc.d/rc.local",
    "/etc/init.d/boot.local",
    "/etc/init.d/after.local",
    "/etc/rc.d/boot.local",
];

/// Directories of scripts that are run whenever an interface comes up.
const HOOKS: [&str; 5] = [
    "/etc/network/if-up.d",
    "/etc/network/if-pre-up.d",
    "/etc/NetworkManager/dispatcher.d",
    "/etc/networkd-dispatcher/routable.d",
    "/etc/networkd-dispatcher/configured.d",
];

/// Crontabs: their files or directories, and whether a line has a user before its command.
const CRONTABS: [(&str, bool); 4] = [
    ("/etc/crontab", true),
    ("/etc/cron.d", true),
    ("/var/spool/cron", false),
    ("/var/spool/cron/crontabs", false),
];

const INIT: [&str; 2] = ["/etc/init.d", "/etc/rc.d/init.d"];

const UNITS: [&str; 3] = [
    "/etc/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Where scripts lie about.
const LOOSE: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/opt",
    "/root",
    "/usr/local",
];

/// Words without which a script that lies about is not looked at more closely.
const WORDS: [&str; 4] = ["arp_", "lo:", "dev lo", "ifconfig lo"];

/// Where administrators put programs that are run by their names.
const PATH: [&str; 3] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin"];

const ALIASES: [&str; 2] = ["/etc/sysconfig/network-scripts", "/etc/sysconfig/network"];

const NETWORKD: [&str; 2] = ["/etc/systemd/network", "/run/systemd/network"];

const INTERFACES: [&str; 2] = ["/etc/network/interfaces", "/etc/network/interfaces.d"];

/// Directories of parameters: a file hides those of its name in the ones before.
const SYSCTL: [&str; 5] = [
    "/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/run/sysctl.d",
    "/etc/sysctl.d",
];

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
        let last = ["/etc/sysctl.conf".to_owned()];
        let mut settings = Vec::new();
        let last_file = self.disk.read(&last[0]).map(|source| source.path);
        for path in by_name.into_values().chain(last) {
            // A link to the last one counts there.
            let real = self.disk.read(&path).map(|source| source.path);
            if real == last_file && path != "/etc/sysctl.conf" {
                continue;
            }
            let source = self.read(&path);
            settings.extend(source.map(|it| setting::parse(&it.path, &it.text)));
        }
        let settings: Vec<Setting> = settings.into_iter().flatten().collect();
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
                    if let Some(command) = cron_command(line.trim(), has_user) {
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

impl script::Host for Survey {
    fn text(&self, path: &str) -> Option<String> {
        self.disk.read(path).map(|source| source.text)
    }

    fn script(&self, name: &str) -> Option<(String, String)> {
        let service = name.strip_suffix(".service").unwrap_or(name);
        let init = INIT.iter().map(|place| format!("{place}/{service}"));
        let programs = PATH.iter().map(|place| format!("{place}/{name}"));
        let source = match name.starts_with('/') {
            true => self.disk.read(name),
            false => init.chain(programs).find_map(|path| self.disk.read(&path)),
        }?;
        // Each of these is looked at by itself.
        let is_boot_script = || {
            let mut scripts = BOOT_SCRIPTS.iter();
            scripts.any(|path| {
                self.disk
                    .read(path)
                    .is_some_and(|it| it.path == source.path)
            })
        };
        (!is_boot_script()).then_some((source.path, source.text))
    }

    fn alias(&self, alias: &str) -> BTreeSet<IpAddr> {
        let files = ALIASES.iter().map(|place| format!("{place}/ifcfg-{alias}"));
        let files = files.filter_map(|path| self.disk.read(&path));
        let mut vips: BTreeSet<_> = files
            .flat_map(|source| address::ifcfg(&source.text).parts)
            .flat_map(|part| part.vips)
            .collect();
        for path in INTERFACES.iter().flat_map(|path| self.files(path)) {
            let text = self.text(&path).unwrap_or_default();
            let stanzas = address::interfaces(&text);
            let parts = stanzas.iter().filter_map(address::Stanza::for_lo);
            let of_alias = |part: &Part| part.text.split_whitespace().nth(1) == Some(alias);
            vips.extend(parts.filter(of_alias).flat_map(|part| part.vips));
        }
        vips
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

/// The command of a crontab's line.
fn cron_command(line: &str, has_user: bool) -> Option<&str> {
    let is_time = |c: char| c.is_ascii_digit() || "*@".contains(c);
    if !line.starts_with(is_time) {
        return None;
    }
    let fields = if line.starts_with('@') { 1 } else { 5 } + usize::from(has_user);
    let mut rest = line;
    for _ in 0..fields {
        rest = rest.split_once(char::is_whitespace)?.1.trim_start();
    }
    Some(rest)
}

/// The commands of a unit as a script, and the lines that they are from.
struct Unit {
    commands: String,
    numbers: Vec<usize>,
}

impl Unit {
    fn parse(text: &str) -> Self {
        let mut unit = Self {
            commands: String::new(),
            numbers: Vec::new(),
        };
        for (number, line) in (1..).zip(text.lines()) {
            let (name, value) = line.split_once('=').unwrap_or_default();
            let command = match name.trim() {
                "Environment" => value.trim().trim_matches('"'),
                "ExecStart" | "ExecStartPre" | "ExecStartPost" => {
                    value.trim().trim_start_matches(['-', '@', '+', '!', ':'])
                }
                _ => continue,
            };
            unit.numbers.push(number);
            unit.commands.push_str(command);
            unit.commands.push('\n');
        }
        unit
    }
}
