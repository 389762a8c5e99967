//! Counts the requests that programs of a host make of IPVS, as the kernel gets them: a capture
//! on an `nlmon` interface, which is shown every netlink message of its namespace.

use std::fs;

use nix::sys::signal::Signal;

use crate::lab::wait::secs;
use crate::lab::{Host, Program, eventually, within};

const CAPTURE: &str = "/run/bench.pcap";
const NLM_F_REQUEST: u16 = 1;
const NETLINK_GENERIC: u16 = 16;
/// The controller of generic netlink, whose messages are not to IPVS.
const GENL_ID_CTRL: u16 = 16;
/// `IPVS_CMD_*` that change virtual or real servers: new, set, del of each, and flush.
const WRITES: [u8; 7] = [1, 2, 3, 5, 6, 7, 17];

/// A capture that runs.
pub(super) struct Tap {
    host: Host,
    capture: Program,
}

impl Tap {
    pub(super) fn begin(host: &Host) -> Self {
        host.run("ip link show nlmon0 || (ip link add nlmon0 type nlmon && ip link set nlmon0 up)")
            .ok();
        let capture = host.spawn(&format!(
            "tcpdump -Z root -i nlmon0 -U -B 65536 -w {CAPTURE}"
        ));
        eventually("the capture runs", within(secs(10)), || {
            capture.log().contains("listening on")
        });
        Self {
            host: host.clone(),
            capture,
        }
    }

    /// Ends the capture and returns the number of requests to change something.
    pub(super) fn writes(self) -> usize {
        self.capture.signal(Signal::SIGINT);
        self.capture.expect_exit(0);
        let log = self.capture.log();
        assert!(log.contains("\n0 packets dropped"), "{log}");
        let capture = self.host.within(|| fs::read(CAPTURE).unwrap());
        writes_in(&capture)
    }
}

/// The requests in a capture file: a header of 24 bytes, then each packet behind 16 bytes, the
/// third word of which is its length.
fn writes_in(capture: &[u8]) -> usize {
    let mut rest = &capture[24..];
    let mut writes = 0;
    while rest.len() >= 16 {
        let length = word(rest, 8) as usize;
        let packet = &rest[16..16 + length];
        rest = &rest[16 + length..];
        let protocol = u16::from_be_bytes([packet[14], packet[15]]);
        if protocol == NETLINK_GENERIC {
            writes += writes_of(&packet[16..]);
        }
    }
    writes
}

/// The requests in one datagram: each a `nlmsghdr` of 16 bytes, then the command.
fn writes_of(mut datagram: &[u8]) -> usize {
    let mut writes = 0;
    while datagram.len() > 16 {
        let length = (word(datagram, 0) as usize).max(17);
        let kind = half(datagram, 4);
        let is_request = half(datagram, 6) & NLM_F_REQUEST != 0;
        if is_request && kind > GENL_ID_CTRL && WRITES.contains(&datagram[16]) {
            writes += 1;
        }
        datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
    }
    writes
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes(bytes[at..at + 2].try_into().unwrap())
}
