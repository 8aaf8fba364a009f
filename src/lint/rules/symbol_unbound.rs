//! A function that is called through lazy binding is in nothing that the process loads, or a library lacks a symbol in the program that loads it.
//!
//! ## Why is this bad
//! The program starts, and its first call of that function ends it; a library that is opened later
//! doesn't load.
//!
//! ## Example
//! A program linked with `-z lazy` against a library that lost a function.
//!
//! ## Fix
//! Let the library that has the symbol be found, or build with the one that is found.
//! No command can do it where no library near has the symbol.

use crate::lint::{Subject, text};
use crate::loader::{LoadedBy, MissingSymbol, Resolution};

/// Symbols that a message names.
const SHOWN: usize = 4;

/// What keeps no program from starting.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let resolution = s.resolution;
    if resolution.loaded_by == LoadedBy::First {
        return;
    }
    let loose = resolution.missing_symbols.iter();
    if let Some(names) = list(resolution, loose.filter(|symbol| !resolution.is_fatal(symbol))) {
        say(format!("nothing in the process has {names}"));
    }
}

/// `gone, version V1 (for libx.so), other and 3 more`
pub(super) fn list<'a>(
    resolution: &Resolution,
    symbols: impl Iterator<Item = &'a MissingSymbol>,
) -> Option<String> {
    let mut names: Vec<String> = symbols
        .map(|symbol| {
            let mut name = text(&symbol.name).into_owned();
            if let Some(version) = &symbol.version {
                name.push_str(&format!(", version {}", text(version)));
            }
            if symbol.by != 0 {
                let path = &resolution.objects[symbol.by].path;
                let file = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
                name.push_str(&format!(" (for {})", text(file)));
            }
            name
        })
        .collect();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    match (names.is_empty(), more) {
        (true, _) => None,
        (_, 0) => Some(names.join("; ")),
        _ => Some(format!("{}; and {more} more", names.join("; "))),
    }
}
