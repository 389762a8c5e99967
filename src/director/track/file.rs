//! Reads a number from a file.

use std::io::{self, ErrorKind};

use tokio::time::sleep;

use super::Outlet;
use crate::sys::errno;
use crate::sys::small_file::SmallFile;
use crate::track::{File, MOST_WEIGHT, Observation, Source};

/// So much of what makes no sense is told.
const MOST_SHOWN: usize = 64;

/// For ever, telling what changed.
pub(super) async fn read(file: &File, source: &Source, outlet: &Outlet) {
    let mut told = None;
    let mut read = SmallFile::new(&file.path);
    loop {
        let seen = observation(read.read().await);
        if told.as_ref() != Some(&seen) {
            told = Some(seen.clone());
            if outlet.send((source.clone(), seen)).await.is_err() {
                return;
            }
        }
        sleep(file.interval).await;
    }
}

fn observation(read: io::Result<String>) -> Observation {
    match read {
        Ok(text) => meaning(&text),
        Err(error) if error.kind() == ErrorKind::NotFound => Observation::Number(0),
        Err(error) => {
            let why = errno::text(&error);
            Observation::Unclear(format!("cannot read it: {why}").into())
        }
    }
}

/// A number, or `fault`. An empty file is one that somebody is writing.
fn meaning(text: &str) -> Observation {
    let text = text.trim();
    match text.parse::<i16>() {
        Ok(number) if (-MOST_WEIGHT..=MOST_WEIGHT).contains(&number) => Observation::Number(number),
        _ if text == "fault" => Observation::Bad("it says so".into()),
        _ => {
            let text: String = text.chars().take(MOST_SHOWN).collect();
            let why = format!("{text:?} is neither a number from -254 to 254 nor fault");
            Observation::Unclear(why.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn a_file_holds_a_number_or_the_word_fault_and_one_that_is_not_there_holds_0() {
        assert_eq!(meaning("-20\n"), Observation::Number(-20));
        assert_eq!(meaning(" 254"), Observation::Number(254));
        assert_eq!(meaning("fault\n"), Observation::Bad("it says so".into()));
        for unclear in ["", "255", "-255", "99999", "1 2", "FAULT", "x"] {
            assert!(matches!(meaning(unclear), Observation::Unclear(_)));
        }
    }

    #[tokio::test]
    async fn what_is_no_regular_file_holds_nobody_up_and_is_unclear() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        let gone = dir.path().join("gone");
        let no_file = "cannot read it: it is no regular file";
        for (path, expected) in [
            (gone.as_path(), Observation::Number(0)),
            (dir.path(), Observation::Unclear(no_file.into())),
            (Path::new("/dev/zero"), Observation::Unclear(no_file.into())),
            (&fifo, Observation::Unclear(no_file.into())),
        ] {
            let (outlet, mut seen) = tokio::sync::mpsc::channel(1);
            let file = File {
                path: path.to_owned(),
                interval: Duration::from_millis(10),
            };
            let source = Source::File(file.clone());
            let looked = async {
                tokio::select! {
                    seen = seen.recv() => seen,
                    () = read(&file, &source, &outlet) => None,
                }
            };
            let looked = tokio::time::timeout(Duration::from_secs(10), looked).await;
            let (_, observation) = looked.expect("it blocks").expect("it ended");
            assert_eq!(observation, expected, "{}", path.display());
        }
    }
}
