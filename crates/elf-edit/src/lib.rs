//! Reads ELF files by their headers, and edits interpreter, RUNPATH, NEEDED, SONAME and dynamic
//! symbols in place: by a few small writes, each of which leaves a file that loads.
//!
//! - [`ElfInfo::read`] reads headers, the dynamic section and the strings that it names through
//!   small windows: at a cost that does not grow with the file, and with no memory map.
//! - [`prepare`] plans [`Edit`]s and checks the result with a second, independent reader (goblin)
//!   before any write. [`rewrite`] also writes, and undoes its writes if one fails.
//! - [`FileLock`] serializes rewrites of one file: take it before reading.
//! - A file that an edit could break is refused with the reason ([`Refusal`]) and stays unchanged.
//!
//! The crate knows no CUDA, no Nix and no policy. Terms are those of the generic ABI (gABI) and of
//! glibc's dynamic linker, `ld.so(8)`. `docs/rewriting.md` of the repository has the layout of a
//! rewritten file and its guarantees.
//!
//! # Example
//!
//! ```
//! use elf_edit::{Edit, ElfInfo, FileLock, FileReader, Patience, Platform, RewriteOptions, rewrite};
//! # use elf_fixtures::Minimal;
//! use std::fs::{self, File};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = tempfile::tempdir()?;
//! let path = dir.path().join("libexample.so");
//! let mut library = Minimal::new(Platform::X86_64);
//! library.needed = vec![b"libm.so.6".to_vec()];
//! fs::write(&path, library.bytes())?;
//!
//! let file = File::open(&path)?;
//! let _lock = FileLock::take(&file, Patience::default(), &|| eprintln!("waiting for a lock"))?;
//! let file = FileReader::new(file)?;
//! let info = ElfInfo::read(&file)?;
//! assert_eq!(info.needed(), [b"libm.so.6"]);
//! let edits = [
//!     Edit::SetRunpath(b"$ORIGIN:/opt/example/lib".to_vec()),
//!     Edit::RemoveNeeded(b"libm.so.6".to_vec()),
//! ];
//! let options = RewriteOptions::default();
//! let done = rewrite(&[path.clone()], &file, &info, &edits, &options)?;
//! assert!(done.changed);
//!
//! let info = ElfInfo::read(&FileReader::new(File::open(&path)?)?)?;
//! assert_eq!(info.runpath_or_rpath(), Some(&b"$ORIGIN:/opt/example/lib"[..]));
//! assert!(info.needed().is_empty());
//! # Ok(())
//! # }
//! ```

#![warn(unreachable_pub)]

mod read;
mod rewrite;

pub use read::codec::{Class, Dyn, Endianness, FileHeader, Format, Section, Segment};
pub use read::dynamic::Dynamic;
pub use read::error::{ReadError, reason, without_errno};
pub use read::file_id::FileId;
pub use read::headers::{ElfInfo, Kind, read_sections, read_segments};
pub use read::lock::{FileLock, LockError, Patience};
pub use read::platform::{Platform, machine_name};
pub use read::read_at::{FileReader, ReadAt, Stamp, SubReader, read_up_to};
pub use read::unfit::{Unfit, unfit};
pub use read::{notes, resolution_cache, sections, tables, tokens, versions, windows};
pub use rewrite::edit::Edit;
pub use rewrite::error::RewriteError;
pub use rewrite::malformed::check;
pub use rewrite::options::{RewriteOptions, Rewritten};
pub use rewrite::refusal::Refusal;
pub use rewrite::target::search::Search;
pub use rewrite::verify::Mismatch;
pub use rewrite::write::TEMPORARY_PREFIX;
pub use rewrite::{Prepared, prepare, rewrite};

/// The writes of a rewrite one by one: to look at them, to apply them to bytes in memory, and to
/// stop or fail between any two of them in tests.
pub mod writes {
    pub use crate::rewrite::patch::{Patch, Patched, Step};
    pub use crate::rewrite::steps::{Disk, Undo, run_steps};
}
