//! Keeps the dynamic section of a program in its place, if leaving out a redundant entry makes room
//! for a new one. lld writes no spare DT_NULL. ld.so fills in the DT_DEBUG of the dynamic section
//! that PT_DYNAMIC names, and code that looks for it by `_DYNAMIC` (crash reporters, profilers) does
//! not find it in one that has moved.

use crate::read::dynamic::Dynamic;
use crate::read::headers::ElfInfo;
use crate::rewrite::target::Target;
use object::elf;
use std::borrow::Cow;

/// `target` without redundant entries, if that keeps the dynamic section in its place.
pub(super) fn fit<'a>(info: &ElfInfo, target: &'a Target) -> Cow<'a, Target> {
    let unchanged = Cow::Borrowed(target);
    let Some(dynamic) = &info.dynamic else {
        return unchanged;
    };
    let surplus = (target.entries.len() + 1).saturating_sub(dynamic.capacity);
    if surplus == 0 || dynamic.value(elf::DT_DEBUG).is_none() || has_moved(info, dynamic) {
        return unchanged;
    }
    let mut left = surplus;
    let mut fitting = target.clone();
    for tag in redundant(dynamic) {
        let place = fitting.entries.iter().position(|e| e.tag == tag);
        if let Some(place) = place.filter(|_| left > 0) {
            fitting.entries.remove(place);
            left -= 1;
        }
    }
    if left == 0 {
        Cow::Owned(fitting)
    } else {
        unchanged
    }
}

/// Whether an earlier rewrite has moved the dynamic section into an appended segment, where it
/// grows.
fn has_moved(info: &ElfInfo, dynamic: &Dynamic) -> bool {
    let mut loads = info.segments.iter().filter(|s| s.p_type == elf::PT_LOAD);
    loads.any(|s| s.offset == dynamic.strtab && s.holds_offset(dynamic.offset, dynamic.size))
}

/// Tags of redundant entries: immediate binding that DT_FLAGS_1 also requests; then the count of
/// relative relocations, a mere optimization for ld.so.
fn redundant(dynamic: &Dynamic) -> Vec<i64> {
    let mut tags = Vec::new();
    if dynamic.flags_1 & u64::from(elf::DF_1_NOW) != 0 {
        if dynamic.flags == u64::from(elf::DF_BIND_NOW) {
            tags.push(elf::DT_FLAGS);
        }
        tags.push(elf::DT_BIND_NOW);
    }
    tags.extend([elf::DT_RELACOUNT, elf::DT_RELCOUNT]);
    tags
}
