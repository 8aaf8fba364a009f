//! The program's interpreter doesn't exist.
//!
//! ## Why is this bad
//! The program doesn't start: "No such file or directory", although it exists.
//!
//! ## Example
//! `/lib64/ld-linux-x86-64.so.2` on NixOS.
//!
//! ## Fix
//! `cuda-fixup fixup --interpreter FILE`.

use crate::lint::{Said, Subject, text};
use crate::loader::LoadProblem;

/// Of programs that name one.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(Said)) {
    if let Some(interpreter) = &s.resolution.interpreter
        && interpreter.named
        && !interpreter.exists
    {
        let message = format!("its interpreter {} is not there", text(&interpreter.path[..]));
        let advice = s.advice_where(|problem| matches!(problem, LoadProblem::NoInterpreter(_)));
        say(Said { message, advice, ..Said::default() });
    }
}
