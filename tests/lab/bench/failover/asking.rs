//! A client that asks the holder of an address every 10 ms, whatever became of the question
//! before: over UDP, so that no retransmission hides a loss.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::outage::Asked;
use crate::lab::Host;
use crate::lab::room::in_net;
use crate::lab::site::VIP;
use crate::lab::wait::millis;

const PORT: u16 = 7007;

/// Between two questions.
pub(super) const EVERY: Duration = millis(10);

/// How long an answer may take.
const LIMIT: Duration = millis(100);

/// Somebody who asks until stopped.
#[derive(Debug)]
pub(super) struct Asking {
    stop: Arc<AtomicBool>,
    /// The last octet of the director that answered last.
    last: Arc<AtomicU64>,
    sender: JoinHandle<Vec<Instant>>,
    receiver: JoinHandle<()>,
    answers: Answers,
}

/// Each answer: the number of its question, when it came, and from whom.
type Answers = Arc<Mutex<Vec<(u64, Instant, u8)>>>;

/// Answers questions to the VIP with the host's number, whenever the host has the VIP.
pub(super) fn respond(host: &Host, number: u8) {
    let ready = in_net(host.room().net(), move || {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
        // The answer must come from the VIP, and the VIP comes and goes.
        socket.set_freebind_v4(true).unwrap();
        socket.bind(&server().into()).unwrap();
        UdpSocket::from(socket)
    });
    let socket = ready.join().unwrap();
    thread::spawn(move || {
        ahead_of_others();
        let mut question = [0; 8];
        while let Ok((_, from)) = socket.recv_from(&mut question) {
            let mut answer = [number; 9];
            answer[..8].copy_from_slice(&question);
            // It may have lost the address just now.
            let _ = socket.send_to(&answer, from);
        }
    });
}

impl Asking {
    pub(super) fn begin(client: &Host) -> Self {
        let socket = bound(client.room().net());
        let stop = Arc::new(AtomicBool::new(false));
        let last = Arc::new(AtomicU64::new(0));
        let answers = Answers::default();
        let receiver = {
            let (socket, stop) = (socket.try_clone().unwrap(), Arc::clone(&stop));
            let (answers, last) = (Arc::clone(&answers), Arc::clone(&last));
            thread::spawn(move || receive(&socket, &stop, &answers, &last))
        };
        let sender = {
            let stop = Arc::clone(&stop);
            thread::spawn(move || send(&socket, &stop))
        };
        Self {
            stop,
            last,
            sender,
            receiver,
            answers,
        }
    }

    /// Whether the last answer was this director's.
    pub(super) fn is_answered_by(&self, number: u8) -> bool {
        self.last.load(Ordering::Relaxed) == u64::from(number)
    }

    /// Stops asking, and tells what became of each question. Those that were asked last have
    /// their time.
    pub(super) fn end(self) -> Vec<Asked> {
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.sender.join().unwrap();
        self.receiver.join().unwrap();
        let answers = self.answers.lock().unwrap();
        let mut asked: Vec<_> = sent.into_iter().map(Asked::at).collect();
        for (number, done, by) in answers.iter().copied() {
            let Some(question) = asked.get_mut(usize::try_from(number).unwrap()) else {
                continue;
            };
            if done - question.at <= LIMIT && question.answer.is_none() {
                question.answer = Some((done, by));
            }
        }
        asked
    }
}

fn server() -> SocketAddr {
    SocketAddr::from((VIP.parse::<Ipv4Addr>().unwrap(), PORT))
}

fn bound(net: Arc<File>) -> UdpSocket {
    let bind = || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let socket = in_net(net, bind).join().unwrap();
    socket.set_read_timeout(Some(millis(20))).unwrap();
    socket
}

fn send(socket: &UdpSocket, stop: &AtomicBool) -> Vec<Instant> {
    ahead_of_others();
    let mut sent = Vec::new();
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        let number = u64::try_from(sent.len()).unwrap();
        sent.push(Instant::now());
        // Nobody may have the address: that is a question without an answer.
        let _ = socket.send_to(&number.to_be_bytes(), server());
        next += EVERY;
    }
    sent
}

fn receive(socket: &UdpSocket, stop: &AtomicBool, answers: &Answers, last: &AtomicU64) {
    ahead_of_others();
    let mut stopped_at = None;
    let mut answer = [0; 16];
    loop {
        if stop.load(Ordering::Relaxed) {
            let at = *stopped_at.get_or_insert_with(Instant::now);
            if at.elapsed() > LIMIT {
                return;
            }
        }
        let Ok((9, from)) = socket.recv_from(&mut answer) else {
            continue;
        };
        if from == server() {
            let number = u64::from_be_bytes(*answer.first_chunk().unwrap());
            let entry = (number, Instant::now(), answer[8]);
            answers.lock().unwrap().push(entry);
            last.store(u64::from(answer[8]), Ordering::Relaxed);
        }
    }
}

/// Runs this thread before every other, so that a busy machine is not measured instead of the
/// directors. Where that is not allowed it runs as others do.
fn ahead_of_others() {
    let thread = nix::unistd::gettid().to_string();
    let chrt = Command::new("chrt")
        .args(["-f", "-p", "50", &thread])
        .output();
    drop(chrt);
}
