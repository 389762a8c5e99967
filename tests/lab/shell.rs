//! A person in the lab: `make shell`.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use super::boot;
use super::inside;
use super::machine::{Kernel, Purpose, Tree};
use super::scenario::Lab;
use super::site::Site;

const BANNER: &str = "
  Hosts: lvs51 lvs52 (directors), rs53 rs54 rs55 (nginx), client. The VIP is 192.168.1.200.
  on rs53 ip a              runs a command in a host;  on lvs51  opens a shell there
  on client curl -s 192.168.1.200
  unplug rs53, plug rs53    pulls a host's cable, puts it back
  lvsd, keepalived, ipvsadm, tcpdump and nginx are there; nothing you do reaches the machine.
  exit                      ends it
";

/// Boots the site and hands it over.
pub(crate) fn main() -> ExitCode {
    let kernel = Kernel::chosen();
    if let Err(why) = boot::ready(kernel) {
        println!("{why}");
        return ExitCode::FAILURE;
    }
    let out = boot::shared_directory(kernel);
    let purpose = Purpose {
        mode: "inside-shell",
        out: &out,
        live: true,
        interactive: true,
    };
    let ended = kernel.command(&purpose).status();
    let _ = fs::remove_dir_all(&out);
    // User-mode Linux leaves the terminal as the guest had it.
    let _ = Command::new("stty").arg("sane").status();
    if ended.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Builds the site and opens a shell beside it.
pub(crate) fn inside() -> ExitCode {
    let lab = Lab::open("/run/lab/shell".as_ref(), inside::live());
    let site = Site::build(&lab);
    site.configure_real_servers_by_hand();
    leave_for_scripts(&lab);
    println!("{BANNER}");
    let path = format!("{}:{}", Tree::guest().join("bin").display(), Tree::path());
    let shell = Command::new("setsid")
        .args(["--ctty", "--wait", "bash", "--norc", "-i"])
        .env("PATH", path)
        .env("PS1", "lab# ")
        .current_dir("/")
        .stdin(Stdio::inherit())
        .status();
    lab.close();
    if shell.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Leaves what `guest/bin` needs: each host's first process and switch port.
fn leave_for_scripts(lab: &Lab) {
    let run = Path::new("/run/lab");
    fs::create_dir_all(run.join("hosts")).unwrap();
    fs::create_dir_all(run.join("ports")).unwrap();
    for host in lab.hosts() {
        fs::write(
            run.join("hosts").join(host.name()),
            host.room().pid().to_string(),
        )
        .unwrap();
        for cable in host.cables() {
            fs::write(run.join("ports").join(host.name()), &cable.port).unwrap();
            let _ = std::os::unix::fs::symlink(cable.switch.path(), run.join("switch"));
        }
    }
}
