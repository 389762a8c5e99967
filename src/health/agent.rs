//! How the real-server agent is asked.

use std::fmt;
use std::path::PathBuf;

/// How the real-server agent is asked, and what of its answer counts.
///
/// The files are read anew for each attempt, so that a new token or certificate
/// counts at once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Agent {
    /// Whether the weight in the answer counts.
    pub follow_weight: bool,
    /// Where the token is that the agent wants; none: it is sent none.
    pub token_file: Option<PathBuf>,
    /// How it proves who it is; none: it is asked in the clear.
    pub tls: Option<Trust>,
}

/// The agent of a file that says nothing about it. Its weight is followed: an
/// agent names one only where its own file says so.
impl Default for Agent {
    fn default() -> Self {
        Self {
            follow_weight: true,
            token_file: None,
            tls: None,
        }
    }
}

/// Which certificate is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Trust {
    /// One for this name that an authority has signed.
    Authority {
        /// The authorities' certificates, in PEM.
        ca: PathBuf,
        /// A host name or address; none: the address that is asked.
        name: Option<String>,
    },
    /// This one.
    Certificate(Fingerprint),
}

/// SHA-256 of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// As `openssl x509 -fingerprint -sha256` writes it, or without the colons.
impl std::str::FromStr for Fingerprint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = "not a SHA-256 fingerprint";
        let digits: Vec<char> = text.chars().filter(|c| *c != ':').collect();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return Err(fault);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            for digit in pair {
                let value = digit
                    .to_digit(16)
                    .and_then(|value| u8::try_from(value).ok());
                *byte = *byte << 4 | value.ok_or(fault)?;
            }
        }
        Ok(Self(bytes))
    }
}

/// 64 digits.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_with_and_without_colons() {
        let plain = "0123456789abcdef".repeat(4);
        let pairs: Vec<_> = (0..64).step_by(2).map(|at| &plain[at..at + 2]).collect();
        let colons = pairs.join(":").to_uppercase();
        let read = plain.parse::<Fingerprint>().unwrap();
        assert_eq!(colons.parse(), Ok(read));
        assert_eq!(read.to_string(), plain);
        for garbage in ["", "00", &plain[1..], &plain.replace('0', "g"), "é"] {
            assert!(garbage.parse::<Fingerprint>().is_err(), "{garbage:?}");
        }
    }
}
