//! The file asks for an executable stack.
//!
//! ## Why is this bad
//! A stack overflow can execute code. And from glibc 2.41 on, dlopen refuses such a library in a
//! program whose own stack is not executable: "cannot enable executable stack as shared object
//! requires: Invalid argument". A program that is linked with it still starts.
//! GLIBC_TUNABLES=glibc.rtld.execstack=2 allows the dlopen, and =0 forbids both.
//!
//! ## Example
//! One assembly file without `.section .note.GNU-stack`.
//!
//! ## Fix
//! Link with `-Wl,-z,noexecstack`, or `patchelf --clear-execstack FILE`.

use crate::lint::Subject;

/// By PT_GNU_STACK. A file without one gets its architecture's default.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    if s.info.asks_for_executable_stack() {
        say("its PT_GNU_STACK is executable".to_owned());
    }
}
