//! The file asks for an executable stack.
//!
//! ## Why is this bad
//! A stack overflow can execute code; and glibc 2.41 refuses to dlopen such a library.
//!
//! ## Example
//! One assembly file without `.section .note.GNU-stack`.
//!
//! ## Fix
//! Link with `-Wl,-z,noexecstack`, or `patchelf --clear-execstack FILE`.

use crate::lint::Subject;
use object::elf;

/// By PT_GNU_STACK. A file without one gets its architecture's default.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let stack = s.info.segments.iter().find(|p| p.p_type == elf::PT_GNU_STACK);
    if stack.is_some_and(|p| p.flags & elf::PF_X != 0) {
        say("its PT_GNU_STACK is executable".to_owned());
    }
}
