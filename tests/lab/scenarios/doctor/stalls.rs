//! Directors that do not get the processor in time.

use nix::sys::signal::Signal;

use super::{QUICK, WHOLE, clean, finds};
use crate::lab::lvsd::{DirectorFile, number, text};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Program, Scenario, eventually, millis, secs, within};

pub(crate) const SCENARIOS: &[Scenario] =
    &[scenario!(a_director_that_is_not_run_in_time_is_named).alone()];

/// The interval of its adverts, in milliseconds.
const INTERVAL: u64 = 500;

/// On every processor, most of each second belongs to something that yields to nobody; the rest
/// is for whoever waited.
const HOG: &str = "bash -c 'for n in $(seq 30); do for cpu in $(seq $(nproc)); do \
                   chrt -f 99 timeout 0.9 chrt -f 98 sh -c \"while :; do :; done\" & done; \
                   wait; sleep 0.6; done'";

fn a_director_that_is_not_run_in_time_is_named(lab: &Lab) {
    let host = lab
        .lan()
        .host_with_nic("lvs51", "ens192", "192.168.1.51/24");
    clean(&host);
    let file = DirectorFile::vrrp_only(100).vrrp_key("advert_interval", &format!("'{INTERVAL}ms'"));
    let director = host.director(&file);
    eventually("it is master", within(secs(10)), || {
        host.vrrp_state() == "master" && host.holds(VIP)
    });
    finds(lab, &host, WHOLE, &[]);

    let hog = host.spawn(HOG);
    let findings = finds(lab, &host, WHOLE, &["warning stalled"]);
    let seen = text(&findings[0]["seen"]);
    assert!(
        seen.starts_with("this command was kept from running for "),
        "{seen}"
    );
    hog.terminate();

    // What is over is remembered by the director that it befell.
    finds(lab, &host, QUICK, &[]);
    stops(&host, &director);
    let findings = finds(lab, &host, QUICK, &["warning stalled"]);
    let seen = text(&findings[0]["seen"]);
    assert!(seen.contains(" late for an advert of VI_1"), "{seen}");
}

/// A hypervisor that migrates its guest, as the guest sees it.
fn stops(host: &Host, director: &Program) {
    director.signal(Signal::SIGSTOP);
    std::thread::sleep(millis(4 * INTERVAL));
    director.signal(Signal::SIGCONT);
    eventually("it says how late it was", within(secs(5)), || {
        number(&host.status()["vrrp"][0]["worst_lateness_us"]) >= 3 * INTERVAL * 1_000
    });
}
