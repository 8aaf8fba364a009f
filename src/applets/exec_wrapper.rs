//! Shared by the nvcc and cmake wrappers: finds the program that our link shadows, and never
//! ourselves; then refuses an impossible call, or executes that program.

use super::Outcome;
use anyhow::Context;
use elf_edit::FileId;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Links that are followed one after the other, as many as the kernel does.
const MAX_LINKS: usize = 40;

/// Arguments that are all the other program's.
#[derive(Debug, clap::Args)]
pub(super) struct PassedOn {
    /// Its own arguments
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGS"
    )]
    pub args: Vec<OsString>,
}

/// The call of this process.
pub(super) struct Called {
    /// The link by which it was called, absolute and not resolved: nvcc finds its toolkit through
    /// it.
    pub link: Option<PathBuf>,
    /// Index on PATH at which to search for the real program, after our own link.
    after: usize,
    path: Vec<PathBuf>,
    us: Option<FileId>,
}

impl Called {
    /// From argv[0] and PATH.
    pub(super) fn new(argv0: &OsStr, name: &str) -> Called {
        let path: Vec<PathBuf> = env::var_os("PATH")
            .map(|path| env::split_paths(&path).collect())
            .unwrap_or_default();
        let us = env::current_exe()
            .ok()
            .and_then(|exe| FileId::at(&exe).ok());
        let ours = |file: &Path| us.is_some() && FileId::at(file).ok() == us;
        let on_path = |file: &Path| path.iter().position(|dir| dir.join(name) == file);
        let by_path = argv0.as_encoded_bytes().contains(&b'/');
        let link = if by_path {
            std::path::absolute(argv0).ok().filter(|link| ours(link))
        } else {
            // A shell or execvp passes the bare name and has found us on PATH.
            let mut candidates = path.iter().map(|dir| dir.join(name));
            let found = candidates.find(|file| ours(file));
            found.and_then(|file| std::path::absolute(file).ok())
        };
        // A wrapper that passes its own name on (makeWrapper's --inherit-argv0, `exec -a`).
        let link = link.or_else(|| {
            let executed = OsStr::from_bytes(rustix::param::linux_execfn().to_bytes());
            std::path::absolute(executed).ok().filter(|file| ours(file))
        });
        let after = link.as_deref().and_then(on_path).map_or(0, |at| at + 1);
        Called {
            link,
            after,
            path,
            us,
        }
    }

    /// The first program of that name on PATH after our own link, or anywhere on it.
    pub(super) fn real(&self, name: &str) -> Option<PathBuf> {
        let (before, after) = self.path.split_at(self.after);
        let mut candidates = after.iter().chain(before).map(|dir| dir.join(name));
        let found = candidates.find(|file| self.is_other_program(file))?;
        std::path::absolute(found).ok()
    }

    /// Our own links of that name on PATH.
    pub(super) fn ours(&self, name: &str) -> impl Iterator<Item = PathBuf> {
        let files = self.path.iter().map(move |dir| dir.join(name));
        let ours = files.filter(|file| self.us.is_some() && FileId::at(file).ok() == self.us);
        ours.filter_map(|file| std::path::absolute(file).ok())
    }

    /// Directories of PATH, in order.
    pub(super) fn path(&self) -> &[PathBuf] {
        &self.path
    }

    /// An executable file, and neither this program nor another copy of it: two copies that took
    /// each other for the real one would call each other for ever.
    fn is_other_program(&self, file: &Path) -> bool {
        let Ok(meta) = fs::metadata(file) else {
            return false;
        };
        let executable = meta.is_file() && meta.permissions().mode() & 0o111 != 0;
        executable
            && Some(FileId::from(&meta)) != self.us
            && name_behind_links(file) != Some("cuda-fixup".into())
    }
}

/// The name of the file that a chain of links ends at. The links of its directories, which
/// `canonicalize` follows too, don't change it.
fn name_behind_links(file: &Path) -> Option<OsString> {
    let mut file = file.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&file) {
            Ok(target) => file = file.parent()?.join(target),
            Err(_) => return file.file_name().map(OsString::from),
        }
    }
    None
}

/// Prints why the program is not started, in lines that differ from its own.
pub(super) fn refuse(name: &str, reasons: &[String]) -> anyhow::Result<Outcome> {
    let mut err = io::stderr().lock();
    for reason in reasons {
        writeln!(err, "{name} (cuda-fixup): error: {reason}")?;
    }
    Ok(Outcome::Findings)
}

/// Becomes the program. Returns only if that fails.
pub(super) fn become_program(
    program: &Path,
    argv0: &OsStr,
    args: impl IntoIterator<Item = OsString>,
) -> anyhow::Result<std::convert::Infallible> {
    let error = Command::new(program).arg0(argv0).args(args).exec();
    Err(error).with_context(|| format!("{}: cannot be run", crate::escape::shown(program)))
}
