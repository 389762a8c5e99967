//! Plain text for people: aligned columns, lengths of time, chains of causes.

use std::error::Error;
use std::io;

use jiff::Timestamp;

use crate::sys::errno;

/// Which side of its column a cell keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Lays rows out in columns two spaces apart, without trailing spaces. Rows may
/// be shorter than `columns`.
pub fn table(columns: &[Align], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells =
            row.iter()
                .zip(columns)
                .zip(&widths)
                .map(|((cell, align), width)| match align {
                    Align::Left => format!("{cell:<width$}"),
                    Align::Right => format!("{cell:>width$}"),
                });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// The time from `since` to `now` in its two largest units: `2h 3m`, `4s`.
pub fn elapsed(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {seconds}s"),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// An error with its causes: `cannot do this: because of that: no such file`. A
/// cause that the error quotes already is not told twice.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let cause = source
            .downcast_ref::<io::Error>()
            .map_or_else(|| source.to_string(), errno::text);
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: &[&str]| cells.iter().map(ToString::to_string).collect();
        let rows = [
            row(&["NAME", "WEIGHT", "WHY"]),
            row(&["a", "1", "x"]),
            row(&["long-name", "100"]),
        ];
        assert_eq!(
            table(&[Align::Left, Align::Right, Align::Left], &rows),
            "NAME       WEIGHT  WHY\na               1  x\nlong-name     100\n"
        );
    }

    #[test]
    fn elapsed_time_is_told_in_two_units() {
        let start = Timestamp::UNIX_EPOCH;
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (61, "1m 1s"),
            (7_380, "2h 3m"),
            (90_000, "1d 1h"),
            (-5, "0s"),
        ] {
            assert_eq!(
                elapsed(start, start + SignedDuration::from_secs(seconds)),
                text
            );
        }
    }
}
