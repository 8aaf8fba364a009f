//! A text file of the package names a path of the system: /usr, /opt, /usr/local/cuda.
//!
//! ## Why is this bad
//! Builds that read it (pkg-config, CMake) look where nothing is, or find another CUDA.
//!
//! ## Example
//! `cudaroot=/usr/local/cuda-12.8` in a redistributable's `cublas-12.8.pc`.
//!
//! ## Fix
//! Replace the path in postPatch, or remove the file.

use crate::lint::TextFile;
use regex::bytes::Regex;
use std::sync::LazyLock;

/// Interpreter lines are left to patchShebangs.
static PATHS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?-u)(^|[^#!\w./-])/(usr|opt)/[\w./+-]*(cuda|nvidia|include|lib)[\w./+-]*").ok()
});

/// The first few of them, each with its line.
pub fn check(file: &TextFile<'_>, say: &mut dyn FnMut(String)) {
    let Some(paths) = &*PATHS else {
        return;
    };
    let lines = file.bytes.split(|&b| b == b'\n').enumerate();
    let hits = lines.filter(|(_, line)| !line.starts_with(b"#!"));
    let hits = hits.filter_map(|(number, line)| Some((number + 1, paths.find(line)?)));
    for (number, hit) in hits.take(5) {
        let path = String::from_utf8_lossy(hit.as_bytes());
        let path = path.trim_start_matches(|c| c != '/');
        say(format!("line {number} names {path}"));
    }
}
