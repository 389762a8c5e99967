//! The token that an agent wants, from its file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::sys::errno;

/// A token has at most 256 characters; the rest may be space.
const MAX_FILE: u64 = 4096;
/// Whoever is neither the owner nor in the group must not read it, and nobody
/// but the owner write it.
const FORBIDDEN: u32 = 0o027;

/// Reads it, or says why that is not possible.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let fault = |why: &str| format!("cannot use the token in {}: {why}", path.display());
    let broken = |error: io::Error| fault(&errno::text(&error));
    let file = File::open(path).map_err(broken)?;
    let found = file.metadata().map_err(broken)?;
    if !found.is_file() {
        return Err(fault("it is not a file"));
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & FORBIDDEN != 0 {
        return Err(fault(&format!(
            "its mode {mode:04o} lets others read or write it: chmod 600"
        )));
    }
    let mut text = String::new();
    let read = file.take(MAX_FILE).read_to_string(&mut text);
    read.map_err(|_| fault("it is not text"))?;
    let token = text.trim();
    // RFC 6750 §2.1, b64token.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || !token.bytes().all(plain) {
        return Err(fault("it does not hold one token and nothing else"));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    #[test]
    fn a_token_is_read_from_a_file_that_others_cannot_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let read_with = |mode, text: &[u8]| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            read(&path)
        };
        for mode in [0o600, 0o400, 0o640] {
            assert_eq!(
                read_with(mode, b" 3f5c1a9e7d20\n"),
                Ok("3f5c1a9e7d20".to_owned())
            );
        }
        for mode in [0o644, 0o604, 0o660, 0o602] {
            let told = read_with(mode, b"3f5c1a9e7d20").unwrap_err();
            assert!(
                told.ends_with("lets others read or write it: chmod 600"),
                "{told}"
            );
        }
        for garbage in ["".as_bytes(), b"two words", b"a\r\nX-Evil: 1", b"\xff"] {
            let told = read_with(0o600, garbage).unwrap_err();
            assert!(told.starts_with("cannot use the token in "), "{told}");
            assert!(!told.contains("Evil"), "{told}");
        }
        assert!(read(dir.path()).unwrap_err().ends_with("it is not a file"));
        let told = read(&dir.path().join("none")).unwrap_err();
        assert!(told.ends_with("no such file or directory"), "{told}");
    }
}
