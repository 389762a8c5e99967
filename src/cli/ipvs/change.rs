//! `lvsd ipvs add`, `edit`, `delete`, `zero` and `clear`.

use std::path::Path;

use clap::Args;

use super::args::{OneVirtualServer, RealServers, SomeVirtualServer};
use super::kernel;
use crate::cli::Failure;
use crate::ipvs::plan::Op;
use crate::ipvs::table::{RealServer, Settings};
use crate::lvs::{Forwarding, RealServerId, Scheduler, VirtualServerId, Weight};

mod values;

use values::{RealServerArgs, SettingsArgs};

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    #[command(flatten)]
    virtual_server: OneVirtualServer,

    #[command(flatten)]
    settings: SettingsArgs,

    #[command(flatten)]
    real_servers: RealServers,

    #[command(flatten)]
    real_server: RealServerArgs,
}

/// What can be edited is what can be added.
pub(super) type EditArgs = AddArgs;

/// Adds a virtual server, or real servers.
pub(super) fn add(args: &AddArgs, runtime_dir: &Path) -> Result<(), Failure> {
    let id = args.virtual_server.id()?;
    let real_servers = args.real_servers.of(&id);
    let ops = if real_servers.is_empty() {
        let settings = args
            .settings
            .of(&id, Settings::of(Scheduler::WeightedLeastConnection))?;
        vec![Op::AddVirtualServer(id, settings)]
    } else {
        let real_server = args.real_server.of(RealServer {
            forwarding: Forwarding::DirectRoute,
            weight: Weight::ONE,
            upper_threshold: 0,
            lower_threshold: 0,
        })?;
        ports_stay(&id, &real_servers, real_server.forwarding)?;
        let add = |rip: &RealServerId| Op::AddRealServer(id, *rip, real_server);
        real_servers.iter().map(add).collect()
    };
    let mut client = kernel::open()?;
    kernel::apply(&mut client, &ops)?;
    kernel::warn_of_director(runtime_dir, |own| *own == id);
    Ok(())
}

/// Changes a virtual server, or real servers: what is not given stays.
pub(super) fn edit(args: &EditArgs, runtime_dir: &Path) -> Result<(), Failure> {
    let id = args.virtual_server.id()?;
    let real_servers = args.real_servers.of(&id);
    if args.settings.is_empty() && args.real_server.is_empty() {
        return Err(Failure::Usage(
            "nothing to change\n    name it: `lvsd ipvs edit --help` lists what there is"
                .to_owned(),
        ));
    }
    let mut client = kernel::open()?;
    let found = client
        .virtual_server(&id)?
        .ok_or_else(|| kernel::missing(&id))?;
    let mut ops = Vec::new();
    if real_servers.is_empty() {
        ops.push(Op::SetVirtualServer(
            id,
            args.settings.of(&id, found.settings)?,
        ));
    }
    for rip in &real_servers {
        let found = found
            .real_servers
            .get(rip)
            .ok_or_else(|| no_member(&id, rip))?;
        let real_server = args.real_server.of(found.real_server)?;
        ports_stay(&id, &[*rip], real_server.forwarding)?;
        ops.push(Op::SetRealServer(id, *rip, real_server));
    }
    kernel::apply(&mut client, &ops)?;
    kernel::warn_of_director(runtime_dir, |own| *own == id);
    Ok(())
}

/// Removes a virtual server, or real servers of it.
pub(super) fn delete(
    virtual_server: &OneVirtualServer,
    real_servers: &RealServers,
    runtime_dir: &Path,
) -> Result<(), Failure> {
    let id = virtual_server.id()?;
    let ops = if real_servers.is_empty() {
        vec![Op::RemoveVirtualServer(id)]
    } else {
        let remove = |rip: &RealServerId| Op::RemoveRealServer(id, *rip);
        real_servers.of(&id).iter().map(remove).collect()
    };
    let mut client = kernel::open()?;
    kernel::apply(&mut client, &ops)?;
    kernel::warn_of_director(runtime_dir, |own| *own == id);
    Ok(())
}

/// Zeroes counters.
pub(super) fn zero(which: &SomeVirtualServer) -> Result<(), Failure> {
    let id = which.id()?;
    let mut client = kernel::open()?;
    if let Some(id) = &id {
        client
            .virtual_server(id)?
            .ok_or_else(|| kernel::missing(id))?;
    }
    Ok(client.zero(id.as_ref())?)
}

/// Removes everything.
pub(super) fn clear(yes: bool, runtime_dir: &Path) -> Result<(), Failure> {
    if !yes {
        return Err(Failure::Usage(
            "this removes every virtual server of this host\n    \
             if that is what you want: lvsd ipvs clear --yes"
                .to_owned(),
        ));
    }
    kernel::open()?.flush()?;
    kernel::warn_of_director(runtime_dir, |_| true);
    Ok(())
}

fn no_member(id: &VirtualServerId, rip: &RealServerId) -> Failure {
    Failure::with_mend(
        format!("virtual server {id} has no real server {rip}"),
        Some(format!("`lvsd ipvs list {id}` shows those that it has")),
    )
}

/// Only NAT touches a packet's port.
fn ports_stay(
    id: &VirtualServerId,
    real_servers: &[RealServerId],
    forwarding: Forwarding,
) -> Result<(), Failure> {
    let (VirtualServerId::Address { address, .. }, true) = (id, forwarding != Forwarding::Nat)
    else {
        return Ok(());
    };
    match real_servers.iter().find(|rip| rip.port() != address.port()) {
        None => Ok(()),
        Some(rip) => Err(Failure::Usage(format!(
            "real server {rip}: its port must be the virtual server's, {}, under {}\n    \
             only nat changes ports: --forwarding nat",
            address.port(),
            forwarding.method()
        ))),
    }
}
