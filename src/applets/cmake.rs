//! Wraps cmake so that it finds the farm when it configures.

use super::Outcome;
use super::exec_wrapper::{Called, PassedOn, become_program, refuse};
use super::nvcc::native_architectures;
use crate::toolkit::cmake::{INITIAL_CACHE, configures, defined};
use crate::toolkit::record::{self, farm_of};
use anyhow::Context;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Become the real cmake, with the farm's settings first when a project is configured
///
/// The farm is the one that contains this link, or the one whose nvcc is on PATH, or the one in
/// CUDAToolkit_ROOT or CUDA_PATH. All flags are cmake's own.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
#[command(after_help = super::examples::CMAKE)]
pub(crate) struct Args {
    #[command(flatten)]
    theirs: PassedOn,
}

/// As `cuda-fixup cmake …`.
pub(crate) fn run(args: Args) -> anyhow::Result<Outcome> {
    run_as(OsStr::new("cmake"), args.theirs.args)
}

/// As a link's name: `argv0` is how it was called.
pub(crate) fn run_as(argv0: &OsStr, args: Vec<OsString>) -> anyhow::Result<Outcome> {
    let called = Called::new(argv0, "cmake");
    let real = called.real("cmake").context(
        "no cmake on PATH but this one, which wraps another: put the real cmake on PATH too",
    )?;
    let mut all_args = Vec::new();
    if configures(&args)
        && let Some(farm) = find_farm(&called)
    {
        if let Some(asked) = asks_for_native(&args)
            && let Err(why) = native_architectures(&farm)
        {
            let reason = format!("{asked}: {why}: name the architectures to build for");
            return refuse("cmake", &[reason]);
        }
        all_args.push("-C".into());
        all_args.push(farm.join(INITIAL_CACHE).into());
    }
    all_args.extend(args);
    match become_program(&real, real.as_os_str(), all_args)? {}
}

/// The argument that selects the GPU of this machine.
fn asks_for_native(args: &[OsString]) -> Option<String> {
    let definitions = defined(args, "CMAKE_CUDA_ARCHITECTURES");
    if let Some(list) = definitions.last() {
        return is_native(list).then(|| format!("-DCMAKE_CUDA_ARCHITECTURES={list}"));
    }
    let list = env::var("CUDAARCHS").ok()?;
    is_native(&list).then(|| format!("CUDAARCHS={list}"))
}

fn is_native(list: &str) -> bool {
    list.split(';').any(|item| item.starts_with("native"))
}

fn find_farm(called: &Called) -> Option<PathBuf> {
    // ROOT/libexec/cuda-fixup/cmake
    let own = called.link.as_deref().and_then(|link| farm_of(link, 3));
    let on_path = || {
        let mut dirs = called.path().iter().map(|dir| dir.join("nvcc"));
        dirs.find_map(|nvcc| farm_of(&nvcc, 2).filter(|_| nvcc.exists()))
    };
    let named = || {
        let roots = ["CUDAToolkit_ROOT", "CUDA_PATH"].into_iter();
        let mut roots = roots.filter_map(env::var_os).map(PathBuf::from);
        roots.find(|root| root.join(record::PLACE).exists())
    };
    own.or_else(on_path).or_else(named)
}
