//! Watches interfaces, as the kernel tells of them.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::Outlet;
use crate::sys::link::Link;
use crate::sys::rtnetlink::{Change, Changes, Error, Rtnetlink};
use crate::track::{Observation, Source};

/// How long to leave a kernel alone that cannot be asked.
const PAUSE: Duration = Duration::from_secs(1);

/// The interfaces are listed so often even if nothing is told of them.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// For ever, whichever interfaces are wanted.
pub(super) async fn watch(mut names: watch::Receiver<BTreeSet<String>>, outlet: Outlet) {
    loop {
        let watched = follow(&mut names, &outlet).await;
        if outlet.is_closed() || names.has_changed().is_err() {
            return;
        }
        if let Err(error) = watched {
            tracing::warn!(%error, "cannot watch interfaces; trying again");
        }
        sleep(PAUSE).await;
    }
}

/// Lists the interfaces at once, and after everything that the kernel tells.
async fn follow(
    names: &mut watch::Receiver<BTreeSet<String>>,
    outlet: &Outlet,
) -> Result<(), Error> {
    let mut changes = Changes::subscribe()?;
    let kernel = Rtnetlink::open()?;
    loop {
        let links = kernel.links().await?;
        let wanted = names.borrow_and_update().clone();
        for name in wanted {
            let link = links.iter().find(|link| link.name == name);
            let seen = judge(link);
            if outlet.send((Source::Interface(name), seen)).await.is_err() {
                return Ok(());
            }
        }
        let told = async {
            loop {
                tokio::select! {
                    changed = names.changed() => return changed.is_ok(),
                    change = changes.next() => match change {
                        Some(Change::Address(_) | Change::AddressGone { .. }) => {}
                        Some(_) => return true,
                        None => return false,
                    },
                }
            }
        };
        if timeout(LOOK_AGAIN, told).await == Ok(false) {
            return Ok(());
        }
    }
}

fn judge(link: Option<&Link>) -> Observation {
    match link {
        None => Observation::Bad("no such interface".into()),
        Some(link) if !link.up => Observation::Bad("it is down".into()),
        Some(link) if !link.carrier => Observation::Bad("no carrier".into()),
        Some(_) => Observation::Good,
    }
}
