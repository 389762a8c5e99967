mod tunnels;

use std::cell::Cell;
use std::collections::BTreeMap;

use nix::errno::Errno;

use super::*;
use crate::ipvs::client::KernelError;
use crate::ipvs::kernel::{KernelRealServer, KernelVirtualServer};
use crate::ipvs::plan;
use crate::ipvs::table::{RealServer, Settings, VirtualServer};
use crate::lvs::{Forwarding, Scheduler, Weight};

/// A kernel that does as it is told, but for what it is told to refuse.
#[derive(Default)]
struct Model {
    table: Table,
    refuse: BTreeMap<VirtualServerId, Errno>,
    ops: Vec<Op>,
    dumps: usize,
    /// Virtual servers whose pools were read.
    pools_read: usize,
    /// The connection is broken.
    fails: bool,
    /// Happens once, between a dump and the ops that follow it.
    meanwhile: Option<fn(&mut Table)>,
    /// It knows no tunnel but IP in IP, and says nothing about it.
    is_old: bool,
}

impl Kernel for Model {
    fn dump_again(
        &mut self,
        before: &KernelTable,
        picks: impl Fn(&VirtualServerId) -> bool,
    ) -> Result<KernelTable, crate::ipvs::client::Error> {
        if self.fails {
            let doing = "read the virtual servers";
            return Err(crate::ipvs::client::Error::Lost { doing });
        }
        self.dumps += 1;
        let mut dump = kernel_table(&self.table);
        for (id, server) in &mut dump.virtual_servers {
            if picks(id) {
                self.pools_read += 1;
            } else {
                let before = before.virtual_servers.get(id);
                let pool = before.map(|before| Arc::clone(&before.real_servers));
                server.real_servers = pool.unwrap_or_default();
            }
        }
        if let Some(change) = self.meanwhile.take() {
            change(&mut self.table);
        }
        Ok(dump)
    }

    fn apply(&mut self, ops: &[Op]) -> Result<Vec<Refusal>, crate::ipvs::client::Error> {
        let mut refusals = Vec::new();
        for op in ops {
            let exists = self.table.contains_key(op.virtual_server());
            let errno = match op {
                Op::AddVirtualServer(..) if exists => Some(Errno::EEXIST),
                Op::AddVirtualServer(..) => None,
                _ if !exists => Some(Errno::ESRCH),
                _ => None,
            };
            let errno = self.refuse.get(op.virtual_server()).copied().or(errno);
            match errno {
                Some(errno) => refusals.push(Refusal::new(*op, KernelError::from(errno))),
                None => plan::apply(&[*op], &mut self.table),
            }
        }
        let servers = self.table.values_mut().filter(|_| self.is_old);
        for entry in servers.flat_map(|server| server.real_servers.values_mut()) {
            if matches!(entry.forwarding, Forwarding::Tunnel(_)) {
                entry.forwarding = Forwarding::IPIP;
            }
        }
        self.ops.extend(ops);
        Ok(refusals)
    }
}

fn kernel_table(table: &Table) -> KernelTable {
    let virtual_server = |server: &VirtualServer| {
        let real_servers = server.real_servers.iter();
        KernelVirtualServer {
            real_servers: Arc::new(
                real_servers
                    .map(|(id, rs)| (*id, KernelRealServer::new(*rs)))
                    .collect(),
            ),
            ..KernelVirtualServer::new(server.settings)
        }
    };
    let virtual_servers = table
        .iter()
        .map(|(id, server)| (*id, virtual_server(server)));
    KernelTable {
        virtual_servers: virtual_servers.collect(),
    }
}

/// Virtual server 10.0.0.`last` with real servers 10.1.0.1 and 10.1.0.2.
fn entry(last: u8) -> (VirtualServerId, VirtualServer) {
    let real_server = RealServer {
        forwarding: Forwarding::DirectRoute,
        weight: Weight::ONE,
        upper_threshold: 0,
        lower_threshold: 0,
    };
    let pool = ["10.1.0.1:80", "10.1.0.2:80"].map(|rip| (rip.parse().unwrap(), real_server));
    let settings = Settings::of(Scheduler::RoundRobin);
    let server = VirtualServer {
        settings,
        real_servers: pool.into(),
    };
    (format!("tcp 10.0.0.{last}:80").parse().unwrap(), server)
}

fn table(lasts: &[u8]) -> Table {
    lasts.iter().map(|last| entry(*last)).collect()
}

struct Site {
    kernel: Model,
    dir: tempfile::TempDir,
    reconciler: Reconciler,
}

impl Site {
    fn new(kernel: Table) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let reconciler = Reconciler::new(dir.path().join("ipvs.json")).unwrap();
        Self {
            kernel: Model {
                table: kernel,
                ..Model::default()
            },
            dir,
            reconciler,
        }
    }

    /// lvsd is killed and starts again.
    fn restart(&mut self) {
        self.reconciler = Reconciler::new(self.dir.path().join("ipvs.json")).unwrap();
    }

    /// Runs one pass over the whole and returns how many ops it took.
    fn pass(&mut self, wanted: &Table, generation: u64) -> usize {
        self.pass_over(Reach::Whole, wanted, generation)
    }

    fn pass_over(&mut self, reach: Reach, wanted: &Table, generation: u64) -> usize {
        self.kernel.ops.clear();
        self.kernel.pools_read = 0;
        let wanted = Arc::new(wanted.clone());
        self.reconciler
            .pass(&mut self.kernel, &wanted, generation, reach, || false)
            .unwrap();
        self.kernel.ops.len()
    }
}

#[test]
fn the_kernel_comes_to_hold_what_is_wanted_and_then_nothing_is_written() {
    let mut site = Site::new(Table::new());
    assert_eq!(site.pass(&table(&[1, 2]), 1), 6);
    assert_eq!(site.kernel.table, table(&[1, 2]));
    assert_eq!(site.pass(&table(&[1, 2]), 2), 0);
    assert_eq!(site.reconciler.report.operations, 6);
    assert_eq!(site.reconciler.report.repaired, 0);
}

#[test]
fn a_look_at_the_whole_is_given_up_for_something_new_and_leaves_nothing_behind() {
    let mut site = Site::new(Table::new());
    let all: Vec<_> = (1..=200).collect();
    site.pass(&table(&all), 1);
    site.kernel.ops.clear();
    site.kernel.pools_read = 0;
    let (removed, _) = entry(3);
    site.kernel.table.remove(&removed);
    let asked = Cell::new(0);
    let superseded = || asked.replace(asked.get() + 1) >= 10;
    let wanted = Arc::new(table(&all));
    let (kernel, reach) = (&mut site.kernel, Reach::Whole);
    let end = site.reconciler.pass(kernel, &wanted, 1, reach, superseded);
    assert_eq!(end.unwrap(), End::BrokenOff);
    assert_eq!((site.kernel.pools_read, site.kernel.ops.len()), (10, 0));
    assert_eq!(site.reconciler.report.kernel.table(), *wanted, "as it was");
    let (id, mut server) = entry(7);
    server.real_servers.remove(&"10.1.0.1:80".parse().unwrap());
    let mut newest = table(&all);
    newest.insert(id, server);
    assert_eq!(site.pass_over(Reach::Changes, &newest, 2), 1);
    assert_eq!(site.kernel.pools_read, 1, "no more than the news is about");
    assert_eq!(site.pass(&newest, 2), 3, "and then what somebody removed");
}

#[test]
fn what_was_changed_is_reported_without_reading_the_table_again() {
    let mut site = Site::new(Table::new());
    let (refused, _) = entry(2);
    site.kernel.refuse.insert(refused, Errno::EINVAL);
    site.pass(&table(&[1, 2, 3]), 1);
    site.pass(&table(&[3]), 2);
    let kernel = &site.reconciler.report.kernel;
    assert_eq!(kernel.table(), site.kernel.table);
    assert_eq!(site.kernel.table, table(&[3]));
    assert_eq!(site.kernel.dumps, 2, "once for each pass, to plan by");
}

#[test]
fn what_somebody_else_removes_is_repaired_and_counted() {
    let mut site = Site::new(Table::new());
    site.pass(&table(&[1]), 1);
    site.kernel.table.clear();
    assert_eq!(site.pass(&table(&[1]), 1), 3);
    assert_eq!(site.kernel.table, table(&[1]));
    assert_eq!(site.reconciler.report.repaired, 3);
}

#[test]
fn virtual_servers_of_others_are_left_alone() {
    let mut site = Site::new(table(&[7]));
    site.pass(&table(&[1]), 1);
    assert_eq!(site.kernel.table, table(&[1, 7]));
    site.pass(&Table::new(), 2);
    assert_eq!(site.kernel.table, table(&[7]));
}

#[test]
fn after_a_crash_what_is_right_is_not_touched_and_what_is_no_longer_wanted_goes() {
    let mut site = Site::new(Table::new());
    site.pass(&table(&[1, 2]), 1);
    site.restart();
    assert_eq!(site.pass(&table(&[1]), 1), 1, "only the removal");
    assert_eq!(site.kernel.table, table(&[1]));
}

#[test]
fn a_clean_stop_leaves_nothing_to_remember() {
    let mut site = Site::new(Table::new());
    site.pass(&table(&[1]), 1);
    assert_eq!(std::fs::read_dir(site.dir.path()).unwrap().count(), 1);
    site.pass(&Table::new(), 2);
    assert_eq!(std::fs::read_dir(site.dir.path()).unwrap().count(), 0);
}

#[test]
fn an_op_that_the_kernel_refuses_is_named_tried_again_and_does_not_stop_the_others() {
    let mut site = Site::new(Table::new());
    let (refused, _) = entry(1);
    site.kernel.refuse.insert(refused, Errno::EINVAL);
    site.pass(&table(&[1, 2]), 1);
    assert_eq!(site.kernel.table, table(&[2]));
    let told = &site.reconciler.report.refused;
    let first = told.first_key_value().unwrap();
    assert_eq!(first.0, &(refused, None));
    assert!(first.1.sentence.contains("tcp 10.0.0.1:80"), "{told:?}");
    assert!(first.1.is_missing);
    site.kernel.refuse.clear();
    site.pass(&table(&[1, 2]), 1);
    assert_eq!(site.kernel.table, table(&[1, 2]));
    site.pass(&table(&[1, 2]), 1);
    assert!(site.reconciler.report.refused.is_empty());
    assert_eq!(site.reconciler.report.repaired, 0, "it was ours to add");
}

#[test]
fn a_table_that_changes_between_dump_and_ops_is_read_again() {
    let mut site = Site::new(Table::new());
    site.kernel.meanwhile = Some(|table| table.extend([entry(1)]));
    site.pass(&table(&[1]), 1);
    assert_eq!(site.kernel.table, table(&[1]));
    assert!(site.reconciler.report.refused.is_empty());
}

#[test]
fn trying_again_what_is_refused_is_no_repair_and_hides_none() {
    let mut site = Site::new(Table::new());
    let (refused, _) = entry(1);
    site.kernel.refuse.insert(refused, Errno::EINVAL);
    site.pass(&table(&[1, 2]), 1);
    assert_eq!(site.reconciler.report.operations, 6);
    site.pass(&table(&[1, 2]), 1);
    assert_eq!(site.reconciler.report.operations, 6, "the same again");
    assert_eq!(site.reconciler.report.repaired, 0);
    site.kernel.table.clear();
    site.pass(&table(&[1, 2]), 1);
    assert_eq!(
        site.reconciler.report.repaired, 3,
        "somebody removed the other"
    );
    assert_eq!(site.reconciler.report.operations, 9);
}

#[test]
fn a_change_is_made_by_reading_no_more_than_what_it_is_about() {
    let mut site = Site::new(Table::new());
    let all: Vec<_> = (1..=200).collect();
    site.pass(&table(&all), 1);
    let (id, mut server) = entry(7);
    server.real_servers.remove(&"10.1.0.1:80".parse().unwrap());
    let mut wanted = table(&all);
    wanted.insert(id, server);
    assert_eq!(site.pass_over(Reach::Changes, &wanted, 2), 1);
    assert_eq!(site.kernel.table, wanted);
    assert_eq!(site.kernel.pools_read, 1);
    assert_eq!(site.reconciler.report.kernel.table(), wanted);
    wanted.remove(&id);
    wanted.extend([entry(201)]);
    assert_eq!(site.pass_over(Reach::Changes, &wanted, 3), 4);
    assert_eq!(site.kernel.table, wanted);
    assert_eq!(
        site.kernel.pools_read, 0,
        "nothing to read of what comes or goes"
    );
    assert_eq!(site.reconciler.report.kernel.table(), wanted);
}

#[test]
fn what_others_did_meanwhile_waits_for_the_next_pass_over_the_whole() {
    let mut site = Site::new(Table::new());
    site.pass(&table(&[1, 2]), 1);
    let counts = site.reconciler.report.read_at;
    site.kernel.table.remove(&entry(1).0);
    site.pass_over(Reach::Changes, &table(&[1, 2, 3]), 2);
    assert_eq!(site.kernel.table, table(&[2, 3]));
    assert_eq!(
        site.reconciler.report.read_at, counts,
        "most is as old as that"
    );
    site.pass(&table(&[1, 2, 3]), 2);
    assert_eq!(site.kernel.table, table(&[1, 2, 3]));
    assert_eq!(site.reconciler.report.repaired, 3);
    assert!(site.reconciler.report.read_at > counts);
}

#[test]
fn a_refusal_outlasts_changes_elsewhere() {
    let mut site = Site::new(Table::new());
    let (refused, _) = entry(1);
    site.kernel.refuse.insert(refused, Errno::EINVAL);
    site.pass(&table(&[1, 2]), 1);
    let told = site.reconciler.report.refused.clone();
    assert_eq!(told.len(), 3);
    site.pass_over(Reach::Changes, &table(&[1, 2, 3]), 2);
    assert_eq!(site.reconciler.report.refused, told);
    site.kernel.refuse.clear();
    site.pass(&table(&[1, 2, 3]), 2);
    assert!(site.reconciler.report.refused.is_empty());
    assert_eq!(site.kernel.table, table(&[1, 2, 3]));
}

#[test]
fn a_pass_that_fails_is_followed_by_one_over_the_whole() {
    let mut site = Site::new(Table::new());
    site.pass(&table(&[1, 2]), 1);
    site.kernel.fails = true;
    let wanted = Arc::new(table(&[1]));
    let failed = site
        .reconciler
        .pass(&mut site.kernel, &wanted, 2, Reach::Changes, || false);
    assert!(failed.is_err());
    assert_eq!(site.reconciler.report.generation, 1);
    site.kernel.fails = false;
    site.kernel.table.clear();
    site.pass_over(Reach::Changes, &table(&[1]), 2);
    assert_eq!(site.kernel.table, table(&[1]));
}

#[test]
fn a_repair_is_told_from_a_change_that_is_made_with_it() {
    let mut site = Site::new(Table::new());
    site.pass(&table(&[1, 2]), 1);
    site.kernel.table.clear();
    assert_eq!(site.pass(&table(&[2, 3]), 2), 6);
    assert_eq!(site.reconciler.report.repaired, 3, "not the new one");
}
