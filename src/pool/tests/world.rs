//! Pools with the world around them.

use super::*;

const FILE: &str = "
[[virtual_server]]
address = '10.0.0.9:80'
scheduler = 'wrr'
";

/// A virtual server with these lines in its table.
pub(super) fn file(lines: &str) -> Configured {
    DirectorConfig::parse(std::path::Path::new("test.toml"), &format!("{FILE}{lines}"))
        .unwrap_or_else(|error| panic!("{error}"))
        .virtual_servers
}

/// Pools with the world around them: checks, a kernel and a clock.
pub(super) struct World {
    pub(super) pools: Pools,
    pub(super) configured: Configured,
    pub(super) standings: BTreeMap<RealServerId, Standing>,
    pub(super) otherwise: Standing,
    pub(super) shares: BTreeMap<RealServerId, Share>,
    pub(super) connections: BTreeMap<RealServerId, u32>,
    /// When they were counted; none: now.
    pub(super) counted_at: Option<Instant>,
    pub(super) kernel: Table,
    /// Whom the kernel will not add.
    pub(super) refuses: BTreeSet<RealServerId>,
    /// Of those, whom it was asked for last.
    refused: BTreeSet<RealServerId>,
    /// The weights of every table that the kernel has had.
    pub(super) tables: Vec<Vec<(u8, u32)>>,
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) deadline: Option<Instant>,
    pub(super) events: Vec<Event>,
}

impl World {
    pub(super) fn new(lines: &str) -> Self {
        let start = crate::sys::clock::now();
        let mut world = Self {
            pools: Pools::default(),
            configured: Configured::new(),
            standings: BTreeMap::new(),
            otherwise: Standing::Unchecked,
            shares: BTreeMap::new(),
            connections: BTreeMap::new(),
            counted_at: None,
            kernel: Table::new(),
            refuses: BTreeSet::new(),
            refused: BTreeSet::new(),
            tables: Vec::new(),
            start,
            now: start,
            deadline: None,
            events: Vec::new(),
        };
        world.reload(file(lines));
        world
    }

    /// A virtual server whose servers are all up.
    pub(super) fn up(lines: &str) -> Self {
        let mut world = Self::new(lines);
        world.otherwise = Standing::Up;
        world.step();
        world.events.clear();
        world
    }

    /// As by `kill -9`: the kernel's table is as before, and the overrides were saved.
    pub(super) fn is_killed_and_starts_again(&mut self) {
        let same = self.configured.clone();
        self.is_killed_and_starts_again_with(same);
    }

    pub(super) fn is_killed_and_starts_again_with(&mut self, configured: Configured) {
        let saved = serde_json::to_string(self.pools.overrides()).unwrap();
        self.pools = Pools::new(serde_json::from_str(&saved).unwrap());
        self.configured.clear();
        self.reload(configured);
    }

    pub(super) fn reload(&mut self, configured: Configured) {
        let before = std::mem::replace(&mut self.configured, configured);
        self.pools
            .configure(&before, &self.configured, |id| self.kernel.get(id).cloned());
        self.step();
    }

    /// Steps until the kernel's reports change nothing more. The kernel does as it is
    /// told, in the order of the plan, but for what it refuses.
    pub(super) fn step(&mut self) -> Vec<plan::Op> {
        let mut all = Vec::new();
        for _ in 0..9 {
            let refused = self.refused.clone();
            let ops = self.step_once();
            if ops.is_empty() && self.refused == refused {
                return all;
            }
            all.extend(ops);
        }
        panic!("it comes to no end: {all:?}");
    }

    fn step_once(&mut self) -> Vec<plan::Op> {
        let outcome = self.pools.step(&Inputs {
            now: self.now,
            configured: &self.configured,
            standing: &|_, rip, server| match (&server.check, self.standings.get(rip)) {
                (None, _) => Standing::Up,
                (_, Some(standing)) => *standing,
                _ => self.otherwise,
            },
            share: &|_, rip, _| self.shares.get(rip).copied().unwrap_or(Share::FULL),
            load: &|id, rip| {
                let entry = self.kernel.get(id)?.real_servers.get(rip)?;
                Some(Load {
                    weight: entry.weight,
                    active: self.connections.get(rip).copied().unwrap_or(0),
                    counted_at: self.counted_at.unwrap_or(self.now),
                })
            },
            refused: &|_, rip| self.refused.contains(rip),
            awaited: &|id, rip| {
                let server = self.kernel.get(id);
                server.is_none_or(|server| !server.real_servers.contains_key(rip))
            },
        });
        let ops = plan::plan(&outcome.table, &self.kernel);
        let asked = |op: &plan::Op| match op {
            plan::Op::AddRealServer(_, rip, _) => Some(*rip),
            _ => None,
        };
        let is_refused = |op: &plan::Op| asked(op).is_some_and(|rip| self.refuses.contains(&rip));
        let (refused, ops): (Vec<_>, Vec<_>) = ops.into_iter().partition(is_refused);
        self.refused = refused.iter().filter_map(asked).collect();
        for op in &ops {
            plan::apply(&[*op], &mut self.kernel);
            self.tables.push(self.table());
        }
        self.deadline = outcome.deadline;
        self.events.extend(outcome.events);
        ops
    }

    pub(super) fn is(&mut self, last: u8, standing: Standing) {
        self.standings.insert(rip(last), standing);
        self.step();
    }

    /// Lets time pass, stepping at each deadline.
    pub(super) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.deadline.filter(|deadline| *deadline <= end) {
            assert!(deadline > self.now, "a deadline of the past");
            self.now = deadline;
            self.step();
        }
        self.now = end;
        self.step();
    }

    /// The table of the one virtual server: last octet and weight.
    pub(super) fn table(&self) -> Vec<(u8, u32)> {
        let server = self.kernel.values().next();
        let entries = server.into_iter().flat_map(|server| &server.real_servers);
        let pair = |(rip, entry): (&RealServerId, &table::RealServer)| {
            let last = rip.ip().to_string().rsplit('.').next().unwrap().parse();
            (last.unwrap(), entry.weight.get())
        };
        entries.map(pair).collect()
    }

    pub(super) fn operator(&mut self, last: u8, wish: Option<Override>) {
        let id = *self.configured.keys().next().unwrap();
        let overrides = self.pools.overrides_mut();
        overrides.set(&self.configured, id, rip(last), wish);
        self.step();
    }

    pub(super) fn told(&self) -> Vec<String> {
        let id = self.configured.keys().next().unwrap().to_string();
        let events = self.events.iter();
        events
            .map(|event| event.to_string().replace(&id, "VS"))
            .collect()
    }
}

pub(super) fn rip(last: u8) -> RealServerId {
    format!("10.0.0.{last}:80").parse().unwrap()
}
