//! Text to a table.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::{NonZeroI32, NonZeroU16, NonZeroU32};
use std::time::Duration;

use super::line::Line;
use super::write::flag_names;
use super::{BadLine, Malformed, Saved};
use crate::ipvs::table::{Persistence, RealServer, Settings, VirtualServer};
use crate::lvs::{
    Checksum, Family, Forwarding, PersistenceEngine, Protocol, RealServerId, Scheduler,
    SchedulerFlags, Tunnel, VirtualServerId, Weight,
};

/// Seconds of persistence that names no timeout.
const DEFAULT_PERSISTENCE: u32 = 360;
/// The scheduler of a virtual server that names none.
const DEFAULT_SCHEDULER: Scheduler = Scheduler::WeightedLeastConnection;

/// Reads a saved table. Empty lines and comments (`#`) are passed over.
///
/// # Errors
/// Every line that cannot be taken: then none of the others should be.
pub fn parse(text: &str) -> Result<Saved, Malformed> {
    let mut saved = Saved::default();
    let mut bad = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = index + 1;
        if let Err(fault) = add(line, number, &mut saved) {
            bad.push(BadLine { number, fault });
        }
    }
    if bad.is_empty() {
        Ok(saved)
    } else {
        Err(Malformed(bad))
    }
}

fn add(line: &str, number: usize, saved: &mut Saved) -> Result<(), String> {
    let mut line = Line::read(line)?;
    line.has("-n");
    let command = line.take_one(&["-A", "-a"])?;
    let Some((command, _)) = command else {
        return Err("neither -A nor -a".to_owned());
    };
    let id = virtual_server_id(&mut line)?;
    if command == "-A" {
        let settings = settings(&mut line, &id)?;
        nothing_left(&line, "a virtual server (-A)")?;
        let real_servers = Default::default();
        let added = VirtualServer {
            settings,
            real_servers,
        };
        saved.lines.entry(id).or_insert(number);
        return match saved.table.insert(id, added) {
            None => Ok(()),
            Some(_) => Err(format!("{id} is there already")),
        };
    }
    let (rip, real_server) = (rip(&mut line, &id)?, real_server(&mut line)?);
    nothing_left(&line, "a real server (-a)")?;
    let virtual_server = saved
        .table
        .get_mut(&id)
        .ok_or_else(|| format!("no line before this one adds {id} (-A)"))?;
    match virtual_server.real_servers.insert(rip, real_server) {
        None => Ok(()),
        Some(_) => Err(format!("{rip} of {id} is there already")),
    }
}

fn nothing_left(line: &Line, what: &str) -> Result<(), String> {
    match line.left() {
        None => Ok(()),
        Some(option) => Err(format!("{what} has no option {option}")),
    }
}

fn virtual_server_id(line: &mut Line) -> Result<VirtualServerId, String> {
    let ipv6 = line.has("-6");
    let (option, value) = line
        .take_one(&["-t", "-u", "--sctp-service", "-f"])?
        .ok_or("no virtual server: -t, -u, --sctp-service or -f")?;
    let protocol = match option {
        "-t" => Protocol::Tcp,
        "-u" => Protocol::Udp,
        "-f" => {
            // ipvsadm writes those from 2^31 on as negative numbers.
            let mark = match value.parse::<NonZeroI32>() {
                Ok(mark) if mark.is_negative() => mark.cast_unsigned(),
                Ok(_) | Err(_) => number::<NonZeroU32>(option, &value)?,
            };
            let family = if ipv6 { Family::Ipv6 } else { Family::Ipv4 };
            return Ok(VirtualServerId::Fwmark { family, mark });
        }
        _ => Protocol::Sctp,
    };
    let address = socket_address(&value, 0)?;
    Ok(VirtualServerId::Address { protocol, address })
}

fn settings(line: &mut Line, id: &VirtualServerId) -> Result<Settings, String> {
    let scheduler = match line.take("-s") {
        None => DEFAULT_SCHEDULER,
        Some(name) if name.len() > 15 => return Err(format!("-s {name}: at most 15 letters")),
        Some(name) => Scheduler::reported(&name),
    };
    let scheduler_flags = match line.take("-b") {
        None => SchedulerFlags::NONE,
        Some(names) => scheduler_flags(scheduler, &names)?,
    };
    let persistence = persistence(line, id.family())?;
    if persistence.is_none() && stands_for_every_port(id) {
        return Err("port 0 stands for every port, which needs persistence (-p)".to_owned());
    }
    let one_packet = line.has("-o");
    if one_packet && !id.may_be_udp() {
        return Err("-o: only UDP can be scheduled packet by packet".to_owned());
    }
    Ok(Settings {
        scheduler,
        scheduler_flags,
        one_packet,
        persistence,
    })
}

fn stands_for_every_port(id: &VirtualServerId) -> bool {
    matches!(id, VirtualServerId::Address { address, .. } if address.port() == 0)
}

fn scheduler_flags(scheduler: Scheduler, names: &str) -> Result<SchedulerFlags, String> {
    let mut flags = SchedulerFlags::NONE;
    for name in names.split(',') {
        let own = flag_names(scheduler).iter().position(|own| *own == name);
        let numbered = ["flag-1", "flag-2", "flag-3"];
        let index = own.or_else(|| numbered.iter().position(|flag| *flag == name));
        let index = index.ok_or_else(|| format!("-b {name}: {scheduler} has no such flag"))?;
        flags.0[index] = true;
    }
    Ok(flags)
}

fn persistence(line: &mut Line, family: Family) -> Result<Option<Persistence>, String> {
    let Some(timeout) = line.take("-p") else {
        return match line.take_one(&["-M", "--pe"])? {
            None => Ok(None),
            Some((option, _)) => Err(format!("{option} needs persistence (-p)")),
        };
    };
    let seconds = match timeout.as_str() {
        "" => DEFAULT_PERSISTENCE,
        text => number::<NonZeroU32>("-p", text)?.get(),
    };
    let prefix_len = match line.take("-M") {
        None => family.host_prefix_len(),
        Some(mask) => prefix_len(&mask, family)?,
    };
    let engine = match line.take("--pe") {
        None => None,
        Some(name) if name.len() > 15 => return Err(format!("--pe {name}: at most 15 letters")),
        Some(name) => Some(PersistenceEngine::reported(&name)),
    };
    Ok(Some(Persistence {
        timeout: Duration::from_secs(seconds.into()),
        prefix_len,
        engine,
    }))
}

fn prefix_len(mask: &str, family: Family) -> Result<u8, String> {
    let legal = match family {
        Family::Ipv4 => mask.parse::<Ipv4Addr>().ok().and_then(|mask| {
            let bits = mask.to_bits();
            let prefix_len = bits.leading_ones();
            (bits.count_ones() == prefix_len).then_some(prefix_len)
        }),
        Family::Ipv6 => mask
            .parse()
            .ok()
            .filter(|length| (1..=128).contains(length)),
    };
    let mend = match family {
        Family::Ipv4 => "a mask is written like 255.255.255.0",
        Family::Ipv6 => "a prefix has a length of 1..=128",
    };
    legal
        .and_then(|length| u8::try_from(length).ok())
        .ok_or_else(|| format!("-M {mask}: {mend}"))
}

fn rip(line: &mut Line, id: &VirtualServerId) -> Result<RealServerId, String> {
    let address = line.take("-r").ok_or("no real server: -r")?;
    let same_port = match id {
        VirtualServerId::Address { address, .. } => address.port(),
        VirtualServerId::Fwmark { .. } => 0,
    };
    socket_address(&address, same_port)
}

fn real_server(line: &mut Line) -> Result<RealServer, String> {
    let forwarding = match line.take_one(&["-g", "-i", "-m"])? {
        Some(("-m", _)) => Forwarding::Nat,
        Some(("-i", _)) => Forwarding::Tunnel(tunnel(line)?),
        _ => Forwarding::DirectRoute,
    };
    let mut count = |option| match line.take(option) {
        None => Ok(None),
        Some(text) => number::<u32>(option, &text).map(Some),
    };
    Ok(RealServer {
        forwarding,
        weight: count("-w")?.map_or(Weight::ONE, Weight::reported),
        upper_threshold: count("-x")?.unwrap_or(0),
        lower_threshold: count("-y")?.unwrap_or(0),
    })
}

fn tunnel(line: &mut Line) -> Result<Tunnel, String> {
    let kind = line.take("--tun-type");
    match kind.as_deref() {
        None | Some("ipip") => Ok(Tunnel::Ipip),
        Some("gue") => {
            let port = line.take("--tun-port").ok_or("gue needs --tun-port")?;
            let port: NonZeroU16 = number("--tun-port", &port)?;
            let given = line.take_one(&["--tun-nocsum", "--tun-csum", "--tun-remcsum"])?;
            let checksum = match given {
                Some(("--tun-csum", _)) => Checksum::Plain,
                Some(("--tun-remcsum", _)) => Checksum::Remote,
                _ => Checksum::None,
            };
            Ok(Tunnel::Gue { port, checksum })
        }
        Some("gre") => {
            let given = line.take_one(&["--tun-nocsum", "--tun-csum"])?;
            let checksum = matches!(given, Some(("--tun-csum", _)));
            Ok(Tunnel::Gre { checksum })
        }
        Some(other) => {
            let unknown = |_| format!("--tun-type {other}: use ipip, gue or gre");
            other.parse().map(Tunnel::Other).map_err(unknown)
        }
    }
}

/// Reads `192.168.1.200:80`, `[2001:db8::1]:80`, and both without a port.
fn socket_address(text: &str, port: u16) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address: Result<IpAddr, _> = match bare {
        Some(inner) => inner.parse().map(IpAddr::V6),
        None => text.parse::<Ipv4Addr>().map(IpAddr::V4),
    };
    address
        .map(|address| SocketAddr::new(address, port))
        .map_err(|_| {
            format!("{text}: not an address and port in numbers (`ipvsadm -Sn` writes them)")
        })
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{option} {text}: not a number that it can be"))
}
