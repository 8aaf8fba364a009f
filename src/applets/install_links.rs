//! Links by whose name the binary is an applet.

use super::Outcome;
use anyhow::Context;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Links that shadow nothing.
const ON_PATH: [&str; 2] = ["auto-patchelf", "add-driver-runpath"];
/// Links that shadow a tool of that name: for a PATH that asks for them.
const SHADOWING: [&str; 3] = ["patchelf", "cmake", "nvcc"];

/// Make links to this binary by whose name it is an applet
///
/// Links that shadow no other tool go to DIR/bin, `patchelf`, `cmake` and `nvcc` go to
/// DIR/libexec/cuda-fixup. A link that is there already is replaced; anything else of that
/// name is an error.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Directory for `bin` and `libexec/cuda-fixup`
    dir: PathBuf,
    /// Target of the links [default: this binary]
    #[arg(long, value_name = "FILE")]
    target: Option<PathBuf>,
}

/// Makes the links and prints each.
pub(crate) fn run(args: Args, applets: &[String]) -> anyhow::Result<Outcome> {
    let target = match args.target {
        Some(target) => target,
        None => std::env::current_exe().context("cannot determine the path of this binary")?,
    };
    let mut out = io::stdout().lock();
    for (place, names) in [
        ("bin", &ON_PATH[..]),
        ("libexec/cuda-fixup", &SHADOWING[..]),
    ] {
        let dir = args.dir.join(place);
        fs::create_dir_all(&dir).with_context(|| format!("{}: cannot make it", dir.display()))?;
        for name in names
            .iter()
            .filter(|name| applets.iter().any(|a| a == *name))
        {
            let link = dir.join(name);
            make(&target, &link)?;
            writeln!(out, "{}", link.display())?;
        }
    }
    Ok(Outcome::Fine)
}

fn make(target: &Path, link: &Path) -> anyhow::Result<()> {
    match fs::symlink_metadata(link) {
        Ok(there) if there.is_symlink() => fs::remove_file(link)
            .with_context(|| format!("{}: cannot replace the link", link.display()))?,
        Ok(_) => anyhow::bail!(
            "{}: is there and is no link: move it away, or name another directory",
            link.display()
        ),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e).with_context(|| link.display().to_string()),
    }
    symlink(target, link).with_context(|| format!("{}: cannot make the link", link.display()))
}
