//! A CUDA library that is found lacks symbols that the file was linked against: it is older.
//!
//! ## Why is this bad
//! "undefined symbol: cudnnGetRNNTempSpaceSizes": at the start, or at the first call with lazy
//! binding. Within one SONAME (libcudnn.so.9, libcublas.so.12, libnvJitLink.so.12) newer releases
//! only add symbols, so a program runs with the release that it was built against and anything
//! newer.
//!
//! ## Example
//! An extension built against cuDNN 9.8 in an environment that pins `nvidia-cudnn-cu12` 9.1.
//!
//! ## Fix
//! Install the release that the extension was built against, or a newer one of the same SONAME; or
//! let RUNPATH lead to it: `cuda-fixup fixup --lib DIR FILE`.
//! No command can do it before a newer release is there.

use crate::lint::Subject;
use crate::lint::text;

/// Symbols that a message names.
const SHOWN: usize = 3;

/// By the dynamic symbols, where everything is found that the file loads.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    for library in s.older {
        let names: Vec<_> = library.symbols.iter().take(SHOWN).map(|name| text(name)).collect();
        let more = match library.symbols.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        say(format!(
            "wants {}{more}, which {} that it loads does not have: it is older than the one that \
             the file was linked against",
            names.join(", "),
            text(&library.path)
        ));
    }
}
