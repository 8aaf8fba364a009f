//! Reads ELF files by their headers and rewrites their dynamic section in place, a few small
//! writes a file, each of which leaves a file that loads. Knows no CUDA, no Nix, no policy.
//!
//! Terms are those of the generic ABI (gABI) and of glibc's dynamic linker, `ld.so(8)`.

pub mod minimal;
pub mod read;
pub mod rewrite;

pub use minimal::Minimal;
pub use read::codec::{Class, Dyn, FileHeader, Format, Section, Segment};
pub use read::dynamic::Dynamic;
pub use read::error::ReadError;
pub use read::headers::{ElfInfo, Kind};
pub use read::platform::Platform;
pub use read::read_at::{FileReader, ReadAt, SubReader};
pub use rewrite::edit::Edit;
pub use rewrite::error::RewriteError;
pub use rewrite::options::{RewriteOptions, Rewritten};
pub use rewrite::refusal::Refusal;
pub use rewrite::verify::Mismatch;
pub use rewrite::{Prepared, prepare, rewrite};
