//! Log lines that another thread writes, so that a log that blocks – a terminal
//! that was stopped, a full pipe, a disk – holds up nobody who has work to do.
//!
//! Below, the lines of the VRRP thread.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tracing::{debug, error, info, warn};

use crate::config::director::VrrpInstance;
use crate::pulse::{Part, Stuck};
use crate::vrrp::discard::Discard;
use crate::vrrp::mismatch::Oddity;
use crate::vrrp::router::{Cause, LinkFault, Notice, State, Transition};

/// How many lines wait while the log blocks.
const LINES: usize = 512;

/// How long a recurring complaint of one kind is kept quiet.
const QUIET: Duration = Duration::from_secs(60);

/// Something to write.
#[derive(Debug)]
pub(super) enum Line {
    Notice {
        instance: String,
        interface: String,
        notice: Notice,
    },
    /// `place` is a virtual router, or an interface if it could not be told.
    Discarded {
        place: String,
        source: Option<IpAddr>,
        discard: Discard,
        kept_quiet: u64,
    },
    Odd {
        instance: String,
        source: IpAddr,
        oddity: Oddity,
    },
    Agrees {
        instance: String,
        source: IpAddr,
    },
    SendFailed {
        instance: String,
        errno: i32,
        kept_quiet: u64,
    },
    ReceiveFailed {
        interface: String,
        errno: i32,
    },
    Dropped {
        interface: String,
        packets: u64,
    },
    SocketFailed {
        interface: String,
        fault: LinkFault,
    },
    Stuck(Stuck),
    Moves(Part),
    /// Nothing to write: memory of the core's, to be freed by somebody who may wait for the
    /// allocator.
    Spent(Box<VrrpInstance>),
}

/// Where a thread leaves its lines.
#[derive(Debug)]
pub(in crate::director) struct Log<L> {
    sender: SyncSender<(L, u64)>,
    lost: u64,
}

/// Starts the thread `name`, which does `write` with each line. It ends when the
/// [`Log`] is dropped.
pub(in crate::director) fn spawn<L: Send + 'static>(
    name: &str,
    write: fn(L),
) -> io::Result<Log<L>> {
    let (sender, receiver) = sync_channel(LINES);
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || write_all(&receiver, write))?;
    Ok(Log { sender, lost: 0 })
}

impl<L> Log<L> {
    /// Leaves a line, or counts it as lost. Never blocks.
    pub(in crate::director) fn write(&mut self, line: L) {
        match self.sender.try_send((line, self.lost)) {
            Ok(()) => self.lost = 0,
            Err(_) => self.lost += 1,
        }
    }
}

fn write_all<L>(lines: &Receiver<(L, u64)>, write: fn(L)) {
    for (line, lost) in lines {
        if lost > 0 {
            warn!(lost, "log lines were lost, the log was blocked");
        }
        write(line);
    }
}

pub(super) fn write_line(line: Line) {
    match line {
        Line::Notice {
            instance,
            interface,
            notice,
        } => write_notice(&instance, &interface, notice),
        Line::Discarded {
            place,
            source,
            discard,
            kept_quiet,
        } => {
            let source = source.map(tracing::field::display);
            let reason = discard.counter();
            if is_routine(&discard) {
                debug!(place, source, reason, "packet discarded: {discard}");
            } else {
                warn!(
                    place,
                    source, reason, kept_quiet, "packet discarded: {discard}"
                );
            }
        }
        Line::Odd {
            instance,
            source,
            oddity,
        } => warn!(instance, %source, "advert accepted, yet {oddity}"),
        Line::Agrees { instance, source } => {
            info!(instance, %source, "its configuration is as ours now");
        }
        Line::SendFailed {
            instance,
            errno,
            kept_quiet,
        } => {
            let error = io::Error::from_raw_os_error(errno);
            warn!(instance, %error, kept_quiet, "cannot send an advert");
        }
        Line::ReceiveFailed { interface, errno } => {
            let error = io::Error::from_raw_os_error(errno);
            warn!(interface, %error, "cannot receive adverts, opening the socket again");
        }
        Line::Dropped { interface, packets } => warn!(
            interface,
            packets, "packets were dropped by the kernel before lvsd read them"
        ),
        Line::SocketFailed { interface, fault } => warn!(interface, "{fault}"),
        Line::Stuck(stuck) => error!("{stuck}: this host must not be master"),
        Line::Spent(config) => drop(config),
        Line::Moves(part) => info!("{part} begun to move again"),
    }
}

/// Other people's virtual routers on the same LAN are nobody's fault.
fn is_routine(discard: &Discard) -> bool {
    matches!(discard, Discard::UnknownVrid(_) | Discard::OwnPacket)
}

fn write_notice(instance: &str, interface: &str, notice: Notice) {
    match notice {
        Notice::Changed(Transition {
            from,
            to: State::Fault,
            cause: Cause::LinkDown(fault),
        }) => {
            let mend = mend(fault, interface);
            let cause = Cause::LinkDown(fault);
            warn!(instance, interface, %from, to = %State::Fault, %cause, "state changed; {mend}");
        }
        Notice::Changed(change) => info!(
            instance,
            interface,
            from = %change.from,
            to = %change.to,
            cause = %change.cause,
            "state changed"
        ),
        Notice::RivalHeard(peer) => warn!(
            instance,
            interface, "another master: heard {peer} while master"
        ),
        Notice::RivalRefused(rival) => warn!(
            instance,
            interface,
            version = rival.version,
            "another master: {} while master, whose adverts are discarded: {}",
            rival.peer,
            rival.why
        ),
        Notice::RivalGone(peer) => info!(
            instance,
            interface, "the other master is no longer heard: {peer}"
        ),
        Notice::ListensAgain { late } => warn!(
            instance,
            interface,
            late_ms = u64::try_from(late.as_millis()).unwrap_or(u64::MAX),
            "woken late: listens once more before taking over"
        ),
        Notice::HeardTooLittle { dropped } => warn!(
            instance,
            interface,
            dropped,
            "heard no other master, yet packets were dropped before they were read: listens once more"
        ),
        Notice::Starved { silent } => warn!(
            instance,
            interface,
            silent_ms = u64::try_from(silent.as_millis()).unwrap_or(u64::MAX),
            "starved: sent no advert for longer than a backup waits, listens before it goes on"
        ),
        Notice::HandsOver { limit } => info!(
            instance,
            interface,
            ?limit,
            "resigned: serves on until a successor is heard"
        ),
        Notice::NobodyTookOver { waited } => {
            warn!(instance, interface, ?waited, "no successor was heard");
        }
        Notice::OtherSuccessor(peer) => {
            info!(instance, interface, "handed over to {peer} in the end");
        }
        Notice::StaysMaster => info!(instance, interface, "stays master"),
        Notice::Unfit(cause) => warn!(instance, interface, %cause, "hands over"),
        Notice::ClaimUnconfirmed => warn!(
            instance,
            interface, "preempts, yet its addresses are not all held"
        ),
    }
}

/// The way out of what keeps an interface from carrying adverts.
fn mend(fault: LinkFault, interface: &str) -> String {
    match fault {
        LinkFault::Missing => {
            "`ip -br link` names the interfaces that are there; is the name right?".to_owned()
        }
        LinkFault::Renamed(name) => format!(
            "rename it back, or write {name} into the file: ip link set {name} name {interface}"
        ),
        LinkFault::Down => format!("ip link set {interface} up"),
        LinkFault::NoCarrier => {
            "see cable and switch port, or what the interface stands on".to_owned()
        }
        LinkFault::NoAddress => {
            format!("give it one: ip addr add ADDRESS/PREFIX dev {interface}")
        }
        LinkFault::NoLinkLocal => {
            format!("IPv6 must be on there: sysctl net.ipv6.conf.{interface}.disable_ipv6=0")
        }
        LinkFault::Tentative => "it takes some seconds".to_owned(),
        LinkFault::Duplicate => format!("see `ip -6 address show dev {interface}`"),
        LinkFault::NoSource(_) | LinkFault::OwnPeer(_) => {
            format!("compare with `ip address show dev {interface}`")
        }
        LinkFault::Socket(_) => "run as root, or with CAP_NET_RAW".to_owned(),
    }
}

/// Lets through one complaint of each kind in [`QUIET`], and counts the others.
#[derive(Debug, Default)]
pub(super) struct Quieter {
    kinds: BTreeMap<&'static str, (Instant, u64)>,
}

impl Quieter {
    /// How many complaints of that kind were kept quiet since the last one that
    /// was let through. None: keep this one quiet too.
    pub(super) fn admit(&mut self, now: Instant, kind: &'static str) -> Option<u64> {
        match self.kinds.get_mut(kind) {
            Some((last, kept_quiet)) if now < *last + QUIET => {
                *kept_quiet += 1;
                None
            }
            Some((last, kept_quiet)) => {
                *last = now;
                Some(std::mem::take(kept_quiet))
            }
            None => {
                self.kinds.insert(kind, (now, 0));
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Work = Box<dyn FnOnce() + Send>;

    #[test]
    fn a_blocked_log_holds_nobody_up_and_tells_how_much_was_lost() {
        let mut log = spawn("test-log", |work: Work| work()).unwrap();
        let (blocks, blocked) = sync_channel(0);
        let (open, gate) = sync_channel(1);
        log.write(Box::new(move || {
            blocks.send(()).unwrap();
            gate.recv().unwrap();
        }));
        blocked.recv().unwrap();
        for _ in 0..10_000 {
            log.write(Box::new(|| ()));
        }
        assert_eq!(log.lost, 10_000 - u64::try_from(LINES).unwrap());
        open.send(()).unwrap();
        while log.lost > 0 {
            std::thread::yield_now();
            log.write(Box::new(|| ()));
        }
    }

    #[test]
    fn an_interface_that_does_not_work_is_told_with_the_way_out() {
        assert!(mend(LinkFault::Missing, "ens129").starts_with("`ip -br link` names"));
        let renamed = LinkFault::Renamed("nic0".into());
        assert_eq!(renamed.to_string(), "it was renamed to nic0");
        let mended = mend(renamed, "ens192");
        assert!(mended.ends_with("ip link set nic0 name ens192"), "{mended}");
        assert_eq!(mend(LinkFault::Down, "ens192"), "ip link set ens192 up");
    }

    #[test]
    fn the_second_complaint_of_a_kind_is_counted_and_told_with_the_next_after_a_minute() {
        let start = crate::sys::clock::now();
        let mut quieter = Quieter::default();
        assert_eq!(quieter.admit(start, "ttl"), Some(0));
        assert_eq!(quieter.admit(start, "ttl"), None);
        assert_eq!(quieter.admit(start, "checksum"), Some(0));
        assert_eq!(quieter.admit(start + QUIET, "ttl"), Some(1));
        assert_eq!(quieter.admit(start + QUIET * 2, "ttl"), Some(0));
    }
}
