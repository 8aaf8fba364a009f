//! A library leaves symbols to the program that loads it, and which program that is isn't known.
//!
//! ## Why is this bad
//! It is as it should be for plugins. For other libraries it means a forgotten `-l`: the library
//! loads only where another one happens to bring the symbol.
//!
//! ## Example
//! A library that calls `sin` and was linked without `-lm`.
//!
//! ## Fix
//! Link it with `-Wl,-z,defs` and the library that has the symbol. Of a plugin, allow the rule.
//! No command can do it: only the program is known to have the symbol.

use super::symbol_unbound::list;
use crate::lint::Subject;
use crate::loader::LoadedBy;

/// Python's own symbols are left out: every extension has them from its program.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let resolution = s.resolution;
    if resolution.loaded_by != LoadedBy::First {
        return;
    }
    // What a library that it needs leaves to the program is that library's finding.
    let own = resolution.missing_symbols.iter();
    let own = own.filter(|symbol| symbol.by == 0);
    // Those of CUDA's registration have a rule of their own.
    let own = own.filter(|symbol| !symbol.name.starts_with(b"__cudaRegister"));
    // And so have those that an older library of CUDA lacks.
    let older = |name: &Vec<u8>| s.older.iter().any(|library| library.symbols.contains(name));
    let own = own.filter(|symbol| !older(&symbol.name));
    if let Some(names) = list(resolution, own) {
        say(format!("leaves to its program: {names}"));
    }
}
