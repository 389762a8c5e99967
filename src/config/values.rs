//! Reading of single values: each either yields a legal one or notes in the
//! document what is wrong, so that a caller reads all of a table before it
//! gives up on it.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use toml::Spanned;

use super::document::Document;
use super::raw::{Field, Text};

/// The longest name of an interface: `IFNAMSIZ` of `<linux/if.h>` less its NUL.
pub(super) const LONGEST_INTERFACE_NAME: usize = 15;

/// Whether the kernel lets an interface have this name (`dev_valid_name`). It takes a
/// `%` for the place of a number; names that are not ASCII are nobody's.
pub(super) fn is_interface_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':' | b'%');
    (1..=LONGEST_INTERFACE_NAME).contains(&name.len())
        && name != "."
        && name != ".."
        && name.bytes().all(plain)
}

/// Parses text, or takes the default where the key is absent.
pub(super) fn parsed<T>(
    document: &mut Document<'_>,
    field: &Field<String>,
    default: T,
    mend: impl Display,
) -> Option<T>
where
    T: FromStr<Err: Display>,
{
    match field {
        None => Some(default),
        Some(text) => document.accept(&text.span(), text.get_ref().parse(), mend),
    }
}

/// Checks a number's range, or takes the default where the key is absent.
pub(super) fn number<T>(
    document: &mut Document<'_>,
    field: &Field<i64>,
    default: T,
    range: RangeInclusive<i64>,
) -> Option<T>
where
    T: TryFrom<i64>,
{
    let Some(field) = field else {
        return Some(default);
    };
    let value = *field.get_ref();
    let number = T::try_from(value).ok().filter(|_| range.contains(&value));
    let legal = number.ok_or("out of range");
    let mend = format_args!("must be {}..={}", range.start(), range.end());
    document.accept(&field.span(), legal, mend)
}

/// Parses a length of time, or takes the default where the key is absent.
pub(super) fn duration(
    document: &mut Document<'_>,
    field: &Field<Text>,
    default: Duration,
    range: RangeInclusive<Duration>,
) -> Option<Duration> {
    let Some(field) = field else {
        return Some(default);
    };
    let text = &field.get_ref().0;
    let parsed = text
        .parse::<SignedDuration>()
        .ok()
        .and_then(|d| Duration::try_from(d).ok());
    let span = field.span();
    let mend = "write a number with a unit, such as \"6s\" or \"100ms\"";
    let value = document.accept(&span, parsed.ok_or("not a duration"), mend)?;
    let legal = range
        .contains(&value)
        .then_some(value)
        .ok_or("out of range");
    let mend = format!(
        "must be {} to {}",
        show_duration(*range.start()),
        show_duration(*range.end())
    );
    document.accept(&span, legal, mend)
}

/// Writes a length of time as the files do: `1s`, `100ms`, `1m 30s`.
pub(super) fn show_duration(duration: Duration) -> String {
    SignedDuration::try_from(duration)
        .map_or_else(|_| format!("{duration:?}"), |d| format!("{d:#}"))
}

/// A file, by a path that means the same wherever lvsd is started.
pub(super) fn absolute(document: &mut Document<'_>, text: &Spanned<String>) -> Option<PathBuf> {
    let path = PathBuf::from(text.get_ref());
    let legal = path.is_absolute().then_some(path).ok_or("not a whole path");
    document.accept(&text.span(), legal, "begin it with a slash")
}
