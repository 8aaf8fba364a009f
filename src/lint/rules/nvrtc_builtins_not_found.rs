//! libnvrtc would not find its libnvrtc-builtins.
//!
//! ## Why is this bad
//! Every compilation fails: "nvrtc: error: failed to open libnvrtc-builtins.so.12.9". NVRTC opens
//! that library by its own RUNPATH, by the exact version, so one of another release does not help.
//!
//! ## Example
//! libnvrtc.so.12 copied into a wheel or a package without libnvrtc-builtins.so.12.9 beside it, or
//! patched to a RUNPATH without `$ORIGIN`.
//!
//! ## Fix
//! Put the libnvrtc-builtins of the same release beside it, and keep `$ORIGIN` in its RUNPATH:
//! `cuda-fixup fixup --dlopen auto --lib DIR libnvrtc.so.12`, where DIR has libnvrtc-builtins.

use crate::cuda::Soname;
use crate::lint::{Said, Subject, text};

/// Uses the name in libnvrtc's strings.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(Said)) {
    let missing = s.resolution.dlopen.iter().filter(|c| c.found.is_none());
    let mut names = missing.filter_map(|candidate| candidate.names.first());
    if let Some(name) = names.find(|name| covers(s, name)) {
        let message = format!(
            "opens {}, which would not be found: NVRTC compiles nothing without it",
            text(name)
        );
        say(Said::opens(message, &[&name[..]], s));
    }
}

/// Whether this rule looks after a name that the file may open.
pub(super) fn covers(s: &Subject<'_>, name: &[u8]) -> bool {
    let stem = |name| Soname::parse(name).map(|soname| soname.stem);
    s.soname().and_then(stem) == Some(b"libnvrtc") && stem(name) == Some(b"libnvrtc-builtins")
}
