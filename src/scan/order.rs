//! The order of results: that of a tree, whatever the file system and the threads do.

use std::cmp::Ordering;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The order of a tree: the files of a directory by name, then its subdirectories. Compares bytes,
/// since comparing the components of 100,000 long paths takes longer than reading the files.
pub(crate) fn tree_order(a: &Path, b: &Path) -> Ordering {
    let (a, b) = (a.as_os_str().as_bytes(), b.as_os_str().as_bytes());
    let split = |path: &[u8]| path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    let (a_dir, a_name) = a.split_at(split(a));
    let (b_dir, b_name) = b.split_at(split(b));
    // The separator sorts before any other byte, so that the contents of a directory follow it.
    let rank = |byte: u8| if byte == b'/' { 0 } else { u16::from(byte) + 1 };
    let differ = a_dir.iter().zip(b_dir).find(|(x, y)| x != y);
    match differ {
        Some((x, y)) => rank(*x).cmp(&rank(*y)),
        None => a_dir
            .len()
            .cmp(&b_dir.len())
            .then_with(|| a_name.cmp(b_name)),
    }
}
