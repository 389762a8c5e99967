//! Measured values and the table they are printed in.

use std::time::Duration;

/// One thing measured several times.
#[derive(Debug, Clone, Default)]
pub(super) struct Times(Vec<Duration>);

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The middle one; the lower of two.
    pub(super) fn median(&self) -> Option<Duration> {
        self.hundredth(50)
    }

    /// The least that so many hundredths of them do not exceed.
    fn hundredth(&self, percent: usize) -> Option<Duration> {
        let mut sorted = self.0.clone();
        sorted.sort();
        let nth = (sorted.len() * percent).div_ceil(100).checked_sub(1)?;
        sorted.get(nth).copied()
    }

    /// The middle one, that which 99 of a hundred do not exceed, and the worst.
    pub(super) fn hundredths(&self) -> [String; 3] {
        [50, 99, 100].map(|percent| {
            let time = self.hundredth(percent);
            time.map_or_else(|| "–".to_owned(), |time| Self(vec![time]).to_string())
        })
    }
}

/// `22.1 ms (20.9–25.3)`: the median, the least and the most. One round: the value alone.
impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(median) = self.median() else {
            return f.write_str("–");
        };
        let (unit, of) = if median < Duration::from_secs(1) {
            ("ms", 1e3)
        } else {
            ("s", 1.0)
        };
        let show = |time: Duration| {
            let value = time.as_secs_f64() * of;
            let digits = match value {
                ..10.0 => 2,
                ..100.0 => 1,
                _ => 0,
            };
            format!("{value:.digits$}")
        };
        write!(f, "{} {unit}", show(median))?;
        match (self.0.iter().min(), self.0.iter().max()) {
            (Some(least), Some(most)) if self.0.len() > 1 => {
                write!(f, " ({}–{})", show(*least), show(*most))
            }
            _ => Ok(()),
        }
    }
}

/// Where the values of a measurement lie, by the nearest rank.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread<T> {
    pub(super) median: T,
    pub(super) p99: T,
    pub(super) worst: T,
}

impl<T: Ord + Copy> Spread<T> {
    /// Of at least one value.
    pub(super) fn of(values: impl Iterator<Item = T>) -> Self {
        let mut sorted: Vec<_> = values.collect();
        sorted.sort_unstable();
        let rank = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100) - 1];
        Self {
            median: rank(50),
            p99: rank(99),
            worst: rank(100),
        }
    }
}

/// `3.10x`: how many times longer than the reference.
pub(super) fn ratio(times: &Times, reference: &Times) -> String {
    match (times.median(), reference.median()) {
        (Some(time), Some(reference)) => {
            let ratio = time.as_secs_f64() / reference.as_secs_f64();
            let digits = if ratio < 10.0 { 2 } else { 0 };
            format!("{ratio:.digits$}x")
        }
        _ => "–".to_owned(),
    }
}

/// `18.1 MB`.
pub(super) fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}

/// A table in Markdown, aligned so that it can be read as it is.
pub(super) fn markdown(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<_> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let all: Vec<_> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| {
        let widths = all.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let line = |row: &[String]| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| match column {
            0 => format!(" {cell:<width$} |"),
            _ => format!(" {cell:>width$} |"),
        });
        format!("|{}\n", cells.collect::<String>())
    };
    let rule = widths.iter().enumerate().map(|(column, width)| {
        let dashes = "-".repeat(*width + 1);
        match column {
            0 => format!("{dashes}-|"),
            _ => format!("{dashes}:|"),
        }
    });
    let rule = format!("|{}\n", rule.collect::<String>());
    let rows = rows.iter().map(|row| line(row));
    format!("{}{rule}{}", line(&head), rows.collect::<String>())
}
