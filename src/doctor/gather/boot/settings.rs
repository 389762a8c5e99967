//! The lines of `sysctl.conf` and of the `sysctl.d` directories (sysctl.d(5)).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{files, name, text};
use crate::doctor::facts::{Setting, Settings};

/// The names of parameters that lines are looked for.
const PARAMETERS: [&str; 4] = ["arp_ignore", "arp_announce", "rp_filter", "ip_forward"];

/// Where files are, the directories of which a file hides those of its name before it.
const DIRECTORIES: [&str; 5] = [
    "lib/sysctl.d",
    "usr/lib/sysctl.d",
    "usr/local/lib/sysctl.d",
    "run/sysctl.d",
    "etc/sysctl.d",
];

/// The file that is read last.
const LAST: &str = "etc/sysctl.conf";

/// The lines that set one of the parameters, in the order in which they are read.
pub(super) fn look(root: &Path) -> Settings {
    let mut settings = Settings::default();
    for path in paths(root) {
        let text = text(&path);
        for (number, line) in (1..).zip(text.lines()) {
            let place = format!("{}:{number}", path.display());
            read(place, line, &mut settings);
        }
    }
    settings
}

/// The files in the order of their names, whatever directory they are in.
fn paths(root: &Path) -> Vec<PathBuf> {
    let last = root.join(LAST);
    // Many systems have a link to it among the others: its lines count once.
    let is_last = |path: &PathBuf| path.canonicalize().ok() == last.canonicalize().ok();
    let there = DIRECTORIES.iter();
    let there = there.flat_map(|directory| files(&root.join(directory)));
    let by_name: BTreeMap<_, _> = there
        .filter(|path| name(path).ends_with(".conf"))
        .map(|path| (name(&path), path))
        .collect();
    let others = by_name.into_values().filter(|path| !is_last(path));
    others.chain([last.clone()]).collect()
}

fn read(place: String, line: &str, settings: &mut Settings) {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return;
    }
    let Some((key, value)) = line.split_once('=') else {
        // A name after a dash and nothing else: patterns leave that one alone.
        if let Some(key) = line.strip_prefix('-') {
            settings.spared.insert(dotted(key.trim()));
        }
        return;
    };
    // Before a setting a dash means that its failure is none.
    let key = dotted(key.trim().trim_start_matches('-'));
    let is_wanted = PARAMETERS.iter().any(|name| key.ends_with(name));
    if let (true, Ok(value)) = (is_wanted, value.trim().parse()) {
        settings.lines.push(Setting { place, key, value });
    }
}

/// The name with dots between its levels: which of dot and slash comes first is what
/// separates them.
fn dotted(key: &str) -> String {
    match key.find(['.', '/']).and_then(|at| key.get(at..=at)) {
        Some("/") => key
            .chars()
            .map(|c| match c {
                '/' => '.',
                '.' => '/',
                other => other,
            })
            .collect(),
        _ => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Settings {
        let mut settings = Settings::default();
        for (number, line) in (1..).zip(text.lines()) {
            read(format!("x:{number}"), line, &mut settings);
        }
        settings
    }

    #[test]
    fn the_first_separator_says_which_one_it_is() {
        let keys = |text| {
            let lines = lines(text).lines.into_iter();
            lines.map(|it| it.key).collect::<Vec<_>>()
        };
        let vlan = "net.ipv4.conf.eth0/100.arp_ignore";
        assert_eq!(keys("net/ipv4/conf/eth0.100/arp_ignore=1"), [vlan]);
        assert_eq!(keys("-net.ipv4.conf.eth0/100.arp_ignore = 1"), [vlan]);
        assert_eq!(
            keys("# net.ipv4.ip_forward=1\nnet.core.somaxconn=1"),
            [""; 0]
        );
    }

    #[test]
    fn a_pattern_sets_what_no_line_names() {
        let all = "net.ipv4.conf.all.arp_ignore";
        let value = |text, key| lines(text).of(key).map(|it| (it.value, it.place.clone()));
        let pattern = "net.ipv4.conf.*.arp_ignore = 0\n";
        assert_eq!(value(pattern, all), Some((0, "x:1".to_owned())));
        assert_eq!(value(pattern, "net.ipv4.conf.all.arp_announce"), None);
        let named = format!("net.ipv4.conf.all.arp_ignore=1\n{pattern}");
        assert_eq!(value(&named, all), Some((1, "x:1".to_owned())), "names win");
        let spared = format!("{pattern}-net.ipv4.conf.all.arp_ignore\n");
        assert_eq!(value(&spared, all), None);
        let nic = "net.ipv4.conf.ens192.arp_ignore";
        assert_eq!(value(&spared, nic), Some((0, "x:1".to_owned())));
        let nics = "net.ipv4.conf.en?1*2.arp_ignore = 3\nnet.ipv4.conf.e*x*.arp_ignore=4\n";
        assert_eq!(value(nics, nic), Some((3, "x:1".to_owned())));
        assert_eq!(value(nics, all), None);
    }

    #[test]
    fn a_file_hides_one_of_its_name_and_the_last_file_counts_once() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, value: u8| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("net.ipv4.ip_forward={value}\n")).unwrap();
        };
        write("usr/lib/sysctl.d/50-x.conf", 1);
        write("etc/sysctl.d/50-x.conf", 2);
        write("usr/lib/sysctl.d/60-x.conf", 3);
        write("etc/sysctl.conf", 4);
        let link = root.path().join("etc/sysctl.d/99-sysctl.conf");
        std::os::unix::fs::symlink("../sysctl.conf", link).unwrap();
        let values: Vec<_> = look(root.path()).lines.iter().map(|it| it.value).collect();
        assert_eq!(values, [2, 3, 4]);
    }
}
