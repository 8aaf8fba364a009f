//! `cuda-fixup` as a library: reads ELF files, decides what their interpreter and RUNPATH
//! should be, and writes a few bytes to make it so.
//!
//! One flow: scan -> facts -> plan -> apply -> verify -> report. `docs/architecture.md` tells
//! which module does what.

pub mod applets;
pub mod cli;
pub mod contents;
pub mod cuda;
pub mod elf;
pub mod flow;
pub mod libs;
pub mod lint;
pub mod loader;
pub mod report;
pub mod rules;
pub mod scan;
