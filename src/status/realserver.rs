//! The real-server agent's snapshot: `GET /v1/status` on its socket.

use std::fmt::{self, Write};
use std::net::{IpAddr, SocketAddr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::text::{self, Align, elapsed};

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
    let Status { version, pid, .. } = status;
    let up = elapsed(status.started, now);
    writeln!(
        out,
        "lvsd realserver, version {version}, pid {pid}, up {up}"
    )?;
    writeln!(
        out,
        "state      {}",
        status.state.to_string().to_uppercase()
    )?;
    for (nth, reason) in status.reasons.iter().enumerate() {
        let title = if nth == 0 { "because" } else { "" };
        writeln!(out, "{title:<10} {reason}")?;
    }
    if let Some(until) = status.draining_until {
        let left = elapsed(now, until);
        writeln!(
            out,
            "stops      in {left}; what is connected is served until then"
        )?;
    }
    writeln!(out, "readiness  http://{}/ready", status.listen)?;
    writeln!(out, "forwarding {}", status.forwarding)?;
    out.push_str(&vips(status, now));
    out.push_str(&sysctls(status));
    out.push_str(&services(status, now));
    Ok(())
}

fn vips(status: &Status, now: Timestamp) -> String {
    let rows = status.vips.iter().map(|vip| {
        let stays = vip
            .stays
            .then(|| "was here before lvsd, and stays".to_owned());
        let notes = stays.into_iter().chain(times_repaired(vip.repaired));
        vec![
            vip.address.to_string(),
            vip.label.clone().unwrap_or_default(),
            if vip.present { "on lo" } else { "MISSING" }.to_owned(),
            elapsed(vip.since, now),
            notes.collect::<Vec<_>>().join(", "),
        ]
    });
    table(&["VIP", "LABEL", "STATE", "FOR", "NOTE"], &[], rows)
}

fn sysctls(status: &Status) -> String {
    let rows = status.sysctls.iter().map(|sysctl| {
        let wrong = (!sysctl.ok).then(|| format!("WRONG: must be {}", sysctl.wanted));
        let notes = wrong.into_iter().chain(times_repaired(sysctl.repaired));
        let number = |value: Option<i32>| value.map_or("-".to_owned(), |v| v.to_string());
        vec![
            sysctl.key.clone(),
            number(sysctl.value),
            number(sysctl.original),
            notes.collect::<Vec<_>>().join(", "),
        ]
    });
    table(&["SYSCTL", "VALUE", "BEFORE", "NOTE"], &[1, 2], rows)
}

fn services(status: &Status, now: Timestamp) -> String {
    let rows = status.services.iter().map(|service| {
        vec![
            service.name.clone(),
            match service.health {
                Health::Down => "DOWN".to_owned(),
                other => other.to_string(),
            },
            elapsed(service.since, now),
            service.reason.clone().unwrap_or_default(),
        ]
    });
    table(&["SERVICE", "HEALTH", "FOR", "BECAUSE"], &[], rows)
}

fn times_repaired(count: u32) -> Option<String> {
    match count {
        0 => None,
        1 => Some("put back once".to_owned()),
        n => Some(format!("put back {n} times")),
    }
}

/// A blank line, the head and the rows, in columns of which some hold numbers;
/// nothing without rows.
fn table(head: &[&str], numbers: &[usize], rows: impl Iterator<Item = Vec<String>>) -> String {
    let head: Vec<_> = head.iter().map(|&title| title.to_owned()).collect();
    let align = |column: usize| match numbers.contains(&column) {
        true => Align::Right,
        false => Align::Left,
    };
    let columns: Vec<_> = (0..head.len()).map(align).collect();
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    match rows.len() {
        1 => String::new(),
        _ => format!("\n{}", text::table(&columns, &rows)),
    }
}

#[cfg(test)]
mod tests;
