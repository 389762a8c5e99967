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
            match flows() {
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

fn flows() -> io::Result<BTreeMap<Flow, Count>> {
    let list = match File::open(connections::PATH) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        opened => BufReader::new(opened?),
    };
    let enough_at = clock::now() + LONGEST;
    let mut flows: BTreeMap<Flow, Count> = BTreeMap::new();
    let mut is_enough = false;
    let read = connections::each(list, |connection| {
        note(&mut flows, connection);
        is_enough = clock::now() > enough_at;
        match is_enough {
            true => Err(io::ErrorKind::Interrupted.into()),
            false => Ok(()),
        }
    });
    match read {
        Err(error) if !is_enough => Err(error),
        _ => Ok(flows),
    }
}

fn note(flows: &mut BTreeMap<Flow, Count>, connection: &Connection<'_>) {
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
    let count = flows.entry(flow).or_default();
    match connection.state {
        "SYN_RECV" if connection.expires + SILENT <= HANDSHAKE => count.unanswered += 1,
        "SYN_RECV" | "NONE" => {}
        _ => count.established += 1,
    }
}
