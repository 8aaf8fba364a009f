//! Gives every new string its place in the string table, and the tables that name strings
//! their new contents.

use super::symbols::SymbolEdit;
use super::{Job, MAX_TABLE, NewString, NewTable, layout};
use crate::read::dynamic::Dynamic;
use crate::read::read_at::ReadAt;
use crate::rewrite::error::RewriteError;
use crate::rewrite::extents::Extent;
use crate::rewrite::strtab::{Kept, Room, free_parts};
use crate::rewrite::target::names_string;
use object::elf;
use std::io;

impl<R: ReadAt + ?Sized> Job<'_, R> {
    pub(super) fn place_strings(&mut self, dynamic: &Dynamic) -> Result<(), RewriteError> {
        if dynamic.value(elf::DT_STRTAB).is_none()
            && self.target.entries.iter().any(|e| e.string.is_some())
        {
            return layout("the dynamic section has no DT_STRTAB");
        }
        let renamed = self.renamed_version_files(dynamic)?;
        let symbols = SymbolEdit::new(self)?;
        let mut dropped = self.target.dropped.clone();
        dropped.extend(renamed.iter().map(|r| r.1));
        let old_names = symbols
            .as_ref()
            .map_or(Vec::new(), |s| s.old_names().to_vec());
        dropped.extend(&old_names);
        dropped.sort_unstable();
        dropped.dedup();
        let still_used: Vec<u64> = self
            .target
            .entries
            .iter()
            .filter(|e| e.string.is_none() && names_string(e.tag))
            .map(|e| e.value)
            .collect();
        let kept = Kept {
            entries: &still_used,
            renamed_files: &renamed.iter().map(|r| r.0).collect::<Vec<u64>>(),
            renamed_symbols: &old_names,
        };
        self.free = free_parts(&self.tables, &dropped, &kept)?;
        let mut room = Room::new(self.free.clone(), dynamic.strsz);
        for (index, entry) in self.target.entries.iter().enumerate() {
            let Some(text) = &entry.string else { continue };
            let string = match self.strings.iter().position(|s| &s.text == text) {
                Some(there) => there,
                None if text.is_empty() && self.starts_with_nul(dynamic)? => {
                    self.strings.push(NewString {
                        at: 0,
                        text: Vec::new(),
                    });
                    self.strings.len() - 1
                }
                None => {
                    let prefer = entry.old_index.map(|i| dynamic.entries[i].value);
                    self.new_string(text, &mut room, prefer)
                }
            };
            self.entry_strings[index] = Some(string);
        }
        self.version_files(&renamed)?;
        self.symbol_tables(symbols, &mut room)?;
        self.strsz = room.size;
        Ok(())
    }

    /// The place of a new string: one that is new already, or room for another.
    pub(super) fn new_string(
        &mut self,
        text: &[u8],
        room: &mut Room,
        prefer: Option<u64>,
    ) -> usize {
        if let Some(there) = self.strings.iter().position(|s| s.text == text) {
            return there;
        }
        let at = room.take(text.len() as u64, prefer);
        self.strings.push(NewString {
            at,
            text: text.to_vec(),
        });
        self.strings.len() - 1
    }

    /// `.gnu.version_r` with the new names of libraries.
    fn version_files(&mut self, renamed: &[(u64, u64, Vec<u8>)]) -> Result<(), RewriteError> {
        if renamed.is_empty() {
            return Ok(());
        }
        let mut table = self.table(elf::DT_VERNEED)?;
        for (field, _, to) in renamed {
            if let Some(string) = self.strings.iter().position(|s| &s.text == to) {
                table.strings.push((*field as usize, string));
            }
        }
        self.changed_tables.push(table);
        Ok(())
    }

    /// Whether the string at `at` is `text`.
    fn is_string(&self, dynamic: &Dynamic, at: u64, text: &[u8]) -> io::Result<bool> {
        let len = text.len() as u64 + 1;
        if at.checked_add(len).is_none_or(|end| end > dynamic.strsz) {
            return Ok(false);
        }
        let found = self
            .tables
            .file
            .read_vec(dynamic.strtab + at, len as usize)?;
        Ok(found.split_last() == Some((&0, text)))
    }

    /// The table that a dynamic tag points to, as it is.
    pub(super) fn table(&self, tag: i64) -> Result<NewTable, RewriteError> {
        let vaddr = self.facts().dynamic.as_ref().and_then(|d| d.value(tag));
        let len = self.tables.size_of(tag)?.filter(|&len| len <= MAX_TABLE);
        let place = vaddr.zip(len).and_then(|(vaddr, len)| {
            let offset = self.facts().offset_of(vaddr, len)?;
            Some(Extent {
                offset,
                vaddr,
                len,
                align: 8,
            })
        });
        let Some(extent) = place else {
            return layout(format!(
                "the table of dynamic tag {tag:#x} can't be found or sized"
            ));
        };
        let bytes = self
            .tables
            .file
            .read_vec(extent.offset, extent.len as usize)?;
        Ok(NewTable {
            extent,
            bytes,
            strings: Vec::new(),
        })
    }

    /// Whether the table's first string is the empty one, as the gABI has it.
    fn starts_with_nul(&self, dynamic: &Dynamic) -> io::Result<bool> {
        Ok(dynamic.strsz > 0 && self.tables.file.read_vec(dynamic.strtab, 1)? == [0])
    }

    /// `vn_file` fields of libraries that get another name: (field, old string, new name).
    fn renamed_version_files(
        &self,
        dynamic: &Dynamic,
    ) -> Result<Vec<(u64, u64, Vec<u8>)>, RewriteError> {
        if self.target.renamed_needed.is_empty() {
            return Ok(Vec::new());
        }
        let Some(names) = self.tables.version_names(elf::DT_VERNEED)? else {
            return layout("its table of needed symbol versions makes no sense");
        };
        let mut renamed = Vec::new();
        for (field, at) in names.files {
            for (from, to) in &self.target.renamed_needed {
                if self.is_string(dynamic, at, from)? {
                    renamed.push((field, at, to.clone()));
                    break;
                }
            }
        }
        Ok(renamed)
    }
}
