//! A program in the store has an interpreter outside the store.
//!
//! ## Why is this bad
//! It starts with whatever loader and libc the machine has, or not at all.
//!
//! ## Example
//! A prebuilt program with `/lib64/ld-linux-x86-64.so.2`.
//!
//! ## Fix
//! autoPatchelfHook, or `cuda-fixup fixup --interpreter FILE`.

use crate::lint::Subject;
use crate::lint::text;

/// By the paths alone.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    if let Some(interpreter) = &s.info.interpreter
        && s.in_store(s.path.as_os_str().as_encoded_bytes())
        && !s.in_store(interpreter)
    {
        say(format!(
            "its interpreter {} is outside the store",
            text(&interpreter[..])
        ));
    }
}
