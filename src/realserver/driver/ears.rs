//! What is heard of the kernel's own accord: changes of links and addresses, writes
//! to parameters, and what this host says of the VIPs on its links.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::time::Instant;

use futures_util::{FutureExt, StreamExt};
use tracing::{error, warn};

use crate::director::vips::Placed;
use crate::realserver::agent::Said;
use crate::realserver::leaks::Leaks;
use crate::status::realserver::Arp;
use crate::sys::rtnetlink::{Change, Changes};
use crate::sys::sysctl::Key;
use crate::sys::sysctl::writes::Writes;
use crate::sys::tell_tale::TellTale;
use crate::sys::{clock, owners};

/// The sockets that hear it.
#[derive(Debug)]
pub(super) struct Ears {
    changes: Option<Changes>,
    writes: Option<Writes>,
    tell_tale: Option<TellTale>,
    /// Why there is none although one is wanted.
    deaf: Option<String>,
    leaks: Leaks,
    culprits: BTreeMap<IpAddr, String>,
}

impl Ears {
    pub(super) fn open(changes: Changes, watch_arp: bool) -> Self {
        let mut ears = Self {
            changes: Some(changes),
            writes: None,
            tell_tale: None,
            deaf: None,
            leaks: Leaks::default(),
            culprits: BTreeMap::new(),
        };
        ears.tend(watch_arp);
        ears
    }

    /// Opens again what has broken.
    pub(super) fn tend(&mut self, watch_arp: bool) {
        if self.changes.is_none() {
            self.changes = Changes::subscribe().ok();
        }
        if self.writes.is_none() {
            // Without it they are read once a second all the same.
            self.writes = Writes::open().ok();
        }
        if !watch_arp {
            (self.tell_tale, self.deaf) = (None, None);
            return;
        }
        if self.tell_tale.is_some() {
            return;
        }
        match TellTale::open() {
            Ok(open) => (self.tell_tale, self.deaf) = (Some(open), None),
            Err(error) => {
                let why = crate::sys::errno::text(&error);
                if self.deaf.as_ref() != Some(&why) {
                    warn!(
                        why,
                        "cannot listen for what this host tells the LAN about its VIPs: it needs \
                         CAP_NET_RAW; watch_arp = false says that it need not"
                    );
                }
                self.deaf = Some(why);
            }
        }
    }

    /// Listens for writes to these parameters. Returns whether some of them were not
    /// listened to so far, so that they must be read once more.
    pub(super) fn attend<'a>(&mut self, keys: impl Iterator<Item = &'a Key>) -> bool {
        let folders = keys.filter_map(|key| key.file().parent().map(Path::to_owned));
        let folders = folders.collect();
        self.writes
            .as_mut()
            .is_some_and(|writes| writes.watch(&folders))
    }

    /// Waits until something was heard, and takes all that the kernel has reported.
    /// A broken socket becomes none; drift is then found by looking once a second.
    /// Cancel-safe.
    pub(super) async fn changed(&mut self) {
        let Self {
            changes,
            writes,
            tell_tale,
            culprits,
            ..
        } = self;
        tokio::select! {
            () = told(changes, culprits) => {}
            () = written(writes) => {}
            () = said(tell_tale) => {}
        }
    }

    /// Who has taken away which address since the last call.
    pub(super) fn take_culprits(&mut self) -> BTreeMap<IpAddr, String> {
        std::mem::take(&mut self.culprits)
    }

    /// Takes in what was said of these VIPs. What the director of this host has on an
    /// interface is answered for there with good reason.
    pub(super) fn listen(
        &mut self,
        vips: &[IpAddr],
        placed: &Placed,
        name: impl Fn(u32) -> Option<String>,
    ) {
        let Some(tell_tale) = &self.tell_tale else {
            return;
        };
        let vips: BTreeSet<_> = vips.iter().copied().collect();
        self.leaks.retain(&vips);
        let heard = match tell_tale.heard() {
            Ok(heard) => heard,
            Err(error) => {
                warn!(%error, "cannot hear what is said about the VIPs; listening anew");
                self.tell_tale = None;
                return;
            }
        };
        for said in heard
            .into_iter()
            .filter(|said| vips.contains(&said.address))
        {
            let Some(interface) = name(said.interface).filter(|name| name != "lo") else {
                continue;
            };
            let mut directors = placed.on(said.interface, &interface);
            let is_directors = directors.any(|it| it.address == said.address);
            if is_directors {
                continue;
            }
            if self.leaks.hear(&interface, said, clock::now()) {
                error!(
                    vip = %said.address,
                    interface,
                    what = ?said.what,
                    "this host has told the LAN that it has the VIP"
                );
            }
        }
    }

    /// What was said of the VIPs.
    pub(super) fn report(&self, now: Instant) -> Said {
        let counts = self.leaks.counts().map(|(interface, vip, count)| Arp {
            interface: interface.to_owned(),
            vip,
            asked: count.asked,
            leaked: count.leaked,
        });
        Said {
            leaks: self.leaks.faults(now),
            believed: self.leaks.aftermath(now),
            counts: counts.collect(),
        }
    }
}

/// Waits for the kernel to report a change, and takes all that there are.
async fn told(changes: &mut Option<Changes>, culprits: &mut BTreeMap<IpAddr, String>) {
    let Some(stream) = changes else {
        return std::future::pending().await;
    };
    let mut next = stream.next().await;
    while let Some(change) = next {
        if let Change::AddressGone { address, by, .. } = change
            && ![0, std::process::id()].contains(&by)
            && let Some(who) = owners::process(Path::new("/proc"), by)
        {
            culprits.insert(address, who);
        }
        next = match stream.next().now_or_never() {
            None => return,
            Some(next) => next,
        };
    }
    warn!("the kernel's reports of changes have ended; subscribing again");
    *changes = None;
}

/// Waits until a parameter was written.
async fn written(writes: &mut Option<Writes>) {
    let Some(open) = writes else {
        return std::future::pending().await;
    };
    if let Err(error) = open.heard().await {
        warn!(%error, "cannot hear of writes to parameters; listening anew");
        *writes = None;
    }
}

/// Waits until something may have been said. What was is read by [`Ears::listen`].
async fn said(tell_tale: &Option<TellTale>) {
    match tell_tale {
        Some(open) => open.ready().await,
        None => std::future::pending().await,
    }
}
