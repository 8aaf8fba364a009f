//! The file has much uncompressed device code.
//!
//! ## Why is this bad
//! Device code compresses to a third or less: the package is larger than it need be.
//!
//! ## Example
//! libraries built with `-rdc=true` by CUDA before 13, whose device link compresses nothing.
//!
//! ## Fix
//! `-Xfatbin=-compress-all`, or `--compress-mode=size` from CUDA 12.9 on.
//! No command can do it: nvcc and fatbinary compress while they build.

use crate::cuda::fatbin::Compression;
use crate::lint::Subject;

/// Less than this is not worth reporting.
const BIG: u64 = 1 << 20;

/// By the sizes in the headers.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let images = s.device_code.images.iter().map(|image| &image.entry);
    let plain = images.filter(|e| e.part.is_none() && e.compression == Compression::None);
    let size = plain.fold(0_u64, |sum, e| sum.saturating_add(e.size));
    if size >= BIG {
        say(format!("has {size} bytes of uncompressed device code"));
    }
}
