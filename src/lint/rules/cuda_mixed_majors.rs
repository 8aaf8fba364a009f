//! Libraries of different major versions of CUDA are in one process or in one tree.
//!
//! ## Why is this bad
//! The libraries of a toolkit are made for each other: cuBLAS 13 wants the runtime, the linker and
//! the driver of CUDA 13. Handles, streams and memory of one runtime mean nothing to the other. In a
//! tree, every program gets those that its search path has first.
//!
//! ## Example
//! libcublas.so.12 and libcusparse.so.11 in one process; `nvidia-cublas-cu12` beside
//! `nvidia-cuda-runtime` 13 in one `site-packages`.
//!
//! ## Fix
//! Take all of it from one CUDA version: the wheels of one suffix (`-cu12`, `-cu13`), one
//! cudaPackages set. A package that carries several on purpose and opens one needs an exception.
//! No command can do it: each library was built for its version.

use crate::cuda::libraries::{self, CudaLibrary, Majors};
use crate::lint::tree::{LintedTree, Member};
use crate::lint::{Subject, text};
use std::path::Path;

/// Compares SONAMEs, of which some belong to several versions. Reported for the file that combines
/// them; two versions of one library are `cuda-library-twice` or `cudart-twice`.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    if !s.cuda_libraries.doubled().is_empty() || s.shared_runtimes_meet {
        return;
    }
    if let Some((first, other)) = s.cuda_libraries.mixed() {
        let shown = |library: crate::lint::LoadedCudaLibrary<'_>| {
            let majors = library.majors.unwrap_or_default();
            let version = libraries::shown_majors(majors);
            format!("{} of CUDA {version}", text(library.path))
        };
        say(format!("loads {} and {}", shown(first), shown(other)));
    }
}

/// A tree with libraries of two versions, if none of its processes combines them.
pub(super) fn check_tree(tree: &LintedTree<'_>, say: &mut dyn FnMut(&Path, String)) {
    if tree.has_finding {
        return;
    }
    let of_member = |member: &&Member| -> Option<Majors> {
        let soname = member.soname.as_deref()?;
        let is_tool = CudaLibrary::of_soname(soname).is_none_or(|library| library.is_tool);
        libraries::majors_of(soname).filter(|_| !is_tool)
    };
    let all: Vec<(&Member, Majors)> = tree
        .members
        .iter()
        .filter_map(|member| Some((member, of_member(&member)?)))
        .collect();
    let pair = all.iter().enumerate().find_map(|(at, first)| {
        let other = all[at + 1..].iter().find(|other| other.1 & first.1 == 0)?;
        Some((first, other))
    });
    let Some((first, other)) = pair else {
        return;
    };
    let shown = |(member, majors): &(&Member, Majors)| {
        let count = all.iter().filter(|(_, of)| of == majors).count();
        let more = match count {
            1 => String::new(),
            _ => format!(" and {} more", count - 1),
        };
        format!(
            "CUDA {} ({}{more})",
            libraries::shown_majors(*majors),
            member.shown.display()
        )
    };
    say(
        tree.root,
        format!("has libraries of {} and of {}", shown(first), shown(other)),
    );
}
