//! RUNPATH has a directory of the system: /usr, /lib, /opt, /usr/local/cuda.
//!
//! ## Why is this bad
//! The machine decides which library is loaded. NixOS has none there.
//!
//! ## Example
//! `/usr/local/cuda-13.0/targets/x86_64-linux/lib`, seen in published wheels.
//!
//! ## Fix
//! `cuda-fixup fixup --shrink --lib DIR`, where DIR has the library and is not a system directory.

use crate::lint::{EntryFault, Said, Subject, text};

/// Compares directories as the loader does; $ORIGIN depends on the file's own path.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(Said)) {
    for (tag, entry) in s.entries_with(EntryFault::System) {
        let message = format!("{tag} has the system's {}", text(&entry.text));
        say(Said::entry(message, entry, s));
    }
}
