//! RUNPATH has a library directory of a whole CUDA toolkit with its nvcc, or of a `--farm`.
//!
//! ## Why is this bad
//! The compiler and all of the toolkit become a runtime dependency; and a symlink farm made for one
//! build is gone after it.
//!
//! ## Example
//! `/build/cuda-farm/lib` that CMake took from where it found nvcc.
//!
//! ## Fix
//! `cuda-fixup fixup --replace-runpath FARM/lib=REAL/lib`, without REAL/lib if nothing there is needed; `cuda-fixup toolkit` writes that list.

use crate::toolkit::record::PLACE;
use crate::lint::{Said, Subject, text};
use crate::plan::expand;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Files in the root of a whole toolkit: NVIDIA's compilers, or the record of a farm.
const MARKS: [&str; 3] = ["bin/nvcc", "nvvm/bin/cicc", PLACE];

/// Recognizes a toolkit by the files beside the directory, or beside `targets/…/lib`, and by
/// `--farm`. The system's own directories have a rule. A file of the toolkit itself may name its
/// own directory.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(Said)) {
    let file = s.shown.as_os_str().as_encoded_bytes();
    let with_help = |message: String, entry: &[u8]| Said::drop_entry(message, entry, file);
    for (tag, entry) in s.search_path() {
        let directory = entry.directory.as_deref().filter(|_| !s.is_system(entry));
        // `$ORIGIN/../nvvm/lib64` of `bin/ptxas` is the toolkit's own.
        let Some(directory) = directory.and_then(|d| expand(d, None)) else {
            continue;
        };
        let directory = Path::new(OsStr::from_bytes(&directory));
        let shown = text(&entry.text[..]);
        if s.options.farms.iter().any(|farm| directory.starts_with(farm)) {
            say(with_help(format!("{tag} has {shown} of a toolkit farm, which is gone after the build"), &entry.text));
            continue;
        }
        let roots = directory.ancestors().skip(1).take(3);
        // A toolkit's own libraries find each other there.
        let mark = roots
            .filter(|root| !s.path.starts_with(root))
            .find_map(|root| {
                let has = |mark: &&str| s.options.here(&root.join(mark)).exists();
                let find = || MARKS.into_iter().find(has);
                s.options.existing.toolkit_mark(root, find)
            });
        if let Some(mark) = mark {
            say(with_help(format!("{tag} has {shown}, part of a toolkit with its own {mark}"), &entry.text));
        }
    }
}
