//! The keys of a readiness check: how the agent is asked.

use std::path::PathBuf;

use tokio_rustls::rustls::pki_types::ServerName;
use toml::Spanned;

use crate::config::document::Document;
use crate::config::raw;
use crate::config::raw::Field;
use crate::config::values::absolute;
use crate::health::Agent;
use crate::health::agent::{Fingerprint, Trust};

pub(super) fn read(document: &mut Document<'_>, raw: &raw::Check) -> Option<Agent> {
    let follow_weight = raw.follow_weight.as_ref().map(|field| *field.get_ref());
    let token_file = raw.token_file.as_ref();
    let token_file = token_file.map_or(Some(None), |path| absolute(document, path).map(Some));
    let tls = raw.tls.as_ref();
    let tls = tls.map_or(Some(None), |tls| trust(document, tls).map(Some));
    Some(Agent {
        follow_weight: follow_weight.unwrap_or(Agent::default().follow_weight),
        token_file: token_file?,
        tls: tls?,
    })
}

fn trust(document: &mut Document<'_>, tls: &Spanned<raw::CheckTls>) -> Option<Trust> {
    let raw::CheckTls {
        ca,
        name,
        fingerprint,
    } = tls.get_ref();
    match (ca, fingerprint) {
        (Some(ca), None) => {
            let ca: Option<PathBuf> = absolute(document, ca);
            let name = self::name(document, name);
            Some(Trust::Authority {
                ca: ca?,
                name: name?,
            })
        }
        (None, Some(text)) => {
            if let Some(name) = name {
                let message = "a fingerprint says which certificate it is, whatever its name";
                document.refuse(&name.span(), message, "remove one of the two");
            }
            let mend = "write what `openssl x509 -noout -fingerprint -sha256 -in agent.pem` prints \
                        behind the equals sign";
            let parsed = text.get_ref().parse::<Fingerprint>();
            document
                .accept(&text.span(), parsed, mend)
                .map(Trust::Certificate)
        }
        (None, None) => {
            let mend = "name who signed the agents' certificates, as ca = \"/etc/lvsd/ca.pem\", or \
                        the fingerprint of this agent's";
            document.refuse_missing(&tls.span(), "ca", mend);
            None
        }
        (Some(_), Some(fingerprint)) => {
            let message = "tells the same as ca in another way";
            document.refuse(&fingerprint.span(), message, "remove one of the two");
            None
        }
    }
}

fn name(document: &mut Document<'_>, field: &Field<String>) -> Option<Option<String>> {
    let Some(field) = field else {
        return Some(None);
    };
    let text = field.get_ref();
    let legal = ServerName::try_from(text.as_str()).is_ok();
    let legal = legal
        .then(|| Some(text.clone()))
        .ok_or("not a host name or address");
    let mend = "write the name that is in the agents' certificates, such as \"rs.example.org\"";
    document.accept(&field.span(), legal, mend)
}

/// These keys, in a check of another type, are a mistake.
pub(super) fn refuse<T>(document: &mut Document<'_>, raw: &raw::Check, kind: &str) -> Option<T> {
    let keys = [
        raw.follow_weight.as_ref().map(Spanned::span),
        raw.token_file.as_ref().map(Spanned::span),
        raw.tls.as_ref().map(Spanned::span),
    ];
    for span in keys.into_iter().flatten() {
        let message = format!("not used by a check of type {kind:?}");
        document.refuse(&span, message, "remove it, or write type = \"readiness\"");
    }
    None
}

#[cfg(test)]
mod tests;
