//! Two different libraries of one SONAME are loaded together.
//!
//! ## Why is this bad
//! Two copies of a library in one process, each with its own state; the order of loading decides
//! which one a symbol comes from.
//!
//! ## Example
//! A bundled libz.so.1 under another file name, beside the system's.
//!
//! ## Fix
//! Remove the bundled one, or let both be found under the same name.
//! No command can choose which one stays.

use crate::lint::Subject;
use crate::lint::text;
use std::collections::BTreeMap;

/// Reported for the file that loads both.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let mut seen: BTreeMap<&[u8], &[u8]> = BTreeMap::new();
    for (path, library) in s.loaded() {
        let Some(soname) = &library.soname else {
            continue;
        };
        if let Some(other) = seen.insert(soname, path) {
            say(format!(
                "loads {} and {}, both of SONAME {}",
                text(other),
                text(path),
                text(&soname[..])
            ));
        }
    }
}
