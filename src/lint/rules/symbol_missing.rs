//! A program, or a library that it loads, needs a symbol at its start that nothing in the process has.
//!
//! ## Why is this bad
//! The program stops: "symbol lookup error: … undefined symbol".
//!
//! ## Example
//! LD_LIBRARY_PATH or a RUNPATH leads to an older libnvJitLink, which lacks symbols that
//! libcusparse wants.
//!
//! ## Fix
//! Let the library that has the symbol be found, and loaded if it is not needed yet:
//! `cuda-fixup patchelf --add-needed NAME FILE`. The message names it where it is near.

use super::symbol_unbound::list;
use crate::lint::{Said, Subject};
use crate::loader::LoadProblem;

/// As `ldd -r` finds them, of a program whose libraries are all found.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(Said)) {
    let resolution = s.resolution;
    let fatal = resolution.missing_symbols.iter();
    let Some(names) = list(resolution, fatal.filter(|symbol| resolution.is_fatal(symbol))) else {
        return;
    };
    say(Said {
        message: format!("nothing in the process has {names}"),
        advice: s.advice_where(|problem| matches!(problem, LoadProblem::Symbol(..))),
        ..Said::default()
    });
}
