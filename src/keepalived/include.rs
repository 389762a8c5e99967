//! Files that `include` names: a path, perhaps with `*` and `?`, from the
//! directory of the file that says so.

use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// A file's path and text.
pub(super) type Read = (PathBuf, String);

/// The files that a pattern names and that can be read, in the order of their
/// names.
pub(super) fn matching(directory: &Path, pattern: &str) -> Vec<Read> {
    let mut found = vec![PathBuf::new()];
    for component in directory.join(pattern).components() {
        found = match component {
            Component::Normal(name) if is_pattern(name) => {
                let names = found.iter().flat_map(|place| entries(place, name));
                names.collect()
            }
            other => found.iter().map(|place| place.join(other)).collect(),
        };
    }
    found.sort();
    let files = found.into_iter().filter_map(|path| {
        let text = fs::read_to_string(&path).ok()?;
        Some((path, text))
    });
    files.collect()
}

fn is_pattern(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.contains(['*', '?']))
}

fn entries(directory: &Path, pattern: &OsStr) -> Vec<PathBuf> {
    let pattern: Vec<char> = pattern.to_string_lossy().chars().collect();
    let Ok(entries) = fs::read_dir(directory) else {
        return vec![];
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let is_meant = |path: &PathBuf| {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let name: Vec<char> = name.chars().collect();
        // A star is no dot at the beginning.
        let hidden = name.first() == Some(&'.') && pattern.first() != Some(&'.');
        !hidden && matches(&pattern, &name)
    };
    paths.filter(is_meant).collect()
}

fn matches(pattern: &[char], name: &[char]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), next) => {
            matches(rest, name) || next.is_some_and(|(_, name)| matches(pattern, name))
        }
        (Some(('?', pattern)), Some((_, name))) => matches(pattern, name),
        (Some((wanted, pattern)), Some((found, name))) => wanted == found && matches(pattern, name),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_and_a_question_mark_any_letter() {
        let is = |pattern: &str, name: &str| {
            let [pattern, name] = [pattern, name].map(|text| text.chars().collect::<Vec<_>>());
            matches(&pattern, &name)
        };
        assert!(is("*.conf", "a.conf") && is("*", "") && is("a?c*", "abcde"));
        assert!(!is("*.conf", "a.conf~") && !is("?", "") && !is("a", "ab") && !is("", "a"));
    }

    #[test]
    fn patterns_are_looked_up_from_the_directory_and_come_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        };
        for name in [
            "c.d/b.conf",
            "c.d/a.conf",
            "c.d/.hidden.conf",
            "c.d/note",
            "d.d/e.conf",
        ] {
            write(name);
        }
        let texts = |pattern: &str| {
            let files = matching(dir.path(), pattern);
            files.into_iter().map(|(_, text)| text).collect::<Vec<_>>()
        };
        assert_eq!(texts("c.d/*.conf"), ["c.d/a.conf", "c.d/b.conf"]);
        assert_eq!(texts("?.d/*.conf").len(), 3);
        assert_eq!(texts("c.d/note"), ["c.d/note"]);
        let whole = dir.path().join("c.d/n*");
        assert_eq!(texts(whole.to_str().unwrap()), ["c.d/note"]);
        assert_eq!(texts("missing"), [""; 0]);
    }
}
