//! What the rewriter does to ELF files of every kind: correctness, growth, interrupted writes, peers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step of a test is a failed test"
)]

#[path = "../support/mod.rs"]
mod support;

mod at_phdr;
mod compared;
mod differential;
mod fuzz;
mod growth;
mod headers;
mod layouts;
mod properties;
mod races;
mod rewrite;
mod single_files;
mod symbols;
mod tables;
mod tails;
mod torture;
mod writing;
