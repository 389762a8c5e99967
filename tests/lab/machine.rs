//! The kernels a lab can run on, and how each is started.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where things are. All paths are the same on the machine and inside.
pub(crate) struct Tree;

impl Tree {
    /// What `make deps` fetched: `LVSD_LAB_DIR`, or `target/lab`.
    pub(crate) fn lab() -> PathBuf {
        let given = std::env::var_os("LAB_DIR").or_else(|| std::env::var_os("LVSD_LAB_DIR"));
        given.map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/lab"),
            PathBuf::from,
        )
    }

    /// The scripts that run inside.
    pub(crate) fn guest() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/guest")
    }

    /// The search path inside hosts, with the program under test first.
    pub(crate) fn path() -> String {
        let lvsd = Path::new(env!("CARGO_BIN_EXE_lvsd"))
            .parent()
            .expect("a file in a directory");
        format!(
            "{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            lvsd.display()
        )
    }
}

/// The kernel that scenarios run on: `LVSD_LAB=uml`, `stock` or `native`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// User-mode Linux: programs run at native speed, system calls are dear, one processor.
    Uml,
    /// Debian's own kernel under qemu: everything is about ten times slower, two processors.
    Stock,
    /// The machine's own, in namespaces. Needs root, and `ip_vs` for most scenarios.
    Native,
}

/// What a boot is for.
#[derive(Debug, Clone)]
pub(crate) struct Purpose<'a> {
    /// The mode this program is started in, without its dashes.
    pub(crate) mode: &'a str,
    /// The directory shared with the machine for writing.
    pub(crate) out: &'a Path,
    /// Whether narration is printed at once.
    pub(crate) live: bool,
    /// Whether a person sits at the console.
    pub(crate) interactive: bool,
}

impl Kernel {
    /// The kernel that `LVSD_LAB` names; user-mode Linux when it is not set.
    pub(crate) fn chosen() -> Self {
        match std::env::var("LVSD_LAB").as_deref() {
            Err(_) | Ok("" | "uml") => Self::Uml,
            Ok("stock") => Self::Stock,
            Ok("native") => Self::Native,
            Ok(other) => panic!("LVSD_LAB={other}: use uml, stock or native"),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Uml => "uml",
            Self::Stock => "stock",
            Self::Native => "native",
        }
    }

    /// Whether its kernel has IPVS.
    pub(crate) fn has_ipvs(self) -> bool {
        self != Self::Native
            || Path::new("/proc/net/ip_vs").exists()
            || Command::new("modprobe")
                .arg("ip_vs")
                .output()
                .is_ok_and(|out| out.status.success())
    }

    /// Whether its kernel has nf_tables for IPv4 and IPv6 together.
    pub(crate) fn has_nftables(self) -> bool {
        match self {
            Self::Uml => false,
            Self::Stock => true,
            Self::Native => lvsd::sys::nftables::Nftables::check().is_ok(),
        }
    }

    /// The command that boots it.
    pub(crate) fn command(self, purpose: &Purpose<'_>) -> Command {
        let mut command = match self {
            Self::Uml => uml(purpose),
            Self::Stock => stock(purpose),
            Self::Native => native(purpose),
        };
        command.envs(words(self, purpose));
        command
    }
}

/// What the guest's scripts are told, as words of a kernel's command line or as environment.
fn words(kernel: Kernel, purpose: &Purpose<'_>) -> Vec<(&'static str, String)> {
    let exe = std::env::current_exe().expect("the path of this program");
    let mut words = vec![
        ("LAB_KERNEL", kernel.name().to_owned()),
        ("LAB_MODE", purpose.mode.to_owned()),
        ("LAB_DIR", Tree::lab().display().to_string()),
        ("LAB_GUEST", Tree::guest().display().to_string()),
        ("LAB_OUT", purpose.out.display().to_string()),
        ("LAB_EXE", exe.display().to_string()),
    ];
    if purpose.live {
        words.push(("LAB_LIVE", "1".to_owned()));
    }
    for name in [
        "LVSD_BENCH_ROUNDS",
        "LVSD_BENCH_SEED",
        "LVSD_SOAK",
        "LVSD_BENCH_SIZE",
        "LVSD_LAB_JOBS",
        "LVSD_LAB_PATIENCE",
        "LVSD_LAB_CONNECTIONS",
        "RUST_BACKTRACE",
    ] {
        if let Ok(value) = std::env::var(name) {
            words.push((name, value));
        }
    }
    words
}

fn command_line(kernel: Kernel, purpose: &Purpose<'_>) -> Vec<String> {
    words(kernel, purpose)
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

/// Starts a kernel and, told to stop, kills it with all its children. User-mode Linux moves
/// into a process group of its own, and its children outlive it.
const GUARD: &str = r#"trap "kill -KILL -\$!; kill -KILL 0" TERM; "$@" & wait $!"#;

/// A command that ends when it is sent SIGTERM, or when this process ends. At the console of a
/// person, who ends it from inside, it stays in their process group.
fn bound(purpose: &Purpose<'_>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]);
    if !purpose.interactive {
        command.args(["sh", "-c", GUARD, "sh"]);
    }
    command
}

fn uml(purpose: &Purpose<'_>) -> Command {
    let mut command = bound(purpose);
    let console = if purpose.interactive {
        "con0=fd:0,fd:1"
    } else {
        "con0=null,fd:1"
    };
    command
        .arg(Tree::lab().join("root/usr/bin/linux.uml"))
        .args([
            "mem=1024M",
            "root=/dev/root",
            "rootfstype=hostfs",
            "rootflags=/",
            "ro",
            "quiet",
        ])
        .args(["con=null", console, "con1=null"])
        .arg(format!("uml_dir={}", purpose.out.display()))
        .arg(format!("init={}", Tree::guest().join("first.sh").display()))
        .args(command_line(Kernel::Uml, purpose));
    command
}

fn stock(purpose: &Purpose<'_>) -> Command {
    let lab = Tree::lab();
    let libraries = lab.join("root/usr/lib/x86_64-linux-gnu");
    // That /dev/kvm exists does not prove that it works: it is asked for, not guessed.
    let kvm = std::env::var("LVSD_LAB_KVM").is_ok_and(|value| value == "1");
    let accelerator = if kvm { "kvm" } else { "tcg,thread=multi" };
    let share = |tag: &str, path: &Path, how: &str| {
        let path = path.display();
        format!("local,path={path},mount_tag={tag},security_model=none,multidevs=remap{how}")
    };
    let append = ["console=ttyS0", "quiet", "mitigations=off", "panic=-1"].map(str::to_owned);
    let append = [&append[..], &command_line(Kernel::Stock, purpose)]
        .concat()
        .join(" ");
    let mut command = bound(purpose);
    command
        .env("QEMU_MODULE_DIR", libraries.join("qemu"))
        // With the very libraries it was fetched with, whatever this machine has.
        .arg(lab.join("root/lib64/ld-linux-x86-64.so.2"))
        .arg("--library-path")
        .arg(&libraries)
        .arg(lab.join("root/usr/bin/qemu-system-x86_64"))
        .arg("-L")
        .arg(lab.join("root/usr/share/qemu"))
        .arg("-L")
        .arg(lab.join("root/usr/share/seabios"))
        .args([
            "-accel",
            accelerator,
            "-cpu",
            "max",
            "-smp",
            "2",
            "-m",
            "2048",
        ])
        .arg("-kernel")
        .arg(lab.join("vmlinuz"))
        .arg("-initrd")
        .arg(lab.join("initramfs.gz"))
        .args(["-virtfs", &share("host", Path::new("/"), ",readonly=on")])
        .args([
            "-virtfs",
            &share("extra", &lab.join("root"), ",readonly=on"),
        ])
        .args(["-virtfs", &share("out", purpose.out, "")])
        .args([
            "-nic",
            "none",
            "-nographic",
            "-no-reboot",
            "-append",
            &append,
        ]);
    command
}

fn native(purpose: &Purpose<'_>) -> Command {
    let mut command = bound(purpose);
    command
        .args([
            "unshare", "--mount", "--net", "--ipc", "--uts", "--pid", "--fork",
        ])
        .args(["--kill-child", "--mount-proc", "sh"])
        .arg(Tree::guest().join("native.sh"));
    command
}
