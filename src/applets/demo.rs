//! Shows the program on a sample tree that it makes itself: needs no network, toolkit or compiler.

use super::Outcome;
use crate::escape::shown;
use anyhow::{Context, bail};
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
#[command(after_help = super::examples::DEMO)]
pub(crate) struct Args {
    /// Make the tree there and leave it, rather than in a temporary directory
    #[arg(long, value_name = "DIR")]
    keep: Option<std::path::PathBuf>,
}

/// Command lines, and the purpose of each.
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
pub(crate) fn run(args: Args) -> anyhow::Result<Outcome> {
    let temporary;
    let root = match &args.keep {
        Some(dir) => {
            let tree = dir.join("app");
            if tree.symlink_metadata().is_ok() {
                bail!("{}: is there already: name another directory", shown(&tree));
            }
            dir.as_path()
        }
        None => {
            temporary = tempfile::tempdir().context("cannot make a temporary directory")?;
            temporary.path()
        }
    };
    make(root).with_context(|| format!("{}: cannot make the tree", shown(root)))?;
    let binary = std::env::current_exe().context("cannot determine the path of this binary")?;
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
            .with_context(|| format!("{}: cannot be run", shown(&binary)))?;
        writeln!(io::stdout())?;
    }
    Ok(Outcome::Fine)
}

/// The ELF files of the tree; tests/cli/demo.rs makes them and checks them.
#[cfg(target_arch = "aarch64")]
macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("demo/aarch64/", $name))
    };
}
#[cfg(not(target_arch = "aarch64"))]
macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("demo/x86_64/", $name))
    };
}

/// Every file of the tree.
const FILES: [(&str, &[u8]); 4] = [
    ("app/bin/train", sample!("train")),
    ("app/lib/libmodel.so.1", sample!("libmodel.so.1")),
    ("app/cuda/lib/libcudart.so.13", sample!("libcudart.so.13")),
    ("app/README", b"A text among the ELF files.\n"),
];

fn make(root: &Path) -> io::Result<()> {
    for (name, contents) in FILES {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        fs::write(&path, contents)?;
        if contents.starts_with(b"\x7fELF") {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}
