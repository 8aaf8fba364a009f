//! A tree has several copies of one big library.
//!
//! ## Why is this bad
//! cuDNN and cuBLAS are hundreds of megabytes each: copies are downloaded, stored and loaded twice,
//! and two copies in one process are two libraries with two states.
//!
//! ## Example
//! A wheel with its own libcublasLt.so.12 beside that of `nvidia-cublas-cu12`.
//!
//! ## Fix
//! Keep one: `auditwheel repair --exclude libcublasLt.so.12` where the wheel is made; else remove
//! the copy and let RUNPATH lead to the other, with `cuda-fixup fixup --lib DIR`. Identical files that
//! must have two names are links.
//! No command can choose which copy stays.

use crate::cuda::Soname;
use crate::cuda::libraries::CudaLibrary;
use crate::lint::tree::{LintedTree, Member};
use std::collections::BTreeMap;
use std::path::Path;

/// Files that a message names.
const SHOWN: usize = 3;

/// Compares SONAME and code: libraries outside of CUDA must have the same code, which survives a
/// change of SONAME and RUNPATH.
pub(super) fn check_tree(tree: &LintedTree<'_>, say: &mut dyn FnMut(&Path, String)) {
    type Key<'a> = (&'a [u8], Option<u32>, u16, Option<u64>);
    let mut groups: BTreeMap<Key<'_>, Vec<&Member>> = BTreeMap::new();
    for member in &tree.members {
        let Some(code) = member.code else {
            continue;
        };
        let name = member.name();
        let (stem, major) = match Soname::parse(name) {
            Some(soname) => (soname.stem, soname.major()),
            None => (name, None),
        };
        let is_cuda = CudaLibrary::of_soname(name).is_some();
        let key = (stem, major, member.machine, (!is_cuda).then_some(code));
        groups.entry(key).or_default().push(member);
    }
    for ((stem, ..), members) in groups {
        let [first, others @ ..] = &members[..] else {
            continue;
        };
        if others.is_empty() {
            continue;
        }
        let bytes: u64 = others.iter().map(|member| member.size).sum();
        let same = others.iter().all(|other| other.code == first.code);
        let what = if same { "copies" } else { "builds" };
        let mut names: Vec<String> = others
            .iter()
            .take(SHOWN)
            .map(|member| member.shown.display().to_string())
            .collect();
        if let Some(more) = others.len().checked_sub(SHOWN).filter(|&more| more > 0) {
            names.push(format!("{more} more"));
        }
        say(
            &first.shown,
            format!(
                "is one of {} {what} of {} in this tree, {bytes} bytes more than one needs: {}",
                members.len(),
                String::from_utf8_lossy(stem),
                names.join(", ")
            ),
        );
    }
}
