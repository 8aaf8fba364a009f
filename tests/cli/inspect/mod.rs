//! `inspect` against the real loaders: what glibc's and musl's own ld.so say is right.

mod advice;
mod compare;
mod contexts;
mod glibc;
mod hostile;
mod musl;
mod names;
mod output;
mod processors;
mod real;
mod secure;
mod situations;
mod store;
mod symbols;
mod systems;
mod versions;
mod workshop;
