//! The options of `fixup`, and the request that they make.

use super::Args;
use crate::applets::auto_patchelf;
use crate::applets::patchelf_flags::{self, PatchelfFlags};
use crate::escape::shown;
use crate::fixup::{FixupRequest, Libc, Relative};
use crate::plan::{Dependencies, Dlopen, Driver, Existing, InheritedRpath, Policy, Stubs};
use crate::resolution;
use anyhow::Context;
use clap::ValueEnum;
use elf_edit::RewriteOptions;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;

/// Options of the search for libraries.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What is found")]
pub(super) struct Find {
    /// A directory whose libraries are found, or one library; several times
    #[arg(long = "lib", value_name = "DIR")]
    libs: Vec<PathBuf>,
    /// The interpreter of executables; files for other machines are skipped
    #[arg(long, value_name = "FILE")]
    interpreter: Option<PathBuf>,
    /// The libc, whose libraries need no entry [default: the one in the interpreter's directory]
    #[arg(long, value_name = "DIR")]
    libc: Option<PathBuf>,
    /// Whether to search for needed libraries
    #[arg(long, value_name = "MODE", default_value = "find")]
    dependencies: Dependencies,
    /// A glob of names that may be missing; several times
    #[arg(long, value_name = "GLOB")]
    ignore_missing: Vec<OsString>,
    /// Treatment of libraries that a file may dlopen
    #[arg(long, value_name = "MODE", default_value = "report")]
    dlopen: Dlopen,
    /// Look for libraries even when the libc's directory has one of that name
    #[arg(long)]
    keep_libc: bool,
    /// Leave subdirectories of PATH alone
    #[arg(long)]
    no_recurse: bool,
    /// Whether libraries in PATH itself are found
    #[arg(long, value_name = "MODE", default_value = "use")]
    own_libs: OwnLibs,
    #[arg(long, hide = true)]
    ignore_existing: bool,
    /// A word of auto-patchelf's command line, for hooks; several times
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    auto_patchelf_flag: Vec<OsString>,
}

/// Options of the new RUNPATH.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What is written")]
pub(super) struct RunpathArgs {
    /// Files that get the driver link, the directory where NixOS puts the NVIDIA driver's libraries
    #[arg(long, value_name = "MODE", default_value = "needed")]
    add_driver_runpath: Driver,
    /// The driver link [default: /run/opengl-driver/lib, for i386 /run/opengl-driver-32/lib]
    #[arg(long, value_name = "DIR")]
    driver_link: Option<OsString>,
    /// A directory that goes before the driver link (Jetson's cuda_compat)
    #[arg(long, value_name = "DIR")]
    compat_runpath: Option<OsString>,
    /// Treatment of entries that lead to CUDA's stubs, which are for the linker only
    #[arg(long, value_name = "MODE", default_value = "replace")]
    stubs: Stubs,
    /// First entry of executables; several times
    #[arg(long, value_name = "DIR")]
    runtime_dependency: Vec<OsString>,
    /// Treatment of the existing RUNPATH
    #[arg(long, value_name = "MODE", default_value = "tidy", alias = "existing")]
    old_entries: Existing,
    /// Entries at or below OLD become NEW, and go away where NEW is empty; several times
    #[arg(long, value_name = "OLD=NEW")]
    replace_runpath: Vec<OsString>,
    /// Drop entries that are there and provide nothing that is needed
    #[arg(long)]
    shrink: bool,
    /// Last entry of every file; several times
    #[arg(long, value_name = "DIR")]
    append_runpath: Vec<OsString>,
    /// With --old-entries replace: keep $ORIGIN entries, also in place of the directory they mean
    #[arg(long)]
    preserve_origin: bool,
    /// Entries to write relative to $ORIGIN [default: auto with --old-entries tidy, else off]
    #[arg(long, value_name = "MODE")]
    relative: Option<RelativeMode>,
    #[arg(long, hide = true)]
    relativize_runpath: bool,
    #[arg(long, hide = true)]
    relative_runpaths: bool,
    /// Write DT_RPATH rather than DT_RUNPATH
    #[arg(long)]
    force_rpath: bool,
    /// Treatment of a DT_RPATH through which libraries of the file find their dependencies
    #[arg(long, value_name = "MODE", default_value = "keep")]
    inherited_rpath: InheritedRpath,
    /// What files get so that the loader need not search the RUNPATH
    #[arg(long, value_name = "MODE", default_value = "off")]
    resolution: resolution::Mode,
    /// Replace files by changed copies, so that running programs keep the old ones
    #[arg(long)]
    atomic: bool,
    /// Also write to files that have hard links outside the trees, which then change too
    #[arg(long)]
    keep_links: bool,
    /// A flag of patchelf for each file that is edited, for hooks; several times
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    patchelf_flag: Vec<OsString>,
}

/// Whether the trees' own libraries are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OwnLibs {
    /// Before those of --lib
    Use,
    /// Only those of --lib
    Ignore,
}

/// Entries that become relative to `$ORIGIN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RelativeMode {
    /// As with `tree`, for a PATH outside of the Nix store ($NIX_STORE, else /nix/store)
    Auto,
    /// Directories in the same PATH as the file, so that the tree can be moved or copied
    Tree,
    /// Directories in the Nix store, for files in it
    Store,
    /// None
    Off,
}

fn bytes(values: Vec<OsString>) -> Vec<Vec<u8>> {
    values.into_iter().map(OsString::into_vec).collect()
}

impl Args {
    fn policy(&mut self, flags: PatchelfFlags) -> anyhow::Result<Policy> {
        let (find, write) = (&mut self.find, &mut self.write);
        let mut policy = Policy {
            interpreter: find
                .interpreter
                .clone()
                .map(|p| p.into_os_string().into_vec()),
            dependencies: find.dependencies,
            existing: write.old_entries,
            dlopen: find.dlopen,
            driver: write.add_driver_runpath,
            driver_link: write.driver_link.take().map(OsString::into_vec),
            compat: write.compat_runpath.take().map(OsString::into_vec),
            stubs: write.stubs,
            runtime_dependencies: bytes(std::mem::take(&mut write.runtime_dependency)),
            append: bytes(std::mem::take(&mut write.append_runpath)),
            replace: write
                .replace_runpath
                .drain(..)
                .map(old_and_new)
                .collect::<anyhow::Result<_>>()?,
            shrink: write.shrink,
            keep_libc: find.keep_libc,
            ignore_missing: bytes(std::mem::take(&mut find.ignore_missing)),
            force_rpath: write.force_rpath || flags.force_rpath,
            inherited_rpath: write.inherited_rpath,
            preserve_origin: write.preserve_origin,
            keep_driver_link: write.old_entries == Existing::Replace,
            relative_roots: Vec::new(),
            clear_stack: false,
            extra: flags.edits,
        };
        if write.relative_runpaths || write.relative == Some(RelativeMode::Store) {
            policy.relative_roots.push(auto_patchelf::store());
        }
        Ok(policy)
    }

    /// When entries become relative. The default is for the mode that tidies old entries; hooks ask
    /// for another mode, and their results stay the same.
    fn relative(&self) -> Relative {
        let write = &self.write;
        match write.relative {
            Some(RelativeMode::Tree) => Relative::Tree,
            _ if write.relativize_runpath => Relative::Tree,
            Some(RelativeMode::Auto) => Relative::OutsideStore,
            Some(RelativeMode::Store | RelativeMode::Off) => Relative::Off,
            None if write.relative_runpaths => Relative::Off,
            None if write.old_entries == Existing::Tidy => Relative::OutsideStore,
            None => Relative::Off,
        }
    }

    pub(super) fn request(&mut self) -> anyhow::Result<FixupRequest> {
        let words = &self.write.patchelf_flag;
        let flags = patchelf_flags::parse(words).context("--patchelf-flag")?;
        let page_size = flags.page_size;
        let policy = self.policy(flags)?;
        let platform = match &self.find.interpreter {
            Some(file) => Some(auto_patchelf::platform_of_interpreter(file)?),
            None => None,
        };
        let libc = match (&self.find.libc, &self.find.interpreter) {
            _ if !policy.finds_dependencies() || policy.provided_only() => Libc::default(),
            (Some(dir), _) => Libc::in_directory(dir)
                .with_context(|| format!("--libc {}: cannot be read", shown(dir)))?,
            (None, Some(file)) => {
                Libc::beside(file).with_context(|| format!("{}: no libc beside it", shown(file)))?
            }
            (None, None) => Libc::of_this_machine(),
        };
        let mut request = FixupRequest {
            paths: std::mem::take(&mut self.paths),
            recurse: !self.find.no_recurse,
            index_own: self.find.own_libs == OwnLibs::Use
                && !self.find.ignore_existing
                && !policy.provided_only(),
            libs: std::mem::take(&mut self.find.libs),
            platform,
            libc,
            skip_malformed: policy.existing == Existing::Replace,
            relative: self.relative(),
            store: PathBuf::from(OsString::from_vec(auto_patchelf::store())),
            report_dlopen: self.dry_run || self.json || self.verbose,
            dry_run: self.dry_run,
            resolution: self.write.resolution,
            rewrite: RewriteOptions {
                atomic: self.write.atomic,
                keep_links: self.write.keep_links,
                page_size,
            },
            selected: None,
            skip_links: false,
            // As in auto-patchelf, which accepts files of any kind.
            skip_named: policy.existing == Existing::Replace,
            refuse_unfit: policy.existing != Existing::Replace,
            skip_unreadable_libs: false,
            structured_logs: false,
            no_interpreter: None,
            progress: Arc::default(),
            policy,
        };
        if !self.find.auto_patchelf_flag.is_empty() {
            auto_patchelf::apply_words(&self.find.auto_patchelf_flag, &mut request)
                .context("--auto-patchelf-flag")?;
        }
        libs_are_there(&request)?;
        Ok(request)
    }
}

fn old_and_new(value: OsString) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let value = value.into_vec();
    match value.iter().position(|&byte| byte == b'=') {
        Some(at) if at > 0 => Ok((value[..at].to_vec(), value[at + 1..].to_vec())),
        _ => anyhow::bail!(
            "--replace-runpath {}: expected OLD=NEW",
            crate::escape::Shown::from(&value[..])
        ),
    }
}

/// A `--lib` that can't be searched is a mistake to know of before the first file is written.
fn libs_are_there(request: &FixupRequest) -> anyhow::Result<()> {
    for lib in &request.libs {
        let read = match lib.metadata() {
            Ok(metadata) if metadata.is_dir() => lib.read_dir().map(|_| ()),
            Ok(metadata) if metadata.is_file() => Ok(()),
            Ok(_) => Err(io::Error::other("expected a directory or a library")),
            Err(error) => Err(error),
        };
        read.with_context(|| format!("--lib {}: nothing was changed", shown(lib)))?;
    }
    Ok(())
}
