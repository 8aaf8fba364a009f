//! A file with a static CUDA runtime is loaded together with the shared one.
//!
//! ## Why is this bad
//! Two runtimes in one process have separate state: a device that one of them set is not set for the
//! other, and errors of one are not seen by the other.
//!
//! ## Example
//! A program that links CUDA::cudart_static and a library that needs libcudart.so.12.
//!
//! ## Fix
//! Link the shared runtime everywhere: see `cudart-static`.

use crate::cuda::linkage::Linkage;
use crate::lint::Subject;
use crate::lint::text;

/// The static one from the file's contents, the shared one from what is loaded with it.
pub fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    if s.cudart.linkage != Linkage::Static {
        return;
    }
    let shared = s.loaded().find(|(_, library)| {
        let soname = library.soname.as_deref();
        soname.is_some_and(|name| name.starts_with(b"libcudart.so"))
    });
    if let Some((path, _)) = shared {
        say(format!(
            "holds a static cudart and loads a shared one, {}",
            text(path)
        ));
    }
}
