//! A library that the file needs is found through the RPATH of the file that loads it.
//!
//! ## Why is this bad
//! DT_RPATH serves the libraries below a file too, so it all loads. It stops when that RPATH becomes a
//! RUNPATH (`patchelf --set-rpath` writes one), and where something else loads the library.
//!
//! ## Example
//! Wheels of auditwheel before 5: the extension has an RPATH to `x.libs`, and the libraries in there
//! have none and find each other through the extension's.
//!
//! ## Fix
//! Let the library's own RUNPATH lead there: `cuda-fixup fixup --lib DIR FILE`, where DIR has what it
//! needs; or leave it, if nothing changes the RPATH.

use crate::lint::{Said, Subject, text};
use crate::loader::{LoadedBy, Step};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Of libraries, which have the process of a file in the linted trees. The RPATH of a program that
/// was not linted is that program's.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(Said)) {
    if matches!(s.resolution.loaded_by, LoadedBy::Itself { .. }) {
        return;
    }
    for need in s.own_needs() {
        let Some(Step::Rpath(of)) = need.via.map(|via| via.step) else {
            continue;
        };
        let Some(holder) = s.resolution.objects.get(of).filter(|_| of != 0) else {
            continue;
        };
        let holder = without_dots(s, &holder.path);
        let (name, holder) = (text(&need.name), text(&holder));
        let mut said = Said::from(format!("{name} is found through the RPATH of {holder}"));
        if let Some(library) = need.object.and_then(|object| s.resolution.objects.get(object)) {
            let file = s.shown.as_os_str().as_encoded_bytes();
            let library = without_dots(s, &library.path);
            said.advice.add_directory("add its directory", &library, Some(file));
        }
        say(said);
    }
}

/// The path with its directory free of `..`, as an RPATH may have them, and of links.
fn without_dots(s: &Subject<'_>, path: &[u8]) -> Vec<u8> {
    let path = Path::new(OsStr::from_bytes(path));
    let directory = path.parent().and_then(|directory| s.options.real(directory));
    let clean = match (directory, path.file_name()) {
        (Some(directory), Some(name)) => directory.join(name),
        _ => path.to_owned(),
    };
    clean.into_os_string().into_encoded_bytes()
}
