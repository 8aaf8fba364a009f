//! Dynamic symbols that get another name or lose their version.
//!
//! A new name has another hash, and `.gnu.hash` wants symbols sorted by bucket: so a renamed
//! symbol that is defined here may move in `.dynsym`, and with it its version and every
//! relocation that names it.

use super::context::{LayoutContext, MAX_TABLE, NewTable, refuse};
use super::hashes::{gnu_hash_table, sysv_hash_table};
use crate::read::codec::{Class, Format};
use crate::read::dynamic::Dynamic;
use crate::read::read_at::ReadAt;
use crate::read::strings::Strings;
use crate::rewrite::error::RewriteError;
use crate::rewrite::extents::Extent;
use crate::rewrite::strtab::StringTableAllocator;
use object::elf;
use std::collections::HashMap;
use std::io;

/// The new `.dynsym`.
pub(super) struct SymbolEdit {
    /// Raw symbols in their new order.
    pub(super) symbols: Vec<Vec<u8>>,
    /// The name of each.
    pub(super) names: Vec<Vec<u8>>,
    /// Old index of each symbol.
    was: Vec<usize>,
    /// Which symbols are renamed.
    renamed: Vec<bool>,
    /// `st_name` of the renamed ones before, sorted.
    old_names: Vec<u64>,
}

/// Android's packed relative relocations, which name no symbols (bionic's `elf.h`).
const DT_ANDROID_RELR: i64 = 0x6fff_e000;
const DT_ANDROID_RELRSZ: i64 = 0x6fff_e001;
const DT_ANDROID_RELRENT: i64 = 0x6fff_e003;
/// `DT_USED`, a string (Solaris, "Linker and Libraries Guide").
const DT_USED: i64 = 0x7fff_fffe;

/// `VER_NDX_GLOBAL`: defined or needed with no version.
const UNVERSIONED: u64 = 1;

impl SymbolEdit {
    /// Reads all symbols, if any is to change.
    pub(super) fn new<R: ReadAt + ?Sized>(
        context: &LayoutContext<'_, R>,
    ) -> Result<Option<SymbolEdit>, RewriteError> {
        let target = context.target;
        if target.renamed_symbols.is_empty() && target.unversioned.is_empty() {
            return Ok(None);
        }
        let Some(dynamic) = &context.info().dynamic else {
            return Ok(None);
        };
        let format = context.info().format();
        let table = context.table(elf::DT_SYMTAB)?;
        let new_names: HashMap<&[u8], &[u8]> = target
            .renamed_symbols
            .iter()
            .map(|(from, to)| (&from[..], &to[..]))
            .collect();
        let mut edit = SymbolEdit {
            symbols: Vec::new(),
            names: Vec::new(),
            was: Vec::new(),
            renamed: Vec::new(),
            old_names: Vec::new(),
        };
        let mut strings = Strings::new(context.tables.file, dynamic.strtab, dynamic.strsz);
        for (index, raw) in table.bytes.chunks_exact(format.symbol_size()).enumerate() {
            let at = u64::from(format.u32(raw, 0).unwrap_or(0));
            let name = strings.get(at)?;
            let name = name.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
            let mut name = name.to_vec();
            let new_name = new_names.get(&name[..]);
            if let Some(new_name) = new_name {
                name = new_name.to_vec();
                edit.old_names.push(at);
            }
            edit.symbols.push(raw.to_vec());
            edit.names.push(name);
            edit.was.push(index);
            edit.renamed.push(new_name.is_some());
        }
        edit.old_names.sort_unstable();
        edit.old_names.dedup();
        Ok(Some(edit))
    }

    /// Strings that renamed symbols no longer name, sorted.
    pub(super) fn old_names(&self) -> &[u64] {
        &self.old_names
    }

    /// Sorts the symbols from `first` on by bucket, as `.gnu.hash` wants them.
    fn sort(&mut self, first: usize, buckets: u32) {
        let mut order: Vec<usize> = (0..self.symbols.len()).collect();
        if let Some(hashed) = order.get_mut(first..) {
            hashed.sort_by_key(|&i| elf::gnu_hash(&self.names[i]) % buckets.max(1));
        }
        self.symbols = order.iter().map(|&i| self.symbols[i].clone()).collect();
        self.names = order.iter().map(|&i| self.names[i].clone()).collect();
        self.renamed = order.iter().map(|&i| self.renamed[i]).collect();
        self.was = order.iter().map(|&i| self.was[i]).collect();
    }

    fn moved(&self) -> bool {
        self.was.iter().enumerate().any(|(is, &was)| is != was)
    }
}

/// Gives every table that follows from `edit` its new contents.
pub(super) fn edit_tables<R: ReadAt + ?Sized>(
    context: &mut LayoutContext<'_, R>,
    mut edit: SymbolEdit,
    table: &mut StringTableAllocator,
) -> Result<(), RewriteError> {
    context.symbol_tables(&mut edit, table)
}

impl<R: ReadAt + ?Sized> LayoutContext<'_, R> {
    fn symbol_tables(
        &mut self,
        edit: &mut SymbolEdit,
        strings: &mut StringTableAllocator,
    ) -> Result<(), RewriteError> {
        if edit.renamed.contains(&true) {
            self.hash_tables(edit)?;
            self.symbol_table(edit, strings)?;
            if edit.moved() {
                self.relocations(edit)?;
            }
        }
        self.versions(edit)
    }

    fn has(&self, tag: i64) -> bool {
        self.info()
            .dynamic
            .as_ref()
            .is_some_and(|d| d.value(tag).is_some())
    }

    fn hash_tables(&mut self, edit: &mut SymbolEdit) -> Result<(), RewriteError> {
        let format = self.info().format();
        if self.has(elf::DT_GNU_HASH) {
            let mut table = self.table(elf::DT_GNU_HASH)?;
            let number = |at| format.u32(&table.bytes, at).unwrap_or(0);
            let (buckets, first) = (number(0), number(4) as usize);
            let bloom = number(8) as usize * format.word_size();
            let starts = 16 + bloom..16 + bloom + 4 * buckets as usize;
            let Some(starts) = table.bytes.get(starts).filter(|s| !s.is_empty()) else {
                return refuse(".gnu.hash table header out of range");
            };
            // GNU ld writes a table that no symbol is in where all are undefined.
            if starts.iter().any(|&b| b != 0)
                && edit.renamed.iter().skip(first).any(|&renamed| renamed)
            {
                edit.sort(first, buckets);
                table.bytes = match gnu_hash_table(format, &table.bytes, edit) {
                    Some(bytes) => bytes,
                    None => return refuse(".gnu.hash table header out of range"),
                };
                self.changed_tables.push(table);
            }
        } else if self.has(crate::read::tables::DT_MIPS_XHASH) {
            return refuse(
                "symbols of a file with DT_MIPS_XHASH can't be renamed: its GOT is in their order",
            );
        }
        if self.has(elf::DT_HASH) {
            let mut table = self.table(elf::DT_HASH)?;
            let width = self.tables.hash_entry_size();
            table.bytes = match sysv_hash_table(format, width, &table.bytes, edit) {
                Some(bytes) => bytes,
                None => return refuse(".hash table header out of range"),
            };
            self.changed_tables.push(table);
        }
        if edit.moved() && self.info().header.machine == elf::EM_MIPS {
            return refuse("symbols of a MIPS file can't be renamed: its GOT is in their order");
        }
        Ok(())
    }

    fn symbol_table(
        &mut self,
        edit: &SymbolEdit,
        strings: &mut StringTableAllocator,
    ) -> Result<(), RewriteError> {
        let mut table = self.table(elf::DT_SYMTAB)?;
        table.bytes = edit.symbols.concat();
        let size = self.info().format().symbol_size();
        for index in (0..edit.symbols.len()).filter(|&i| edit.renamed[i]) {
            let string = self.new_string(&edit.names[index], strings, None);
            table.strings.push((index * size, string));
        }
        self.changed_tables.push(table);
        Ok(())
    }

    fn versions(&mut self, edit: &SymbolEdit) -> Result<(), RewriteError> {
        if !self.has(elf::DT_VERSYM) {
            return match self.target.unversioned.is_empty() {
                true => Ok(()),
                false => refuse("it has no table of symbol versions (DT_VERSYM)"),
            };
        }
        let format = self.info().format();
        let mut table = self.table(elf::DT_VERSYM)?;
        let old = table.bytes.clone();
        for (index, new) in table
            .bytes
            .chunks_exact_mut(2)
            .enumerate()
            .take(edit.names.len())
        {
            if self.target.unversioned.contains(&edit.names[index]) {
                new.copy_from_slice(&format.number(UNVERSIONED, 2));
            } else if let Some(moved) = old.get(edit.was[index] * 2..edit.was[index] * 2 + 2) {
                new.copy_from_slice(moved);
            }
        }
        if table.bytes != old {
            self.changed_tables.push(table);
        }
        Ok(())
    }

    /// Relocations name symbols by their index in `.dynsym`.
    fn relocations(&mut self, edit: &SymbolEdit) -> Result<(), RewriteError> {
        let mut is = vec![0u64; edit.was.len()];
        for (index, &was) in edit.was.iter().enumerate() {
            is[was] = index as u64;
        }
        let format = self.info().format();
        let Some(dynamic) = &self.info().dynamic else {
            return Ok(());
        };
        if let Some(tag) = names_symbols(dynamic, self.info().header.machine) {
            return refuse(format!(
                "symbols can't be renamed: dynamic tag {tag:#x} may name them by their number, \
                 which changes with their order in .gnu.hash"
            ));
        }
        let with_addend = dynamic.value(elf::DT_PLTREL) == Some(elf::DT_RELA as u64);
        let plt_size = if with_addend { 3 } else { 2 } * format.word_size();
        for (tag, size_tag, entry) in [
            (elf::DT_RELA, elf::DT_RELASZ, 3 * format.word_size()),
            (elf::DT_REL, elf::DT_RELSZ, 2 * format.word_size()),
            (elf::DT_JMPREL, elf::DT_PLTRELSZ, plt_size),
        ] {
            let (Some(vaddr), Some(len)) = (dynamic.value(tag), dynamic.value(size_tag)) else {
                continue;
            };
            let offset = self
                .info()
                .offset_of(vaddr, len)
                .filter(|_| len <= MAX_TABLE);
            let Some(offset) = offset else {
                return refuse("a relocation table lies in no PT_LOAD");
            };
            let mut bytes = self.tables.file.read_vec(offset, len as usize)?;
            for raw in bytes.chunks_exact_mut(entry) {
                renumber(format, raw, &is);
            }
            let extent = Extent {
                offset,
                vaddr,
                len,
                align: 8,
            };
            // DT_JMPREL may be the tail of DT_RELA.
            if !self
                .changed_tables
                .iter()
                .any(|t| t.extent.holds_vaddr(vaddr, len))
            {
                self.changed_tables.push(NewTable {
                    extent,
                    bytes,
                    strings: Vec::new(),
                });
            }
        }
        Ok(())
    }
}

/// Gives `r_info` of one relocation the symbol's new index.
fn renumber(format: Format, raw: &mut [u8], is: &[u64]) {
    let word = format.word_size();
    let info = format.word(raw, word).unwrap_or(0);
    let (shift, mask) = if format.class == Class::Elf32 {
        (8, 0xff)
    } else {
        (32, 0xffff_ffff)
    };
    if let Some(&new) = is.get((info >> shift) as usize) {
        let info = new << shift | info & mask;
        raw[word..2 * word].copy_from_slice(&format.number(info, word));
    }
}

/// The first dynamic tag, if any, whose table may name symbols by their number in a form that
/// is not rewritten here.
fn names_symbols(dynamic: &Dynamic, machine: u16) -> Option<i64> {
    let tags = dynamic.entries.iter().map(|entry| entry.tag);
    tags.into_iter().find(|&tag| !is_rewritten(tag, machine))
}

/// Whether this tag's data is independent of symbol numbers, or is rewritten.
fn is_rewritten(tag: i64, machine: u16) -> bool {
    match tag {
        // The gABI's up to DT_RELRENT; DT_SYMTAB_SHNDX is a table in the order of the symbols.
        0..=37 => tag != elf::DT_SYMTAB_SHNDX,
        // Numbers; of the addresses, Solaris' and GNU's from DT_GNU_HASH on, all but DT_SYMINFO,
        // another table in the order of the symbols, and DT_MOVETAB, whose records name symbols as
        // relocations do; versions.
        0x6fff_fd00..=0x6fff_fdff | 0x6fff_fff0..=0x6fff_ffff => true,
        elf::DT_GNU_HASH..=0x6fff_feff => tag != elf::DT_SYMINFO && tag != elf::DT_MOVETAB,
        DT_ANDROID_RELR | DT_ANDROID_RELRSZ | DT_ANDROID_RELRENT => true,
        elf::DT_AUXILIARY | DT_USED | elf::DT_FILTER => true,
        // Addresses, sizes and flags of the processor's own: PLT and GOT, BTI and PAC, memory
        // tags, packed relative relocations, the names of functions with another call standard.
        _ => match machine {
            elf::EM_X86_64 | elf::EM_PPC | elf::EM_PPC64 | elf::EM_RISCV | elf::EM_AARCH64 => {
                (0x7000_0000..=0x7000_001f).contains(&tag)
            }
            _ => false,
        },
    }
}
