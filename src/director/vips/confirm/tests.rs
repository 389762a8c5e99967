use std::path::Path;

use super::*;
use crate::config::director::DirectorConfig;
use crate::director::vrrp::InstanceStatus;

const FILE: &str = "
    [[vrrp]]
    name = 'VI_1'
    interface = 'eth0'
    virtual_router_id = 51
    virtual_addresses = ['10.0.0.8', '10.0.0.9']
";

pub(in crate::director::vips) fn status(claim: Claim, announcements: u64) -> VrrpStatus {
    let config = DirectorConfig::parse(Path::new("d.toml"), FILE).unwrap();
    let status = InstanceStatus {
        claim,
        announcements,
        ..InstanceStatus::backup(&config.vrrp["VI_1"])
    };
    VrrpStatus {
        configured: true,
        instances: [("VI_1".to_owned(), status)].into(),
        ..VrrpStatus::default()
    }
}

fn numbers(commands: &[Command]) -> Vec<u64> {
    let numbers = commands.iter().filter_map(|command| match command {
        Command::VipsHeld { announcements, .. } => Some(*announcements),
        _ => None,
    });
    numbers.collect()
}

#[test]
fn a_claim_is_confirmed_once_when_its_last_address_is_there() {
    let mut confirmations = Confirmations::default();
    let one = |place: &Place| place.address.address.to_string() == "10.0.0.8";
    let held = status(Claim::Hold, 7);
    assert_eq!(numbers(&confirmations.due(&held, one)), [0; 0]);
    assert_eq!(numbers(&confirmations.due(&held, |_| true)), [7]);
    assert_eq!(numbers(&confirmations.due(&held, |_| true)), [0; 0]);
    let asked_again = status(Claim::Hold, 8);
    assert_eq!(numbers(&confirmations.due(&asked_again, |_| true)), [8]);
}

#[test]
fn nothing_is_confirmed_to_a_router_that_does_not_hold_its_addresses() {
    let mut confirmations = Confirmations::default();
    for claim in [Claim::Undecided, Claim::Keep, Claim::Release] {
        let told = confirmations.due(&status(claim, 7), |_| true);
        assert_eq!(numbers(&told), [0; 0], "{claim:?}");
    }
}
