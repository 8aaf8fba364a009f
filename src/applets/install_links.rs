//! Links by whose name the binary is an applet.

use super::Outcome;
use crate::escape::shown;
use crate::terminal::{Label, message};
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
/// name is an error. The other applets have names that many programs share, such as `inspect` and
/// `man`: they get links with --all only, beside `patchelf`.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::INSTALL_LINKS)]
pub(crate) struct Args {
    /// Directory for `bin` and `libexec/cuda-fixup`
    dir: PathBuf,
    /// Make links of all applets
    #[arg(long)]
    all: bool,
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
    let linked =
        |name: &&String| ON_PATH.contains(&name.as_str()) || SHADOWING.contains(&name.as_str());
    let others: Vec<&str> = applets
        .iter()
        .filter(|name| !linked(name))
        .map(|name| &**name)
        .collect();
    let hidden: Vec<&str> = match args.all {
        true => SHADOWING
            .into_iter()
            .chain(others.iter().copied())
            .collect(),
        false => SHADOWING.to_vec(),
    };
    let mut out = io::stdout().lock();
    for (place, names) in [("bin", &ON_PATH[..]), ("libexec/cuda-fixup", &hidden[..])] {
        let dir = args.dir.join(place);
        fs::create_dir_all(&dir).with_context(|| format!("{}: cannot make it", shown(&dir)))?;
        for name in names
            .iter()
            .filter(|name| applets.iter().any(|a| a == *name))
        {
            let link = dir.join(name);
            make(&target, &link)?;
            writeln!(out, "{}", shown(&link))?;
        }
    }
    if !args.all {
        let names = others.join(", ");
        message(
            Label::Note,
            format!("no links of {names}: names that other programs have, too; --all makes them"),
        )?;
    }
    Ok(Outcome::Fine)
}

fn make(target: &Path, link: &Path) -> anyhow::Result<()> {
    match fs::symlink_metadata(link) {
        Ok(there) if there.is_symlink() => fs::remove_file(link)
            .with_context(|| format!("{}: cannot replace the link", shown(link)))?,
        Ok(_) => anyhow::bail!(
            "{}: is there and is no link: move it away, or name another directory",
            shown(link)
        ),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e).with_context(|| shown(link).to_string()),
    }
    symlink(target, link).with_context(|| format!("{}: cannot make the link", shown(link)))
}
