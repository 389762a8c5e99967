//! The files below a root: small ones, links followed, nothing that is no file waited for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Files that are longer are nobody's script.
const LONGEST: u64 = 64 * 1024;

/// A host's files.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// Its own name, not that of a link to it.
    pub(super) path: String,
    /// What it says.
    pub(super) text: String,
    /// Whether it may be executed.
    pub(super) executable: bool,
}

impl Disk {
    pub(super) fn new(root: &Path) -> Self {
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        Self { root }
    }

    /// The paths in a directory, in order; none where there is no directory.
    pub(super) fn list(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.place(directory)).into_iter().flatten();
        let names = entries.flatten().map(|entry| entry.file_name());
        let paths = names.map(|name| format!("{directory}/{}", name.to_string_lossy()));
        let mut paths: Vec<_> = paths.collect();
        paths.sort();
        paths
    }

    /// A text; none: it is not there, or something else.
    pub(super) fn read(&self, path: &str) -> Option<Source> {
        // Most are not there, or too long to be one: that is one question.
        let metadata = fs::metadata(self.place(path)).ok()?;
        if !metadata.is_file() || metadata.len() > LONGEST {
            return None;
        }
        let real = self.real(path)?;
        let bytes = fs::read(self.place(&real)).ok()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (!text.contains('\0')).then(|| Source {
            path: real,
            text,
            executable: metadata.permissions().mode() & 0o111 != 0,
        })
    }

    /// The file's own name, if it is below this root.
    fn real(&self, path: &str) -> Option<String> {
        let real = self.place(path).canonicalize().ok()?;
        let inside = real.strip_prefix(&self.root).ok()?;
        Some(format!("/{}", inside.to_str()?))
    }

    fn place(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}
