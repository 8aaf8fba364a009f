//! The layout of a file before the rewrite, from which each planner starts.

use super::address::address_of_table;
use super::context::LayoutContext;
use super::model::{Layout, Location, Move};
use crate::read::read_at::ReadAt;
use object::elf;

/// The layout that the file has.
pub(super) fn current<R: ReadAt + ?Sized>(context: &LayoutContext<'_, R>) -> Layout {
    let info = context.info();
    let dynamic = info.dynamic.as_ref();
    let dynamic_segment = info.segments.iter().find(|s| s.p_type == elf::PT_DYNAMIC);
    let strtab = dynamic.and_then(|d| {
        Some(Location {
            offset: d.strtab,
            vaddr: d.value(elf::DT_STRTAB)?,
            len: d.strsz,
        })
    });
    Layout {
        strings: strtab.map_or(Vec::new(), |table| context.strings_in(table)),
        strtab,
        moves: Vec::new(),
        dynamic: dynamic.zip(dynamic_segment).map(|(d, s)| Location {
            offset: d.offset,
            vaddr: s.vaddr,
            len: d.size,
        }),
        phdrs: Location {
            offset: info.header.phoff,
            vaddr: address_of_table(info),
            len: (info.segments.len() * info.format().segment_size()) as u64,
        },
        section_table: info.header.shoff,
        section_area: None,
        cache: None,
        segment: None,
        grown: None,
        read_only: None,
        tail: None,
        end: info.size,
        strip_safe: true,
    }
}

/// Plans for extents that keep their place and get other contents.
pub(super) fn add_new_contents<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    layout: &mut Layout,
) {
    let interpreter = context.interpreter_extent().map(|extent| {
        let len = context.interpreter_bytes().map(|b| b.len() as u64);
        (extent, len.unwrap_or(extent.len))
    });
    let tables = context.changed_tables.iter();
    let tables = tables.map(|table| (table.extent, table.extent.len));
    for (extent, len) in interpreter.into_iter().chain(tables) {
        if !layout.plans_for(&extent) {
            let to = Location {
                offset: extent.offset,
                vaddr: extent.vaddr,
                len,
            };
            layout.moves.push(Move { extent, to });
        }
    }
}
