//! Two CUDA runtimes that share nothing are loaded: a static one beside another, or two shared ones.
//!
//! ## Why is this bad
//! Two runtimes in one process have separate state: a device that one of them set is not set for the
//! other, and errors of one are not seen by the other.
//!
//! ## Example
//! A program that links CUDA::cudart_static and a library that needs libcudart.so.12; a program whose
//! libraries need libcudart.so.12 and libcudart.so.13.
//!
//! ## Fix
//! Link the shared runtime of one CUDA version everywhere: see `cudart-static`.
//! No command can do it: the runtimes belong to the code that calls them.

use crate::cuda::linkage::Linkage;
use crate::lint::{RuntimeKind, Subject};

/// Static runtimes come from the file's contents, shared ones from the libraries loaded with it.
/// NVIDIA's own libraries come with static ones of one version on purpose. Shared ones are reported
/// for the file that combines them.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    if s.cudart.linkage == Linkage::Static {
        let other = |kind| match kind {
            RuntimeKind::Shared(_) => true,
            RuntimeKind::Static(version) => version.is_some() && version != s.cudart.version,
        };
        if let Some(others) = s.shown_runtimes(other) {
            let version = s.cudart.version.map(|v| v.to_string());
            let version = version.as_deref().unwrap_or("of unknown version");
            say(format!("holds a static cudart {version} and loads {others}"));
        }
    } else if s.shared_runtimes_meet
        && let Some(all) = s.shown_runtimes(RuntimeKind::is_shared)
    {
        say(format!("loads several CUDA runtimes: {all}"));
    }
}
