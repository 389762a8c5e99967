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
use crate::status::text::chain;
use crate::sys::errno;
use crate::sys::nftables::{Error, Nftables};

/// Where the programs are, whatever `PATH` this was started with; then there.
const DIRECTORIES: [&str; 5] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"];

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// iptables or ip6tables.
struct Iptables {
    /// The tables that its own kernel part has; empty where none is in use.
    tables: &'static str,
    /// What prints them.
    programs: [&'static str; 2],
    /// What reads that.
    parse: fn(&str) -> Ruleset,
}

const IPTABLES: [Iptables; 2] = [
    Iptables {
        tables: "proc/net/ip_tables_names",
        programs: ["iptables-legacy-save", "iptables-save"],
        parse: iptables::parse,
    },
    Iptables {
        tables: "proc/net/ip6_tables_names",
        programs: ["ip6tables-legacy-save", "ip6tables-save"],
        parse: iptables::parse_v6,
    },
];

/// What is not looked at where `nft` is missing.
const NFTABLES: &str = "the rules of nftables";

pub(super) async fn look(root: &Path, facts: &mut Facts) {
    facts.firewall = rules(root, &mut facts.unseen).await;
}

/// Looks at the counters anew. What cannot be seen was told the first time.
pub(super) async fn look_again(root: &Path, facts: &mut Facts) {
    facts.firewall_later = Some(rules(root, &mut Vec::new()).await);
}

async fn rules(root: &Path, unseen: &mut Vec<String>) -> Ruleset {
    let mut ruleset = Ruleset::default();
    for Iptables {
        tables,
        programs,
        parse,
    } in IPTABLES
    {
        match fs::read_to_string(root.join(tables)) {
            Ok(tables) if tables.trim().is_empty() => {}
            Ok(_) => match find(&programs) {
                Some(program) => {
                    let text = output(&program, &["-c"], unseen).await;
                    ruleset.extend(text.as_deref().map(parse).unwrap_or_default());
                }
                None => unseen.push(format!(
                    "the packet filter: {} is not installed",
                    programs.join(" or ")
                )),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => unseen.push(format!("the rules of iptables: {}", errno::text(&error))),
        }
    }
    if may_have_nftables(root) {
        match find(&["nft"]) {
            Some(nft) => ruleset.extend(nftables(&nft, unseen).await),
            None => unseen.extend(hidden(
                Nftables::open().and_then(|mut it| it.foreign_tables()),
            )),
        }
    }
    ruleset
}

async fn nftables(nft: &Path, unseen: &mut Vec<String>) -> Ruleset {
    let Some(text) = output(nft, &["-j", "list", "ruleset"], unseen).await else {
        return Ruleset::default();
    };
    nftables::parse(&text).unwrap_or_else(|error| {
        unseen.push(format!("{NFTABLES}: nft said something else: {error}"));
        Ruleset::default()
    })
}

/// What is not seen for want of `nft`, if there is anything to be seen.
fn hidden(tables: Result<Vec<String>, Error>) -> Option<String> {
    const MISSING: &str = "nft is not installed";
    match tables {
        Ok(tables) if tables.is_empty() => None,
        Ok(tables) => Some(format!(
            "{NFTABLES} (table {}): {MISSING}",
            tables.join(", ")
        )),
        Err(Error::Unknown(_)) => None,
        Err(error) => Some(format!("{NFTABLES}: {MISSING} ({})", chain(&error))),
    }
}

/// The first of the programs that is there.
fn find(programs: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = DIRECTORIES.map(PathBuf::from).into_iter();
    let directories: Vec<_> = usual.chain(std::env::split_paths(&path)).collect();
    let mut candidates = programs
        .iter()
        .flat_map(|program| directories.iter().map(move |it| it.join(program)));
    candidates.find(|path| path.is_absolute() && path.exists())
}

/// What a program prints.
async fn output(program: &Path, arguments: &[&str], unseen: &mut Vec<String>) -> Option<String> {
    let running = Command::new(program)
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

/// Whether asking for nftables loads no module: they are there. A kernel that lists no modules
/// has everything built in, or nothing.
fn may_have_nftables(root: &Path) -> bool {
    let Ok(modules) = fs::read_to_string(root.join("proc/modules")) else {
        return true;
    };
    let loaded = modules.lines().any(|line| line.starts_with("nf_tables "));
    loaded || super::boot::module_list(root, "modules.builtin").contains("/nf_tables.ko")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn rules_that_nobody_can_print_are_told_where_there_are_any() {
        assert_eq!(hidden(Ok(vec![])), None);
        let names = ["filter", "nat"].map(str::to_owned);
        assert_eq!(
            hidden(Ok(names.into())).unwrap(),
            "the rules of nftables (table filter, nat): nft is not installed"
        );
        let none = io::Error::from_raw_os_error(nix::libc::EPROTONOSUPPORT);
        assert_eq!(hidden(Err(Error::Unknown(none))), None);
        let refused = Error::Refused {
            what: "list the tables of nf_tables",
            cause: io::Error::from_raw_os_error(nix::libc::EPERM),
        };
        assert!(
            hidden(Err(refused))
                .unwrap()
                .starts_with("the rules of nftables: nft is not")
        );
    }
}
