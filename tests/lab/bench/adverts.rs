//! When adverts passed a switch, by the kernel's own clock: a capture at a host that has no part
//! in VRRP.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::figures::Spread;
use crate::lab::wait::secs;
use crate::lab::{Host, Program, eventually, within};

/// A capture that runs.
#[derive(Debug)]
pub(super) struct Capture {
    host: Host,
    program: Program,
    file: String,
}

/// One advert of a master: from when on, in nanoseconds, from which last octet, for which VRID.
#[derive(Debug, Clone, Copy)]
struct Advert {
    at: u64,
    from: u8,
    vrid: u8,
    checksum: [u8; 2],
}

/// What was captured, by the time of each.
#[derive(Debug)]
pub(super) struct Adverts(Vec<Advert>);

impl Capture {
    pub(super) fn begin(host: &Host) -> Self {
        let file = "/run/adverts.pcap".to_owned();
        let program = host.spawn(&format!(
            "tcpdump -Z root -i ens192 -n -s 96 -B 8192 --time-stamp-precision=nano -w {file} ip proto 112"
        ));
        eventually("the capture runs", within(secs(10)), || {
            program.log().contains("listening on")
        });
        Self {
            host: host.clone(),
            program,
            file,
        }
    }

    pub(super) fn end(self) -> Adverts {
        self.program.signal(Signal::SIGINT);
        self.program.expect_exit(0);
        let log = self.program.log();
        assert!(log.contains("\n0 packets dropped"), "{log}");
        let file = self.file;
        let bytes = self.host.within(move || fs::read(file).unwrap());
        Adverts::parse(&bytes)
    }
}

impl Adverts {
    /// A capture file: a header of 24 bytes, then each frame behind 16 bytes: seconds,
    /// nanoseconds, length captured, length.
    fn parse(capture: &[u8]) -> Self {
        let mut rest = &capture[24..];
        let mut adverts = Vec::new();
        while let Some((head, frame)) = rest.split_at_checked(16) {
            let length = word(head, 8) as usize;
            let at = u64::from(word(head, 0)) * 1_000_000_000 + u64::from(word(head, 4));
            adverts.extend(advert(at, &frame[..length]));
            rest = &frame[length..];
        }
        // What came by two processors was not written in the order of its stamps.
        adverts.sort_by_key(|advert| advert.at);
        Self(adverts)
    }

    /// When another router than the one before sent an advert as master, since the epoch.
    pub(super) fn changes(&self, vrid: u8) -> Vec<Duration> {
        let adverts: Vec<_> = self.of(vrid).collect();
        let pairs = adverts.windows(2);
        let changes = pairs.filter(|pair| pair[0].from != pair[1].from);
        changes
            .map(|pair| Duration::from_nanos(pair[1].at))
            .collect()
    }

    /// How far apart from this interval the adverts were; none: fewer than two.
    pub(super) fn jitter(&self, vrid: u8, interval: Duration) -> Option<(usize, Spread<Duration>)> {
        // lvsd sends each advert twice, in both forms of checksum, unless all that it has
        // heard use one alone: the form that it sent most counts.
        let mut forms: BTreeMap<u8, BTreeMap<[u8; 2], usize>> = BTreeMap::new();
        for advert in self.of(vrid) {
            let of_sender = forms.entry(advert.from).or_default();
            *of_sender.entry(advert.checksum).or_default() += 1;
        }
        let is_of_most = |advert: &&Advert| {
            let most = forms[&advert.from].iter().max_by_key(|(_, sent)| **sent);
            most.is_some_and(|(form, _)| *form == advert.checksum)
        };
        let adverts = self.of(vrid).filter(is_of_most);
        let at: Vec<_> = adverts.map(|advert| advert.at).collect();
        let gaps = at
            .windows(2)
            .map(|pair| Duration::from_nanos(pair[1] - pair[0]));
        let late: Vec<_> = gaps.map(|gap| gap.abs_diff(interval)).collect();
        (!late.is_empty()).then(|| (late.len(), Spread::of(late.iter().copied())))
    }

    fn of(&self, vrid: u8) -> impl Iterator<Item = &Advert> {
        self.0.iter().filter(move |advert| advert.vrid == vrid)
    }
}

/// What matters of a frame; none: a resignation, or too short.
fn advert(at: u64, frame: &[u8]) -> Option<Advert> {
    let ip = frame.get(14..)?;
    let vrrp = ip.get(usize::from(ip[0] & 0xf) * 4..)?;
    let advert = Advert {
        at,
        from: *ip.get(15)?,
        vrid: *vrrp.get(1)?,
        checksum: *vrrp.get(6..8)?.first_chunk()?,
    };
    (vrrp[2] != 0).then_some(advert)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
}
