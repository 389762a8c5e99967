//! What the doctor says: findings, and the report that holds them.

use std::fmt;

use serde::Serialize;

/// How bad it is. The worst comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Clients are affected, or will be at the next failover.
    Broken,
    /// It works, and something waits to break it.
    Warning,
    /// Worth knowing.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Broken => "BROKEN",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// A kind of finding: what is the same each time.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name in output and documentation.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Why it breaks LVS, as a sentence.
    pub why: &'static str,
}

impl Kind {
    /// Clients are affected.
    pub const fn broken(id: &'static str, why: &'static str) -> Self {
        Self {
            id,
            severity: Severity::Broken,
            why,
        }
    }

    /// Something waits to break it.
    pub const fn warning(id: &'static str, why: &'static str) -> Self {
        Self {
            id,
            severity: Severity::Warning,
            why,
        }
    }

    /// A finding of this kind: what was seen, and what mends it.
    pub fn found(&self, seen: impl Into<String>, mend: impl Into<String>) -> Finding {
        Finding {
            id: self.id,
            severity: self.severity,
            seen: seen.into(),
            why: self.why,
            mend: mend.into(),
        }
    }
}

/// Something that is wrong on this host or around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The name of its kind.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen, with names, addresses and values.
    pub seen: String,
    /// Why that breaks LVS.
    pub why: &'static str,
    /// The command or key that mends it.
    pub mend: String,
}

/// What an LVS host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It balances.
    Director,
    /// It is balanced onto.
    RealServer,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Director => "director",
            Self::RealServer => "real server",
        })
    }
}

/// Everything there is to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What this host was found to be.
    pub roles: Vec<Role>,
    /// The worst first.
    pub findings: Vec<Finding>,
    /// What could not be looked at, and why.
    pub unseen: Vec<String>,
}

impl Report {
    /// Whether anything is broken.
    pub fn is_broken(&self) -> bool {
        self.count(Severity::Broken) > 0
    }

    fn count(&self, severity: Severity) -> usize {
        let findings = self.findings.iter();
        findings.filter(|it| it.severity == severity).count()
    }
}

/// A line for each finding with why and mend below it, then what was not seen,
/// then the sum.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roles: Vec<_> = self.roles.iter().map(ToString::to_string).collect();
        if !roles.is_empty() {
            writeln!(f, "this host is a {}", roles.join(" and a "))?;
        }
        for finding in &self.findings {
            let Finding {
                id,
                severity,
                seen,
                why,
                mend,
            } = finding;
            writeln!(f, "\n{severity}  {id}: {seen}")?;
            writeln!(f, "    why   {why}")?;
            writeln!(f, "    mend  {mend}")?;
        }
        if !self.unseen.is_empty() {
            writeln!(f)?;
        }
        for what in &self.unseen {
            writeln!(f, "not seen: {what}")?;
        }
        let counts = [
            (self.count(Severity::Broken), "broken"),
            (self.count(Severity::Warning), "to look at"),
            (self.count(Severity::Note), "to know"),
        ];
        let counts: Vec<_> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        match counts.is_empty() {
            true => writeln!(f, "nothing wrong was found"),
            false => writeln!(f, "\n{}", counts.join(", ")),
        }
    }
}
