//! RUNPATH leads to two compilers' libraries, or to nvcc's own host compiler (`--host-compiler`).
//!
//! ## Why is this bad
//! nvcc's older gcc has an older libstdc++: found first, it lacks symbol versions that other
//! libraries of the process need, and it becomes a runtime dependency.
//!
//! ## Example
//! `/nix/store/…-gcc-12-lib/lib` before `/nix/store/…-gcc-14-lib/lib`.
//!
//! ## Fix
//! `cuda-fixup fixup --replace-runpath OLD=NEW`, or `OLD=` to drop the entry; the hooks do so.

use crate::lint::{Said, Subject, text};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Recognizes a compiler's directory by its libstdc++.so.6.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(Said)) {
    let mut first: Option<&[u8]> = None;
    let file = s.shown.as_os_str().as_encoded_bytes();
    let with_help = |message: String, entry: &[u8]| Said::drop_entry(message, entry, file);
    for (tag, entry) in s.search_path() {
        let Some(directory) = &entry.directory else {
            continue;
        };
        let path = Path::new(OsStr::from_bytes(directory));
        let shown = text(&entry.text[..]);
        if s.options.host_compilers.iter().any(|dir| path.starts_with(dir)) {
            say(with_help(format!("{tag} has {shown} of nvcc's host compiler"), &entry.text));
        } else if s.options.exists(&path.join("libstdc++.so.6")) {
            match first {
                Some(other) if other != &directory[..] => {
                    let message = format!(
                        "{tag} has {shown} and {}, each with a libstdc++.so.6",
                        text(other)
                    );
                    say(with_help(message, &entry.text));
                }
                _ => first = Some(directory),
            }
        }
    }
}
