//! The file has device code that the CUDA version (`--cuda`) can't have made.
//!
//! ## Why is this bad
//! The file, or parts of it, were built with another CUDA version than the package's.
//!
//! ## Example
//! sm_120 code in a package of CUDA 12.4.
//!
//! ## Fix
//! Find out where the file comes from: a prebuilt library, or a second nvcc.
//! No command can do it: device code is compiled, not patched.

use crate::cuda::table::GpuTable;
use crate::lint::Subject;
use std::collections::BTreeSet;

/// By the table of capabilities.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let Some(cuda) = s.options.cuda else {
        return;
    };
    let Ok(table) = GpuTable::read() else {
        return;
    };
    let images = s.device_code.images.iter();
    let found: BTreeSet<_> = images.filter_map(|i| i.entry.capability()).collect();
    for capability in found {
        if let Err(refusal) = table.check(capability, cuda) {
            say(format!("has device code of {capability}: {refusal}"));
        }
    }
}
