//! nvcc of a farm: checks the arguments, puts defaults in front, and executes NVIDIA's nvcc.

use super::Outcome;
use super::exec_wrapper::{Called, PassedOn, become_program, refuse};
use crate::cuda::host_compilers::{self, Compiler};
use crate::cuda::table;
use crate::escape::shown;
use crate::toolkit::compiler;
use crate::toolkit::nvcc::flags::Flags;
use crate::toolkit::nvcc::{self, DO_NOT_COMPRESS};
use crate::toolkit::record::{Record, farm_of};
use anyhow::Context;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Run NVIDIA's nvcc, after a check of its arguments
///
/// As `bin/nvcc` of a farm (`cuda-fixup toolkit farm`), or a link to it, it is the farm's nvcc;
/// elsewhere it runs the next nvcc on PATH. All flags are nvcc's own.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
#[command(after_help = super::examples::NVCC)]
pub(crate) struct Args {
    #[command(flatten)]
    theirs: PassedOn,
}

/// As `cuda-fixup nvcc …`.
pub(crate) fn run(args: Args) -> anyhow::Result<Outcome> {
    run_as(OsStr::new("nvcc"), args.theirs.args)
}

/// As a link's name: `argv0` is how it was called.
pub(crate) fn run_as(argv0: &OsStr, args: Vec<OsString>) -> anyhow::Result<Outcome> {
    let called = Called::new(argv0, "nvcc");
    let farm = find_farm(&called)?;
    let (program, argv0) = match &farm {
        Some((root, record)) => {
            let nvcc = record.nvcc.clone();
            let nvcc = nvcc
                .with_context(|| format!("{}: this farm was made without an nvcc", shown(root)))?;
            (nvcc, root.join("bin/nvcc"))
        }
        None => {
            let real = called.real("nvcc").context(
                "no nvcc on PATH but this one, which wraps another: make a farm \
                 (cuda-fixup toolkit farm) or put NVIDIA's nvcc on PATH",
            )?;
            (real.clone(), real)
        }
    };
    let flags = Flags::read(
        env::var_os("NVCC_PREPEND_FLAGS"),
        &args,
        env::var_os("NVCC_APPEND_FLAGS"),
    );
    let mut all_args = Vec::new();
    if let (Some((root, record)), false) = (&farm, flags.only_asks) {
        let refused = refused(&flags, root, record, &called)?;
        if !refused.is_empty() {
            return refuse("nvcc", &refused);
        }
        let compress = record.compress_fatbins
            && !DO_NOT_COMPRESS
                .iter()
                .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
        all_args = nvcc::defaults(&flags, host_compiler(record), compress);
    }
    all_args.extend(args);
    match become_program(&program, argv0.as_os_str(), all_args)? {}
}

/// The farm that our link is in or leads into; without any, and without another nvcc on PATH, the
/// one that PATH names.
fn find_farm(called: &Called) -> anyhow::Result<Option<(PathBuf, Record)>> {
    let own = called.link.as_deref().and_then(|link| farm_of(link, 2));
    let root = own.or_else(|| match called.real("nvcc") {
        Some(_) => None,
        None => called.ours("nvcc").find_map(|link| farm_of(&link, 2)),
    });
    let Some(root) = root else { return Ok(None) };
    let record = Record::read(&root).with_context(|| format!("the farm {}", shown(&root)))?;
    Ok(record.map(|record| (root, record)))
}

/// The host compiler that is added when no flag names one: the environment's, or the farm's.
fn host_compiler(record: &Record) -> Option<OsString> {
    env::var_os("NVCC_CCBIN")
        .filter(|compiler| !compiler.is_empty())
        .or_else(|| record.host_compiler.as_ref().map(OsString::from))
}

fn refused(
    flags: &Flags,
    root: &Path,
    record: &Record,
    called: &Called,
) -> anyhow::Result<Vec<String>> {
    let cuda = record.cuda_version;
    let mut refused = Vec::new();
    if !flags.architectures.is_empty() {
        let table = table::GpuTable::read().context("the table of capabilities")?;
        refused = nvcc::refused_architectures(flags, table, cuda);
    }
    if let Some(flag) = &flags.native
        && let Err(why) = native_architectures(root)
    {
        refused.push(format!(
            "{flag}: {why}; nvcc would silently take its oldest architecture: name the \
             architectures to build for"
        ));
    }
    let named = flags.host_compiler.as_ref().map(OsString::from);
    let compiler = compiler_file(named.or_else(|| host_compiler(record)), called);
    if !flags.allow_unsupported_compiler
        && let Some(compiler) = compiler.and_then(|file| ask_compiler(&file, record))
    {
        let compilers =
            host_compilers::HostCompilers::read().context("the table of host compilers")?;
        refused.extend(nvcc::refused_compiler(flags, &compilers, cuda, compiler));
    }
    Ok(refused)
}

/// Asks the driver for this machine's GPUs, as nvcc does for -arch=native.
pub(crate) fn native_architectures(root: &Path) -> Result<(), String> {
    let query = root.join("bin/__nvcc_device_query");
    let output = Command::new(&query)
        .output()
        .map_err(|e| format!("{}: {e}", shown(&query)))?;
    match output.status.success() && !output.stdout.trim_ascii().is_empty() {
        true => Ok(()),
        false => Err("no GPU answers on this machine (a build sandbox has none)".into()),
    }
}

/// The compiler's file: nvcc accepts a name on PATH, a path, or a directory that has `gcc`.
fn compiler_file(named: Option<OsString>, called: &Called) -> Option<PathBuf> {
    let named = named.unwrap_or_else(|| "gcc".into());
    if !named.as_encoded_bytes().contains(&b'/') {
        return called.real(named.to_str()?);
    }
    let file = PathBuf::from(named);
    if file.is_dir() {
        return Some(file.join("gcc")).filter(|gcc| gcc.is_file());
    }
    Some(file)
}

/// Name and version of the compiler; the farm stores those of one. `None`: let nvcc find out.
fn ask_compiler(file: &Path, record: &Record) -> Option<Compiler> {
    if let Some(known) = &record.known_compiler
        && known.path == file
        && file.metadata().is_ok_and(|meta| meta.len() == known.size)
    {
        return Some(known.compiler);
    }
    compiler::known(file).map(|known| known.compiler)
}
