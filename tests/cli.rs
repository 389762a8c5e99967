//! The command as an operator meets it: exit codes, and what is said on which stream.
//!
//! Runs on any Linux; what needs IPVS is proved by the lab's scenarios.

#![expect(
    clippy::disallowed_methods,
    reason = "a test program: it waits in real time"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a test program: what goes wrong in a helper fails the test"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const LVSD: &str = env!("CARGO_BIN_EXE_lvsd");

const DIRECTOR: &str = "[http]\nlisten = '127.0.0.1:9481'\n[[virtual_server]]\n\
    address = '192.168.1.200:80'\nreal_servers = ['192.168.1.53']\n";

#[test]
fn a_good_file_is_good_without_root_interface_or_kernel_module() {
    for file in ["config/director.toml", "config/realserver.toml"] {
        let output = as_nobody(&["config", "check", file]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(stdout(&output).contains(": good: "), "{output:?}");
        assert_eq!(stderr(&output), "");
    }
}

#[test]
fn a_bad_file_is_exit_78_with_every_error_its_line_and_the_way_out() {
    let file = "[[vrrp]]\nname = 'VI_1'\ninterface = 'ens192'\nvirtual_router_id = 256\n\
        priority = 300\nvirtual_addresses = ['192.168.1']\n\
        [[virtual_server]]\naddress = '192.168.1.200:80'\nscheduler = 'wrrr'\n\
        real_servers = ['192.168.1.53']\ncheck = { interval = 6 }\n";
    let (_dir, path) = written(file);
    let output = lvsd(&["config", "check", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(stdout(&output), "");
    let said = stderr(&output);
    for error in [
        ":4: vrrp[0].virtual_router_id = 256: ",
        ":5: vrrp[0].priority = 300: ",
        ":6: vrrp[0].virtual_addresses[0] = '192.168.1': ",
        ":9: virtual_server[0].scheduler = 'wrrr': ",
        ":11: virtual_server[0].check.interval = 6: ",
    ] {
        assert!(said.contains(error), "{error} is missing in:\n{said}");
    }
    let mends = said.lines().filter(|line| line.starts_with("    "));
    assert_eq!(mends.count(), 5, "{said}");
}

#[test]
fn a_file_that_cannot_be_read_or_is_not_toml_is_exit_78() {
    let output = lvsd(&["config", "check", "/nonexistent.toml"]);
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(
        stderr(&output),
        "lvsd: cannot read /nonexistent.toml: no such file or directory\n    \
         name the file with --config, or create it\n"
    );
    let (_dir, path) = written("[[vrrp]\nname = \n");
    let output = lvsd(&["director", "--config", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(stderr(&output).contains(":1: not valid TOML"), "{output:?}");
}

#[test]
fn a_file_is_checked_for_this_host_unless_it_is_another_ones() {
    let (_dir, path) = written(
        "[[vrrp]]\nname = 'VI_1'\ninterface = 'eth0'\nvirtual_router_id = 51\n\
         virtual_addresses = ['192.168.1.200']\non_master = ['/nonexistent/notify']\n\
         hook_user = 'nobody-of-that-name'\n",
    );
    let path = path.to_str().unwrap();
    let output = lvsd(&["config", "check", path]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    for told in [
        ":7: vrrp[0].hook_user = 'nobody-of-that-name': there is no such user on this host",
        ":6: vrrp[0].on_master",
        "cannot look at /nonexistent/notify: no such file or directory",
    ] {
        assert!(stderr(&output).contains(told), "{told}: {output:?}");
    }
    let output = lvsd(&["config", "check", "--elsewhere", path]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        stdout(&output).contains("good: a director's file"),
        "{output:?}"
    );
    let output = lvsd(&["config", "show", path]);
    assert_eq!(output.status.code(), Some(0), "it only shows: {output:?}");
}

#[test]
fn what_show_prints_is_the_same_configuration() {
    for file in ["config/director.toml", "config/realserver.toml"] {
        let shown = stdout(&lvsd(&["config", "show", file]));
        let (_dir, path) = written(&shown);
        let again = lvsd(&["config", "show", path.to_str().unwrap()]);
        assert_eq!(again.status.code(), Some(0), "{again:?}");
        assert_eq!(stdout(&again), shown);
    }
}

#[test]
fn a_keepalived_conf_comes_out_as_a_good_file_and_the_rest_on_stderr() {
    let (_dir, path) = written(include_str!("../src/keepalived/tests/mailing.conf"));
    let output = lvsd(&["config", "import", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = stderr(&output);
    assert!(said.contains(":2: notification_email: "), "{said}");
    let (_dir, imported) = written(&stdout(&output));
    let checked = lvsd(&["config", "check", imported.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");

    let (_dir, path) = written("vrrp_instance VI_1 {\n virtual_router_id 300\n}\n");
    let output = lvsd(&["config", "import", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(stdout(&output).contains("virtual_router_id = 300"));
    assert!(stderr(&output).contains("(imported):"), "{output:?}");
    let (_dir, path) = written("vrrp_instance VI_1 {\n");
    let output = lvsd(&["config", "import", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(stderr(&output).contains(":1: { without }"), "{output:?}");
}

#[test]
fn arguments_that_make_no_sense_are_exit_2() {
    for arguments in [
        &[][..],
        &["serve"],
        &["director", "--vip", "192.168.1.200"],
        &["realserver"],
        &["realserver", "--vip"],
        &["config", "check"],
    ] {
        let output = lvsd(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
    let help = lvsd(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(stdout(&help).contains("director"), "{help:?}");
}

#[test]
fn a_vip_that_is_no_address_of_a_host_is_exit_78_and_one_line_that_says_what_to_write() {
    for (given, why) in [
        ("foo", "not an IP address"),
        ("", "not an IP address"),
        ("192.168.1.999", "not an IP address"),
        ("192.168.1", "not an IP address"),
        ("2001:db8::g", "not an IP address"),
        ("192.168.1.200:80", "with a port"),
        ("[2001:db8::200]:80", "with a port"),
        ("[2001:db8::200]", "not an IP address"),
        ("192.168.1.200/24", "a VIP is a single host, not a network"),
        ("192.168.1.200/33", "not an IP address"),
        ("fe80::1%eth0", "not an IP address"),
        ("127.0.0.1", "not the address of a host"),
        ("0.0.0.0", "not the address of a host"),
        ("255.255.255.255", "not the address of a host"),
        ("224.0.0.18", "not the address of a host"),
        ("ff02::12", "not the address of a host"),
        ("fe80::1", "an address of one link only"),
        ("::ffff:192.168.1.200", "write it as IPv4"),
    ] {
        let output = lvsd(&["realserver", "--vip", given]);
        assert_eq!(output.status.code(), Some(78), "{given}: {output:?}");
        let said = stderr(&output);
        assert!(
            said.starts_with(&format!("lvsd: --vip {given}: ")),
            "{said}"
        );
        assert!(said.contains(why), "{given}: {said}");
        assert!(said.contains("such as 192.168.1.200"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let output = lvsd(&["realserver", "--vip=a", "--vip=192.168.1.200", "--vip=b"]);
    let said = stderr(&output);
    let named: Vec<_> = said.lines().map(|line| line.contains("--vip ")).collect();
    assert_eq!(named, [true, true], "each wrong one is named: {said}");
}

#[test]
fn a_value_that_makes_no_sense_is_one_line_that_names_its_argument() {
    for (arguments, named) in [
        (
            &[
                "ipvs",
                "daemon",
                "start",
                "master",
                "--interface",
                "lo",
                "--group",
                "foo",
            ][..],
            "--group",
        ),
        (
            &[
                "ipvs",
                "daemon",
                "start",
                "master",
                "--interface",
                "lo",
                "--port",
                "0",
            ],
            "--port",
        ),
        (&["ipvs", "timeouts", "set", "--tcp", "soon"], "--tcp"),
        (&["server", "drain", "192.168.1.999"], "IP[:PORT]"),
        (
            &["server", "drain", "192.168.1.53", "--timeout", "1"],
            "--timeout",
        ),
        (&["events", "--last=-5"], "--last"),
    ] {
        let output = lvsd(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        let said = stderr(&output);
        assert!(said.starts_with("lvsd: "), "{arguments:?}: {said}");
        assert!(said.contains(named), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn status_says_how_to_start_what_does_not_run() {
    let dir = tempfile::tempdir().unwrap();
    let runtime_dir = dir.path().to_str().unwrap();
    for arguments in [
        &["--runtime-dir", runtime_dir, "status"][..],
        &["status", "--json", "--runtime-dir", runtime_dir],
    ] {
        let output = lvsd(arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(stdout(&output), "");
        let said = stderr(&output);
        assert!(
            said.contains("is it running? `systemctl status lvsd-director"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 2, "{said}");
    }
}

/// Where the kernel has IPVS after all, it starts instead, and stops when asked to.
#[test]
fn without_ipvs_a_director_says_which_module_to_load() {
    let (dir, path) = written(DIRECTOR);
    let mut director = in_a_network_of_its_own(&path, dir.path());
    let director = director
        .spawn()
        .expect("util-linux's unshare is on every Debian");
    if has_ipvs() {
        let socket = dir.path().join("director.sock");
        let begun = Instant::now();
        while !socket.exists() {
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "it does not start"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        kill(Pid::from_raw(director.id().cast_signed()), Signal::SIGTERM).unwrap();
        let output = director.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        // Past the capture of the test harness: somebody should know.
        let note = "this kernel has IPVS: what is said without it could not be tested\n";
        std::io::stderr().write_all(note.as_bytes()).unwrap();
        return;
    }
    let output = director.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = stderr(&output);
    let last: Vec<_> = said.lines().rev().take(2).collect();
    assert_eq!(
        last,
        [
            "    load the kernel module first: modprobe ip_vs",
            "lvsd: cannot open IPVS: generic netlink family \"IPVS\": no such file or directory",
        ]
    );
    assert!(
        !dir.path().join("director.sock").exists(),
        "nothing is left"
    );
}

/// A director that needs only the privileges of a network namespace.
fn in_a_network_of_its_own(config: &Path, runtime_dir: &Path) -> Command {
    let mut command = Command::new("unshare");
    if !nix::unistd::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command
        .args(["--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "-"])
        .args([LVSD, "director", "--config"])
        .arg(config)
        .arg("--runtime-dir")
        .arg(runtime_dir)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    command
}

/// Whether the kernel has IPVS, or would load it when asked.
fn has_ipvs() -> bool {
    let known = Command::new("modprobe")
        .args(["-n", "-q", "ip_vs"])
        .status();
    Path::new("/proc/net/ip_vs").exists() || known.is_ok_and(|status| status.success())
}

fn lvsd(arguments: &[&str]) -> Output {
    Command::new(LVSD).args(arguments).output().unwrap()
}

/// As the user nobody, if this user may become it; else as this user, who has no more rights.
fn as_nobody(arguments: &[&str]) -> Output {
    if !nix::unistd::geteuid().is_root() {
        return lvsd(arguments);
    }
    // Where nobody can reach it: the build directory may be root's alone.
    let dir = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open).unwrap();
    let program = dir.path().join("lvsd");
    // By a process of its own: a file that this one writes is busy for as long as a
    // neighbouring test forks.
    let copied = Command::new("cp").arg(LVSD).arg(&program).status();
    assert!(copied.unwrap().success());
    let arguments = arguments.iter().map(|argument| {
        let copy = dir.path().join("file.toml");
        if std::fs::copy(argument, &copy).is_ok() {
            copy.to_str().unwrap().to_owned()
        } else {
            (*argument).to_owned()
        }
    });
    Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(program)
        .args(arguments)
        .output()
        .unwrap()
}

fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lvsd.toml");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
