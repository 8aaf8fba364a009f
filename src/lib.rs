//! `cuda-fixup` as a library: reads ELF files, decides what their interpreter and RUNPATH
//! should be, and writes a few bytes to make it so.
//!
//! One flow: scan -> facts -> plan -> apply -> verify -> report. `docs/architecture.md` tells
//! which module does what.

pub mod advice;
pub mod applets;
pub mod cli;
pub mod cuda;
pub mod doctor;
pub mod escape;
pub mod fixup;
pub mod lint;
pub mod loader;
pub mod near;
pub mod plan;
pub mod redist;
pub mod report;
pub mod rodata;
pub mod scan;
pub mod soname_index;
pub mod toolkit;
