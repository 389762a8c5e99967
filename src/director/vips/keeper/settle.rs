//! The kernel parameters of an interface that has a virtual router's hardware
//! address.

use std::io;

use crate::sys::sysctl::Key;

type Conf = fn(&str, &str) -> Key;

/// What the interface must have for its addresses to be answered with its
/// hardware address, and nothing else. It is lvsd's own: nothing is put back.
///
/// | parameter | value | why |
/// |---|---|---|
/// | `arp_ignore` | 1 | it must not answer for other addresses of this host |
/// | `arp_filter` | 0 | the way back to who asks leads over the interface below, and it must answer all the same |
/// | `rp_filter` | 2 | for the same reason packets would be dropped; 0 would leave the word to `all` |
/// | `addr_gen_mode` | 1 | no address is derived from the virtual MAC (RFC 9568 §7.4) |
/// | `accept_ra`, `autoconf` | 0 | nor taken from a router |
/// | `accept_dad` | 0 | the addresses are usable at once |
const PARAMETERS: [(Conf, &str, i32); 7] = [
    (Key::ipv4_conf, "arp_ignore", 1),
    (Key::ipv4_conf, "arp_filter", 0),
    (Key::ipv4_conf, "rp_filter", 2),
    (Key::ipv6_conf, "addr_gen_mode", 1),
    (Key::ipv6_conf, "accept_ra", 0),
    (Key::ipv6_conf, "autoconf", 0),
    (Key::ipv6_conf, "accept_dad", 0),
];

/// Sets what is not as it must be, and tells what it cannot.
pub(super) fn settle(interface: &str) -> Option<String> {
    let mut problem = all_filter();
    for (conf, name, value) in PARAMETERS {
        let key = conf(interface, name);
        match set(&key, value) {
            // A kernel without IPv6 has none of its parameters.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => problem = Some(format!("cannot set {key} to {value}: {error}")),
            Ok(()) => {}
        }
    }
    problem
}

fn set(key: &Key, value: i32) -> io::Result<()> {
    if key.read()? == value {
        return Ok(());
    }
    key.write(value)
}

/// One that counts for all interfaces and that only the operator can judge.
fn all_filter() -> Option<String> {
    let key = Key::ipv4_conf("all", "arp_filter");
    let is_on = key.read().is_ok_and(|value| value != 0);
    is_on.then(|| {
        format!("{key} is 1, so no ARP is answered with the virtual MAC; set it to 0, which each interface may still change")
    })
}
