//! What must be remembered across a crash, in a file under the runtime directory.
//!
//! The file is on disk before the first change it speaks of, and goes when
//! there is nothing left to put back. A file from before a reboot, or from
//! another network namespace, speaks of a kernel state that is gone: it is not
//! believed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Why the file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It holds something else.
    #[error(
        "cannot understand {}, which holds what to put back when lvsd stops; \
         delete it if nothing there is of use",
        path.display()
    )]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: serde_json::Error,
    },
    /// It could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// A file that holds a `T`; no file stands for the default `T`.
#[derive(Debug)]
pub struct StateFile<T> {
    path: PathBuf,
    place: Place,
    content: PhantomData<fn() -> T>,
}

/// The boot and the network namespace that a file speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    boot: String,
    namespace: String,
}

#[derive(Deserialize)]
struct Saved<T> {
    #[serde(flatten)]
    place: Place,
    content: T,
}

#[derive(Serialize)]
struct Saving<'a, T> {
    #[serde(flatten)]
    place: &'a Place,
    content: &'a T,
}

impl<T: Serialize + DeserializeOwned + Default + PartialEq> StateFile<T> {
    /// The file at `path`, of this boot and of this thread's network namespace.
    pub fn new(path: PathBuf) -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let namespace = fs::read_link("/proc/thread-self/ns/net").unwrap_or_default();
        let place = Place {
            boot: boot.trim().to_owned(),
            namespace: namespace.display().to_string(),
        };
        Self {
            path,
            place,
            content: PhantomData,
        }
    }

    /// Reads what an earlier run left: the default if it stopped cleanly or
    /// there was none.
    pub fn load(&self) -> Result<T, Error> {
        let path = &self.path;
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
            Err(cause) => {
                let path = path.clone();
                return Err(Error::Read { path, cause });
            }
        };
        let saved: Saved<T> = serde_json::from_slice(&bytes).map_err(|cause| Error::Parse {
            path: path.clone(),
            cause,
        })?;
        if saved.place == self.place {
            Ok(saved.content)
        } else {
            tracing::info!(file = %path.display(), "left by another boot or namespace: not believed");
            Ok(T::default())
        }
    }

    /// Replaces the file; the default content removes it. When this returns the
    /// new content is on disk, and at no moment is there half a file.
    pub fn save(&self, content: &T) -> Result<(), Error> {
        let result = if *content == T::default() {
            match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        } else {
            self.replace(content)
        };
        result.map_err(|cause| Error::Write {
            path: self.path.clone(),
            cause,
        })
    }

    fn replace(&self, content: &T) -> io::Result<()> {
        let place = &self.place;
        let text =
            serde_json::to_vec_pretty(&Saving { place, content }).map_err(io::Error::other)?;
        let new = self.path.with_extension("json.new");
        let mut file = File::create(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dir: &tempfile::TempDir) -> StateFile<Vec<String>> {
        StateFile::new(dir.path().join("state.json"))
    }

    #[test]
    fn what_was_saved_is_there_after_a_crash_and_nothing_is_left_of_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(file(&dir).load().unwrap(), Vec::<String>::new());
        file(&dir)
            .save(&vec!["tcp 10.0.0.9:80".to_owned()])
            .unwrap();
        assert_eq!(file(&dir).load().unwrap(), ["tcp 10.0.0.9:80"]);
        file(&dir).save(&Vec::new()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_of_another_boot_or_namespace_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        file(&dir).save(&vec!["something".to_owned()]).unwrap();
        for change in [
            |place: &mut Place| place.boot = "earlier".to_owned(),
            |place: &mut Place| place.namespace = "net:[1]".to_owned(),
        ] {
            let mut other = file(&dir);
            change(&mut other.place);
            assert_eq!(other.load().unwrap(), Vec::<String>::new());
        }
    }

    #[test]
    fn a_file_that_cannot_be_understood_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("state.json"), "{").unwrap();
        let error = file(&dir).load().unwrap_err();
        assert!(error.to_string().contains("state.json"), "{error}");
    }
}
