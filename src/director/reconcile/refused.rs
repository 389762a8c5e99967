//! What the kernel refuses, as long as it does.

use std::collections::BTreeMap;

use tracing::{info, warn};

use crate::ipvs::client::Refusal;
use crate::ipvs::plan::Op;
use crate::lvs::{RealServerId, VirtualServerId};

/// What an op changes. A plan has at most one op for each.
pub(in crate::director) type Object = (VirtualServerId, Option<RealServerId>);

/// What is refused, in the order of the table.
pub(in crate::director) type Refusals = BTreeMap<Object, Told>;

/// A refusal in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::director) struct Told {
    /// `cannot add real server … of …: … (invalid argument)`
    pub(in crate::director) sentence: String,
    /// Why, without the object.
    pub(in crate::director) reason: String,
    /// The kernel does not have the object, because it would not take it.
    pub(in crate::director) is_missing: bool,
}

impl Told {
    pub(super) fn new(op: &Op, reason: String) -> Self {
        Self {
            sentence: format!("cannot {op}: {reason}"),
            reason,
            is_missing: matches!(op, Op::AddVirtualServer(..) | Op::AddRealServer(..)),
        }
    }
}

/// The refusals of the last try.
#[derive(Debug, Default)]
pub(super) struct Refused(BTreeMap<Object, Refusal>);

impl Refused {
    pub(super) fn of(refusals: Vec<Refusal>) -> Self {
        let keyed = |refusal: Refusal| (object(&refusal.op), refusal);
        Self(refusals.into_iter().map(keyed).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it was refused, itself or with the virtual server it belongs to.
    pub(super) fn covers(&self, op: &Op) -> bool {
        let (id, real_server) = object(op);
        let of = |object| self.0.get(&object).map(|refusal| refusal.op);
        of((id, real_server)) == Some(*op)
            || matches!(op, Op::AddRealServer(..))
                && matches!(of((id, None)), Some(Op::AddVirtualServer(..)))
    }

    /// Takes the refusals of a new try at these virtual servers, and tells each
    /// once, as long as it lasts.
    pub(super) fn replace(
        &mut self,
        tried: impl Fn(&VirtualServerId) -> bool,
        refusals: Vec<Refusal>,
    ) {
        let any_before = !self.0.is_empty();
        let now = Self::of(refusals);
        for (object, refusal) in &now.0 {
            if self.0.get(object) != Some(refusal) {
                warn!(%refusal, "the kernel refused a change of the IPVS table");
            }
        }
        self.0.retain(|(id, _), _| !tried(id));
        self.0.extend(now.0);
        if any_before && self.0.is_empty() {
            info!("the kernel refuses nothing any more");
        }
    }

    /// Each in words.
    pub(super) fn describe(&self) -> Refusals {
        let told = |refusal: &Refusal| Told::new(&refusal.op, refusal.reason());
        let each = self.0.iter();
        each.map(|(object, refusal)| (*object, told(refusal)))
            .collect()
    }
}

pub(super) fn object(op: &Op) -> Object {
    let real_server = match op {
        Op::AddRealServer(_, rip, _)
        | Op::SetRealServer(_, rip, _)
        | Op::RemoveRealServer(_, rip) => Some(*rip),
        Op::AddVirtualServer(..) | Op::SetVirtualServer(..) | Op::RemoveVirtualServer(_) => None,
    };
    (*op.virtual_server(), real_server)
}
