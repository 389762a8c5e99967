//! What a command of a script does to a real server: a table of programs, and for each
//! what its words mean.

mod network;

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::setting;
use super::shell::Command;
use network::{ifconfig, ip, route};
pub(super) use network::{is_lo, vip};

/// What a command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// Puts addresses, or routes to them, on `lo`. None: the script works out which.
    Bind(BTreeSet<IpAddr>),
    /// Sets one of the ARP parameters.
    Set,
    /// Has the lines of a file of parameters applied; none: of all of them.
    Reload(Option<String>),
    /// Brings up an alias, as `lo:0`, by what its own file says.
    Raise(String),
    /// Runs a script, or starts a service of that name.
    Run(String),
    /// Reads a script in its place.
    Read(String),
    /// Runs the text that it is given.
    Text(String),
    /// Goes to another directory.
    Go(String),
    /// Takes back what the others do.
    Undo,
    /// Nothing that a real server would miss.
    Talk,
    /// Anything else.
    Other,
}

/// What the words after a program's name mean.
type Meaning = fn(&[String]) -> Deed;

/// The programs by the last part of their names.
const PROGRAMS: &[(&[&str], Meaning)] = &[
    (&["ip"], ip),
    (&["ifconfig"], ifconfig),
    (&["route"], route),
    (&["sysctl"], sysctl),
    (&["ifup"], ifup),
    (&["ifdown"], |_| Deed::Undo),
    (&["tee"], |words| written(words.iter())),
    (&["sh", "bash", "dash", "ash", "ksh", "zsh"], interpreter),
    (&[".", "source"], read),
    (&["service", "invoke-rc.d", "rc-service"], service),
    (&["systemctl"], systemctl),
    (&["cd"], |words| {
        words.first().cloned().map_or(Deed::Other, Deed::Go)
    }),
    (TALK, |_| Deed::Talk),
];

/// Programs that a script of this kind may have besides without being about anything else.
const TALK: &[&str] = &[
    "echo",
    "printf",
    "exit",
    "return",
    "shift",
    "set",
    "unset",
    "trap",
    "true",
    "false",
    ":",
    "test",
    "[",
    "[[",
    "sleep",
    "logger",
    "touch",
    "rm",
    "grep",
    "awk",
    "sed",
    "cut",
    "wc",
    "cat",
    "id",
    "modprobe",
    "success",
    "failure",
    "passed",
    "break",
    "continue",
    "basename",
    "dirname",
    "log_daemon_msg",
    "log_end_msg",
    "log_success_msg",
    "log_failure_msg",
    "functions",
    "init-functions",
    "lsb",
];

/// Programs that run the command after them: their options with a value, and how many words
/// of their own stand before that command.
const WRAPPERS: &[(&str, &[&str], usize)] = &[
    ("sudo", &["-u", "-g"], 0),
    ("nice", &["-n"], 0),
    ("ionice", &["-c", "-n"], 0),
    ("timeout", &["-s", "-k"], 1),
    ("action", &[], 1),
    ("nohup", &[], 0),
    ("exec", &[], 0),
    ("setsid", &[], 0),
    ("time", &[], 0),
    ("env", &[], 0),
    ("command", &[], 0),
    ("eval", &[], 0),
    ("daemon", &[], 0),
    ("busybox", &[], 0),
];

/// What a command does, whatever runs it.
pub(super) fn of(command: &Command) -> Deed {
    if let set @ Deed::Set = written(command.outputs.iter()) {
        return set;
    }
    let writes = |file: &String| !file.starts_with("/dev/") && !file.starts_with("/var/lock/");
    match meaning(&command.words) {
        Deed::Talk if command.outputs.iter().any(writes) => Deed::Other,
        deed => deed,
    }
}

fn meaning(words: &[String]) -> Deed {
    let Some((program, rest)) = words.split_first() else {
        return Deed::Talk;
    };
    let name = program.rsplit('/').next().unwrap_or_default();
    if let Some((_, with_value, own)) = WRAPPERS.iter().find(|it| it.0 == name) {
        return meaning(unwrap(rest, with_value, *own));
    }
    if matches!(name, "su" | "runuser") {
        let text = rest.iter().skip_while(|word| *word != "-c").nth(1);
        return text.cloned().map_or(Deed::Other, Deed::Text);
    }
    match PROGRAMS.iter().find(|(names, _)| names.contains(&name)) {
        Some((_, meaning)) => meaning(rest),
        None if starts(rest.first()) => Deed::Run(program.clone()),
        // Its `stop`, its `status`.
        None => Deed::Other,
    }
}

/// The words after the wrapper's own.
fn unwrap<'a>(mut words: &'a [String], with_value: &[&str], own: usize) -> &'a [String] {
    while let [word, rest @ ..] = words {
        let is_assignment = word.contains('=') && !word.contains('/');
        words = match word {
            _ if with_value.contains(&word.as_str()) => rest.get(1..).unwrap_or_default(),
            _ if word.starts_with('-') || is_assignment => rest,
            _ => break,
        };
    }
    words.get(own..).unwrap_or_default()
}

/// Whether a script that is given this word first does its work.
fn starts(word: Option<&String>) -> bool {
    !word.is_some_and(|word| matches!(word.as_str(), "stop" | "status" | "help" | "--help"))
}

fn sysctl(words: &[String]) -> Deed {
    let assigned = words.iter().filter_map(|word| word.split_once('='));
    let mut names = assigned.map(|(name, _)| name);
    if names.clone().any(setting::is_arp) {
        return Deed::Set;
    }
    if names.any(|name| !name.starts_with('-')) {
        return Deed::Other;
    }
    if words.iter().any(|word| word == "--system") {
        return Deed::Reload(None);
    }
    let option = words.iter().position(|word| is_load(word));
    let Some(option) = option else {
        return Deed::Talk;
    };
    let given = words[option]
        .split_once('=')
        .map(|(_, file)| file.to_owned());
    let next = words.get(option + 1).filter(|word| !word.starts_with('-'));
    let file = given.or_else(|| next.cloned());
    Deed::Reload(Some(file.unwrap_or_else(|| "/etc/sysctl.conf".to_owned())))
}

/// `-p`, also among others (`-qp`), `-f`, `--load`.
fn is_load(word: &str) -> bool {
    let short = word.starts_with('-') && !word.starts_with("--") && word.contains(['p', 'f']);
    short || word.split('=').next() == Some("--load")
}

fn ifup(words: &[String]) -> Deed {
    let name = words.iter().find(|word| !word.starts_with('-'));
    let name = name.map(|name| name.rsplit('/').next().unwrap_or_default());
    let name = name.map(|name| name.strip_prefix("ifcfg-").unwrap_or(name));
    match name {
        Some(name) if name.starts_with("lo:") => Deed::Raise(name.to_owned()),
        _ => Deed::Other,
    }
}

/// Whether one of the files is an ARP parameter.
fn written<'a>(mut files: impl Iterator<Item = &'a String>) -> Deed {
    let is_arp = |file: &String| file.strip_prefix("/proc/sys/").is_some_and(setting::is_arp);
    match files.any(is_arp) {
        true => Deed::Set,
        false => Deed::Other,
    }
}

fn interpreter(words: &[String]) -> Deed {
    let is_option = |word: &&String| word.starts_with('-') || word.starts_with('+');
    let options = words.iter().take_while(is_option);
    let has_text = options
        .clone()
        .any(|word| word.contains('c') && !word.starts_with("--"));
    let rest = &words[options.count()..];
    match (has_text, rest) {
        (_, []) => Deed::Other,
        (true, [text, ..]) => Deed::Text(text.clone()),
        (false, [script, rest @ ..]) => match starts(rest.first()) {
            true => run(Some(script)),
            false => Deed::Other,
        },
    }
}

fn run(script: Option<&String>) -> Deed {
    match script {
        Some(path) if is_library(path) => Deed::Talk,
        Some(path) => Deed::Run(path.clone()),
        None => Deed::Other,
    }
}

fn read(words: &[String]) -> Deed {
    match run(words.first()) {
        Deed::Run(path) => Deed::Read(path),
        other => other,
    }
}

/// Functions for init scripts, which do nothing by themselves.
fn is_library(path: &str) -> bool {
    path.ends_with("/functions") || path.ends_with("/init-functions")
}

/// `service realserver start`
fn service(words: &[String]) -> Deed {
    let mut words = words.iter().filter(|word| !word.starts_with('-'));
    match (words.next(), words.next()) {
        (Some(name), verb) if starts(verb) && verb.is_some() => Deed::Run(name.clone()),
        _ => Deed::Other,
    }
}

/// `systemctl start realserver`
fn systemctl(words: &[String]) -> Deed {
    let mut words = words.iter().filter(|word| !word.starts_with('-'));
    match (words.next().map(String::as_str), words.next()) {
        (Some("start" | "restart" | "enable" | "reenable"), Some(name)) => Deed::Run(name.clone()),
        _ => Deed::Other,
    }
}

#[cfg(test)]
mod tests;
