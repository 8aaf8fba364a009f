//! NVIDIA's redistributable manifests: reading and checking them, the project's own compact
//! manifest, and what differs between two of them.
//!
//! Pure: text in, values out. The applet reads and writes the files.

mod check;
pub mod diff;
pub mod document;
pub mod glibc;
pub mod join;
pub mod manifest;
pub mod nvidia;
pub mod place;
pub mod problem;
pub mod tables;
pub mod version;

pub use check::is_name;
pub use manifest::{Archive, ArchiveKey, Manifest, Package, Release};
pub use problem::{Problem, Severity};
pub use tables::Tables;
