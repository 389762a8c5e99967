//! `lvsd realserver --adopt`: what of the old ways is there, what becomes lvsd's, and what
//! is to be removed, for people.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use tokio::runtime::Runtime;

use super::Failure;
use crate::config::realserver::RealServerConfig;
use crate::leftovers::{self, Leftover, Leftovers, Removal};
use crate::realserver::adopt::{self, OnLo};
use crate::realserver::vip;
use crate::sys::rtnetlink::{self, Rtnetlink};

/// What is to be taken over.
#[derive(Debug)]
pub(super) struct Takeover {
    /// The VIPs as if the command line had named them.
    pub(super) given: Vec<IpAddr>,
    /// What is told once they are lvsd's.
    pub(super) story: String,
}

impl Takeover {
    /// Looks at `lo` and at the files of this host. Nothing is changed.
    pub(super) fn find(
        runtime: &Runtime,
        given: &[IpAddr],
        file: Option<&Path>,
    ) -> Result<Self, Failure> {
        let named = match file {
            Some(file) => RealServerConfig::read(file, given)?.vips,
            None => given.to_owned(),
        };
        let leftovers = leftovers::look(Path::new("/"));
        let on_lo = runtime
            .block_on(on_lo(&named, &leftovers.vips()))
            .map_err(Failure::runtime)?;
        let vips = match named.is_empty() {
            true => on_lo.vips.clone(),
            false => named.clone(),
        };
        if vips.is_empty() && file.is_none() {
            return Err(nothing(&on_lo));
        }
        let story = story(&on_lo, &named, &vips, &leftovers);
        let given = if file.is_some() {
            given.to_owned()
        } else {
            vips
        };
        Ok(Self { given, story })
    }
}

async fn on_lo(named: &[IpAddr], leftovers: &BTreeSet<IpAddr>) -> Result<OnLo, rtnetlink::Error> {
    let netlink = Rtnetlink::open()?;
    let (links, addresses) = (netlink.links().await?, netlink.addresses().await?);
    Ok(adopt::on_lo(&links, &addresses, named, leftovers))
}

/// There must be something to adopt.
fn nothing(on_lo: &OnLo) -> Failure {
    if let Some((wide, label)) = on_lo.wide.first() {
        let what = format!(
            "there is no VIP on lo to adopt: {wide} has the mask of a network, which this host takes \
             for its own"
        );
        let mend = vip::narrowing(*wide, "lo", label.as_deref());
        return Failure::with_mend(what, Some(&format!("{mend}; then adopt it")));
    }
    let others = match on_lo.others.as_slice() {
        [] => String::new(),
        others => format!(
            ": of {} nothing says that it is one (no alias of lo, script or file that was found)",
            listed(others)
        ),
    };
    Failure::with_mend(
        format!("there is no VIP on lo to adopt{others}"),
        Some("name it: lvsd realserver --adopt --vip 192.168.1.200"),
    )
}

fn story(on_lo: &OnLo, named: &[IpAddr], vips: &[IpAddr], leftovers: &Leftovers) -> String {
    let mut lines = vec![match on_lo.vips.as_slice() {
        [] => "no VIP was on lo".to_owned(),
        ours => format!("on lo, and lvsd's from now on: {}", listed(ours)),
    }];
    if !on_lo.others.is_empty() {
        let why = match named {
            [] => "named by no alias, script or file",
            _ => "not named",
        };
        let others = listed(&on_lo.others);
        lines.push(format!("on lo too, {why}, and left alone: {others}"));
    }
    let absent: Vec<_> = leftovers
        .vips()
        .into_iter()
        .filter(|vip| !vips.contains(vip) && !on_lo.others.contains(vip))
        .collect();
    if !absent.is_empty() {
        let absent = listed(&absent);
        lines.push(format!(
            "in what is below, not on lo, and left alone: {absent}"
        ));
    }
    if !vips.is_empty() {
        let list = listed(vips);
        lines.push(format!("in /etc/lvsd/realserver.toml: vips = [{list}]"));
    }
    match leftovers.found.as_slice() {
        [] => lines.push("nothing of the old scripts is left".to_owned()),
        found => lines.extend(found.iter().flat_map(told)),
    }
    lines.join("\n") + "\n"
}

/// A line with the place and its text, then what it does and how to be rid of it.
fn told(leftover: &Leftover) -> Vec<String> {
    let Leftover {
        place, text, does, ..
    } = leftover;
    let mut lines = vec![format!("{place}: {text}")];
    if does != text {
        lines.push(format!("    {does}"));
    }
    lines.push(match &leftover.removal {
        Removal::Command(command) => format!("    remove: {command}"),
        Removal::Edit(what) => format!("    remove: {what}"),
    });
    lines.extend(leftover.caution.map(|caution| format!("    {caution}")));
    lines
}

/// As TOML has lists.
fn listed(ips: &[IpAddr]) -> String {
    let quoted: Vec<_> = ips.iter().map(|ip| format!("\"{ip}\"")).collect();
    quoted.join(", ")
}
