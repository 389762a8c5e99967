//! Of virtual routers.

use std::collections::BTreeMap;

use super::{Exposition, Metric};
use crate::status::director::{Director, Tracker, VirtualRouter};

/// The same of a value that may be negative.
type Signed<T> = (&'static str, &'static str, fn(&T) -> i16);

/// States of a virtual router, each a series of its own with the value 0 or 1.
const STATES: [&str; 4] = ["initialize", "backup", "master", "fault"];

/// States of what comes and goes with mastership.
const HOLDING_STATES: [&str; 4] = ["held", "missing", "released", "foreign"];

pub(super) fn vrrp(text: &mut Exposition, status: &Director) {
    text.family(
        "lvsd_vrrp_state",
        "gauge",
        "1 for the state that the virtual router is in",
    );
    for router in &status.vrrp {
        for state in STATES {
            let labels = [("name", router.name.as_str()), ("state", state)];
            text.sample("lvsd_vrrp_state", &labels, u64::from(router.state == state));
        }
    }
    let counters: [Metric<VirtualRouter>; 7] = [
        ("lvsd_vrrp_adverts_sent_total", "Adverts sent", |r| {
            r.adverts_sent
        }),
        (
            "lvsd_vrrp_adverts_received_total",
            "Adverts accepted",
            |r| r.adverts_received,
        ),
        (
            "lvsd_vrrp_became_master_total",
            "Times it became master",
            |r| r.became_master,
        ),
        ("lvsd_vrrp_transitions_total", "State changes", |r| {
            r.transitions
        }),
        (
            "lvsd_vrrp_rivals_heard_total",
            "Times another master was heard while this was one",
            |r| r.rivals_heard,
        ),
        (
            "lvsd_vrrp_send_errors_total",
            "Adverts that could not be sent",
            |r| r.send_errors,
        ),
        (
            "lvsd_vrrp_late_wakeups_total",
            "Deadlines handled more than half an advert interval late",
            |r| r.late_wakeups,
        ),
    ];
    for (name, help, value) in counters {
        text.family(name, "counter", help);
        for router in &status.vrrp {
            text.sample(name, &[("name", &router.name)], value(router));
        }
    }
    trackers(text, status);
    troubles(text, status);
    holdings(text, status);
    not_accepted(text, status);
    discarded(text, status);
}

fn trackers(text: &mut Exposition, status: &Director) {
    let name = "lvsd_vrrp_priority";
    text.family(name, "gauge", "The priority that it runs with");
    for router in &status.vrrp {
        text.sample(name, &[("name", &router.name)], router.priority);
    }
    let values: [Signed<Tracker>; 2] = [
        (
            "lvsd_vrrp_tracker_up",
            "1 while what it tracks is up",
            |t| i16::from(t.state == "up"),
        ),
        (
            "lvsd_vrrp_tracker_adds",
            "What it adds to the priority",
            |t| t.adds,
        ),
    ];
    for (name, help, value) in values {
        text.family(name, "gauge", help);
        for router in &status.vrrp {
            for tracker in &router.trackers {
                let labels = [
                    ("name", router.name.as_str()),
                    ("tracker", &tracker.name),
                    ("kind", &tracker.kind),
                ];
                text.sample(name, &labels, value(tracker));
            }
        }
    }
}

fn troubles(text: &mut Exposition, status: &Director) {
    let gauges: [Metric<VirtualRouter>; 2] = [
        (
            "lvsd_vrrp_rival",
            "1 while another master is heard while this is one",
            |r| u64::from(r.rival.is_some()),
        ),
        (
            "lvsd_vrrp_vip_conflicts",
            "Stations on the LAN that answer for addresses held here",
            |r| u64::try_from(r.conflicts.len()).unwrap_or(u64::MAX),
        ),
    ];
    for (name, help, value) in gauges {
        text.family(name, "gauge", help);
        for router in &status.vrrp {
            text.sample(name, &[("name", &router.name)], value(router));
        }
    }
    let name = "lvsd_vrrp_worst_lateness_seconds";
    text.family(name, "gauge", "The latest that a deadline was ever handled");
    for router in &status.vrrp {
        let late = router.worst_lateness_us;
        let seconds = format!("{}.{:06}", late / 1_000_000, late % 1_000_000);
        text.sample(name, &[("name", &router.name)], seconds);
    }
}

fn holdings(text: &mut Exposition, status: &Director) {
    let name = "lvsd_vrrp_holdings";
    let help = "What comes and goes with mastership, by kind and state";
    text.family(name, "gauge", help);
    for router in &status.vrrp {
        let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for holding in &router.holdings {
            for state in HOLDING_STATES {
                let count = counts.entry((&holding.kind, state)).or_default();
                *count += u64::from(holding.state == state);
            }
        }
        for ((kind, state), count) in counts {
            let labels = [
                ("name", router.name.as_str()),
                ("kind", kind),
                ("state", state),
            ];
            text.sample(name, &labels, count);
        }
    }
}

fn not_accepted(text: &mut Exposition, status: &Director) {
    let Some(dropped) = status.not_accepted else {
        return;
    };
    for (unit, value) in [("packets", dropped.packets), ("bytes", dropped.bytes)] {
        let name = format!("lvsd_vrrp_not_accepted_{unit}_total");
        let help = "To virtual addresses with accept = false, dropped";
        text.family(&name, "counter", help);
        text.sample(&name, &[], value);
    }
}

fn discarded(text: &mut Exposition, status: &Director) {
    let name = "lvsd_vrrp_discarded_total";
    text.family(name, "counter", "Packets discarded, by reason");
    for router in &status.vrrp {
        for (reason, count) in &router.discarded {
            text.sample(name, &[("name", &router.name), ("reason", reason)], *count);
        }
    }
    let name = "lvsd_vrrp_interface_discarded_total";
    text.family(
        name,
        "counter",
        "Packets discarded that are no virtual router's of this host, by reason",
    );
    for interface in &status.vrrp_interfaces {
        for (reason, count) in &interface.discarded {
            let labels = [("interface", interface.name.as_str()), ("reason", reason)];
            text.sample(name, &labels, *count);
        }
    }
    let name = "lvsd_vrrp_dropped_packets_total";
    let help = "Packets that the kernel dropped before lvsd read them";
    text.family(name, "counter", help);
    for interface in &status.vrrp_interfaces {
        let packets = interface.dropped.map_or(0, |it| it.packets);
        text.sample(name, &[("interface", &interface.name)], packets);
    }
}
