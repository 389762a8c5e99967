//! The packet filter of virtual routers whose accept mode is off.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::Keeper;
use super::apply::Applied;
use crate::director::vips::VipsStatus;
use crate::director::vips::holding::Holding;
use crate::director::vips::plan::Op;
use crate::director::vips::wanted::Wanted;
use crate::status::text::chain;
use crate::sys::clock;
use crate::sys::nftables::{Error, Found, Nftables};

/// Between two looks while there is a filter: the kernel does not report to this
/// thread what others do to it, and its counters go on.
const LOOK: Duration = Duration::from_secs(1);

/// The socket, opened when it is needed first, and when to look again.
#[derive(Debug, Default)]
pub(super) struct Filter {
    socket: Option<Nftables>,
    look_at: Option<Instant>,
}

impl Filter {
    /// When to call [`Keeper::watch_filter`].
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.look_at
    }

    fn socket(&mut self) -> Result<&mut Nftables, Error> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => Nftables::open()?,
        };
        Ok(self.socket.insert(socket))
    }

    fn look(&mut self) -> Found<IpAddr> {
        let looked = self.socket().and_then(Nftables::look);
        // What cannot be read is made anew, and that tells what is wrong.
        looked.unwrap_or(Found::Damaged)
    }
}

impl Keeper {
    /// What the kernel has; nothing is asked where nothing is to be filtered.
    pub(super) fn look_at_filter(&mut self, wanted: &Wanted) -> Found<IpAddr> {
        let things = wanted.held.keys().chain(&wanted.undecided);
        let matters = things
            .chain(&self.owned)
            .any(|holding| holding.filtered().is_some());
        let now = clock::now();
        self.filter.look_at = matters.then(|| now + LOOK);
        if matters {
            self.filter.look()
        } else {
            Found::Absent
        }
    }

    /// Performs those ops of a plan that are about the filter, all at once.
    pub(super) fn apply_filter(&mut self, ops: &[Op], applied: &mut Applied) {
        let gone = ops.iter().filter(|op| match op {
            Op::Remove(_) | Op::Forget(_) => true,
            Op::Add(..) | Op::Replace(..) | Op::Rename(..) => false,
        });
        let gone: BTreeSet<_> = gone.filter_map(|op| op.holding().filtered()).collect();
        let owned = self.owned.iter().filter_map(Holding::filtered);
        let wanted: BTreeSet<IpAddr> = owned.filter(|it| !gone.contains(it)).collect();
        let socket = self.filter.socket();
        match socket.and_then(|socket| socket.hold(&self.kernel.filter, &wanted)) {
            Ok(()) => {
                let counted = self.kernel.filter.counted().unwrap_or_default();
                self.kernel.filter = match wanted.is_empty() {
                    true => Found::Absent,
                    false => Found::Whole {
                        held: wanted,
                        counted,
                    },
                };
                ops.iter().for_each(|op| self.done(op, applied));
            }
            Err(error) => {
                // Whatever state the socket is in, the next one is a new one.
                self.filter.socket = None;
                let problem = chain(&error);
                for op in ops {
                    Self::failed(op, problem.clone(), applied);
                }
            }
        }
    }

    /// Looks, if it is time, whether the filter is as it was left, and what it has
    /// dropped.
    pub(super) fn watch_filter(&mut self) {
        let now = clock::now();
        if self.filter.look_at.is_none_or(|at| now < at) {
            return;
        }
        self.filter.look_at = Some(now + LOOK);
        let found = self.filter.look();
        if !found.is_like(&self.kernel.filter) {
            self.recheck_at = now;
            return;
        }
        self.kernel.filter = found;
        let dropped = self.kernel.filter.counted();
        let published = self.config.publisher.borrow().clone();
        if published.dropped != dropped {
            self.publish(VipsStatus {
                dropped,
                ..VipsStatus::clone(&published)
            });
        }
    }
}
