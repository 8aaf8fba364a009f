//! NVIDIA's redistributable manifests: reading and checking them, the project's own compact
//! manifest, and the differences between two of them.
//!
//! Pure: text in, values out. The applet reads and writes the files.

mod check;
pub(crate) mod diff;
pub(crate) mod document;
pub(crate) mod glibc;
pub(crate) mod join;
pub(crate) mod manifest;
pub(crate) mod nvidia;
pub(crate) mod place;
pub(crate) mod problem;
pub(crate) mod tables;
pub(crate) mod version;

pub(crate) use check::is_name;
pub(crate) use manifest::{Archive, ArchiveKey, Package, Release};
pub(crate) use problem::{ManifestProblem, Severity};
pub(crate) use tables::Tables;
