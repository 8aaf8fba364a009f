//! The file has text relocations (DT_TEXTREL).
//!
//! ## Why is this bad
//! The loader has to make code writable while it loads the file: hardened systems refuse that, and
//! the pages are shared with no other process.
//!
//! ## Example
//! A library linked from objects that were compiled without -fPIC.
//!
//! ## Fix
//! Compile all of it with -fPIC.
//! No command can do it: the code itself holds the addresses.

use crate::lint::Subject;
use object::elf;

/// There are two ways to mark them.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let found = s.info.dynamic.as_ref().is_some_and(|d| {
        d.value(elf::DT_TEXTREL).is_some() || d.flags & u64::from(elf::DF_TEXTREL) != 0
    });
    if found {
        say("has text relocations".to_owned());
    }
}
