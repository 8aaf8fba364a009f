//! RUNPATH has a directory of the system: /usr, /lib, /opt, /usr/local/cuda.
//!
//! ## Why is this bad
//! What is loaded depends on what the machine has there. NixOS has nothing there.
//!
//! ## Example
//! `/usr/local/cuda-13.0/targets/x86_64-linux/lib`, seen in published wheels.
//!
//! ## Fix
//! `cuda-fixup fixup --shrink --lib DIR`, where DIR has the library and is no directory of the system.

use crate::lint::Subject;
use crate::lint::text;

/// Directories as the loader takes them; $ORIGIN is what the file's own place makes of it.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for (tag, entry) in s.search_path() {
        if s.is_system(entry) {
            say(format!("{tag} has the system's {}", text(&entry.text[..])));
        }
    }
}
