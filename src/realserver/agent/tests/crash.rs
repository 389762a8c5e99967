use proptest::prelude::*;

use super::*;

proptest! {
    /// The promise that matters most: whatever happened on the way (crashes after
    /// any number of actions, others changing things), a clean stop leaves what
    /// was there before the first start, and ARP was quiet whenever lvsd had the
    /// VIP on `lo`.
    #[test]
    fn a_stop_after_any_crashes_restores_what_was_there_before_the_first_start(
        originals in prop::collection::vec(0..9, 6),
        found in any::<bool>(),
        steps in prop::collection::vec((0..12_usize, 0..4), 0..20),
    ) {
        let mut host = Host::fresh();
        for (value, (_, key)) in originals.iter().zip(WANTED) {
            host.set(key, *value);
        }
        if found {
            host.add_by_hand(VIP);
        }
        let before = host.kernel.clone();
        let mut agent = host.start(&config(&[VIP]));
        // While lvsd has stopped, or had no reason to write, what others set stays.
        let meddled = steps.iter().any(|(_, event)| *event == 2);
        for (actions, event) in steps {
            match event {
                0 => agent = host.start(&config(&[VIP])),
                1 => agent.stop(),
                2 => host.set(ARP_IGNORE, 0),
                _ => {}
            }
            host.perform_some(&mut agent, actions);
            // A crash: what the process knew is gone, the kernel and the disk stay.
            if event == 3 {
                agent = host.start(&config(&[VIP]));
            }
        }
        let mut agent = host.start(&config(&[VIP]));
        host.settle(&mut agent);
        prop_assert_eq!(agent.status().state, State::Ready);
        agent.stop();
        host.settle(&mut agent);
        prop_assert!(host.disk.is_empty());
        for (_, key) in WANTED {
            let key: Key = key.parse().unwrap();
            if !meddled || key.to_string() != ARP_IGNORE {
                prop_assert_eq!(host.kernel.sysctls[&key], before.sysctls[&key]);
            }
        }
        // What was there before may only stay where nobody is answered for it.
        let is_quiet = |kernel: &Observed| {
            sysctl::is_quiet(&["eth0"], |key| kernel.sysctls.get(key).copied())
        };
        if !meddled && is_quiet(&before) {
            prop_assert_eq!(&host.kernel.addresses, &before.addresses);
        } else {
            prop_assert!(host.kernel.addresses.is_empty() || is_quiet(&host.kernel));
        }
    }
}
