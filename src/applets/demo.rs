//! Shows the program on a sample tree that it makes itself: needs no network, toolkit or compiler.

use super::Outcome;
use anyhow::Context;
use elf_edit::{Class, Minimal, Platform};
use object::{Endianness, elf};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Make a sample tree and show inspect, the plan, fixup, and inspect again
///
/// The tree is a small CUDA program as a vendor ships it, in a temporary directory: its RUNPATH
/// names directories of the vendor's build machine and CUDA's stubs. Every command that runs is
/// printed, so that it can be tried on a tree of your own.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Make the tree there and leave it, rather than in a temporary directory
    #[arg(long, value_name = "DIR")]
    keep: Option<std::path::PathBuf>,
}

/// What is run, and what it shows.
const STEPS: [(&str, &[&str]); 5] = [
    (
        "What the loader would find: the CUDA runtime is in the tree, but in no RUNPATH,\n\
         and the driver would be looked for in the stubs.",
        &["inspect", "app"],
    ),
    (
        "What fixup would do about it, with the reason of each entry.",
        &["fixup", "app", "--shrink", "--dry-run"],
    ),
    (
        "The same, done: a few bytes in each file.",
        &["fixup", "app", "--shrink", "-v"],
    ),
    (
        "A second run finds nothing to do.",
        &["fixup", "app", "--shrink"],
    ),
    (
        "What the loader finds now. The driver's own libraries are where a driver is installed.",
        &["inspect", "app"],
    ),
];

/// Makes the tree and runs the steps.
pub fn run(args: Args) -> anyhow::Result<Outcome> {
    let temporary;
    let root = match &args.keep {
        Some(dir) => dir.as_path(),
        None => {
            temporary = tempfile::tempdir().context("cannot make a temporary directory")?;
            temporary.path()
        }
    };
    make(root).with_context(|| format!("{}: cannot make the tree", root.display()))?;
    let binary = std::env::current_exe().context("cannot tell where this binary is")?;
    for (what, words) in STEPS {
        {
            let mut out = io::stdout().lock();
            writeln!(out, "# {}", what.replace('\n', "\n# "))?;
            writeln!(out, "$ cuda-fixup {}", words.join(" "))?;
            out.flush()?;
        }
        Command::new(&binary)
            .args(words)
            .current_dir(root)
            .status()
            .with_context(|| format!("{}: cannot be run", binary.display()))?;
        writeln!(io::stdout())?;
    }
    Ok(Outcome::Fine)
}

fn make(root: &Path) -> io::Result<()> {
    let (machine, interpreter) = if cfg!(target_arch = "aarch64") {
        (elf::EM_AARCH64, "/lib/ld-linux-aarch64.so.1")
    } else {
        (elf::EM_X86_64, "/lib64/ld-linux-x86-64.so.2")
    };
    let platform = Platform {
        machine,
        class: Class::Elf64,
        endian: Endianness::Little,
        os_abi: elf::ELFOSABI_SYSV,
    };
    let file = |name: &str, needed: &[&str], runpath: Option<&str>| -> io::Result<()> {
        let mut file = Minimal::new(platform);
        file.needed = needed.iter().map(|n| n.as_bytes().to_vec()).collect();
        file.runpath = runpath.map(|text| text.as_bytes().to_vec());
        if name.contains("/bin/") {
            file.interpreter = Some(interpreter.as_bytes().to_vec());
        } else {
            file.soname = Path::new(name)
                .file_name()
                .map(|n| n.as_encoded_bytes().to_vec());
        }
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        fs::write(&path, file.bytes())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
    };
    file(
        "app/bin/train",
        &["libmodel.so.1", "libc.so.6"],
        Some("/project/build/app/lib:$ORIGIN/../lib"),
    )?;
    file(
        "app/lib/libmodel.so.1",
        &["libcudart.so.13", "libcuda.so.1", "libc.so.6"],
        Some("/usr/local/cuda-13.5/lib64/stubs::/project/build/deps"),
    )?;
    file("app/cuda/lib/libcudart.so.13", &["libc.so.6"], None)?;
    fs::write(root.join("app/README"), "A text among the ELF files.\n")
}
