//! Lines of `sysctl.conf` and its like (sysctl.d(5)).

use super::Place;

/// The parameters that are looked for, by the last part of their names.
const PARAMETERS: [&str; 4] = ["arp_ignore", "arp_announce", "rp_filter", "ip_forward"];

/// A line that sets a kernel parameter, or many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Where it is.
    pub place: Place,
    /// The line.
    pub text: String,
    /// The parameter with dots, e.g. `net.ipv4.conf.all.arp_ignore`, or a pattern of several.
    pub key: String,
    /// What it is set to; none: `-key`, which takes it out of what patterns set.
    pub value: Option<i32>,
}

/// Whether it is the name of an ARP parameter, or a pattern of such names.
pub(super) fn is_arp(name: &str) -> bool {
    let name = dotted(name);
    let interface = name
        .strip_prefix("net.ipv4.conf.")
        .and_then(|rest| rest.rsplit_once('.'));
    interface.is_some_and(|(_, last)| matches!(last, "arp_ignore" | "arp_announce"))
}

/// The lines of a file that matter.
pub(super) fn parse(file: &str, text: &str) -> Vec<Setting> {
    let lines = (1..).zip(text.lines().map(str::trim));
    lines
        .filter_map(|(number, line)| setting(Place::line(file, number), line))
        .collect()
}

fn setting(place: Place, line: &str) -> Option<Setting> {
    if line.starts_with(['#', ';']) {
        return None;
    }
    let (name, value) = match line.split_once('=') {
        // A dash before a setting: no complaint where there is no such parameter.
        Some((name, value)) => (name.trim_start_matches('-'), Some(value.trim())),
        None => (line.strip_prefix('-')?, None),
    };
    let key = dotted(name.trim());
    let last = key.rsplit('.').next()?;
    let value = value.map(str::parse).transpose().ok()?;
    PARAMETERS.contains(&last).then(|| Setting {
        place,
        text: line.to_owned(),
        key,
        value,
    })
}

/// The name with dots between its levels. Whichever of dot and slash comes first is what
/// separates them, and the other one is part of an interface's name.
fn dotted(name: &str) -> String {
    match name.find(['.', '/']).and_then(|at| name.get(at..=at)) {
        Some("/") => name
            .chars()
            .map(|c| match c {
                '/' => '.',
                '.' => '/',
                other => other,
            })
            .collect(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_places_and_their_words_in_every_spelling() {
        let text = "# net.ipv4.conf.all.arp_ignore = 0\n\
                    net.ipv4.conf.all.arp_ignore = 1\n\
                    net/ipv4/conf/eth0.100/arp_announce=2\n\
                    -net.ipv4.conf.*.arp_ignore=1\n\
                    -net.ipv4.conf.lo.arp_ignore\n\
                    net.core.netdev_max_backlog = 500000\n\
                    net.ipv4.conf.all.arp_ignore = x\n";
        let found = parse("/etc/sysctl.conf", text);
        let found: Vec<_> = found
            .iter()
            .map(|it| (it.place.to_string(), it.key.as_str(), it.value))
            .collect();
        let place = |line: usize| format!("/etc/sysctl.conf:{line}");
        assert_eq!(
            found,
            [
                (place(2), "net.ipv4.conf.all.arp_ignore", Some(1)),
                (place(3), "net.ipv4.conf.eth0/100.arp_announce", Some(2)),
                (place(4), "net.ipv4.conf.*.arp_ignore", Some(1)),
                (place(5), "net.ipv4.conf.lo.arp_ignore", None),
            ]
        );
    }

    #[test]
    fn arp_parameters_are_those_of_interfaces() {
        for name in [
            "net.ipv4.conf.all.arp_ignore",
            "net/ipv4/conf/eth0.100/arp_announce",
            "net.ipv4.conf.*.arp_ignore",
        ] {
            assert!(is_arp(name), "{name}");
        }
        for name in [
            "net.ipv4.conf.all.arp_notify",
            "net.ipv4.ip_forward",
            "arp_ignore",
        ] {
            assert!(!is_arp(name), "{name}");
        }
    }
}
