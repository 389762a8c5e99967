//! Why a command failed, and the exit code that says so.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use crate::config;
use crate::status::text::chain;

/// What ended a command. Most arguments that make no sense never get here: clap
/// exits 2.
#[derive(Debug)]
pub enum Failure {
    /// The configuration cannot be used: 78 (`EX_CONFIG`), on which the units do
    /// not restart.
    Config(config::Error),
    /// The running director says so of its file: 78 too.
    Refused(String),
    /// Arguments that make no sense together: 2, as clap's.
    Usage(String),
    /// Something failed at run time: 1.
    Runtime {
        /// What.
        error: Box<dyn Error + Send + Sync>,
        /// The way out, if there is one to tell.
        mend: Option<String>,
    },
}

impl Failure {
    /// Wraps a run-time error.
    pub fn runtime(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Runtime {
            error: error.into(),
            mend: None,
        }
    }

    /// Wraps a run-time error, with the way out if there is one.
    pub fn with_mend(
        error: impl Into<Box<dyn Error + Send + Sync>>,
        mend: Option<impl Into<String>>,
    ) -> Self {
        Self::Runtime {
            error: error.into(),
            mend: mend.map(Into::into),
        }
    }

    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Refused(_) => ExitCode::from(78),
            Self::Usage(_) => ExitCode::from(2),
            Self::Runtime { .. } => ExitCode::from(1),
        }
    }
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Self {
        Self::Config(error)
    }
}

/// The whole chain of causes on one line, except that a source which its error
/// quotes already is not told twice.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Refused(error) => error.fmt(f),
            Self::Usage(what) => f.write_str(what),
            Self::Runtime { error, mend } => {
                chain(error.as_ref()).fmt(f)?;
                mend.iter().try_for_each(|mend| write!(f, "\n    {mend}"))
            }
        }
    }
}
