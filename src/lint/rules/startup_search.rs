//! A program fails to open very many files at each start, before it has found its libraries.
//!
//! ## Why is this bad
//! The loader tries each directory of the RUNPATH for each name. Hundreds of failing opens take
//! milliseconds, and far longer on a network file system or with a cold cache. The number is that of
//! the directories of the search, and glibc tries their subdirectories for the processor in addition.
//!
//! ## Example
//! A program of a Nix store with forty libraries, each in a package of its own.
//!
//! ## Fix
//! `cuda-fixup fixup --resolution absolute`, or `--resolution note` for a glibc that reads NixOS'
//! resolution cache; [startup.md](startup.md) has the conditions and the price.

use crate::lint::Subject;
use crate::loader::LoadedBy;

/// Less than a millisecond on a local disk.
const FEW: u64 = 100;

pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let failed = s.resolution.failed_opens.plain;
    if matches!(s.resolution.loaded_by, LoadedBy::Itself { .. }) && failed >= FEW {
        let libraries = s.resolution.loaded().len() - 1;
        say(format!(
            "{failed} attempts to open a file fail at each start, for {libraries} libraries"
        ));
    }
}
