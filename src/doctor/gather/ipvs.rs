//! The kernel's IPVS. Opening its netlink family would load the module, so that
//! is done only where the module is there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;
use std::time::Duration;

use crate::doctor::facts::{Count, Flow, Ipvs, Kernel};
use crate::ipvs::client::{Client, Error};
use crate::ipvs::connections::{self, Connection, ConnectionProtocol};
use crate::ipvs::kernel::Timeouts;
use crate::lvs::Protocol;
use crate::status::text::chain;
use crate::sys::clock;
use crate::sys::errno;

/// Where the kernel lists the table, and only while it has IPVS.
const TABLE: &str = "/proc/net/ip_vs";

/// How long the connections are read at most. The kernel lists them by hash, so
/// the first of many are a fair sample of all.
const LONGEST: Duration = Duration::from_secs(1);

/// How long the kernel remembers a connection whose handshake is under way, from
/// its last packet.
const HANDSHAKE: Duration = Duration::from_secs(60);

/// A client that got no answer asks again after one second and after two more;
/// one whose last packet is older was answered, if only by a reset, or gave up.
const SILENT: Duration = Duration::from_secs(3);

pub(super) fn look(unseen: &mut Vec<String>) -> Ipvs {
    if !Path::new(TABLE).exists() {
        return Ipvs::Absent;
    }
    match ask() {
        Ok(mut kernel) => {
            match flows(&kernel.timeouts) {
                Ok(flows) => kernel.flows = flows,
                Err(error) => {
                    unseen.push(format!("{}: {}", connections::PATH, errno::text(&error)));
                }
            }
            Ipvs::Seen(Box::new(kernel))
        }
        Err(error) => {
            let hint = error.hint().unwrap_or("ask again");
            unseen.push(format!("the IPVS table: {} ({hint})", chain(&error)));
            Ipvs::Unseen
        }
    }
}

fn ask() -> Result<Kernel, Error> {
    let mut client = Client::open()?;
    Ok(Kernel {
        info: client.info()?,
        timeouts: client.timeouts()?,
        table: client.dump()?.virtual_servers,
        daemons: client.daemons()?.into_iter().collect(),
        flows: BTreeMap::new(),
    })
}

fn flows(timeouts: &Timeouts) -> io::Result<BTreeMap<Flow, Count>> {
    let list = match File::open(connections::PATH) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        opened => BufReader::new(opened?),
    };
    let enough_at = clock::now() + LONGEST;
    let mut flows: BTreeMap<Flow, Tally> = BTreeMap::new();
    let mut is_enough = false;
    let read = connections::each(list, |connection| {
        note(&mut flows, connection, timeouts);
        is_enough = clock::now() > enough_at;
        match is_enough {
            true => Err(io::ErrorKind::Interrupted.into()),
            false => Ok(()),
        }
    });
    match read {
        Err(error) if !is_enough => Err(error),
        _ => Ok(flows
            .into_iter()
            .map(|(flow, it)| (flow, it.count()))
            .collect()),
    }
}

/// The connections of a flow, by the whole seconds since the client's last packet: as
/// exactly as the kernel tells.
#[derive(Debug, Default)]
struct Tally {
    /// Past the handshake.
    established: u64,
    /// Of these, by age; none for those that say nothing of it.
    heard: BTreeMap<u64, u64>,
    /// Without an answer so far.
    asked: BTreeMap<u64, u64>,
}

impl Tally {
    fn count(&self) -> Count {
        let silent = || self.asked.range(SILENT.as_secs()..);
        let newest = silent().next().map_or(0, |(age, _)| *age);
        let since = |ages: &BTreeMap<u64, u64>| ages.range(..newest).map(|(_, it)| it).sum();
        Count {
            established: self.established,
            unanswered: silent().map(|(_, count)| count).sum(),
            since: since(&self.heard),
            waiting: since(&self.asked),
        }
    }
}

fn note(flows: &mut BTreeMap<Flow, Tally>, connection: &Connection<'_>, timeouts: &Timeouts) {
    let ConnectionProtocol::Of(protocol @ Protocol::Tcp) = connection.protocol else {
        return;
    };
    if connection.is_template() {
        return;
    }
    let flow = Flow {
        protocol,
        virtual_address: connection.virtual_address,
        real_server: connection.real_server,
    };
    let tally = flows.entry(flow).or_default();
    let age = |timeout: Duration| timeout.checked_sub(connection.expires);
    let (ages, age) = match connection.state {
        "NONE" => return,
        "SYN_RECV" => (&mut tally.asked, age(HANDSHAKE)),
        state => {
            tally.established += 1;
            let timeout = match state {
                "ESTABLISHED" => timeouts.tcp,
                "FIN_WAIT" => timeouts.tcp_fin,
                // A reset may be the client's, that gave up.
                _ => return,
            };
            (&mut tally.heard, age(timeout))
        }
    };
    if let Some(age) = age {
        *ages.entry(age.as_secs()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is counted of connections in these states that the kernel forgets in so many
    /// seconds.
    fn count(connections: &[(&str, u64)]) -> Count {
        let timeouts = Timeouts {
            tcp: Duration::from_secs(900),
            tcp_fin: Duration::from_secs(120),
            udp: Duration::from_secs(300),
        };
        let mut flows = BTreeMap::new();
        for (state, expires) in connections {
            let connection = Connection {
                protocol: ConnectionProtocol::Of(Protocol::Tcp),
                source: "192.168.1.10:40000".parse().unwrap(),
                virtual_address: "192.168.1.200:80".parse().unwrap(),
                real_server: "192.168.1.53:80".parse().unwrap(),
                state,
                expires: Duration::from_secs(*expires),
                engine: None,
            };
            note(&mut flows, &connection, &timeouts);
        }
        flows.values().next().unwrap().count()
    }

    #[test]
    fn what_got_through_since_the_last_silent_client_is_counted_apart() {
        let stuck = [("SYN_RECV", 40), ("SYN_RECV", 45), ("SYN_RECV", 58)];
        let unanswered = Count {
            unanswered: 2,
            waiting: 1,
            ..Count::default()
        };
        assert_eq!(count(&stuck), unanswered);
        for (state, expires, since) in [
            ("FIN_WAIT", 118, 1),
            ("ESTABLISHED", 898, 1),
            // Older than the silence, or of the same second.
            ("FIN_WAIT", 90, 0),
            ("FIN_WAIT", 105, 0),
            ("ESTABLISHED", 600, 0),
            // Of unknown age: a reset, a timeout from before.
            ("CLOSE", 9, 0),
            ("FIN_WAIT", 130, 0),
        ] {
            let with = [stuck.as_slice(), &[(state, expires)]].concat();
            let expected = Count {
                established: 1,
                since,
                ..unanswered
            };
            assert_eq!(count(&with), expected, "{state} {expires}");
        }
    }
}
