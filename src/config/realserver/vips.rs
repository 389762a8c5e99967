//! The VIPs, of the file and of the command line.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use super::{INTERFACE, raw};
use crate::config::check::is_host;
use crate::config::document::Document;
use crate::config::error::Error;
use crate::config::values::is_interface_name;
use crate::lvs::Prefixed;

/// What a network is not.
const NO_NETWORK: &str = "a VIP is a single host, not a network";

/// The VIPs that words of the command line name, in their order.
///
/// # Errors
/// [`Error::Vips`], with a line for each word that names none.
pub fn named(words: &[String]) -> Result<Vec<IpAddr>, Error> {
    each(words.iter().map(|word| (word.as_str(), vip(word))))
}

/// The VIPs of the command line, each once.
pub(super) fn of_command_line(given: &[IpAddr]) -> Result<Vec<IpAddr>, Error> {
    let words: Vec<_> = given.iter().map(ToString::to_string).collect();
    let vips = given.iter().map(|vip| legal(*vip).map(|()| *vip));
    let mut vips = each(words.iter().map(String::as_str).zip(vips))?;
    let mut seen = HashSet::new();
    vips.retain(|vip| seen.insert(*vip));
    Ok(vips)
}

/// All of them, or what is wrong with each that is none.
fn each<'a>(
    vips: impl Iterator<Item = (&'a str, Result<IpAddr, &'static str>)>,
) -> Result<Vec<IpAddr>, Error> {
    let (mut good, mut wrong) = (Vec::new(), Vec::new());
    for (word, vip) in vips {
        match vip {
            Ok(vip) => good.push(vip),
            Err(why) => wrong.push(format!(
                "--vip {word}: {why}; write the address that clients connect to, such as \
                 192.168.1.200"
            )),
        }
    }
    if wrong.is_empty() {
        Ok(good)
    } else {
        Err(Error::Vips(wrong))
    }
}

/// Reads a VIP.
fn vip(word: &str) -> Result<IpAddr, &'static str> {
    if word.parse::<SocketAddr>().is_ok() {
        return Err("an address with a port, and a VIP is for every port");
    }
    let prefixed: Prefixed = word.parse().map_err(|_| "not an IP address")?;
    if prefixed != Prefixed::host(prefixed.address) {
        return Err(NO_NETWORK);
    }
    legal(prefixed.address).map(|()| prefixed.address)
}

/// The VIPs of the file, after those that were given.
pub(super) fn read(document: &mut Document<'_>, raw: &raw::Agent, given: &[IpAddr]) -> Vec<IpAddr> {
    let mut places = HashMap::new();
    let mut vips = given.to_vec();
    for text in &raw.vips {
        let parsed = text.get_ref().parse::<Prefixed>();
        let vip = parsed.and_then(|prefixed| {
            if prefixed == Prefixed::host(prefixed.address) {
                legal(prefixed.address).map(|()| prefixed.address)
            } else {
                // With a shorter prefix on lo, the host takes the whole network for
                // its own and answers none of its neighbours.
                Err(NO_NETWORK)
            }
        });
        let mend = "write the address of the VIP alone, such as \"192.168.1.200\"";
        let Some(vip) = document.accept(&text.span(), vip, mend) else {
            continue;
        };
        if let Some(first) = places.insert(vip, text.span()) {
            let message = format!("this VIP is there already, {}", document.place(&first));
            document.refuse(&text.span(), message, "list it once");
        } else if !vips.contains(&vip) {
            vips.push(vip);
        }
    }
    vips
}

/// The interface that they are bound to.
pub(super) fn interface(document: &mut Document<'_>, raw: &raw::Agent) -> Option<String> {
    let Some(name) = &raw.interface else {
        return Some(INTERFACE.to_owned());
    };
    let text = name.get_ref();
    let name_of_interface = is_interface_name(text)
        .then(|| text.clone())
        .ok_or("not the name of an interface");
    document.accept(
        &name.span(),
        name_of_interface,
        "write the name of an interface, such as \"lo\" or \"dummy0\"",
    )
}

fn legal(vip: IpAddr) -> Result<(), &'static str> {
    let of_a_link = match vip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    of_another_host(vip)?;
    match of_a_link {
        true => Err("an address of one link only, which no client reaches"),
        false => Ok(()),
    }
}

/// Whether hosts can reach each other by an address, whatever network it is in.
pub(super) fn of_another_host(address: IpAddr) -> Result<(), &'static str> {
    if !is_host(address) || address.is_loopback() {
        Err("not the address of a host")
    } else if matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 0 || v4.octets()[0] >= 240) {
        Err("not the address of a host: from a reserved range")
    } else if matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some()) {
        Err("an IPv4 address in the dress of IPv6: write it as IPv4")
    } else {
        Ok(())
    }
}
