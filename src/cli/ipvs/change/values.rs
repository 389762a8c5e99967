//! What a virtual server and a real server can have, as options.

use std::num::NonZeroU16;
use std::time::Duration;

use clap::Args;

use crate::cli::Failure;
use crate::cli::ipvs::args::{self, Switched};
use crate::ipvs::table::{Persistence, RealServer, Settings};
use crate::lvs::{
    Checksum, Family, Forwarding, PersistenceEngine, Scheduler, SchedulerFlags, Tunnel,
    VirtualServerId, Weight,
};

/// Options of a virtual server.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of a virtual server")]
#[group(id = "settings", multiple = true, conflicts_with_all = ["RealServers", "member"])]
pub(super) struct SettingsArgs {
    /// How a real server is chosen: rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh
    /// twos. A new virtual server has wlc.
    #[arg(long, value_name = "NAME", value_parser = args::scheduler)]
    scheduler: Option<Scheduler>,

    /// What the scheduler does differently: fallback and port for sh and mh; off
    /// takes all away.
    #[arg(long, value_name = "FLAG", value_delimiter = ',')]
    scheduler_flags: Vec<String>,

    /// A client keeps its real server for this long after its last connection; off
    /// ends it.
    #[arg(long, value_name = "TIME|off", value_parser = args::persistence)]
    persistence: Option<Switched<Duration>>,

    /// Clients that share this many leading bits, or this mask, count as one.
    #[arg(long, value_name = "BITS|MASK", value_parser = args::prefix_len)]
    persistence_prefix: Option<u8>,

    /// What else tells clients apart: sip takes the Call-ID; off, nothing.
    #[arg(long, value_name = "NAME|off", value_parser = args::engine)]
    persistence_engine: Option<Switched<PersistenceEngine>>,

    /// Schedule each UDP datagram by itself.
    #[arg(
        long,
        value_name = "on|off",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "on",
        value_parser = args::on_or_off
    )]
    one_packet: Option<bool>,
}

impl SettingsArgs {
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            scheduler,
            scheduler_flags,
            persistence,
            persistence_prefix,
            persistence_engine,
            one_packet,
        } = self;
        scheduler.is_none()
            && scheduler_flags.is_empty()
            && persistence.is_none()
            && persistence_prefix.is_none()
            && persistence_engine.is_none()
            && one_packet.is_none()
    }

    /// The settings with what was given.
    pub(super) fn of(&self, id: &VirtualServerId, before: Settings) -> Result<Settings, Failure> {
        let scheduler = self.scheduler.unwrap_or(before.scheduler);
        let settings = Settings {
            scheduler,
            scheduler_flags: self.flags(scheduler, &before)?,
            one_packet: self.one_packet(id)?.unwrap_or(before.one_packet),
            persistence: self.persistence(id.family(), before.persistence)?,
        };
        let every_port =
            matches!(id, VirtualServerId::Address { address, .. } if address.port() == 0);
        if every_port && settings.persistence.is_none() {
            return usage("port 0 stands for every port, which needs --persistence");
        }
        Ok(settings)
    }

    /// The kernel takes it of any virtual server, and heeds it for UDP alone.
    fn one_packet(&self, id: &VirtualServerId) -> Result<Option<bool>, Failure> {
        match self.one_packet {
            Some(true) if !id.may_be_udp() => {
                usage("--one-packet: only UDP can be scheduled packet by packet")
            }
            given => Ok(given),
        }
    }

    /// Flags are the scheduler's: another one has none of the old.
    fn flags(&self, scheduler: Scheduler, before: &Settings) -> Result<SchedulerFlags, Failure> {
        match self.scheduler_flags.as_slice() {
            [] if scheduler == before.scheduler => Ok(before.scheduler_flags),
            [] => Ok(SchedulerFlags::NONE),
            [off] if off == "off" => Ok(SchedulerFlags::NONE),
            names => names.iter().try_fold(SchedulerFlags::NONE, |flags, name| {
                flags.with(scheduler, name).map_or_else(
                    || {
                        usage(&format!(
                            "--scheduler-flags {name}: {scheduler} has no such flag"
                        ))
                    },
                    Ok,
                )
            }),
        }
    }

    fn persistence(
        &self,
        family: Family,
        before: Option<Persistence>,
    ) -> Result<Option<Persistence>, Failure> {
        let timeout = match self.persistence {
            None => before.map(|before| before.timeout),
            Some(switched) => switched.on(),
        };
        let Some(timeout) = timeout else {
            return match (self.persistence_prefix, self.persistence_engine) {
                (None, None) => Ok(None),
                _ => usage("--persistence-prefix and --persistence-engine need --persistence"),
            };
        };
        let persistence = before.unwrap_or(Persistence::of_clients(timeout, family));
        let prefix_len = self.persistence_prefix.unwrap_or(persistence.prefix_len);
        if prefix_len > family.host_prefix_len() {
            return usage(&format!(
                "--persistence-prefix {prefix_len}: must be 1..={}",
                family.host_prefix_len()
            ));
        }
        Ok(Some(Persistence {
            timeout,
            prefix_len,
            engine: match self.persistence_engine {
                None => persistence.engine,
                Some(switched) => switched.on(),
            },
        }))
    }
}

/// Options of a real server.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of a real server")]
#[group(id = "member", multiple = true, requires = "RealServers")]
pub(super) struct RealServerArgs {
    /// How packets reach it: dr, nat or tun. A new real server has dr.
    #[arg(long, value_name = "METHOD", value_parser = args::forwarding)]
    forwarding: Option<Forwarding>,

    /// Its share of new connections, 0..=65535; at 0 it gets none and keeps those
    /// it has. A new real server has 1.
    #[arg(long, value_name = "N", value_parser = args::weight)]
    weight: Option<Weight>,

    /// No new connections above this many; 0: no limit.
    #[arg(long, value_name = "N")]
    upper_threshold: Option<u32>,

    /// New connections again below this many; 0: three quarters of the upper.
    #[arg(long, value_name = "N")]
    lower_threshold: Option<u32>,

    /// What the packet travels in under tun: ipip, gue or gre.
    #[arg(long, value_name = "TYPE")]
    tunnel: Option<TunnelType>,

    /// Where the real server listens for gue.
    #[arg(long, value_name = "PORT")]
    tunnel_port: Option<NonZeroU16>,

    /// How gue and gre are protected: none, plain, or for gue remote.
    #[arg(long, value_name = "KIND")]
    tunnel_checksum: Option<Checksum>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum TunnelType {
    Ipip,
    Gue,
    Gre,
}

impl RealServerArgs {
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            forwarding,
            weight,
            upper_threshold,
            lower_threshold,
            tunnel,
            tunnel_port,
            tunnel_checksum,
        } = self;
        forwarding.is_none()
            && weight.is_none()
            && upper_threshold.is_none()
            && lower_threshold.is_none()
            && tunnel.is_none()
            && tunnel_port.is_none()
            && tunnel_checksum.is_none()
    }

    /// The real server with what was given.
    pub(super) fn of(&self, before: RealServer) -> Result<RealServer, Failure> {
        let upper_threshold = self.upper_threshold.unwrap_or(before.upper_threshold);
        let lower_threshold = self.lower_threshold.unwrap_or(before.lower_threshold);
        if lower_threshold > upper_threshold {
            return usage(&format!(
                "--lower-threshold {lower_threshold} is above --upper-threshold {upper_threshold}"
            ));
        }
        Ok(RealServer {
            forwarding: self.forwarding(before.forwarding)?,
            weight: self.weight.unwrap_or(before.weight),
            upper_threshold,
            lower_threshold,
        })
    }

    fn forwarding(&self, before: Forwarding) -> Result<Forwarding, Failure> {
        let given =
            self.tunnel.is_some() || self.tunnel_port.is_some() || self.tunnel_checksum.is_some();
        let before = match (self.forwarding, before) {
            (Some(Forwarding::Tunnel(_)) | None, Forwarding::Tunnel(tunnel)) => {
                Forwarding::Tunnel(tunnel)
            }
            (Some(forwarding), _) => forwarding,
            (None, forwarding) => forwarding,
        };
        match before {
            Forwarding::Tunnel(tunnel) if given => self.tunnel(tunnel).map(Forwarding::Tunnel),
            _ if given => usage("--tunnel and its options need --forwarding tun"),
            forwarding => Ok(forwarding),
        }
    }

    fn tunnel(&self, before: Tunnel) -> Result<Tunnel, Failure> {
        let (kind, port, checksum) = match before {
            Tunnel::Gue { port, checksum } => (TunnelType::Gue, Some(port), checksum),
            Tunnel::Gre { checksum: true } => (TunnelType::Gre, None, Checksum::Plain),
            Tunnel::Gre { checksum: false } => (TunnelType::Gre, None, Checksum::None),
            Tunnel::Ipip | Tunnel::Other(_) => (TunnelType::Ipip, None, Checksum::None),
        };
        let checksum = self.tunnel_checksum.unwrap_or(checksum);
        match (self.tunnel.unwrap_or(kind), self.tunnel_port.or(port)) {
            (TunnelType::Gue, Some(port)) => Ok(Tunnel::Gue { port, checksum }),
            (TunnelType::Gue, None) => usage("--tunnel gue needs --tunnel-port"),
            (_, _) if self.tunnel_port.is_some() => usage("only --tunnel gue has a --tunnel-port"),
            (TunnelType::Gre, _) => match checksum {
                Checksum::None => Ok(Tunnel::Gre { checksum: false }),
                Checksum::Plain => Ok(Tunnel::Gre { checksum: true }),
                Checksum::Remote => usage("--tunnel gre has no checksum remote"),
            },
            (TunnelType::Ipip, _) if self.tunnel_checksum.is_some() => {
                usage("--tunnel ipip has no --tunnel-checksum")
            }
            (TunnelType::Ipip, _) => Ok(Tunnel::Ipip),
        }
    }
}

fn usage<T>(why: &str) -> Result<T, Failure> {
    Err(Failure::Usage(why.to_owned()))
}

#[cfg(test)]
mod tests;
