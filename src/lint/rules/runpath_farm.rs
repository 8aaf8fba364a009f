//! RUNPATH has a library directory of a whole CUDA toolkit, one with nvcc in it.
//!
//! ## Why is this bad
//! The compiler and all of the toolkit become a runtime dependency; and a symlink farm made for one
//! build is gone after it.
//!
//! ## Example
//! `/build/cuda-farm/lib` that CMake took from where it found nvcc.
//!
//! ## Fix
//! `cuda-fixup fixup --replace-runpath FARM/lib=REAL/lib`; `cuda-fixup toolkit` writes that list.

use crate::lint::Subject;
use crate::lint::text;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// By `bin/nvcc` beside the directory, or beside `targets/…/lib`.
pub fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for (tag, entry) in s.search_path() {
        let Some(directory) = &entry.directory else {
            continue;
        };
        let directory = Path::new(OsStr::from_bytes(directory));
        let has_nvcc = |dir: &Path| dir.join("bin/nvcc").exists();
        if directory.ancestors().skip(1).take(3).any(has_nvcc) {
            say(format!(
                "{tag} has {}, part of a toolkit with its own bin/nvcc",
                text(&entry.text[..])
            ));
        }
    }
}
