//! The package has a library of NVIDIA's driver outside a `stubs` directory.
//!
//! ## Why is this bad
//! A stub in its place fails at run time with "CUDA driver is a stub library"; a copy of the real one
//! works with one version of the kernel module only. Either hides the right one behind the driver link.
//!
//! ## Example
//! `lib/libcuda.so.1` copied from `lib/stubs/libcuda.so`.
//!
//! ## Fix
//! Remove it, `rm FILE`: the driver link provides it at run time. Link against the stub in its `stubs` directory.

use crate::advice::remove;
use crate::cuda::driver;
use crate::lint::{Said, Subject, text};

/// By SONAME; `stubs` directories are where they belong.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(Said)) {
    let Some(soname) = s.info.dynamic.as_ref().and_then(|d| d.soname.as_ref()) else {
        return;
    };
    let mut parents = s.path.ancestors().skip(1);
    let in_stubs = parents.any(|dir| dir.file_name().is_some_and(|name| name == "stubs"));
    if !in_stubs && let Some(library) = driver::copy_of(soname) {
        let mut said = Said::from(format!(
            "is {}, a library of the driver ({})",
            text(&soname[..]),
            library.what
        ));
        let command = remove(s.shown.as_os_str().as_encoded_bytes());
        said.advice.helps.extend(command.map(|c| format!("remove it: {c}")));
        say(said);
    }
}
