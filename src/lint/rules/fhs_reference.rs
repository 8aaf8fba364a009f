//! A text file of the package names a path of the system: /usr, /opt, /usr/local/cuda.
//!
//! ## Why is this bad
//! Builds that read it (pkg-config, CMake) search a missing directory, or find another CUDA.
//!
//! ## Example
//! `cudaroot=/usr/local/cuda-12.8` in a redistributable's `cublas-12.8.pc`.
//!
//! ## Fix
//! Replace the path in postPatch, or remove the file.
//! No command can do it: the right path is the packager's to know.

use crate::lint::TextFile;
use memchr::memmem;
use regex::bytes::Regex;
use std::sync::LazyLock;

/// At most this many findings per file.
const SHOWN: usize = 5;

static PATHS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?-u)(^|[^#!\w./-])/(usr|opt)/[\w./+-]*(cuda|nvidia|include|lib)[\w./+-]*").ok()
});

/// Reports the first few such lines outside of comments.
pub(super) fn check(file: &TextFile<'_>, say: &mut dyn FnMut(String)) {
    let Some(paths) = &*PATHS else {
        return;
    };
    let mut said = 0;
    // CMake's comments of several lines: `#[==[ … ]==]`.
    let mut end: Option<Vec<u8>> = None;
    for (number, line) in file.bytes.split(|&b| b == b'\n').enumerate() {
        if let Some(bracket) = &end {
            if memmem::find(line, bracket).is_some() {
                end = None;
            }
            continue;
        }
        let line = line.trim_ascii_start();
        if let Some(comment) = line.strip_prefix(b"#") {
            end = bracket(comment).filter(|end| memmem::find(comment, end).is_none());
            continue;
        }
        if let Some(hit) = paths.find(line) {
            let path = String::from_utf8_lossy(hit.as_bytes());
            let path = path.trim_start_matches(|c| c != '/');
            say(format!("line {} names {path}", number + 1));
            said += 1;
        }
        if said == SHOWN {
            return;
        }
    }
}

/// The end of a comment that begins like this: `]==]` for `[==[`.
fn bracket(comment: &[u8]) -> Option<Vec<u8>> {
    let rest = comment.strip_prefix(b"[")?;
    let signs = rest.iter().take_while(|&&b| b == b'=').count();
    (rest.get(signs) == Some(&b'[')).then(|| [b"]", &rest[..signs], b"]"].concat())
}
