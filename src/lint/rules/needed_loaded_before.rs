//! A library that a wheel's file needs is found only where something has loaded it before.
//!
//! ## Why is this bad
//! `import torch` loads libc10.so, and an extension imported after it gets that one, as the loader
//! looks first among what the process has. Imported before, it fails: "cannot open shared object
//! file". So the order of imports decides.
//!
//! ## Example
//! torchvision's `_C.so`, which needs libtorch.so of `torch/lib` and has no RUNPATH.
//!
//! ## Fix
//! Let RUNPATH lead there: `cuda-fixup fixup --lib DIR FILE`, where DIR has the library; or import
//! the package that loads it first, as such packages do.

use crate::cuda::driver;
use crate::lint::{Context, Subject, text};

/// In Python's packages only, for names that a file of the linted trees has: elsewhere that is
/// `needed-not-found`.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for need in s.own_needs().filter(|need| need.object.is_none()) {
        if covers(s, &need.name) {
            let name = text(&need.name);
            say(format!(
                "{name} is in this tree, but where the loader does not look for this file: it is \
                 found only if the process has loaded it before"
            ));
        }
    }
}

/// Whether this rule looks after a missing library.
pub(super) fn covers(s: &Subject<'_>, name: &[u8]) -> bool {
    s.context == Context::Wheels
        && s.info.interpreter.is_none()
        && s.options.names.contains(name)
        && driver::library(name).is_none()
}
