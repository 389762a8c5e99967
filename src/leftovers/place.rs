//! Where something is written, and the command that takes it out.

use std::fmt;
use std::ops::RangeInclusive;

/// A file, or lines of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file itself, not a link to it.
    pub file: String,
    /// Its lines, from 1; none: the whole of it.
    pub lines: Option<(usize, usize)>,
}

impl Place {
    /// A whole file.
    pub fn whole(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            lines: None,
        }
    }

    /// One line.
    pub fn line(file: &str, number: usize) -> Self {
        Self::lines(file, number..=number)
    }

    /// Lines that belong together.
    pub fn lines(file: &str, lines: RangeInclusive<usize>) -> Self {
        Self {
            file: file.to_owned(),
            lines: Some(lines.into_inner()),
        }
    }

    /// The command that makes a comment of it, or removes a file. Lines keep their
    /// numbers, so that several such commands do not disturb each other.
    pub(super) fn removal(&self, comment: &str) -> String {
        let file = quoted(&self.file);
        match self.lines {
            None => format!("rm {file}"),
            Some((first, last)) if first == last => {
                format!("sed -i '{first}s/^/{comment} /' {file}")
            }
            Some((first, last)) => format!("sed -i '{first},{last}s/^/{comment} /' {file}"),
        }
    }
}

/// A file's name as one word of a shell.
pub(super) fn quoted(file: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@+,".contains(c);
    match file.chars().all(is_plain) {
        true => file.to_owned(),
        false => format!("'{}'", file.replace('\'', r"'\''")),
    }
}

/// `/etc/rc.local:3`
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        match self.lines {
            None => Ok(()),
            Some((first, last)) if first == last => write!(f, ":{first}"),
            Some((first, last)) => write!(f, ":{first}-{last}"),
        }
    }
}
