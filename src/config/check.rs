//! Health checks as written, inherited and filled in.

mod agent;
mod shared;

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

pub(super) use self::shared::Shared;
use super::document::Document;
use super::raw;
use super::values::{duration, number};
use crate::health::{Check, Page, Probe, Timing};

/// When a check is made unless the file says otherwise: a dead server is out
/// after at most 2 s + 2 x 1 s where it refuses, and 10 s where it is silent.
pub const DEFAULT_TIMING: Timing = Timing {
    interval: Duration::from_secs(2),
    timeout: Duration::from_secs(2),
    retries: 2,
    retry_delay: Duration::from_secs(1),
    rise: 1,
};

/// Where the real-server agent answers `GET /ready` unless told otherwise.
pub const READINESS_PORT: u16 = 9480;

const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

const TYPES: &str = "use one of: tcp http readiness none";

/// What a check is aimed at, which decides what its keys may be.
#[derive(Clone, Copy)]
pub(super) enum Target {
    /// A real server: the check goes to its RIP.
    RealServer(SocketAddr),
    /// A service on this host: the check says where it is.
    Service,
}

/// The virtual server's check with the real server's own keys laid over it.
/// What belongs to one type of check is not inherited by another type.
pub(super) fn inherit<'a>(
    outer: Option<&'a raw::Check>,
    inner: Option<&'a raw::Check>,
) -> Cow<'a, raw::Check> {
    let (outer, inner) = match (outer, inner) {
        (None, None) => return Cow::default(),
        (Some(only), None) | (None, Some(only)) => return Cow::Borrowed(only),
        (Some(outer), Some(inner)) => (outer.clone(), inner.clone()),
    };
    let name = |check: &raw::Check| check.kind.as_ref().map(|kind| kind.get_ref().clone());
    let of_outer = if inner.kind.is_none() || name(&inner) == name(&outer) {
        outer.clone()
    } else {
        raw::Check::default()
    };
    Cow::Owned(raw::Check {
        kind: inner.kind.or(outer.kind),
        address: inner.address.or(of_outer.address),
        port: inner.port.or(of_outer.port),
        path: inner.path.or(of_outer.path),
        host: inner.host.or(of_outer.host),
        status: inner.status.or(of_outer.status),
        follow_weight: inner.follow_weight.or(of_outer.follow_weight),
        token_file: inner.token_file.or(of_outer.token_file),
        tls: inner.tls.or(of_outer.tls),
        interval: inner.interval.or(outer.interval),
        timeout: inner.timeout.or(outer.timeout),
        retries: inner.retries.or(outer.retries),
        retry_delay: inner.retry_delay.or(outer.retry_delay),
        rise: inner.rise.or(outer.rise),
    })
}

/// Reads a check; `Some(None)` is the type `none`. `place` is the table that an
/// error about a missing key names.
pub(super) fn read(
    document: &mut Document<'_>,
    raw: &raw::Check,
    target: Target,
    place: &Range<usize>,
) -> Option<Option<Check>> {
    let timing = timing(document, raw);
    let kind = raw
        .kind
        .as_ref()
        .map_or("tcp", |kind| kind.get_ref().as_str());
    let span = raw
        .kind
        .as_ref()
        .map_or_else(|| place.clone(), toml::Spanned::span);
    let http = if kind == "http" {
        Some(http(document, raw))
    } else {
        refuse_http(document, raw, kind)
    };
    let agent = if kind == "readiness" {
        agent::read(document, raw)
    } else {
        agent::refuse(document, raw, kind)
    };
    let probe = match kind {
        "none" => return timing.map(|_| None),
        "tcp" => Probe::Tcp {
            address: address(document, raw, target, None, place)?,
        },
        "http" => {
            let address = address(document, raw, target, None, place);
            Probe::Http {
                address: address?,
                page: document.shared.page(http??),
            }
        }
        "readiness" => Probe::Readiness {
            address: address(document, raw, target, Some(READINESS_PORT), place)?,
            agent: document.shared.agent(agent?),
        },
        _ => {
            document.refuse(&span, "unknown check type", TYPES);
            return None;
        }
    };
    Some(Some(Check {
        probe,
        timing: document.shared.timing(timing?),
    }))
}

fn timing(document: &mut Document<'_>, raw: &raw::Check) -> Option<Timing> {
    let default = DEFAULT_TIMING;
    let interval = duration(
        document,
        &raw.interval,
        default.interval,
        SHORTEST..=LONGEST,
    );
    let timeout = duration(document, &raw.timeout, default.timeout, SHORTEST..=LONGEST);
    let retries = number(document, &raw.retries, default.retries, 0..=1_000);
    let retry_delay = duration(
        document,
        &raw.retry_delay,
        default.retry_delay,
        Duration::ZERO..=LONGEST,
    );
    let rise = number(document, &raw.rise, default.rise, 1..=1_000);
    Some(Timing {
        interval: interval?,
        timeout: timeout?,
        retries: retries?,
        retry_delay: retry_delay?,
        rise: rise?,
    })
}

fn address(
    document: &mut Document<'_>,
    raw: &raw::Check,
    target: Target,
    default_port: Option<u16>,
    place: &Range<usize>,
) -> Option<SocketAddr> {
    match target {
        Target::Service => service_address(document, raw, place),
        Target::RealServer(server) => {
            if let Some(address) = &raw.address {
                document.refuse(
                    &address.span(),
                    "a director checks each real server at the real server's own address",
                    "remove it; `port` chooses another port",
                );
                return None;
            }
            let port = number(
                document,
                &raw.port,
                default_port.unwrap_or(server.port()),
                1..=65_535,
            )?;
            if port == 0 {
                let mend = "name the port to check: the real server has none of its own";
                document.refuse_missing(place, "check.port", mend);
                return None;
            }
            Some(SocketAddr::new(server.ip(), port))
        }
    }
}

fn service_address(
    document: &mut Document<'_>,
    raw: &raw::Check,
    place: &Range<usize>,
) -> Option<SocketAddr> {
    let mend = "name where the service answers, such as \"192.168.1.53:80\"";
    let Some(address) = &raw.address else {
        document.refuse_missing(place, "address", mend);
        return None;
    };
    let parsed = address.get_ref().parse::<SocketAddr>();
    let legal = parsed
        .ok()
        .filter(|address| address.port() != 0)
        .ok_or("not an address with a port")
        .and_then(|address| match is_host(address.ip()) {
            true => Ok(address),
            false => Err("not the address of a host"),
        });
    document.accept(&address.span(), legal, mend)
}

fn http(document: &mut Document<'_>, raw: &raw::Check) -> Option<Page> {
    let path = match &raw.path {
        None => Some("/".to_owned()),
        Some(path) => {
            let text = path.get_ref();
            let legal = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic());
            let legal = legal.then(|| text.clone()).ok_or("not a path");
            document.accept(
                &path.span(),
                legal,
                "write it with its leading slash and no spaces",
            )
        }
    };
    let host = match &raw.host {
        None => Some(None),
        Some(host) => {
            let text = host.get_ref();
            let legal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
            let legal = legal.then(|| Some(text.clone())).ok_or("not a host name");
            document.accept(
                &host.span(),
                legal,
                "write a host name, such as \"www.example.org\"",
            )
        }
    };
    let status = match &raw.status {
        None => Some((200, 299)),
        Some(status) => {
            let legal = status_range(&status.get_ref().0).ok_or("not an HTTP status");
            document.accept(
                &status.span(),
                legal,
                "write a status such as 200, or a range such as \"200-299\"",
            )
        }
    };
    Some(Page {
        path: path?,
        host: host?,
        status: status?,
    })
}

/// The keys of an HTTP check, in a check of another type, are a mistake.
fn refuse_http<T>(document: &mut Document<'_>, raw: &raw::Check, kind: &str) -> Option<T> {
    let keys = [
        raw.path.as_ref().map(toml::Spanned::span),
        raw.host.as_ref().map(toml::Spanned::span),
        raw.status.as_ref().map(toml::Spanned::span),
    ];
    for span in keys.into_iter().flatten() {
        let message = format!("not used by a check of type {kind:?}");
        document.refuse(&span, message, "remove it, or write type = \"http\"");
    }
    None
}

fn status_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (100 <= first && first <= last && last <= 599).then_some((first, last))
}

/// Whether an address can be a host's: not unspecified, multicast or broadcast.
pub(super) fn is_host(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !address.is_unspecified() && !address.is_multicast() && !broadcast
}
