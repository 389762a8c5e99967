//! Reads a number from a file.

use std::fs::File as Opened;
use std::io::{ErrorKind, Read};
use std::path::Path;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::Outlet;
use crate::track::{File, MOST_WEIGHT, Observation, Source};

/// No number is longer.
const MOST_BYTES: u64 = 64;

/// For ever, telling what changed.
pub(super) async fn read(file: &File, source: &Source, outlet: &Outlet) {
    let mut told = None;
    loop {
        let path = file.path.clone();
        // A file system may take its time.
        if let Ok(seen) = spawn_blocking(move || look(&path)).await
            && told.as_ref() != Some(&seen)
        {
            told = Some(seen.clone());
            if outlet.send((source.clone(), seen)).await.is_err() {
                return;
            }
        }
        sleep(file.interval).await;
    }
}

fn look(path: &Path) -> Observation {
    let mut text = String::new();
    let read = Opened::open(path).and_then(|file| file.take(MOST_BYTES).read_to_string(&mut text));
    match read {
        Ok(_) => meaning(&text),
        Err(error) if error.kind() == ErrorKind::NotFound => Observation::Number(0),
        Err(error) => Observation::Unclear(format!("cannot read it: {error}").into()),
    }
}

/// A number, or `fault`. An empty file is one that somebody is writing.
fn meaning(text: &str) -> Observation {
    let text = text.trim();
    match text.parse::<i16>() {
        Ok(number) if (-MOST_WEIGHT..=MOST_WEIGHT).contains(&number) => Observation::Number(number),
        _ if text == "fault" => Observation::Bad("it says so".into()),
        _ => {
            let why = format!("{text:?} is neither a number from -254 to 254 nor fault");
            Observation::Unclear(why.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_a_number_or_the_word_fault_and_one_that_is_not_there_holds_0() {
        assert_eq!(meaning("-20\n"), Observation::Number(-20));
        assert_eq!(meaning(" 254"), Observation::Number(254));
        assert_eq!(meaning("fault\n"), Observation::Bad("it says so".into()));
        for unclear in ["", "255", "-255", "99999", "1 2", "FAULT", "x"] {
            assert!(matches!(meaning(unclear), Observation::Unclear(_)));
        }
        assert_eq!(look(Path::new("/nonexistent/x")), Observation::Number(0));
        assert!(matches!(look(Path::new("/")), Observation::Unclear(_)));
    }
}
