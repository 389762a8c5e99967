//! A table to text.

use std::fmt;
use std::net::Ipv4Addr;

use crate::ipvs::table::{Persistence, RealServer, Settings, Table};
use crate::lvs::{
    Checksum, Family, Forwarding, Protocol, Scheduler, SchedulerFlags, Tunnel, VirtualServerId,
};

/// Writes a table in the order of `ipvsadm -Sn`: marks last, IPv4 before IPv6.
///
/// # Errors
/// Those of `to`.
pub fn write(table: &Table, to: &mut impl fmt::Write) -> fmt::Result {
    let mut sorted: Vec<_> = table.iter().collect();
    sorted.sort_by_key(|(id, _)| match id {
        VirtualServerId::Address { .. } => (0, id.family()),
        VirtualServerId::Fwmark { mark, family } => (mark.get(), *family),
    });
    for (id, virtual_server) in sorted {
        let settings = Options(&virtual_server.settings, id);
        writeln!(to, "-A {} {settings}", Name(id))?;
        for (rip, real_server) in &virtual_server.real_servers {
            writeln!(to, "-a {} -r {rip} {}", Name(id), Member(real_server))?;
        }
    }
    Ok(())
}

/// The names that `ipvsadm` has for a scheduler's flags, by number.
pub(super) fn flag_names(scheduler: Scheduler) -> [&'static str; 3] {
    match scheduler {
        Scheduler::SourceHash => ["sh-fallback", "sh-port", "flag-3"],
        Scheduler::Maglev => ["mh-fallback", "mh-port", "flag-3"],
        _ => ["flag-1", "flag-2", "flag-3"],
    }
}

/// `-t 192.168.1.200:80`, `-f 7 -6`.
struct Name<'a>(&'a VirtualServerId);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            VirtualServerId::Address { protocol, address } => {
                let option = match protocol {
                    Protocol::Tcp => "-t",
                    Protocol::Udp => "-u",
                    Protocol::Sctp => "--sctp-service",
                };
                write!(f, "{option} {address}")
            }
            VirtualServerId::Fwmark {
                family: Family::Ipv4,
                mark,
            } => write!(f, "-f {mark}"),
            VirtualServerId::Fwmark {
                family: Family::Ipv6,
                mark,
            } => write!(f, "-f {mark} -6"),
        }
    }
}

/// `-s sh -p 60 -b sh-port`.
struct Options<'a>(&'a Settings, &'a VirtualServerId);

impl fmt::Display for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(settings, id) = self;
        write!(f, "-s {}", settings.scheduler)?;
        if let Some(persistence) = &settings.persistence {
            write_persistence(f, persistence, id.family())?;
        }
        // The kernel keeps it of any, heeds it for UDP alone, and `ipvsadm -R` stops
        // at it elsewhere.
        if settings.one_packet && id.may_be_udp() {
            f.write_str(" -o")?;
        }
        write_flags(f, settings.scheduler, settings.scheduler_flags)
    }
}

fn write_persistence(
    f: &mut fmt::Formatter<'_>,
    persistence: &Persistence,
    family: Family,
) -> fmt::Result {
    write!(f, " -p {}", persistence.timeout.as_secs())?;
    let prefix_len = persistence.prefix_len;
    if prefix_len != family.host_prefix_len() {
        match family {
            Family::Ipv4 => {
                let host_bits = 32 - u32::from(prefix_len.min(32));
                let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
                write!(f, " -M {}", Ipv4Addr::from_bits(mask))?;
            }
            Family::Ipv6 => write!(f, " -M {prefix_len}")?,
        }
    }
    match persistence.engine {
        Some(engine) => write!(f, " --pe {engine}"),
        None => Ok(()),
    }
}

fn write_flags(
    f: &mut fmt::Formatter<'_>,
    scheduler: Scheduler,
    SchedulerFlags(flags): SchedulerFlags,
) -> fmt::Result {
    let mut separator = " -b ";
    for (name, set) in flag_names(scheduler).iter().zip(flags) {
        if set {
            write!(f, "{separator}{name}")?;
            separator = ",";
        }
    }
    Ok(())
}

/// `-g -w 3 -x 1000 -y 800`.
struct Member<'a>(&'a RealServer);

impl fmt::Display for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RealServer {
            forwarding,
            weight,
            upper_threshold,
            lower_threshold,
        } = self.0;
        let method = match forwarding {
            // That a real server is this host itself the kernel finds out.
            Forwarding::DirectRoute | Forwarding::Local => "-g",
            Forwarding::Tunnel(_) => "-i",
            Forwarding::Nat => "-m",
        };
        write!(f, "{method} -w {weight}")?;
        if let Forwarding::Tunnel(tunnel) = forwarding {
            write_tunnel(f, tunnel)?;
        }
        if *upper_threshold != 0 {
            write!(f, " -x {upper_threshold}")?;
        }
        if *lower_threshold != 0 {
            write!(f, " -y {lower_threshold}")?;
        }
        Ok(())
    }
}

fn write_tunnel(f: &mut fmt::Formatter<'_>, tunnel: &Tunnel) -> fmt::Result {
    match tunnel {
        Tunnel::Ipip => f.write_str(" --tun-type ipip"),
        Tunnel::Gue { port, checksum } => {
            let checksum = match checksum {
                Checksum::None => "--tun-nocsum",
                Checksum::Plain => "--tun-csum",
                Checksum::Remote => "--tun-remcsum",
            };
            write!(f, " --tun-type gue --tun-port {port} {checksum}")
        }
        Tunnel::Gre { checksum: false } => f.write_str(" --tun-type gre --tun-nocsum"),
        Tunnel::Gre { checksum: true } => f.write_str(" --tun-type gre --tun-csum"),
        Tunnel::Other(number) => write!(f, " --tun-type {number}"),
    }
}
