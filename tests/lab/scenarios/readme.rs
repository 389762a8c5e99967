//! Every command of the README and the documents is run: by a block's own words where it says
//! on which machine (`sh director`, `sh realserver`), else checked to be one that exists.

use std::fs;
use std::path::Path;

use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, Site, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(every_command_of_the_documents_is_one_that_a_scenario_runs).on_any_linux(),
    scenario!(the_readmes_commands_for_a_director_work).under_systemd(&[]),
    scenario!(the_readmes_commands_for_a_real_server_work).under_systemd(&[]),
];

/// The machines that commands are for, with the file that each one has.
const ROLES: [(&str, &str); 2] = [
    ("director", "/etc/lvsd/director.toml"),
    ("realserver", "/etc/lvsd/realserver.toml"),
];

/// First words that make a text in backticks a command.
const PROGRAMS: [&str; 9] = [
    "lvsd",
    "make",
    "cargo",
    "sudo",
    "systemctl",
    "journalctl",
    "curl",
    "ipvsadm",
    "ip",
];

/// The table whose right column is commands, of which a role's machine runs its own.
const STEPS: &str = "| today | with lvsd |";

/// The table whose right column is keys of a director's file.
const KEYS: &str = "| keepalived | lvsd |";

fn every_command_of_the_documents_is_one_that_a_scenario_runs(lab: &Lab) {
    let host = lab.lan().host("reader", "10.0.0.1/24");
    let mut seen = 0;
    for document in documents() {
        for block in &document.blocks {
            check_block(&host, &document.name, block);
            seen += 1;
        }
        for command in document.commands_in_prose() {
            exists(&host, &document.name, &command);
            seen += 1;
        }
    }
    lab.say(&format!("{seen} blocks and commands"));
    assert!(seen > 20, "the documents were read");
    let keys = readme().table(KEYS);
    assert!(keys.len() > 8, "{keys:?}");
    for key in keys.iter().filter(|text| text.contains(" = ")) {
        accepts(&host, key);
    }
}

fn the_readmes_commands_for_a_director_work(lab: &Lab) {
    let lan = lab.lan();
    for real_server in Site::real_servers(&lan) {
        real_server.agent();
    }
    let client = lan.host_with_nic("client", "ens192", "192.168.1.10/24");
    let director = lan.this_machine("ens192", "192.168.1.51/24");
    follow(lab, &director, "director", || {
        eventually("the smallest file serves clients", within(secs(20)), || {
            client.get(&Site::url()).is_ok()
        });
        assert!(director.has_address(VIP), "the VIP is here");
    });
}

fn the_readmes_commands_for_a_real_server_work(lab: &Lab) {
    let real_server = lab.lan().this_machine("ens192", "192.168.1.53/24");
    real_server.nginx("I am 53\n");
    follow(lab, &real_server, "realserver", || {
        let lo = real_server.addresses("lo");
        assert!(lo.contains(&format!("{VIP}/32")), "{lo:?}");
    });
    assert!(
        !real_server.has_address(VIP),
        "the table's last step stopped the agent"
    );
}

/// Does what the README says on a machine of that role: its file, its blocks line by line, then
/// the commands of its table. `serves` is asked when the blocks are done.
fn follow(lab: &Lab, machine: &Host, role: &str, serves: impl Fn()) {
    eventually("the boot is complete", within(secs(30)), || {
        machine.run("systemctl is-system-running").stdout == "running\n"
    });
    let documents = documents();
    let file = ROLES.iter().find(|(known, _)| *known == role).unwrap().1;
    let smallest = documents
        .iter()
        .flat_map(|document| &document.blocks)
        .find(|block| block.info == format!("toml {role}"));
    machine.write(file, &smallest.expect("the smallest file").text());
    let mut commands = 0;
    let blocks = documents.iter().flat_map(|document| &document.blocks);
    for block in blocks.filter(|block| block.info == format!("sh {role}")) {
        for line in &block.lines {
            run(lab, machine, line);
            commands += 1;
        }
    }
    assert!(commands > 3, "the README has commands for a {role}");
    serves();
    let steps = readme().table(STEPS);
    for command in steps.iter().filter(|step| is_command(step)) {
        if role_of(command) == role {
            run(lab, machine, &command.replace("FILE", file));
        }
    }
}

/// Runs a command, which must succeed.
fn run(lab: &Lab, machine: &Host, command: &str) {
    let output = machine.run(command);
    assert!(output.status.success(), "{output}");
    lab.say(&format!("# {command}\n{}", output.stdout.trim_end()));
}

/// The role whose machine runs a command of the table.
fn role_of(command: &str) -> &'static str {
    if command.contains("realserver") {
        "realserver"
    } else {
        "director"
    }
}

/// A block says what it is, and what it says is run by a scenario.
fn check_block(host: &Host, document: &str, block: &Block) {
    match block.info.as_str() {
        "sh director" | "sh realserver" => {}
        "toml director" | "toml realserver" => {
            let path = "/tmp/block.toml";
            host.write(path, &block.text());
            host.run(&format!("lvsd config check {path}")).ok();
        }
        // Commands of a checkout, if it is indented; it may not look like commands else.
        "" => {
            for line in &block.lines {
                let command = line.split('#').next().unwrap_or_default().trim();
                if is_command(command) && !block.fenced {
                    exists(host, document, command);
                } else {
                    assert!(
                        !is_command(command),
                        "{document}: `{command}`: say where it runs: ```sh director, or sh realserver"
                    );
                }
            }
        }
        // Some keys of a director's file.
        "toml" => accepts(host, &block.text()),
        // `text` is a drawing or an output.
        "text" | "rust" | "json" => {}
        other => panic!("{document}: a block of `{other}` is not run by any scenario"),
    }
}

/// A command of a checkout is a target of make or a word of cargo; one of lvsd parses; any other
/// is run where a block or the table of steps has it.
fn exists(host: &Host, document: &str, command: &str) {
    let tree = env!("CARGO_MANIFEST_DIR");
    let bare = command.strip_prefix("$ ").unwrap_or(command);
    let bare = bare.strip_prefix("sudo ").unwrap_or(bare);
    let words: Vec<_> = bare
        .split_whitespace()
        .skip_while(|word| word.contains('='))
        .collect();
    let run = |command: &str| {
        let output = host.run(command);
        assert!(output.status.success(), "{document}: `{bare}`: {output}");
    };
    match words.as_slice() {
        ["make", rest @ ..] => run(&format!(
            "make -C {tree} -n LVSD=/bin/true {}",
            rest.join(" ").replace('…', "x")
        )),
        ["cargo", word, ..] => assert!(
            ["build", "test", "fmt", "clippy", "doc", "run"].contains(word),
            "{document}: `{bare}`: not a command of cargo's"
        ),
        ["lvsd", ..] => run(&format!("{} --help", bare.replace('…', ""))),
        _ => assert!(
            is_run_somewhere(bare),
            "{document}: `{bare}` is run by no scenario: put it into a block ```sh director or \
             sh realserver, or into the table of steps"
        ),
    }
}

/// Whether a block or the table of steps, which the scenarios of the roles run, has it.
fn is_run_somewhere(command: &str) -> bool {
    let in_block = documents().iter().any(|document| {
        let run = |block: &&Block| block.info.starts_with("sh ");
        let mut lines = document
            .blocks
            .iter()
            .filter(run)
            .flat_map(|block| &block.lines);
        lines.any(|line| line.contains(command))
    });
    in_block || readme().table(STEPS).iter().any(|step| step == command)
}

/// A director's file takes this key, or these, in one of its tables; files and programs that
/// they name are of another host.
fn accepts(host: &Host, key: &str) {
    // The one key that has a condition, and the condition itself.
    let vrrp_key = if key.starts_with("auth_pass") {
        format!("version = 2\n{key}")
    } else {
        key.to_owned()
    };
    let file = |top: &str, vrrp: &str, server: &str| {
        let name = if vrrp.contains("name =") {
            ""
        } else {
            "name = 'VI_1'\n"
        };
        format!(
            "{top}\n[[vrrp]]\n{name}interface = 'ens192'\nvirtual_router_id = 51\n\
             virtual_addresses = ['{VIP}']\n{vrrp}\n\
             [[virtual_server]]\naddress = '{VIP}:80'\nreal_servers = ['192.168.1.53']\n{server}\n"
        )
    };
    let files = [
        file("", &vrrp_key, ""),
        file("", "", key),
        file(key, "", ""),
    ];
    let tried = files.map(|text| {
        host.write("/tmp/key.toml", &text);
        host.run("lvsd config check --elsewhere /tmp/key.toml")
    });
    assert!(
        tried.iter().any(|output| output.status.success()),
        "{key}: in no table of a director's file:\n{}\n{}\n{}",
        tried[0],
        tried[1],
        tried[2]
    );
}

fn is_command(text: &str) -> bool {
    let bare = text.strip_prefix("$ ").unwrap_or(text);
    let mut words = bare.split_whitespace().skip_while(|word| {
        word.split_once('=')
            .is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    });
    let program = words.next().is_some_and(|word| PROGRAMS.contains(&word));
    // `ip` or `lvsd` alone is a name.
    program && words.next().is_some()
}

/// A document in Markdown.
struct Document {
    name: String,
    blocks: Vec<Block>,
    prose: Vec<String>,
}

/// A block of code.
struct Block {
    info: String,
    fenced: bool,
    lines: Vec<String>,
}

impl Block {
    fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// README.md, CONTRIBUTING.md and docs/*.md as they are in the tree.
fn documents() -> Vec<Document> {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![tree.join("README.md"), tree.join("CONTRIBUTING.md")];
    let docs = fs::read_dir(tree.join("docs"))
        .into_iter()
        .flatten()
        .flatten();
    let docs = docs.map(|entry| entry.path());
    files.extend(docs.filter(|path| path.extension().is_some_and(|end| end == "md")));
    files.iter().map(|path| Document::read(path)).collect()
}

fn readme() -> Document {
    documents().swap_remove(0)
}

impl Document {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let mut document = Self {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            blocks: Vec::new(),
            prose: Vec::new(),
        };
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if let Some(info) = line.strip_prefix("```") {
                let inside = lines.by_ref().take_while(|line| !line.starts_with("```"));
                let lines = inside.map(str::to_owned).collect();
                document.blocks.push(Block {
                    info: info.trim().to_owned(),
                    fenced: true,
                    lines,
                });
            } else if line.starts_with("    ") {
                document.blocks.push(Block {
                    info: String::new(),
                    fenced: false,
                    lines: vec![line.trim().to_owned()],
                });
            } else {
                document.prose.push(line.to_owned());
            }
        }
        document
    }

    /// The commands in backticks that are about lvsd or this tree. (Other programs are talked
    /// about: what somebody may do, and in the left columns of tables what is done today.)
    fn commands_in_prose(&self) -> Vec<String> {
        let texts = self
            .prose
            .iter()
            .flat_map(|line| backticked(right_column(line)));
        let ours = |text: &String| {
            let tools = ["make", "cargo", "sudo"];
            text.contains("lvsd") || tools.iter().any(|tool| text.starts_with(tool))
        };
        texts
            .filter(|text| is_command(text) && ours(text))
            .collect()
    }

    /// What is in backticks in the right column of the table with this head.
    fn table(&self, head: &str) -> Vec<String> {
        let rows = self.prose.iter().skip_while(|line| *line != head).skip(2);
        let rows = rows.take_while(|line| line.starts_with('|'));
        rows.flat_map(|row| backticked(right_column(row))).collect()
    }
}

/// The last column of a table's row; all of any other line.
fn right_column(line: &str) -> &str {
    if !line.starts_with('|') {
        return line;
    }
    let row = line.trim_end().trim_end_matches('|');
    row.rsplit_once(" | ").map_or(row, |(_, right)| right)
}

fn backticked(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}
