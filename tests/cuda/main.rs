//! CUDA: device code, runtimes, toolkits, and builds with the real nvcc and CMake.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step of a test is a failed test"
)]

#[path = "../support/mod.rs"]
mod support;

mod builders;
mod cmake;
mod device_code;
mod device_code_hostile;
mod glibc;
mod leaks;
mod nvcc;
mod rodata;
mod runtimes_on_drivers;
mod toolkit;
