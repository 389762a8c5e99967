//! The endpoint that the directors check.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;

use super::weight::{self, Weight};
use super::{READINESS_LISTEN, raw};
use crate::config::document::Document;
use crate::config::raw::Field;
use crate::config::values::{absolute, duration, number, parsed};
use crate::lvs::Prefixed;

/// The readiness endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may ask; none: anyone who reaches it.
    pub allow: Option<Vec<Prefixed>>,
    /// What they must know, as `Authorization: Bearer TOKEN`.
    pub token: Option<String>,
    /// What it proves itself with; none: it speaks plain HTTP.
    pub tls: Option<Tls>,
    /// How many may ask at the same time.
    pub max_connections: usize,
    /// How long one exchange may take, from the connection to its end.
    pub timeout: Duration,
    /// Where the weight comes from; none: the answer has none.
    pub weight: Option<Weight>,
}

/// The files of a certificate, both in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, and those that it needs to be trusted.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// How many may ask at the same time unless told otherwise.
const MAX_CONNECTIONS: usize = 256;
/// How long an exchange may take unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(5);

impl Default for Readiness {
    fn default() -> Self {
        Self {
            listen: READINESS_LISTEN,
            allow: None,
            token: None,
            tls: None,
            max_connections: MAX_CONNECTIONS,
            timeout: TIMEOUT,
            weight: None,
        }
    }
}

pub(super) fn read(document: &mut Document<'_>, raw: &raw::Readiness) -> Option<Readiness> {
    let mend = "write ADDRESS:PORT, such as \"[::]:9480\"";
    let listen = parsed(document, &raw.listen, READINESS_LISTEN, mend);
    let allow = raw.allow.as_ref().map(|list| allowed(document, list));
    let token = token(document, &raw.token);
    let tls = tls(document, raw);
    let max_connections = number(document, &raw.max_connections, MAX_CONNECTIONS, 1..=65_535);
    let shortest = Duration::from_millis(100);
    let hour = Duration::from_secs(60 * 60);
    let timeout = duration(document, &raw.timeout, TIMEOUT, shortest..=hour);
    let weight = raw
        .weight
        .as_ref()
        .map(|table| weight::read(document, table));
    Some(Readiness {
        listen: listen?,
        allow,
        token: token?,
        tls: tls?,
        max_connections: max_connections?,
        timeout: timeout?,
        weight: weight.map_or(Some(None), |weight| weight.map(Some))?,
    })
}

fn allowed(document: &mut Document<'_>, list: &[Spanned<String>]) -> Vec<Prefixed> {
    let mend = "write the address of a director, such as \"192.168.1.51\", or a network, such \
                as \"192.168.1.0/24\"";
    let mut allowed = Vec::new();
    for text in list {
        allowed.extend(document.accept(&text.span(), text.get_ref().parse::<Prefixed>(), mend));
    }
    allowed
}

fn token(document: &mut Document<'_>, field: &Field<String>) -> Option<Option<String>> {
    let Some(field) = field else {
        return Some(None);
    };
    let text = field.get_ref();
    // RFC 6750 §2.1, b64token.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    let legal = (8..=256).contains(&text.len()) && text.bytes().all(plain);
    let token = legal.then(|| Some(text.clone())).ok_or("not a token");
    let mend = "write 8 to 256 letters, digits and -._~+/=, such as `openssl rand -hex 16` prints";
    document.accept(&field.span(), token, mend)
}

fn tls(document: &mut Document<'_>, raw: &raw::Readiness) -> Option<Option<Tls>> {
    match (&raw.certificate, &raw.key) {
        (None, None) => Some(None),
        (Some(certificate), Some(key)) => {
            let certificate = absolute(document, certificate);
            let key = absolute(document, key);
            Some(Some(Tls {
                certificate: certificate?,
                key: key?,
            }))
        }
        (Some(certificate), None) => {
            let mend = "name the file with its private key too, as key = \"/etc/lvsd/agent.key\"";
            document.refuse(&certificate.span(), "a certificate without its key", mend);
            None
        }
        (None, Some(key)) => {
            let mend = "name the certificate too, as certificate = \"/etc/lvsd/agent.pem\"";
            document.refuse(&key.span(), "a key without its certificate", mend);
            None
        }
    }
}
