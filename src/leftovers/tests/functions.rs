//! Functions of boot scripts: whoever takes their work out leaves the script runnable.

use std::process::Command;

use super::*;

const RC: &str = "/etc/rc.local";
const LIBRARY: &str = "add() {\n  ip addr add 192.168.1.200/32 dev lo\n}\ndel() {\n  ip addr del \
                       192.168.1.200/32 dev lo\n}\n";

/// Takes out what is found by the commands that are told, on this copy of a host.
fn take_out(root: &tempfile::TempDir) {
    let files = root.path().display();
    for found in look(root.path()).found {
        let Removal::Command(command) = found.removal else {
            panic!("{found:?}");
        };
        let command = command
            .replace(" /etc/", &format!(" {files}/etc/"))
            .replace(" /opt/", &format!(" {files}/opt/"));
        let done = Command::new("sh").args(["-c", &command]).status().unwrap();
        assert!(done.success(), "{command}");
    }
}

/// Runs `rc.local` to its first failure, on a host where no program is found.
fn boot(root: &tempfile::TempDir, shell: &str) -> String {
    let file = root.path().join("etc/rc.local");
    let output = Command::new(shell)
        .args(["-e"])
        .arg(&file)
        .env("PATH", "/nowhere")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = fs::read_to_string(file).unwrap();
    match output.status.success() {
        true => String::new(),
        false => format!("{text}\n{error}"),
    }
}

#[test]
fn a_function_is_left_as_one_that_does_nothing_since_it_is_called() {
    let add = "ip addr add 192.168.1.200/32 dev lo";
    for (text, is_bash) in [
        (format!("add() {{ {add}; }}\nadd\n"), false),
        (
            format!("add () {{ {add}; }}\nif ! add; then\nexit 3\nfi\n"),
            false,
        ),
        (format!("add()\n{{ {add}; }}\nadd\n"), false),
        (format!("add() {{\n{add}\n}}\nadd\n"), false),
        (
            "add() { ip addr add \\\n192.168.1.200/32 dev lo; }\nadd\n".to_owned(),
            false,
        ),
        (format!("add() ( {add}; )\nadd\n"), false),
        (
            format!("add() {{ {add}; }}; b() {{ echo b; }}\nadd\nb\n"),
            false,
        ),
        (format!("function add {{ {add}; }}\nadd\n"), true),
        (format!("function add() {{ {add}; }}\nadd\n"), true),
        (format!("function add\n{{ {add}; }}\nadd\n"), true),
        (". /opt/lib.sh\nadd\n".to_owned(), false),
        (". /opt/lib.sh\n[ -n x ] && add || del\n".to_owned(), false),
    ] {
        let root = host(&[("etc/rc.local", &text), ("opt/lib.sh", LIBRARY)]);
        let puts = |found: &Leftover| found.place.file == RC && found.does.contains("/opt/lib.sh");
        let found = look(root.path()).found;
        assert!(
            found.iter().any(|it| it.does == PUTS || puts(it)),
            "{text}: {found:?}"
        );
        let shells: &[&str] = if is_bash {
            &["/bin/bash"]
        } else {
            &["/bin/sh", "/bin/bash"]
        };
        assert_ne!(
            boot(&root, shells[0]),
            "",
            "it is run, so no program is found"
        );
        take_out(&root);
        for shell in shells {
            assert_eq!(boot(&root, shell), "", "{shell}: {text}");
        }
        assert_eq!(look(root.path()).found, [], "{text}");
    }
}

#[test]
fn a_function_that_does_more_is_for_an_editor_and_stays_one() {
    let text = "add() { ip addr add 192.168.1.200/32 dev lo; mount -a; }\nadd\n";
    let expected = format!(
        "{RC}:1: {}: {PUTS}: (put `:` in the place of `ip addr add 192.168.1.200/32 dev lo`, and \
         leave the rest)",
        text.lines().next().unwrap()
    );
    assert_eq!(of(&[("etc/rc.local", text)]), [expected]);
}

#[test]
fn a_call_of_a_file_that_goes_goes_with_it() {
    let text = "#!/bin/sh\n. /opt/lib.sh\nadd\n";
    let lines = [
        format!("{RC}:2: . /opt/lib.sh: runs /opt/lib.sh: sed -i '2s/^/: # /' {RC}"),
        format!("{RC}:3: add: runs /opt/lib.sh: sed -i '3s/^/: # /' {RC}"),
        format!("/opt/lib.sh: {PUTS}: {PUTS}: rm /opt/lib.sh"),
    ];
    assert_eq!(
        of(&[("etc/rc.local", text), ("opt/lib.sh", LIBRARY)]),
        lines
    );
}
