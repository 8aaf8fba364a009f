//! The file registers device code (`__cudaRegister…`), and no CUDA runtime is loaded with it.
//!
//! ## Why is this bad
//! It can't be loaded: "undefined symbol: __cudaRegisterFatBinary".
//!
//! ## Example
//! `nvcc -cudart none -shared -o libkernels.so kernels.cu`, in a program without a runtime.
//!
//! ## Fix
//! Link the library itself to cudart (`-cudart shared`).

use crate::lint::Subject;
use crate::lint::text;

/// Only in what is loaded with the file is looked for a runtime.
pub fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let Some(symbol) = s.registers.first() else {
        return;
    };
    let provided = s.loaded().any(|(_, library)| {
        let soname = library.soname.as_deref();
        soname.is_some_and(|name| name.starts_with(b"libcudart.so"))
    });
    // What NEEDED names and isn't found has a finding of its own.
    if !provided && s.cudart.needed.is_none() {
        say(format!(
            "has the undefined symbol {}, and nothing that it loads is a libcudart",
            text(&symbol[..])
        ));
    }
}
