//! Commands in files that are no scripts.

/// The command of a crontab's line.
pub(super) fn of_crontab(line: &str, has_user: bool) -> Option<&str> {
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
pub(super) struct Unit {
    pub(super) commands: String,
    pub(super) numbers: Vec<usize>,
}

impl Unit {
    pub(super) fn parse(text: &str) -> Self {
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
