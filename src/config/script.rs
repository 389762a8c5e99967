//! Programs of the administrator as written: a path, its arguments, a user.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::unistd::{User, geteuid};

use super::document::Document;
use super::raw::Field;
use crate::sys::errno;

const MEND: &str = "write the program's absolute path and its arguments, as in \
                    [\"/usr/local/bin/notify\", \"up\"]";

/// The program and its arguments. On the host that is to run it, it is looked
/// at: it must be there, executable by `user`, and nobody else's to change.
pub(super) fn argv(
    document: &mut Document<'_>,
    field: &Field<Vec<String>>,
    user: Option<&str>,
) -> Option<Vec<String>> {
    let field = field.as_ref()?;
    let argv = field.get_ref();
    let legal = match argv.first() {
        None => Err("names no program"),
        Some(program) if !program.starts_with('/') => Err("the program has no absolute path"),
        Some(_) if argv.iter().any(|word| word.contains('\0')) => Err("holds a NUL"),
        Some(_) => Ok(argv.clone()),
    };
    let argv = document.accept(&field.span(), legal, MEND)?;
    if document.looks_at_host()
        && let Err((message, mend)) = trust(Path::new(&argv[0]), user)
    {
        document.refuse(&field.span(), message, mend);
        return None;
    }
    Some(argv)
}

/// Who runs programs; none: whoever runs lvsd.
pub(super) fn user(document: &mut Document<'_>, field: &Field<String>) -> Option<String> {
    let field = field.as_ref()?;
    let name = field.get_ref();
    let mend = "name a user of this host, as `getent passwd` lists them";
    if name.is_empty() || name.contains('\0') {
        document.refuse(&field.span(), "not a user name", mend);
        return None;
    }
    if document.looks_at_host() && !matches!(User::from_name(name), Ok(Some(_))) {
        document.refuse(&field.span(), "there is no such user on this host", mend);
        return None;
    }
    Some(name.clone())
}

/// Refuses a program that cannot be run, or that another than root or `user`
/// could put something else in the place of.
fn trust(program: &Path, user: Option<&str>) -> Result<(), (String, String)> {
    let shown = program.display();
    let refusal = |message: String, mend: &str| Err((message, mend.to_owned()));
    let (file, real) = match (fs::metadata(program), fs::canonicalize(program)) {
        (Ok(file), Ok(real)) => (file, real),
        (Err(error), _) | (_, Err(error)) => {
            let message = format!("cannot look at {shown}: {}", errno::text(&error));
            return refusal(message, "put it there");
        }
    };
    let user = user.and_then(|name| User::from_name(name).ok().flatten());
    let (uid, gid) = user.map_or((geteuid().as_raw(), None), |user| {
        (user.uid.as_raw(), Some(user.gid.as_raw()))
    });
    if !file.is_file() {
        return refusal(format!("{shown} is not a file"), MEND);
    }
    if !may_execute(&file, uid, gid) {
        let mend = format!("chmod a+x {shown}");
        return refusal(format!("{shown} is not executable for who runs it"), &mend);
    }
    let places = program.ancestors().chain(real.ancestors());
    for place in places {
        let Ok(metadata) = fs::metadata(place) else {
            continue;
        };
        if is_of_others(&metadata, uid) {
            let place = place.display();
            let mend = format!("chown root {place} && chmod go-w {place}");
            return refusal(format!("others than root may change {place}"), &mend);
        }
    }
    Ok(())
}

fn may_execute(file: &Metadata, uid: u32, gid: Option<u32>) -> bool {
    let mode = file.permissions().mode();
    if uid == 0 {
        mode & 0o111 != 0
    } else if uid == file.uid() {
        mode & 0o100 != 0
    } else if gid == Some(file.gid()) {
        mode & 0o010 != 0
    } else {
        mode & 0o001 != 0
    }
}

/// In a directory with the sticky bit, others may add but not replace.
fn is_of_others(metadata: &Metadata, uid: u32) -> bool {
    let mode = metadata.permissions().mode();
    let owners = [0, uid, geteuid().as_raw()];
    let sticky = metadata.is_dir() && mode & 0o1000 != 0;
    let by_group = mode & 0o020 != 0 && metadata.gid() != 0;
    let by_all = mode & 0o002 != 0;
    !owners.contains(&metadata.uid()) || ((by_group || by_all) && !sticky)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &Path) -> String {
        trust(path, None).map_or_else(|(message, _)| message, |()| "good".to_owned())
    }

    #[test]
    fn a_program_must_be_there_executable_and_nobody_elses_to_change() {
        assert_eq!(told(Path::new("/bin/sh")), "good");
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("script");
        assert!(told(&script).starts_with("cannot look at "));
        fs::write(&script, "#!/bin/sh\n").unwrap();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(&script, 0o644);
        assert!(told(&script).ends_with("is not executable for who runs it"));
        mode(&script, 0o755);
        assert_eq!(told(&script), "good");
        mode(&script, 0o757);
        let refused = format!("others than root may change {}", script.display());
        assert_eq!(told(&script), refused);
        mode(&script, 0o755);
        mode(dir.path(), 0o777);
        let refused = format!("others than root may change {}", dir.path().display());
        assert_eq!(told(&script), refused);
        mode(dir.path(), 0o1777);
        assert_eq!(told(&script), "good", "sticky");
        assert_eq!(
            told(dir.path()),
            format!("{} is not a file", dir.path().display())
        );
    }
}
