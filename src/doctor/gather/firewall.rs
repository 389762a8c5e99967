//! The rules of iptables and nftables, asked of their own programs. A program is
//! run only where its part of the kernel is there already: it would load it else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::doctor::Facts;
use crate::doctor::firewall::{Ruleset, iptables, nftables};
use crate::sys::errno;

/// Where the programs are, whatever `PATH` this was started with.
const DIRECTORIES: [&str; 5] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"];

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// The tables that iptables' own kernel part has; empty where none is in use.
const IPTABLES: &str = "proc/net/ip_tables_names";

pub(super) async fn look(root: &Path, facts: &mut Facts) {
    facts.firewall = rules(root, &mut facts.unseen).await;
}

/// Looks at the counters anew. What cannot be seen was told the first time.
pub(super) async fn look_again(root: &Path, facts: &mut Facts) {
    facts.firewall_later = Some(rules(root, &mut Vec::new()).await);
}

async fn rules(root: &Path, unseen: &mut Vec<String>) -> Ruleset {
    let mut ruleset = Ruleset::default();
    match fs::read_to_string(root.join(IPTABLES)) {
        Ok(tables) if tables.trim().is_empty() => {}
        Ok(_) => {
            let programs = ["iptables-legacy-save", "iptables-save"];
            if let Some(text) = output(&programs, &["-c"], unseen).await {
                ruleset.extend(iptables::parse(&text));
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => unseen.push(format!("the rules of iptables: {}", errno::text(&error))),
    }
    if has_nftables(root)
        && let Some(text) = output(&["nft"], &["-j", "list", "ruleset"], unseen).await
    {
        match nftables::parse(&text) {
            Ok(rules) => ruleset.extend(rules),
            Err(error) => unseen.push(format!(
                "the rules of nftables: nft said something else: {error}"
            )),
        }
    }
    ruleset
}

/// What the first of the programs that is there prints.
async fn output(programs: &[&str], arguments: &[&str], unseen: &mut Vec<String>) -> Option<String> {
    let candidates = programs
        .iter()
        .flat_map(|program| DIRECTORIES.map(|directory| PathBuf::from(directory).join(program)));
    let mut there = candidates.filter(|path| path.exists());
    let Some(program) = there.next() else {
        unseen.push(format!(
            "the packet filter: {} is not installed",
            programs.join(" or ")
        ));
        return None;
    };
    let running = Command::new(&program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let failed = match timeout(PATIENCE, running).await {
        Err(_) => format!("took longer than {PATIENCE:?}"),
        Ok(Err(error)) => errno::text(&error),
        Ok(Ok(output)) if output.status.success() => {
            return Some(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stderr)
            .lines()
            .next()
            .unwrap_or("failed")
            .to_owned(),
    };
    unseen.push(format!(
        "the packet filter: {}: {failed}",
        program.display()
    ));
    None
}

/// Whether nftables are in the kernel. A kernel that lists no modules has
/// everything built in, or nothing.
fn has_nftables(root: &Path) -> bool {
    let Ok(modules) = fs::read_to_string(root.join("proc/modules")) else {
        return DIRECTORIES
            .iter()
            .any(|directory| Path::new(directory).join("nft").exists());
    };
    let loaded = modules.lines().any(|line| line.starts_with("nf_tables "));
    loaded || super::boot::module_list(root, "modules.builtin").contains("/nf_tables.ko")
}
