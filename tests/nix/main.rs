//! The hooks, the overlay and the package with a real Nix: builds of a small stdenv that meets
//! hooks with what nixpkgs' one does, in all modes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step of a test is a failed test"
)]

#[path = "../support/mod.rs"]
mod support;

mod builds;
mod closure;
mod components;
mod cuda_kinds;
mod cuda_packages;
mod cuda_real;
mod cuda_requested;
mod cuda_setup;
mod lint;
mod markers;
mod nix_lib;
mod overlay;
mod package;
mod store;
mod tree;

use store::Nix;

#[test]
fn hooks_read_lists_of_both_modes_as_they_are() {
    let nix = Nix::get();
    nix.build(&["lists.2024-06", "lists.2024-10", "lists.2026-08"], &[]);
}
