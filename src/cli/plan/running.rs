//! What the running director knows, and what is under way in it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use crate::cli::Failure;
use crate::cli::server::answer;
use crate::director::SOCKET;
use crate::health::Share;
use crate::http::{self, ClientError};
use crate::ipvs::plan::Op;
use crate::ipvs::table::{RealServer, Table};
use crate::lvs::{RealServerId, VirtualServerId};
use crate::pool::Standing;
use crate::status::director::{self as status, Director};

/// A real server of a virtual server.
pub(super) type Place = (VirtualServerId, RealServerId);

/// What the running director knows; empty where none runs.
#[derive(Debug, Default)]
pub(super) struct Running {
    /// What health says of each real server.
    pub(super) health: HashMap<Place, Standing>,
    /// How much of its weight a real server wants, where it tells.
    pub(super) shares: HashMap<Place, Share>,
    /// Drains that are under way, with what is told of them.
    drains: BTreeMap<Place, String>,
    /// Servers whose weight grows.
    growing: BTreeSet<Place>,
    /// Virtual servers that go when their drains are over.
    leaving: BTreeSet<VirtualServerId>,
}

impl Running {
    /// Asks the director of this runtime directory.
    pub(super) async fn ask(runtime_dir: &Path) -> Result<Self, Failure> {
        let reply = match http::get(&runtime_dir.join(SOCKET), "/v1/status").await {
            Ok(reply) => reply,
            Err(ClientError::NotRunning { .. }) => return Ok(Self::default()),
            Err(error) => return Err(Failure::runtime(error)),
        };
        let status: Director = answer(&reply)?;
        let mut running = Self::default();
        for server in status.virtual_servers {
            if server.removed {
                running.leaving.insert(server.id);
            }
            for found in server.real_servers {
                running.note((server.id, found.address), &found);
            }
        }
        Ok(running)
    }

    fn note(&mut self, place: Place, found: &status::RealServer) {
        let standing = match found.health.as_str() {
            "down" => Standing::Down,
            "draining" => Standing::Draining,
            // Of what is not known yet the best is assumed.
            _ => Standing::Up,
        };
        self.health.insert(place, standing);
        if let Some(share) = found.share_percent.and_then(Share::percent) {
            self.shares.insert(place, share);
        }
        if let Some(drain) = &found.draining {
            let told = format!("{}, {} s left", drain.because, drain.left_s);
            self.drains.insert(place, told);
        }
        if found.state == "slow start" {
            self.growing.insert(place);
        }
    }

    /// Takes out what is under way and goes on whether the file is read or not: it
    /// is no difference. Returns what drains, a line each.
    pub(super) fn take_out(&self, kernel: &Table, steps: &mut [Vec<Op>; 2]) -> Vec<String> {
        let [at_once, later] = steps;
        at_once.retain(|op| !self.is_growth(kernel, op));
        let mut drains = Vec::new();
        later.retain(|op| match op {
            Op::RemoveRealServer(id, rip) => {
                let drain = self.drains.get_key_value(&(*id, *rip));
                drains.extend(drain.map(line));
                drain.is_none()
            }
            Op::RemoveVirtualServer(id) if self.leaving.contains(id) => {
                let of = self.drains.iter().filter(|((of, _), _)| of == id);
                drains.extend(of.map(line));
                false
            }
            op => !self.is_growth(kernel, op),
        });
        drains
    }

    fn is_growth(&self, kernel: &Table, op: &Op) -> bool {
        let Op::SetRealServer(id, rip, wanted) = op else {
            return false;
        };
        let server = kernel.get(id).map(|server| &server.real_servers);
        let entry = server.and_then(|entries| entries.get(rip));
        let only_weight = entry.is_some_and(|entry| {
            let weight = wanted.weight;
            RealServer { weight, ..*entry } == *wanted
        });
        only_weight && self.growing.contains(&(*id, *rip))
    }
}

fn line(((id, rip), told): (&Place, &String)) -> String {
    format!("{rip} of {id}: {told}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipvs::table::{Settings, VirtualServer};
    use crate::lvs::{Forwarding, Scheduler, Weight};

    fn rip(last: u8) -> RealServerId {
        RealServerId::from(([10, 0, 0, last], 80))
    }

    #[test]
    fn a_drain_that_is_under_way_is_no_difference() {
        let id: VirtualServerId = "tcp 10.0.0.9:80".parse().unwrap();
        let gone: VirtualServerId = "tcp 10.0.0.9:81".parse().unwrap();
        let told = |text: &str| text.to_owned();
        let running = Running {
            drains: [((id, rip(1)), told("a")), ((gone, rip(3)), told("b"))].into(),
            leaving: [gone].into(),
            ..Running::default()
        };
        let now = vec![Op::RemoveRealServer(id, rip(1))];
        let later = [
            Op::RemoveRealServer(id, rip(1)),
            Op::RemoveRealServer(id, rip(2)),
            Op::RemoveVirtualServer(gone),
        ];
        let mut steps = [now.clone(), later.to_vec()];
        let drains = running.take_out(&Table::new(), &mut steps);
        assert_eq!(
            drains,
            [
                "10.0.0.1:80 of tcp 10.0.0.9:80: a",
                "10.0.0.3:80 of tcp 10.0.0.9:81: b"
            ]
        );
        let left = vec![Op::RemoveRealServer(id, rip(2))];
        assert_eq!(steps, [now, left], "what goes at once is one");
    }

    #[test]
    fn a_weight_that_grows_is_no_difference_and_another_change_of_its_server_is() {
        let id: VirtualServerId = "tcp 10.0.0.9:80".parse().unwrap();
        let entry = |forwarding, weight| RealServer {
            forwarding,
            weight: Weight::try_from(weight).unwrap(),
            upper_threshold: 0,
            lower_threshold: 0,
        };
        let server = VirtualServer {
            settings: Settings::of(Scheduler::WeightedRoundRobin),
            real_servers: [1, 2]
                .map(|last| (rip(last), entry(Forwarding::DirectRoute, 30)))
                .into(),
        };
        let kernel = Table::from([(id, server)]);
        let running = Running {
            growing: [(id, rip(1))].into(),
            ..Running::default()
        };
        let grown = Op::SetRealServer(id, rip(1), entry(Forwarding::DirectRoute, 100));
        let moved = Op::SetRealServer(id, rip(1), entry(Forwarding::Nat, 100));
        let other = Op::SetRealServer(id, rip(2), entry(Forwarding::DirectRoute, 100));
        let mut steps = [vec![grown, moved, other], vec![grown]];
        running.take_out(&kernel, &mut steps);
        assert_eq!(steps, [vec![moved, other], vec![]]);
    }
}
