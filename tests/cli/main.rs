//! The applets, run as programs on files and trees made for each test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step of a test is a failed test"
)]

#[path = "../support/mod.rs"]
mod support;

mod archives;
mod auto_patchelf;
mod capabilities;
mod closure;
mod demo;
mod diff;
mod doctor;
mod doctor_call;
mod doctor_files;
mod elf_files;
mod fixup;
mod fixup_inherited;
mod fixup_movable;
mod fixup_wheels;
mod graph;
mod help;
mod hooks_small;
mod hostile;
mod hostile_cache;
mod inspect;
mod lint;
mod lint_after_fixup;
mod lint_cuda;
mod lint_fix;
mod lint_loads;
mod lint_remedies;
mod lint_wheels;
mod loaders;
mod patchelf;
mod patchelf_cache;
mod patchelf_cache_files;
mod readme;
mod redist;
mod redist_check_wheel;
mod redist_features;
mod redist_install;
mod report;
mod report_browser;
mod scale;
mod scan;
mod schemas;
mod startup;
mod startup_absolute;
mod startup_corpora;
mod startup_glibc;
mod terminal;
