//! A TOML file whose values remember where they stand, and the list of what is
//! wrong with it.

use std::collections::HashSet;
use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::check::Shared;
use super::error::{Error, Problem};
use super::{Host, shape};

/// How many type errors are collected from one file before the rest is left for
/// the next attempt.
const MOST_SHAPE_ERRORS: usize = 50;

/// A file being read: its text, its values with their places, and the problems
/// found so far.
pub(super) struct Document<'a> {
    path: PathBuf,
    text: &'a str,
    /// The values: until they are read, and again when there is a problem to be
    /// placed among them. They take 20 times the memory of the text.
    root: Option<Spanned<DeTable<'a>>>,
    /// Byte offset in the text and the problem found there.
    problems: Vec<(usize, Problem)>,
    host: Host,
    /// Whether the text is not TOML at all: what the values say is then guesswork.
    broken: bool,
    /// What values of the same kind have in common.
    pub(super) shared: Shared,
}

impl<'a> Document<'a> {
    /// Parses the text. Syntax errors become problems; what could be parsed
    /// is there all the same.
    pub(super) fn parse(path: &Path, text: &'a str, host: Host) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut document = Self {
            path: path.to_owned(),
            text,
            root: Some(root),
            problems: Vec::new(),
            host,
            broken: !errors.is_empty(),
            shared: Shared::default(),
        };
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let said = error.message();
            let message = format!("not valid TOML: {}", said.replace('\n', ", "));
            let key = key_of_line(text, span.start);
            let known = key.and_then(|key| Some((key, syntax_mend(said, key)?)));
            let (message, mend) = match known {
                Some((key, mend)) => (format!("{key}: {message}"), mend),
                None => (message, "mend the syntax of this line".to_owned()),
            };
            document.add(span.start, String::new(), message, mend);
        }
        document
    }

    /// Reads the values as `T`, whose fields are all optional.
    ///
    /// Serde stops at the first value of a wrong type and the first unknown
    /// key; here each of them is noted, taken out, and the rest is read again,
    /// so that the user sees all of them at once.
    pub(super) fn read<T: DeserializeOwned + Default>(&mut self) -> T {
        // Used up here, and made anew only if there is a problem.
        let root = self.root.take();
        let root = root.unwrap_or_else(|| DeTable::parse_recoverable(self.text).0);
        let mut error = match T::deserialize(Deserializer::from(root)) {
            Ok(value) => return value,
            Err(error) => error,
        };
        let mut remaining = self.root().clone();
        for _ in 0..MOST_SHAPE_ERRORS {
            let span = error.span().unwrap_or(0..0);
            let path = self.path_at(&span);
            let (message, mend) = shape::told(error.message(), &path);
            self.refuse(&span, message, mend);
            if !take_out(remaining.get_mut(), &span) {
                break;
            }
            error = match T::deserialize(Deserializer::from(remaining.clone())) {
                Ok(value) => return value,
                Err(error) => error,
            };
        }
        T::default()
    }

    /// The values, each with its place.
    pub(super) fn values(&mut self) -> &DeTable<'a> {
        self.root().get_ref()
    }

    /// Whether anything is wrong with the file so far.
    pub(super) fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Whether programs and users that it names must be on this host.
    pub(super) fn looks_at_host(&self) -> bool {
        self.host == Host::This
    }

    /// Notes that the value at `span` cannot be used, why, and the way out.
    pub(super) fn refuse(
        &mut self,
        span: &Range<usize>,
        message: impl Display,
        mend: impl Display,
    ) {
        let key = self.key_at(span);
        self.add(span.start, key, message, mend);
    }

    /// Takes the value, or notes why it cannot be used.
    pub(super) fn accept<T>(
        &mut self,
        span: &Range<usize>,
        value: Result<T, impl Display>,
        mend: impl Display,
    ) -> Option<T> {
        value
            .map_err(|message| self.refuse(span, message, mend))
            .ok()
    }

    /// Takes the value of a key that must be there; `table` is where it is missing.
    pub(super) fn require<T>(
        &mut self,
        table: &Range<usize>,
        value: Option<T>,
        key: &str,
        mend: impl Display,
    ) -> Option<T> {
        if value.is_none() {
            self.refuse_missing(table, key, mend);
        }
        value
    }

    /// Notes that a table lacks a key.
    pub(super) fn refuse_missing(&mut self, table: &Range<usize>, key: &str, mend: impl Display) {
        let path = self.path_at(table);
        let path = if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        };
        self.add(table.start, path, "missing", mend);
    }

    /// Where a value stands, for an error about another value that it clashes
    /// with: `line 12`.
    pub(super) fn place(&self, span: &Range<usize>) -> String {
        format!("line {}", self.line(span.start))
    }

    /// The value that was read, unless anything is wrong with the file.
    ///
    /// # Errors
    /// [`Error::Refused`] with every problem, in the order of the file.
    pub(super) fn finish<T>(mut self, value: Option<T>) -> Result<T, Error> {
        self.problems.sort_by_key(|(offset, _)| *offset);
        let mut problems: Vec<_> = self
            .problems
            .into_iter()
            .map(|(_, problem)| problem)
            .collect();
        // A value that several virtual servers share is found wrong once for each.
        let mut told = HashSet::new();
        problems.retain(|problem| told.insert(problem.clone()));
        match value {
            Some(value) if problems.is_empty() => Ok(value),
            _ => Err(Error::Refused {
                path: self.path,
                problems,
            }),
        }
    }

    fn add(&mut self, offset: usize, key: String, message: impl Display, mend: impl Display) {
        let line = self.line(offset);
        if self.broken && (!key.is_empty() || self.problems.iter().any(|(_, p)| p.line == line)) {
            return;
        }
        let problem = Problem {
            line,
            key,
            message: message.to_string(),
            mend: mend.to_string(),
        };
        self.problems.push((offset, problem));
    }

    fn line(&self, offset: usize) -> usize {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }

    /// `vrrp[0].priority = 300`, or only the path where the value is a table
    /// or the span is that of a key.
    fn key_at(&mut self, span: &Range<usize>) -> String {
        let path = self.path_at(span);
        let written = self.text.get(span.clone()).unwrap_or_default();
        let is_value = !written.contains('\n') && !written.starts_with('[');
        match find(self.root().get_ref(), span) {
            Some(Place::Value) if is_value => format!("{path} = {written}"),
            _ => path,
        }
    }

    fn path_at(&mut self, span: &Range<usize>) -> String {
        let mut path = String::new();
        path_in_table(self.root().get_ref(), span, &mut path);
        path
    }

    fn root(&mut self) -> &Spanned<DeTable<'a>> {
        self.root
            .get_or_insert_with(|| DeTable::parse_recoverable(self.text).0)
    }
}

/// The key that is written on the line of an offset, if there is a plain one.
fn key_of_line(text: &str, offset: usize) -> Option<&str> {
    let before = text.get(..offset)?;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let (key, _) = text.get(start..)?.lines().next()?.split_once('=')?;
    let key = key.trim();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (!key.is_empty() && key.bytes().all(is_plain)).then_some(key)
}

/// The way out of a mistake of syntax that the key of its line has a part in.
fn syntax_mend(said: &str, key: &str) -> Option<String> {
    if said.contains("duplicate key") {
        Some(format!("write {key} once in a table"))
    } else if said.contains("quoted") {
        Some(format!(
            "write the value in quotes, as in {key} = \"value\""
        ))
    } else {
        None
    }
}

/// Whether the text has one of these keys at its top level.
pub(super) fn has_any_key(text: &str, keys: &[&str]) -> bool {
    let (root, _) = DeTable::parse_recoverable(text);
    keys.iter().any(|key| root.get_ref().contains_key(*key))
}

/// What a span belongs to.
enum Place {
    Key,
    Value,
}

fn find(table: &DeTable<'_>, span: &Range<usize>) -> Option<Place> {
    table.iter().find_map(|(key, value)| {
        if key.span() == *span {
            Some(Place::Key)
        } else {
            find_in_value(value, span)
        }
    })
}

fn find_in_value(value: &Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<Place> {
    if value.span() == *span {
        return Some(Place::Value);
    }
    match value.get_ref() {
        DeValue::Table(table) => find(table, span),
        DeValue::Array(items) => items.iter().find_map(|item| find_in_value(item, span)),
        _ => None,
    }
}

/// Appends the path of the key or value at `span`; false, and nothing appended,
/// where there is none.
fn path_in_table(table: &DeTable<'_>, span: &Range<usize>, path: &mut String) -> bool {
    table.iter().any(|(key, value)| {
        let length = path.len();
        if length > 0 {
            path.push('.');
        }
        path.push_str(key.get_ref());
        let found = key.span() == *span || path_in_value(value, span, path);
        if !found {
            path.truncate(length);
        }
        found
    })
}

fn path_in_value(value: &Spanned<DeValue<'_>>, span: &Range<usize>, path: &mut String) -> bool {
    let length = path.len();
    match value.get_ref() {
        _ if value.span() == *span && !matches!(value.get_ref(), DeValue::Array(_)) => true,
        DeValue::Table(table) => path_in_table(table, span, path),
        DeValue::Array(items) => {
            let found = items.iter().enumerate().any(|(index, item)| {
                path.truncate(length);
                path.push_str(&format!("[{index}]"));
                path_in_value(item, span, path)
            });
            if !found {
                path.truncate(length);
            }
            found || value.span() == *span
        }
        _ => false,
    }
}

/// Removes the innermost entry whose key or value is at `span`; false where
/// there is none.
fn take_out(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    let inner = table
        .iter_mut()
        .any(|(_, value)| take_out_of_value(value, span));
    if inner {
        return true;
    }
    let key = table
        .iter()
        .find(|(key, value)| key.span() == *span || value.span() == *span)
        .map(|(key, _)| key.clone());
    key.is_some_and(|key| table.remove(&key).is_some())
}

fn take_out_of_value(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> bool {
    match value.get_mut() {
        DeValue::Table(table) => take_out(table, span),
        DeValue::Array(items) => {
            if items.iter_mut().any(|item| take_out_of_value(item, span)) {
                return true;
            }
            let length = items.len();
            *items = items
                .iter()
                .filter(|item| item.span() != *span)
                .cloned()
                .collect();
            items.len() < length
        }
        _ => false,
    }
}
