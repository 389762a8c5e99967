//! Where log lines go.
//!
//! A thread of its own writes them. Whoever reads standard error may stop
//! reading (a journal that hangs, a terminal that was paused), and then lvsd goes
//! on: what does not fit the queue is counted and lost.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How many lines wait while nobody reads.
const WAITING: usize = 4096;

/// How long the end of the program waits for the last lines.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The log. When it is dropped, every line so far has been written, or nobody
/// reads them.
#[derive(Debug)]
#[must_use = "dropping it ends the wait for the last lines"]
pub(super) struct Log(Lines);

/// Takes lines without ever waiting.
#[derive(Debug, Clone)]
struct Lines {
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// Answer when everything before has been written.
    Written(SyncSender<()>),
}

/// Logs to standard error: for a terminal with time and colour, for the journal
/// without, since it has its own. `LVSD_LOG` chooses what, e.g. `debug` or
/// `lvsd::vrrp=debug`; without it `info`.
pub(super) fn start() -> Log {
    // Not the filter of fields and spans, which lvsd logs none of: its pattern
    // matching is a megabyte of program.
    let wanted = std::env::var("LVSD_LOG").ok();
    let wanted = wanted.filter(|text| !text.is_empty());
    let wanted = wanted.and_then(|text| text.parse::<Targets>().ok());
    let filter = wanted.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let (queue, messages) = sync_channel(WAITING);
    let lines = Lines {
        queue,
        lost: Arc::default(),
    };
    let (writer, lost) = (lines.clone(), Arc::clone(&lines.lost));
    // Without the thread every line is lost, and the daemon serves all the same.
    let _ = thread::Builder::new()
        .name("lvsd-log".to_owned())
        .spawn(move || write_all(&messages, &lost));
    let log = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(move || writer.clone());
    // A second start in one process leaves the first one in place.
    let all = tracing_subscriber::registry().with(filter);
    let _ = match std::env::var_os("JOURNAL_STREAM") {
        Some(_) => all.with(log.without_time()).try_init(),
        None => all.with(log).try_init(),
    };
    Log(lines)
}

/// One call is one line: that is how `tracing_subscriber` writes.
impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Message::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let (done, written) = sync_channel(1);
        if self.0.queue.try_send(Message::Written(done)).is_ok() {
            // No answer in time: nobody reads.
            let _ = written.recv_timeout(LAST_WORDS);
        }
    }
}

fn write_all(messages: &Receiver<Message>, lost: &AtomicU64) {
    let mut stderr = io::stderr();
    for message in messages {
        // Nobody is left to be told that the log cannot be written.
        match message {
            Message::Line(line) => drop(stderr.write_all(&line)),
            Message::Written(done) => drop(done.send(())),
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            drop(writeln!(
                stderr,
                "{lost} log lines were lost: nobody read them"
            ));
        }
    }
}
