//! What the commands share in speaking to the kernel.

use std::path::Path;

use nix::errno::Errno;
use tokio::runtime;

use crate::cli::Failure;
use crate::director;
use crate::http;
use crate::ipvs::client::{Client, Error, Refusal};
use crate::ipvs::kernel::KernelTable;
use crate::ipvs::plan::Op;
use crate::lvs::VirtualServerId;
use crate::status::director::Director;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mend = error.hint();
        Self::with_mend(error, mend)
    }
}

/// Opens IPVS.
pub(super) fn open() -> Result<Client, Failure> {
    Ok(Client::open()?)
}

/// The whole table, or the one virtual server that was named, which must be there.
pub(super) fn table(
    client: &mut Client,
    only: Option<VirtualServerId>,
) -> Result<KernelTable, Failure> {
    let Some(id) = only else {
        return Ok(client.dump()?);
    };
    let virtual_server = client.virtual_server(&id)?.ok_or_else(|| missing(&id))?;
    Ok(KernelTable {
        virtual_servers: [(id, virtual_server)].into(),
    })
}

/// That a virtual server is not there.
pub(super) fn missing(id: &VirtualServerId) -> Failure {
    Failure::with_mend(
        format!("there is no virtual server {id}"),
        Some("`lvsd ipvs list` shows those that are"),
    )
}

/// Performs ops; each that the kernel refuses is named.
pub(super) fn apply(client: &mut Client, ops: &[Op]) -> Result<(), Failure> {
    match client.apply(ops)?.as_slice() {
        [] => Ok(()),
        refusals => Err(refused(refusals)),
    }
}

/// The failure that names every refused op.
pub(super) fn refused(refusals: &[Refusal]) -> Failure {
    let lines: Vec<_> = refusals.iter().map(Refusal::to_string).collect();
    let forbidden = |refusal: &Refusal| refusal.cause.errno() == Errno::EPERM;
    let mend = refusals
        .iter()
        .any(forbidden)
        .then_some("run as root, or with CAP_NET_ADMIN in this network namespace");
    Failure::with_mend(lines.join("\n"), mend)
}

/// Warns when a director runs here that will take its own virtual servers back
/// to what they were. `touched` says which of them matter.
pub(super) fn warn_of_director(runtime_dir: &Path, touched: impl Fn(&VirtualServerId) -> bool) {
    let Some(running) = director_here(runtime_dir) else {
        return;
    };
    for virtual_server in running
        .virtual_servers
        .iter()
        .filter(|own| touched(&own.id))
    {
        eprintln!(
            "lvsd: warning: {} is the running director's, which puts it back; \
             change its configuration instead",
            virtual_server.id
        );
    }
}

/// What the director that runs with this runtime directory says.
fn director_here(runtime_dir: &Path) -> Option<Director> {
    let socket = runtime_dir.join(director::SOCKET);
    if !socket.exists() {
        return None;
    }
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let reply = runtime.block_on(http::get(&socket, "/v1/status")).ok()?;
    serde_json::from_slice(&reply.body).ok()
}
