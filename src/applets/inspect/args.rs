//! The command line of `inspect`.

use super::super::jobs::Jobs;
use super::targets::place;
use crate::escape::shown;
use crate::loader::{Cpu, Environment, NixLdVariables, User};
use crate::report::graph::GraphFormat;
use anyhow::{Context, bail};
use clap::ValueEnum;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Show the libraries that ELF files load, from where, by which step, and those that are missing
///
/// Inspects files or whole trees; runs nothing. For each file: its interpreter, the libraries that
/// each entry of its RUNPATH provides, the path of each needed library and the step that finds it,
/// symbol versions that the found file lacks, and for a missing library the searched paths in
/// order, each with the reason. The search is that of the file's own loader, glibc's or musl's; a
/// library is inspected on its own, as if nothing had been loaded before it.
#[derive(Debug, clap::Args)]
#[command(after_help = super::super::examples::INSPECT)]
pub(crate) struct Args {
    /// ELF files, or directories and archives that are searched for dynamic ones
    #[arg(required = true, value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// One JSON object a file, one a line; docs/inspect.md documents its keys
    #[arg(long)]
    pub(super) json: bool,
    /// The dependencies as a tree; of a directory, one tree in which each file is expanded once
    #[arg(long, conflicts_with = "json")]
    pub(super) tree: bool,
    /// Who needs and who opens whom, in all files together
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with_all = ["json", "tree", "why",
        "check", "headers", "device_code"])]
    pub(super) graph: Option<GraphFormat>,
    /// Only how the files come to load this library; exit 1 if none does
    #[arg(long, value_name = "SONAME", conflicts_with_all = ["json", "tree"])]
    pub(super) why: Option<OsString>,
    /// Print only the reasons why files do not load, unless --json or --tree is given
    #[arg(long)]
    pub(super) check: bool,
    /// Look at libraries as this program loads them [default: in a tree, its own programs; else
    /// as if each were opened first]
    #[arg(long, value_name = "PROGRAM", conflicts_with = "headers")]
    pub(super) loaded_by: Option<PathBuf>,
    /// The user who runs programs that are set-uid, set-gid or have file capabilities [default:
    /// the user of this process]
    #[arg(long, value_name = "UID[:GID]", value_parser = user)]
    pub(super) user: Option<User>,
    /// Only the files' headers, without a search
    #[arg(long, conflicts_with_all = ["tree", "why", "check", "root", "dlopen", "device_code",
        "interpreter", "library_path"])]
    pub(super) headers: bool,
    /// Look for everything below DIR, as a process does whose root it is. Paths are named as
    /// seen from outside
    #[arg(long, value_name = "DIR")]
    pub(super) root: Option<PathBuf>,
    /// Which libraries to list that a file may dlopen
    #[arg(long, value_enum, default_value_t = Dlopen::Auto)]
    pub(super) dlopen: Dlopen,
    /// List every image of device code; of all files, not just of those named
    #[arg(long, conflicts_with_all = ["tree", "why"])]
    pub(super) device_code: bool,
    /// The interpreter for files that name none [default: that of the libc in their RUNPATH,
    /// else the usual one of their machine]
    #[arg(long, value_name = "FILE")]
    pub(super) interpreter: Option<PathBuf>,
    /// Instead of the environment's LD_LIBRARY_PATH, which counts unless --root is given
    #[arg(long, value_name = "LIST")]
    pub(super) library_path: Option<OsString>,
    #[command(flatten)]
    pub(super) jobs: Jobs,
    /// Print the number of skipped files by reason
    #[arg(short, long)]
    pub(super) verbose: bool,
}

/// Sources of names of libraries that a file may dlopen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Dlopen {
    /// `.note.dlopen`; of files named on the command line, strings in read-only data too
    Auto,
    /// Notes and strings of every file: reads all of its read-only data
    All,
    /// `.note.dlopen` alone
    Notes,
    /// Nothing
    Off,
}

fn user(text: &str) -> Result<User, String> {
    let (uid, gid) = text.split_once(':').unwrap_or((text, text));
    match (uid.parse(), gid.parse()) {
        (Ok(uid), Ok(gid)) => Ok(User::Ids { uid, gid }),
        _ => Err("expected a user ID, or a user and a group ID with a colon between".to_owned()),
    }
}

/// Inputs of the search besides the files.
pub(super) fn environment(args: &Args, root: Option<PathBuf>) -> anyhow::Result<Environment> {
    // The variables are those of this machine, not of the one below a root.
    let variable = |name: &str| match &root {
        Some(_) => None,
        None => std::env::var_os(name),
    };
    let library_path = match &args.library_path {
        Some(given) => Some(given.clone()),
        None => variable("LD_LIBRARY_PATH"),
    };
    let preload = variable("LD_PRELOAD");
    let nix_ld = NixLdVariables::read(|name| variable(name).map(OsStringExt::into_vec));
    let cwd = std::env::current_dir().context("cannot determine the current directory")?;
    let cwd = match &root {
        Some(root) => Path::new("/").join(cwd.strip_prefix(root).unwrap_or(Path::new(""))),
        None => cwd,
    };
    if let Some(interpreter) = &args.interpreter
        && !place(interpreter.as_os_str().as_encoded_bytes(), root.as_deref()).exists()
    {
        bail!("--interpreter {}: no such file", shown(interpreter));
    }
    Ok(Environment {
        root,
        library_path: library_path.map(OsStringExt::into_vec),
        preload: preload.map(OsStringExt::into_vec),
        nix_ld,
        user: args.user.unwrap_or_else(User::current),
        cwd,
        interpreter: args
            .interpreter
            .as_ref()
            .map(|path| path.clone().into_os_string().into_vec()),
        cpu: Cpu::host(),
    })
}
