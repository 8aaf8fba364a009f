//! The file has a segment that is both writable and executable.
//!
//! ## Why is this bad
//! An attacker who can write to it can run code. Hardened systems refuse to load it.
//!
//! ## Example
//! A program linked with `-Wl,--omagic`.
//!
//! ## Fix
//! Link with a plain linker script; find the object that brings a writable code section.
//! No command can do it: the linker laid code and data out in one segment.

use crate::lint::Subject;
use object::elf;

/// By the flags of PT_LOADs.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let both = elf::PF_W | elf::PF_X;
    for load in s.info.segments.iter().filter(|p| p.p_type == elf::PT_LOAD) {
        if load.flags & both == both {
            say(format!("the segment at {:#x} is writable and executable", load.vaddr));
        }
    }
}
