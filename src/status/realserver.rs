//! The real-server agent's snapshot: `GET /v1/status` on its socket.

pub mod metrics;

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
    /// Serving what it has, before it lets go of the VIPs: no new clients.
    Draining,
    /// Without VIPs, by the wish of an operator.
    Drained,
    /// The VIP is being taken away.
    Stopping,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ready => "ready",
            Self::NotReady => "not ready",
            Self::Draining => "draining",
            Self::Drained => "drained",
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
    /// What is repaired again and again, so that somebody must look.
    pub errors: Vec<String>,
    /// What may be wrong, depending on what only people know, one sentence each.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// When draining ends at the latest.
    pub draining_until: Option<Timestamp>,
    /// How many connections the VIPs have, while it drains.
    pub connections: Option<usize>,
    /// How much of its share of clients this host wants, 0..=100.
    pub weight: Option<u8>,
    /// `dr`, `nat`, or `tun` with the kind of tunnel.
    pub forwarding: String,
    /// What is set up besides VIPs and parameters, one sentence each.
    pub notes: Vec<String>,
    /// Where `GET /ready` is answered.
    pub listen: SocketAddr,
    /// Whether it is asked by TLS there.
    pub secure: bool,
    /// What was heard of the VIPs on each interface.
    pub arp: Vec<Arp>,
    /// The interface that the VIPs are on.
    pub interface: String,
    /// In configuration order.
    pub vips: Vec<Vip>,
    /// By name.
    pub sysctls: Vec<Sysctl>,
    /// In configuration order.
    pub services: Vec<Service>,
}

/// What was heard of a VIP on an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arp {
    /// The interface.
    pub interface: String,
    /// The VIP.
    pub vip: IpAddr,
    /// Questions about it that came in.
    pub asked: u64,
    /// Answers that this host sent all the same, and requests in its name.
    pub leaked: u64,
}

/// A VIP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vip {
    /// The address.
    pub address: IpAddr,
    /// What `ip address` calls it; IPv6 has none.
    pub label: Option<String>,
    /// Whether it is on its interface as a host address.
    pub present: bool,
    /// Since when it is, or is not.
    pub since: Timestamp,
    /// Whether it stays when the agent stops: it was there before, and ARP is not answered
    /// for it then.
    pub stays: bool,
    /// How often it was put back after somebody took it away, or, while drained, taken
    /// away after somebody put it there.
    pub repaired: u32,
    /// Who has, or may have, taken it away the last time.
    pub taken_by: Option<String>,
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
    /// What the kernel goes by: this value together with that of `all`.
    pub effective: Option<i32>,
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
    /// Who has, or may have, changed it the last time.
    pub changed_by: Option<String>,
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
    for error in &status.errors {
        writeln!(out, "ERROR      {error}")?;
    }
    for warning in &status.warnings {
        writeln!(out, "WARNING    {warning}")?;
    }
    if let Some(until) = status.draining_until {
        let left = elapsed(now, until);
        let connections = match status.connections {
            None => "what is connected is".to_owned(),
            Some(1) => "1 connection is".to_owned(),
            Some(n) => format!("{n} connections are"),
        };
        writeln!(out, "lets go    in {left}; {connections} served until then")?;
    }
    let scheme = if status.secure { "https" } else { "http" };
    writeln!(out, "readiness  {scheme}://{}/ready", status.listen)?;
    if let Some(weight) = status.weight {
        writeln!(out, "weight     {weight} of 100")?;
    }
    writeln!(out, "forwarding {}", status.forwarding)?;
    for note in &status.notes {
        writeln!(out, "           {note}")?;
    }
    out.push_str(&vips(status, now));
    out.push_str(&arp(status));
    out.push_str(&sysctls(status));
    out.push_str(&services(status, now));
    Ok(())
}

fn vips(status: &Status, now: Timestamp) -> String {
    let rows = status.vips.iter().map(|vip| {
        let stays = vip
            .stays
            .then(|| "was here before lvsd, and stays".to_owned());
        let what = match status.state {
            State::Drained => "taken away",
            _ => "put back",
        };
        let repaired = times_repaired(what, vip.repaired, vip.taken_by.as_deref());
        let notes = stays.into_iter().chain(repaired);
        vec![
            vip.address.to_string(),
            vip.label.clone().unwrap_or_default(),
            match (vip.present, status.state) {
                (true, _) => format!("on {}", status.interface),
                (false, State::Drained | State::Stopping) => "away".to_owned(),
                (false, _) => "MISSING".to_owned(),
            },
            elapsed(vip.since, now),
            notes.collect::<Vec<_>>().join(", "),
        ]
    });
    table(&["VIP", "LABEL", "STATE", "FOR", "NOTE"], &[], rows)
}

fn sysctls(status: &Status) -> String {
    let rows = status.sysctls.iter().map(|sysctl| {
        let wrong = (!sysctl.ok).then(|| format!("WRONG: must be {}", sysctl.wanted));
        let repaired = times_repaired("put back", sysctl.repaired, sysctl.changed_by.as_deref());
        let notes = wrong.into_iter().chain(repaired);
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

/// What was heard on the LAN: silence is worth a line each, once somebody asked.
fn arp(status: &Status) -> String {
    let rows = status.arp.iter().map(|arp| {
        let verdict = if arp.leaked > 0 { "LEAKS" } else { "silent" };
        vec![
            arp.vip.to_string(),
            arp.interface.clone(),
            arp.asked.to_string(),
            arp.leaked.to_string(),
            verdict.to_owned(),
        ]
    });
    table(
        &["HEARD OF", "ON", "ASKED", "ANSWERED", "VERDICT"],
        &[2, 3],
        rows,
    )
}

fn times_repaired(what: &str, count: u32, by: Option<&str>) -> Option<String> {
    let by = by.map_or_else(String::new, |by| format!(" after {by}"));
    match count {
        0 => None,
        1 => Some(format!("{what} once{by}")),
        n if by.is_empty() => Some(format!("{what} {n} times")),
        n => Some(format!("{what} {n} times, last{by}")),
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
pub(crate) mod tests;
