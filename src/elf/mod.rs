//! ELF bytes, read and rewritten. Knows nothing of CUDA, Nix or policy.
//!
//! Terms are those of the generic ABI (gABI) and of glibc's dynamic linker, `ld.so(8)`.

pub mod codec;
mod dynamic;
pub mod edit;
mod entries;
mod extents;
pub mod facts;
mod format;
pub mod minimal;
pub mod notes;
pub mod patch;
pub mod place;
pub mod platform;
pub mod read_at;
mod refusal;
mod rewrite;
pub mod sections;
mod strings;
mod strtab;
pub mod tables;
pub mod target;
mod verify;
pub mod versions;
pub mod write;

pub use codec::{Class, Dyn, FileHeader, Format, Section, Segment};
pub use dynamic::Dynamic;
pub use edit::Edit;
pub use facts::{ElfFacts, Kind, ReadError};
pub use minimal::Minimal;
pub use platform::Platform;
pub use read_at::{FileReader, ReadAt, SubReader};
pub use refusal::Refusal;
pub use rewrite::{Prepared, RewriteError, RewriteOptions, Rewritten, prepare, rewrite};
pub use verify::Mismatch;
