//! `inspect` against the real loaders: what glibc's and musl's own ld.so say is right.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall say where"
)]

#[path = "../support/cache.rs"]
mod cache;
mod compare;
mod glibc;
mod hostile;
mod musl;
mod output;
mod real;
mod store;
mod versions;
mod workshop;
