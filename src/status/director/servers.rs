//! The table of virtual and real servers, for people.

use jiff::Timestamp;

use super::{Director, Draining, Quorum, RealServer, VirtualServer};
use crate::status::text::{self, Align, elapsed};

impl Director {
    pub(super) fn server_table(&self) -> String {
        let head = [
            "SERVER", "FORWARD", "WEIGHT", "STATE", "HEALTH", "FOR", "ACTIVE", "INACTIVE",
            "CONN/S", "BECAUSE",
        ];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        let again = self.ipvs.again();
        for server in &self.virtual_servers {
            rows.push(server.row(&again));
            rows.extend(
                server
                    .real_servers
                    .iter()
                    .map(|real_server| real_server.row(self.now, &again)),
            );
        }
        use Align::{Left, Right};
        text::table(
            &[
                Left, Left, Right, Left, Left, Left, Right, Right, Right, Left,
            ],
            &rows,
        )
    }
}

fn refusal(reason: &str, again: &str) -> String {
    format!("REFUSED by the kernel: {reason}, {again}")
}

impl VirtualServer {
    /// `wrr`, `mh port persistent 60s mask 24`: as ops are logged.
    fn settings(&self) -> String {
        let mut words = vec![self.scheduler.clone()];
        words.extend(self.scheduler_flags.iter().cloned());
        if self.one_packet {
            words.push("one-packet".to_owned());
        }
        if let Some(seconds) = self.persistence_s {
            words.push(format!("persistent {seconds}s"));
        }
        if let Some(prefix_len) = self
            .persistence_prefix
            .filter(|len| !matches!(len, 32 | 128))
        {
            words.push(format!("mask {prefix_len}"));
        }
        if let Some(engine) = &self.persistence_engine {
            words.push(format!("engine {engine}"));
        }
        words.join(" ")
    }

    fn row(&self, again: &str) -> Vec<String> {
        let sum = |count: fn(&RealServer) -> u32| {
            self.real_servers
                .iter()
                .map(|server| u64::from(count(server)))
                .sum::<u64>()
                .to_string()
        };
        vec![
            format!("{} {}", self.id, self.settings()),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            sum(|server| server.active),
            sum(|server| server.inactive),
            self.traffic.connections_per_s.to_string(),
            self.remarks(again).join("; "),
        ]
    }

    fn remarks(&self, again: &str) -> Vec<String> {
        let Quorum {
            state,
            weight,
            required,
            hysteresis,
        } = &self.quorum;
        let mut remarks = Vec::new();
        let refused = self.refused.iter();
        remarks.extend(refused.map(|reason| refusal(reason, again)));
        if self.held_back {
            remarks.push("held back: this host is a real server and not master".to_owned());
        } else if !self.in_kernel {
            remarks.push("not in the kernel's table".to_owned());
        }
        if self.removed {
            remarks.push("no longer configured".to_owned());
        } else if state == "down" {
            let mut remark = format!("NO QUORUM: weight {weight} of {required}");
            if *hysteresis > 0 {
                let regained = u64::from(*required) + u64::from(*hysteresis);
                remark += &format!(", regained at {regained}");
            }
            remarks.push(remark);
        }
        match self.served_by.as_str() {
            "backup" => remarks.push("the backup pool serves".to_owned()),
            "sorry" => remarks.push("the sorry server serves".to_owned()),
            _ => {}
        }
        remarks
    }
}

impl RealServer {
    fn row(&self, now: Timestamp, again: &str) -> Vec<String> {
        vec![
            match self.role.as_str() {
                "real" => format!("  {}", self.address),
                role => format!("  {} ({role})", self.address),
            },
            self.forwarding.clone(),
            self.weight
                .map_or_else(|| "-".to_owned(), |weight| weight.to_string()),
            self.state.clone(),
            self.health.clone(),
            elapsed(self.since, now),
            self.active.to_string(),
            self.inactive.to_string(),
            self.traffic.connections_per_s.to_string(),
            self.remarks(again),
        ]
    }

    fn remarks(&self, again: &str) -> String {
        let mut remarks = self.reason.clone();
        if let Some(Draining { because, left_s }) = &self.draining {
            remarks = format!("{because}, {left_s}s left");
        }
        if let Some(reason) = &self.refused {
            remarks = refusal(reason, again);
        }
        if let Some(overridden) = &self.overridden {
            remarks += &format!(
                "; OVERRIDDEN: {overridden}, configured is weight {}",
                self.configured_weight
            );
        }
        remarks
    }
}
