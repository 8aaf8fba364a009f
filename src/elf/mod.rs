//! ELF bytes, read and rewritten. Knows nothing of CUDA, Nix or policy.
//!
//! Terms are those of the generic ABI (gABI) and of glibc's dynamic linker, `ld.so(8)`.

pub mod codec;
pub mod edit;
pub mod facts;
pub mod minimal;
pub mod platform;
pub mod read_at;
pub mod sections;

pub use codec::{Class, Dyn, FileHeader, Format, Section, Segment};
pub use edit::Edit;
pub use facts::{Dynamic, ElfFacts, Kind, ReadError};
pub use minimal::Minimal;
pub use platform::Platform;
pub use read_at::{FileReader, ReadAt};
