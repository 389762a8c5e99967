//! What is wrong with a configuration, and how to mend it.

use std::fmt;
use std::path::PathBuf;

use crate::sys::errno;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("cannot read {path}: {cause}\n    {mend}", path = path.display(), cause = errno::text(source), mend = mend_unreadable(source))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Words of the command line cannot be VIPs: a line for each, with the way out.
    #[error("{}", .0.join("\n"))]
    Vips(Vec<String>),
    /// The file was read, and says something that cannot be done.
    #[error("{}", Report { path, problems })]
    Refused {
        /// The file.
        path: PathBuf,
        /// Every problem found, in the order of the file; at least one.
        problems: Vec<Problem>,
    },
}

/// One thing that is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Problem {
    /// Line of the file, from 1.
    pub line: usize,
    /// The key and its value as written, e.g. `vrrp[0].priority = 300`. Empty
    /// where the problem is not about one key.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub mend: String,
}

/// Every problem as `file:line: key = value: message`, with the mend below it.
struct Report<'a> {
    path: &'a PathBuf,
    problems: &'a [Problem],
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let Problem {
                line,
                key,
                message,
                mend,
            } = problem;
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{line}: ", self.path.display())?;
            if !key.is_empty() {
                write!(f, "{key}: ")?;
            }
            f.write_str(message)?;
            if !mend.is_empty() {
                write!(f, "\n    {mend}")?;
            }
        }
        Ok(())
    }
}

fn mend_unreadable(source: &std::io::Error) -> &'static str {
    match source.kind() {
        std::io::ErrorKind::NotFound => "name the file with --config, or create it",
        std::io::ErrorKind::PermissionDenied => "run lvsd as root, or make the file readable to it",
        std::io::ErrorKind::InvalidData => "the file must be UTF-8 text",
        _ => "the file must be a readable TOML file",
    }
}
