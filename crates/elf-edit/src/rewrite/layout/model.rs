//! A layout as plain data: where each extent of the file is, in the file and in memory.

use crate::rewrite::extents::Extent;

/// A place in the file and in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Location {
    /// Offset in the file.
    pub offset: u64,
    pub vaddr: u64,
    pub len: u64,
}

impl Location {
    /// Offset of the first byte behind it.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.len
    }
}

/// An extent that another place or other contents are planned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Move {
    pub extent: Extent,
    /// Its place in this layout. A changed interpreter may have another length.
    pub to: Location,
}

/// The PT_LOAD that a rewrite appends to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AppendedSegment {
    /// Offset in the file.
    pub offset: u64,
    pub vaddr: u64,
    /// Offset of its end.
    pub end: u64,
    /// `p_align`
    pub align: u64,
    /// Whether it is mapped writable.
    pub writable: bool,
    /// Index of its PT_LOAD, where an earlier rewrite appended one.
    pub existing: Option<usize>,
    /// Extents that it holds already and that stay where they are.
    pub unmoved: Vec<Extent>,
}

/// A copy of the data behind the ELF file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TailCopy {
    /// Offset of the data.
    pub from: u64,
    /// Offset of the copy.
    pub to: u64,
    pub len: u64,
}

/// Section headers and their names that are written anew behind the old end of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SectionArea {
    /// The table of names.
    pub names: Location,
    /// Offset of the section header table.
    pub table: u64,
    /// `e_shnum`
    pub count: u16,
    /// Offset of the first byte behind both.
    pub end: u64,
}

/// A PT_LOAD that grows in the file and in memory, to map the program header table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GrownLoad {
    pub index: usize,
    /// `p_filesz` and `p_memsz` afterwards.
    pub len: u64,
}

/// One layout of the file: before the rewrite, while the journal is in use, or afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The string table, by DT_STRTAB and DT_STRSZ.
    pub strtab: Option<Location>,
    /// Each new string with its NUL. In the layout before the rewrite: where it would be.
    pub strings: Vec<Location>,
    /// Extents that move or get other contents.
    pub moves: Vec<Move>,
    pub dynamic: Option<Location>,
    /// The program header table.
    pub phdrs: Location,
    /// Offset of the section header table.
    pub section_table: u64,
    /// Section headers and names that are written anew.
    pub section_area: Option<SectionArea>,
    /// The note of a new resolution cache.
    pub cache: Option<Location>,
    /// The appended segment, if the layout needs one.
    pub segment: Option<AppendedSegment>,
    /// A PT_LOAD that grows.
    pub grown: Option<GrownLoad>,
    /// The index of a PT_LOAD that nothing writes to any more.
    pub read_only: Option<usize>,
    /// The copy of the data behind the ELF file, where the appended segment would hide it.
    pub tail: Option<TailCopy>,
    /// Length of the file.
    pub end: u64,
    /// Whether strip tools find the program header table: it is at its old place, and a PT_LOAD
    /// maps it.
    pub strip_safe: bool,
}

impl Layout {
    /// The address in this layout of the contents at `vaddr` before the rewrite.
    pub(super) fn address(&self, vaddr: u64) -> u64 {
        match self.moves.iter().find(|m| m.extent.holds_vaddr(vaddr, 1)) {
            Some(m) => m.to.vaddr.wrapping_add(vaddr - m.extent.vaddr),
            None => vaddr,
        }
    }

    /// The value that a dynamic entry needs to name the new string at `index`.
    pub(super) fn string_value(&self, index: usize) -> u64 {
        let table = self.strtab.map_or(0, |s| s.vaddr);
        let string = self.strings.get(index).map_or(table, |s| s.vaddr);
        string.wrapping_sub(table)
    }

    /// Offset of the appended segment if it is new in a file of `size` bytes, the highest number
    /// otherwise. Everything behind it has its final contents before any header names it.
    pub(super) fn first_new(&self, size: u64) -> u64 {
        match &self.segment {
            Some(segment) if segment.offset >= size => segment.offset,
            _ => u64::MAX,
        }
    }

    /// Whether the appended segment holds this location.
    pub(super) fn in_segment(&self, location: &Location) -> bool {
        let holds = |s: &AppendedSegment| location.offset >= s.offset && location.end() <= s.end;
        self.segment.as_ref().is_some_and(holds)
    }

    /// Whether an extent is planned for that holds all of this one.
    pub(super) fn plans_for(&self, extent: &Extent) -> bool {
        let mut moves = self.moves.iter();
        moves.any(|m| m.extent.holds_vaddr(extent.vaddr, extent.len))
    }
}
