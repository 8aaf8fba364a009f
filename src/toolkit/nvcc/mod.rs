//! The checks of our nvcc before NVIDIA's runs: flags, environment, host compiler.
//!
//! It compiles nothing and keeps the user's flags: it refuses impossible requests, with the reason,
//! and puts the farm's defaults in front.

pub(crate) mod flags;
mod words;

use crate::cuda::host_compilers::{self, Compiler};
use crate::cuda::{CudaVersion, table};
use flags::Flags;
use std::ffi::OsString;

/// Any of these variables, not empty, keeps device code uncompressed.
pub(crate) const DO_NOT_COMPRESS: [&str; 3] = [
    "dontCompressCudaFatbin",
    "dontCompressCudaFatbins",
    "dontCompressFatbin",
];

/// Why a compilation cannot work: one line for each unsupported architecture.
pub(crate) fn refused_architectures(
    flags: &Flags,
    table: &table::GpuTable,
    cuda: CudaVersion,
) -> Vec<String> {
    let mut refused: Vec<String> = Vec::new();
    for asked in &flags.architectures {
        match table.check(asked.capability, cuda) {
            Ok(_) => {}
            // A toolkit newer than the table may well support it, and an older one prints its own
            // error.
            Err(refusal) if refusal.is_unknown() => {}
            Err(refusal) => {
                let line = format!("{}: {refusal}", asked.by);
                if !refused.contains(&line) {
                    refused.push(line);
                }
            }
        }
    }
    refused
}

/// Why this nvcc would refuse the host compiler, if so.
pub(crate) fn refused_compiler(
    flags: &Flags,
    table: &host_compilers::HostCompilers,
    cuda: CudaVersion,
    compiler: Compiler,
) -> Option<String> {
    if flags.allow_unsupported_compiler {
        return None;
    }
    table.refusal(cuda, compiler)
}

/// Arguments to insert before the user's flags: -ccbin unless the user names one, and compression.
pub(crate) fn defaults(
    flags: &Flags,
    host_compiler: Option<OsString>,
    compress: bool,
) -> Vec<OsString> {
    let mut defaults = Vec::new();
    if let (None, Some(compiler)) = (&flags.host_compiler, host_compiler) {
        defaults.push("-ccbin".into());
        defaults.push(compiler);
    }
    if compress && !flags.compresses {
        defaults.push("-Xfatbin=-compress-all".into());
    }
    defaults
}
