//! Gives every new string its offset in the string table, and the tables that name strings their
//! new contents.

use super::context::{LayoutContext, NewString, refuse};
use super::symbols::{self, SymbolEdit};
use crate::read::dynamic::Dynamic;
use crate::read::read_at::ReadAt;
use crate::read::versions;
use crate::rewrite::error::RewriteError;
use crate::rewrite::strtab::{StillNamed, StringTableAllocator, free_parts};
use crate::rewrite::target::names_string;
use object::elf;
use std::io;

/// A `vn_file` field of a library that gets another name.
struct RenamedFile {
    /// Offset of the field in `.gnu.version_r`.
    field: u64,
    /// The string that it names now.
    old: u64,
    name: Vec<u8>,
}

/// Allocates all new strings.
pub(super) fn allocate<R: ReadAt + ?Sized>(
    context: &mut LayoutContext<'_, R>,
) -> Result<(), RewriteError> {
    let Some(dynamic) = &context.info().dynamic else {
        return Ok(());
    };
    if dynamic.value(elf::DT_STRTAB).is_none()
        && context.target.entries.iter().any(|e| e.string.is_some())
    {
        return refuse("the dynamic section has no DT_STRTAB");
    }
    let renamed = renamed_version_files(context, dynamic)?;
    let symbols = SymbolEdit::new(context)?;
    let old_names = symbols
        .as_ref()
        .map_or(Vec::new(), |s| s.old_names().to_vec());
    context.free = free_list(context, &renamed, &old_names)?;
    let mut table = StringTableAllocator::new(context.free.clone(), dynamic.strsz);
    for (index, entry) in context.target.entries.iter().enumerate() {
        let Some(text) = &entry.string else { continue };
        let known = context.strings.iter().any(|s| &s.text == text);
        if !known && text.is_empty() && starts_with_nul(context, dynamic)? {
            context.strings.push(NewString {
                at: 0,
                text: Vec::new(),
            });
        }
        let prefer = entry.old_index.map(|i| dynamic.entries[i].value);
        context.entry_strings[index] = Some(context.new_string(text, &mut table, prefer));
    }
    version_files(context, &renamed)?;
    if let Some(edit) = symbols {
        symbols::edit_tables(context, edit, &mut table)?;
    }
    context.strsz = table.size;
    Ok(())
}

/// Parts of the string table that nothing names after the edits.
fn free_list<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    renamed: &[RenamedFile],
    old_names: &[u64],
) -> io::Result<Vec<std::ops::Range<u64>>> {
    let mut dropped = context.target.dropped.clone();
    dropped.extend(renamed.iter().map(|r| r.old));
    dropped.extend(old_names);
    dropped.sort_unstable();
    dropped.dedup();
    let entries = context.target.entries.iter();
    let still_named: Vec<u64> = entries
        .filter(|e| e.string.is_none() && names_string(e.tag))
        .map(|e| e.value)
        .collect();
    let named = StillNamed {
        entries: &still_named,
        renamed_files: &renamed.iter().map(|r| r.field).collect::<Vec<u64>>(),
        renamed_symbols: old_names,
    };
    free_parts(&context.tables, &dropped, &named)
}

/// `.gnu.version_r` with the new names of libraries.
fn version_files<R: ReadAt + ?Sized>(
    context: &mut LayoutContext<'_, R>,
    renamed: &[RenamedFile],
) -> Result<(), RewriteError> {
    if renamed.is_empty() {
        return Ok(());
    }
    let mut table = context.table(elf::DT_VERNEED)?;
    for file in renamed {
        if let Some(string) = context.strings.iter().position(|s| s.text == file.name) {
            table.strings.push((file.field as usize, string));
        }
    }
    context.changed_tables.push(table);
    Ok(())
}

/// Whether the string at `at` is `text`.
fn is_string<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    dynamic: &Dynamic,
    at: u64,
    text: &[u8],
) -> io::Result<bool> {
    let len = text.len() as u64 + 1;
    if at.checked_add(len).is_none_or(|end| end > dynamic.strsz) {
        return Ok(false);
    }
    let file = context.tables.file;
    let found = file.read_vec(dynamic.strtab + at, len as usize)?;
    Ok(found.split_last() == Some((&0, text)))
}

/// Whether the table's first string is the empty one, as the gABI has it.
fn starts_with_nul<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    dynamic: &Dynamic,
) -> io::Result<bool> {
    Ok(dynamic.strsz > 0 && context.tables.file.read_vec(dynamic.strtab, 1)? == [0])
}

/// The `vn_file` fields of libraries that get another name.
fn renamed_version_files<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    dynamic: &Dynamic,
) -> Result<Vec<RenamedFile>, RewriteError> {
    if context.target.renamed_needed.is_empty() {
        return Ok(Vec::new());
    }
    let Some(names) = versions::names(context.tables.file, context.info(), elf::DT_VERNEED)? else {
        return refuse("its table of needed symbol versions makes no sense");
    };
    let mut renamed = Vec::new();
    for (field, old) in names.files {
        for (from, to) in &context.target.renamed_needed {
            if is_string(context, dynamic, old, from)? {
                let name = to.clone();
                renamed.push(RenamedFile { field, old, name });
                break;
            }
        }
    }
    Ok(renamed)
}
