//! What our nvcc looks at before NVIDIA's runs: the flags, the environment, the host compiler.
//!
//! It compiles nothing and changes nothing of what the user said: it refuses what cannot work,
//! with the reason, and puts the farm's defaults in front.

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

/// Why a compilation cannot work: one line for each requested architecture that does not go.
pub(crate) fn refused_architectures(
    flags: &Flags,
    table: &table::GpuTable,
    cuda: CudaVersion,
) -> Vec<String> {
    let mut refused: Vec<String> = Vec::new();
    for asked in &flags.architectures {
        match table.check(asked.capability, cuda) {
            Ok(_) => {}
            // A toolkit newer than the table may well take it, and an older one says so itself.
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

/// Why this nvcc would refuse the host compiler, if it would.
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

/// What goes before the user's flags: -ccbin only if the user names none, and compression.
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
