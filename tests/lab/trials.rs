//! The machine's side: chosen scenarios become tests of cargo's plain runner.

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Conclusion, Failed, Trial};

use super::machine::Kernel;
use super::results::Board;
use super::scenario::{Needs, Scenario};
use super::{bench, boot, scenarios};

/// `cargo test --test lab [-- NAME]`.
pub(crate) fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let kernel = Kernel::chosen();
    let has = Has::of(kernel);
    let board = Arc::new(Board::default());
    let mut chosen = Vec::new();
    let mut trials = Vec::new();
    for scenario in scenarios::all() {
        let obstacle = obstacle(kernel, has, scenario);
        let trial = trial(scenario, obstacle, &board, arguments.nocapture);
        if obstacle.is_none() && !arguments.is_filtered_out(&trial) && !arguments.is_ignored(&trial)
        {
            chosen.push(scenario);
        }
        trials.push(trial);
    }
    if arguments.list || chosen.is_empty() {
        return conclude(&libtest_mimic::run(&arguments, trials));
    }
    // Each trial only waits for its outcome, so all of them may wait at once.
    arguments.test_threads.get_or_insert(trials.len().max(2));
    let begun = Instant::now();
    let boots = Arc::new(Mutex::new(Vec::new()));
    let (driver_board, driver_boots, driven) =
        (Arc::clone(&board), Arc::clone(&boots), chosen.clone());
    let driver = thread::spawn(move || {
        let groups = Mutex::new(groups(kernel, &driven));
        thread::scope(|scope| {
            for _ in 0..side_by_side(kernel) {
                scope.spawn(|| {
                    loop {
                        let Some(group) = groups.lock().unwrap().pop_front() else {
                            return;
                        };
                        let up = boot::run(kernel, &group, false, &driver_board);
                        driver_boots.lock().unwrap().extend(up);
                    }
                });
            }
        });
    });
    let conclusion = libtest_mimic::run(&arguments, trials);
    driver.join().expect("booting does not panic");
    summarize(
        kernel,
        &chosen,
        &board,
        &boots.lock().unwrap(),
        begun.elapsed(),
    );
    conclude(&conclusion)
}

/// `make demo`: runs the scenario `demo` alone and prints what it says as it says it.
pub(crate) fn demo() -> ExitCode {
    live(Kernel::chosen(), &[scenarios::find("demo")])
}

/// `make bench`: runs every bench on each of its kernels, one after the other, or on the one
/// that `LVSD_LAB` names, and prints what it says. `LVSD_BENCH_ONLY` chooses among them by name;
/// one that it names in full runs on whatever kernel `LVSD_LAB` names.
pub(crate) fn bench() -> ExitCode {
    let only = std::env::var("LVSD_BENCH_ONLY").unwrap_or_default();
    let benches = bench::BENCHES.iter();
    let benches: Vec<_> = benches
        .filter(|bench| bench.scenario.name.contains(&only))
        .collect();
    let chosen = std::env::var_os("LVSD_LAB").map(|_| Kernel::chosen());
    let all = vec![Kernel::Native, Kernel::Uml, Kernel::Stock];
    let kernels = chosen.map_or(all, |kernel| vec![kernel]);
    let mut worst = ExitCode::SUCCESS;
    for kernel in kernels {
        for bench in benches.iter().filter(|bench| {
            let named = chosen.is_some() && bench.scenario.name == only;
            named || bench.kernels.contains(&kernel)
        }) {
            let scenario = &bench.scenario;
            if let Some(obstacle) = obstacle(kernel, Has::of(kernel), scenario) {
                println!("== {} is left out: {obstacle}", scenario.name);
                continue;
            }
            println!("== {} on {}", scenario.name, kernel.name());
            if live(kernel, &[scenario]) != ExitCode::SUCCESS {
                worst = ExitCode::FAILURE;
            }
        }
    }
    worst
}

fn live(kernel: Kernel, scenarios: &[&'static Scenario]) -> ExitCode {
    let board = Board::default();
    boot::run(kernel, scenarios, true, &board);
    let mut worst = ExitCode::SUCCESS;
    for scenario in scenarios {
        let outcome = board.wait(scenario.name);
        if !outcome.passed {
            println!("FAILED: {}\n{}", scenario.name, outcome.report);
            worst = ExitCode::FAILURE;
        }
    }
    worst
}

/// What a kernel has that not every kernel has.
#[derive(Clone, Copy)]
struct Has {
    ipvs: bool,
    nftables: bool,
}

impl Has {
    fn of(kernel: Kernel) -> Self {
        Self {
            ipvs: kernel.has_ipvs(),
            nftables: kernel.has_nftables(),
        }
    }
}

/// Why a scenario cannot run in this lab.
fn obstacle(kernel: Kernel, has: Has, scenario: &Scenario) -> Option<&'static str> {
    match (scenario.needs, scenario.nftables) {
        (_, Some(true)) if !has.nftables => Some("this kernel has no nf_tables"),
        (_, Some(false)) if has.nftables => Some("this kernel has nf_tables"),
        (Needs::AnyLinux, _) => None,
        (Needs::Ipvs, _) => (!has.ipvs).then_some("this machine's kernel has no ip_vs"),
        (Needs::Systemd(_), _) => {
            (kernel == Kernel::Native).then_some("needs a kernel of its own for systemd")
        }
    }
}

fn trial(
    scenario: &'static Scenario,
    obstacle: Option<&'static str>,
    board: &Arc<Board>,
    narrate: bool,
) -> Trial {
    let board = Arc::clone(board);
    let trial = Trial::test(scenario.name, move || {
        if let Some(obstacle) = obstacle {
            return Err(Failed::from(obstacle));
        }
        let outcome = board.wait(scenario.name);
        if outcome.passed && narrate {
            println!("{}:\n{}", scenario.name, outcome.report);
        }
        if outcome.passed {
            Ok(())
        } else {
            Err(Failed::from(outcome.report))
        }
    });
    match obstacle {
        Some(obstacle) => trial.with_kind(obstacle).with_ignored_flag(true),
        None => trial,
    }
}

/// How many kernels run at a time: `LVSD_LAB_BOOTS`, or one for each processor where a kernel
/// has only one.
fn side_by_side(kernel: Kernel) -> usize {
    let given = std::env::var("LVSD_LAB_BOOTS").ok();
    let given = given.map(|text| text.parse().expect("LVSD_LAB_BOOTS: a number"));
    let boots = given.unwrap_or_else(|| match kernel {
        Kernel::Uml => thread::available_parallelism().map_or(1, usize::from),
        Kernel::Stock | Kernel::Native => 1,
    });
    boots.max(1)
}

/// Scenarios that share a boot. Those under systemd have one each, which take longest and so
/// come first. With several kernels side by side the others come in parts, so that none is idle
/// for long in the end.
fn groups(kernel: Kernel, chosen: &[&'static Scenario]) -> VecDeque<Vec<&'static Scenario>> {
    /// Parts for each of the kernels side by side.
    const PARTS: usize = 4;
    let (own, together): (Vec<_>, Vec<_>) = chosen
        .iter()
        .partition(|scenario| matches!(scenario.needs, Needs::Systemd(_)));
    let parts = match side_by_side(kernel) {
        1 => 1,
        kernels => kernels * PARTS,
    };
    let together = together.chunks(together.len().div_ceil(parts).max(1));
    let own = own.into_iter().map(|scenario| vec![scenario]);
    own.chain(together.map(<[_]>::to_vec)).collect()
}

fn summarize(
    kernel: Kernel,
    chosen: &[&'static Scenario],
    board: &Board,
    boots: &[Duration],
    took: Duration,
) {
    println!(
        "lab {}: up after {boots:.1?}, {} scenarios in {took:.1?}",
        kernel.name(),
        chosen.len()
    );
    for scenario in chosen {
        println!(
            "  {:7.1?} {}",
            board.wait(scenario.name).took,
            scenario.name
        );
    }
}

fn conclude(conclusion: &Conclusion) -> ExitCode {
    conclusion.exit_code()
}
