//! The real-server agent's snapshot: `GET /v1/status` on its socket.

use std::fmt::{self, Write};
use std::net::{IpAddr, SocketAddr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the agent makes of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Send clients.
    Ready,
    /// Something is not as it must be.
    NotReady,
    /// Serving what it has, before a stop: no new clients.
    Draining,
    /// The VIP is being taken away.
    Stopping,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ready => "ready",
            Self::NotReady => "not ready",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
        })
    }
}

/// Everything there is to see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Of lvsd.
    pub version: String,
    /// Of the agent's process.
    pub pid: u32,
    /// When it started.
    pub started: Timestamp,
    /// Whether `GET /ready` is 200.
    pub ready: bool,
    /// Why or why not, in a word.
    pub state: State,
    /// Why not, one sentence each.
    pub reasons: Vec<String>,
    /// When draining ends.
    pub draining_until: Option<Timestamp>,
    /// `dr` or `tun`.
    pub forwarding: String,
    /// Where `GET /ready` is answered.
    pub listen: SocketAddr,
    /// In configuration order.
    pub vips: Vec<Vip>,
    /// By name.
    pub sysctls: Vec<Sysctl>,
    /// In configuration order.
    pub services: Vec<Service>,
}

/// A VIP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vip {
    /// The address.
    pub address: IpAddr,
    /// What `ip address` calls it; IPv6 has none.
    pub label: Option<String>,
    /// Whether it is on `lo` as a host address.
    pub present: bool,
    /// Since when it is, or is not.
    pub since: Timestamp,
    /// Whether it stays when the agent stops: it was there before.
    pub stays: bool,
    /// How often it was put back after somebody took it away.
    pub repaired: u32,
    /// What is wrong with it.
    pub faults: Vec<String>,
}

/// A kernel parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sysctl {
    /// Its name, as sysctl(8) writes it.
    pub key: String,
    /// Its value; none: it cannot be read.
    pub value: Option<i32>,
    /// What the agent writes if the value is not right.
    pub wanted: i32,
    /// What it was before the first start.
    pub original: Option<i32>,
    /// Whether the value is right.
    pub ok: bool,
    /// Why it is wanted.
    pub why: String,
    /// How often it was put back after somebody changed it.
    pub repaired: u32,
}

/// A local service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name in the configuration.
    pub name: String,
    /// What its check says.
    pub health: Health,
    /// Since when.
    pub since: Timestamp,
    /// Why it is down.
    pub reason: Option<String>,
}

/// What a check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// No verdict yet.
    Unknown,
    /// It answers.
    Up,
    /// It does not.
    Down,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

/// The snapshot as text, for a terminal; `now` turns times into ages.
pub fn render(status: &Status, now: Timestamp) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(&mut out, status, now);
    out
}

fn write_all(out: &mut String, status: &Status, now: Timestamp) -> fmt::Result {
    writeln!(
        out,
        "real server  {}   lvsd {}, pid {}, up {}",
        status.state.to_string().to_uppercase(),
        status.version,
        status.pid,
        age(status.started, now),
    )?;
    writeln!(
        out,
        "readiness    http://{}/ready   forwarding {}",
        status.listen, status.forwarding
    )?;
    if let Some(until) = status.draining_until {
        writeln!(out, "draining     stops in {}", age(now, until))?;
    }
    for (nth, reason) in status.reasons.iter().enumerate() {
        let title = if nth == 0 { "because" } else { "" };
        writeln!(out, "{title:<12} {reason}")?;
    }
    write_vips(out, status, now)?;
    write_sysctls(out, status)?;
    write_services(out, status, now)
}

fn write_vips(out: &mut String, status: &Status, now: Timestamp) -> fmt::Result {
    let rows = status.vips.iter().map(|vip| {
        let mut notes = vec![format!("for {}", age(vip.since, now))];
        notes.extend(vip.stays.then(|| "was here before lvsd".to_owned()));
        notes.extend(times_repaired(vip.repaired));
        [
            vip.address.to_string(),
            vip.label.clone().unwrap_or_default(),
            if vip.present { "on lo" } else { "MISSING" }.to_owned(),
            notes.join(", "),
        ]
    });
    table(
        out,
        ["VIP", "LABEL", "STATE", ""],
        &rows.collect::<Vec<_>>(),
    )
}

fn write_sysctls(out: &mut String, status: &Status) -> fmt::Result {
    let rows = status.sysctls.iter().map(|sysctl| {
        let mut notes = Vec::new();
        notes.extend((!sysctl.ok).then(|| format!("WRONG: must be {}", sysctl.wanted)));
        notes.extend(times_repaired(sysctl.repaired));
        let number = |value: Option<i32>| value.map_or("-".to_owned(), |v| v.to_string());
        [
            sysctl.key.clone(),
            number(sysctl.value),
            number(sysctl.original),
            notes.join(", "),
        ]
    });
    table(
        out,
        ["SYSCTL", "VALUE", "BEFORE", ""],
        &rows.collect::<Vec<_>>(),
    )
}

fn write_services(out: &mut String, status: &Status, now: Timestamp) -> fmt::Result {
    let rows = status.services.iter().map(|service| {
        [
            service.name.clone(),
            match service.health {
                Health::Down => "DOWN".to_owned(),
                other => other.to_string(),
            },
            format!("for {}", age(service.since, now)),
            service.reason.clone().unwrap_or_default(),
        ]
    });
    table(
        out,
        ["SERVICE", "HEALTH", "", ""],
        &rows.collect::<Vec<_>>(),
    )
}

fn times_repaired(count: u32) -> Option<String> {
    match count {
        0 => None,
        1 => Some("put back once".to_owned()),
        n => Some(format!("put back {n} times")),
    }
}

/// A blank line, a header and the rows, in columns; nothing without rows.
fn table<const N: usize>(out: &mut String, header: [&str; N], rows: &[[String; N]]) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    let header = header.map(str::to_owned);
    let width = |column: usize| {
        let cells = rows.iter().chain([&header]).map(|row| row[column].len());
        cells.max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    writeln!(out)?;
    for row in std::iter::once(&header).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            write!(line, "{cell:<width$}  ")?;
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// `4s`, `3m 20s`, `2h 5m`, `12d 3h`: the two largest units.
fn age(from: Timestamp, to: Timestamp) -> String {
    let seconds = (to.as_second() - from.as_second()).max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

#[cfg(test)]
mod tests;
