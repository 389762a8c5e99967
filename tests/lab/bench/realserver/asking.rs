//! Two hundred directors that ask `/ready`, each from an address of its own and, as they do, by
//! a connection for each question.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use super::{Agent, Bench, SERVICE};
use crate::lab::bench::figures::{Times, markdown};
use crate::lab::room::in_net;
use crate::lab::wait::{millis, secs};

const DIRECTORS: u8 = 200;
/// How often they ask in the long run.
const EVERY: Duration = secs(1);
const LONG: Duration = secs(20);
/// How many ask at a time, each as often as it can.
const AT_ONCE: [u8; 2] = [1, 8];
const SHORT: Duration = secs(5);

/// The real server's address among the directors' own.
const AGENT: Ipv4Addr = Ipv4Addr::new(10, 7, 255, 1);

fn director(number: u8) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(10, 7, 0, number), 0))
}

/// How they fare, as a table.
pub(super) fn asked(bench: &Bench) -> String {
    bench
        .host
        .run(&format!("ip address replace {AGENT}/16 dev eth0"))
        .ok();
    let addresses: String = (1..=DIRECTORS)
        .map(|number| format!("address replace {}/16 dev eth0\\n", director(number).ip()))
        .collect();
    bench
        .directors
        .run(&format!("printf '{addresses}' | ip -batch -"))
        .ok();
    let agent = bench.start(SERVICE);
    agent.ready();
    let mut rows = vec![row(
        &format!("{DIRECTORS} directors, each once a second"),
        &agent,
        LONG,
        || load(bench, DIRECTORS, EVERY, LONG),
    )];
    for number in AT_ONCE {
        let who = if number == 1 {
            "1 that never waits".to_owned()
        } else {
            format!("{number} that never wait")
        };
        rows.push(row(&who, &agent, SHORT, || {
            load(bench, number, Duration::ZERO, SHORT)
        }));
    }
    agent.stop();
    let head = [
        "`GET /ready`",
        "each second",
        "failed",
        "median",
        "p99",
        "worst",
        "processor each",
    ];
    markdown(&head, &rows)
}

fn row(who: &str, agent: &Agent, long: Duration, asking: impl FnOnce() -> Told) -> Vec<String> {
    let before = agent.processor();
    let told = asking();
    let processor = agent.processor() - before;
    let answered = told.times.len();
    assert!(answered > 0, "somebody is answered");
    let count = u32::try_from(answered).unwrap();
    let mut row = vec![
        who.to_owned(),
        format!("{:.0}", f64::from(count) / long.as_secs_f64()),
        told.failed.to_string(),
    ];
    row.extend(told.times.hundredths());
    row.push(format!("{} µs", (processor / count).as_micros()));
    row
}

/// What became of the questions.
#[derive(Default)]
struct Told {
    times: Times,
    failed: usize,
}

/// Each of so many directors asks once in `every`, at moments spread over it.
fn load(bench: &Bench, directors: u8, every: Duration, long: Duration) -> Told {
    let asking = in_net(bench.directors.room().net(), move || {
        super::drift::asynchronously(async move {
            let end = Instant::now() + long;
            let mut all = JoinSet::new();
            for number in 1..=directors {
                let first = every * u32::from(number - 1) / u32::from(directors);
                all.spawn(one(director(number), first, every, end));
            }
            let mut told = Told::default();
            for (times, failed) in all.join_all().await {
                told.failed += failed;
                times.into_iter().for_each(|time| told.times.add(time));
            }
            told
        })
    });
    asking.join().unwrap()
}

async fn one(
    from: SocketAddr,
    first: Duration,
    every: Duration,
    end: Instant,
) -> (Vec<Duration>, usize) {
    let (mut times, mut failed) = (Vec::new(), 0);
    let mut next = Instant::now() + first;
    while next < end {
        tokio::time::sleep_until(next.into()).await;
        let asked = Instant::now();
        match tokio::time::timeout(secs(5), question(from)).await {
            Ok(Ok(())) => times.push(asked.elapsed()),
            _ => {
                failed += 1;
                tokio::time::sleep(millis(10)).await;
            }
        }
        next = (next + every).max(if every.is_zero() {
            Instant::now()
        } else {
            next
        });
    }
    (times, failed)
}

async fn question(from: SocketAddr) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(from)?;
    let mut stream = socket.connect(SocketAddr::from((AGENT, 9480))).await?;
    stream
        .write_all(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
        .await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    match answer.starts_with(b"HTTP/1.1 200 ") {
        true => Ok(()),
        false => Err(io::ErrorKind::InvalidData.into()),
    }
}
