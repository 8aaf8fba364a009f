//! cuDNN would not find one of the libraries that it consists of.
//!
//! ## Why is this bad
//! libcudnn.so.9 is a thin layer: it opens libcudnn_graph, libcudnn_ops, libcudnn_cnn, … at the first
//! call by its own RUNPATH. One that is missing stops the process: "Unable to load any of
//! {libcudnn_ops.so.9.1.0, libcudnn_ops.so.9} … Invalid handle. Cannot load symbol cudnnCreate".
//!
//! ## Example
//! A package that bundles libcudnn.so.9 alone, as only that is in DT_NEEDED of the program.
//!
//! ## Fix
//! Install all of cuDNN in one directory with `$ORIGIN` in the RUNPATH of each file, or `cuda-fixup
//! fixup --dlopen auto --lib DIR FILE`. A package that leaves out an unused layer needs an
//! exception.

use crate::cuda::Soname;
use crate::lint::{Said, Subject, text};

/// Not in every edition of cuDNN: the others do without.
const OPTIONAL: [&[u8]; 3] = [
    b"libcudnn_engines_precompiled",
    b"libcudnn_engines_tensor_ir",
    b"libcudnn_ext",
];

/// By the names that cuDNN's libraries have among their strings.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(Said)) {
    let missing = s.resolution.dlopen.iter().filter(|c| c.found.is_none());
    let names = missing.filter_map(|candidate| candidate.names.first());
    let counts = |name: &&Vec<u8>| {
        let soname = Soname::parse(name);
        soname.is_some_and(|s| !s.version.is_empty() && !OPTIONAL.contains(&s.stem))
    };
    let names = names.filter(|name| covers(s, name)).filter(counts);
    let names: Vec<&[u8]> = names.map(|name| &name[..]).collect();
    let shown: Vec<_> = names.iter().map(|name| text(name)).collect();
    if !names.is_empty() {
        let message = format!("opens {}, which would not be found", shown.join(", "));
        say(Said::opens(message, &names, s));
    }
}

/// Whether this rule looks after a name that the file may open.
pub(super) fn covers(s: &Subject<'_>, name: &[u8]) -> bool {
    let is_cudnn = |name: &[u8]| {
        let soname = Soname::parse(name);
        soname.is_some_and(|s| s.stem == b"libcudnn" || s.stem.starts_with(b"libcudnn_"))
    };
    s.soname().is_some_and(is_cudnn) && is_cudnn(name)
}
