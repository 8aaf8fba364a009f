//! The hash tables of dynamic symbols, `.gnu.hash` and `.hash`.

use super::symbols::SymbolEdit;
use crate::read::codec::{Class, Format};
use object::elf;

/// `.gnu.hash` for the symbols of `edit`, `None` where the old table makes no sense.
pub(super) fn gnu_hash_table(format: Format, old: &[u8], edit: &SymbolEdit) -> Option<Vec<u8>> {
    let number = |at| format.u32(old, at);
    let (buckets, first) = (number(0)?, number(4)? as usize);
    let (bloom, shift) = (number(8)?, number(12)?);
    if buckets == 0 || bloom == 0 || first > edit.names.len() {
        return None;
    }
    let word = format.word_size();
    let bits = 8 * word as u32;
    let mut filter = vec![0u64; bloom as usize];
    let mut starts = vec![0u32; buckets as usize];
    let hashes: Vec<u32> = edit.names[first..]
        .iter()
        .map(|n| elf::gnu_hash(n))
        .collect();
    let mut chains = Vec::with_capacity(hashes.len());
    for (index, &hash) in hashes.iter().enumerate() {
        let slot = &mut filter[((hash / bits) % bloom) as usize];
        *slot |= 1 << (hash % bits) | 1 << (hash.checked_shr(shift)? % bits);
        let bucket = hash % buckets;
        if starts[bucket as usize] == 0 {
            starts[bucket as usize] = u32::try_from(first + index).ok()?;
        }
        let last = hashes
            .get(index + 1)
            .is_none_or(|next| next % buckets != bucket);
        chains.push(hash & !1 | u32::from(last));
    }
    let mut out = old.get(..16)?.to_vec();
    out.extend(filter.iter().flat_map(|&w| format.number(w, word)));
    out.extend(
        starts
            .iter()
            .chain(&chains)
            .flat_map(|&w| format.number(w.into(), 4)),
    );
    (out.len() <= old.len()).then(|| {
        out.resize(old.len(), 0);
        out
    })
}

/// `.hash` for the symbols of `edit`, with entries of `width` bytes; `None` where the old table
/// makes no sense.
pub(super) fn sysv_hash_table(
    format: Format,
    width: usize,
    old: &[u8],
    edit: &SymbolEdit,
) -> Option<Vec<u8>> {
    let entry = |index: usize| match width {
        8 => format.word(old, 8 * index),
        _ => format.u32(old, 4 * index).map(u64::from),
    };
    let (buckets, chains) = (entry(0)? as usize, entry(1)? as usize);
    let entries = buckets.checked_add(chains)?.checked_add(2)?;
    if buckets == 0 || chains != edit.names.len() || old.len() != entries.checked_mul(width)? {
        return None;
    }
    let mut starts = vec![0u64; buckets];
    let mut next = vec![0u64; chains];
    // Undefined symbols are in the table too, local ones are not; number 0 is none. From the
    // back, so that chains run in the order of the symbols.
    for index in (1..chains).rev() {
        if is_local(format, &edit.symbols[index]) {
            continue;
        }
        let bucket = elf::hash(&edit.names[index]) as usize % buckets;
        next[index] = starts[bucket];
        starts[bucket] = index as u64;
    }
    let mut out = old[..2 * width].to_vec();
    out.extend(
        starts
            .iter()
            .chain(&next)
            .flat_map(|&w| format.number(w, width)),
    );
    Some(out)
}

/// Whether a raw symbol has the binding STB_LOCAL.
fn is_local(format: Format, symbol: &[u8]) -> bool {
    // st_info follows st_name in ELFCLASS64, and value and size in ELFCLASS32 (gABI).
    let at = match format.class {
        Class::Elf32 => 12,
        Class::Elf64 => 4,
    };
    symbol
        .get(at)
        .is_some_and(|info| info >> 4 == elf::STB_LOCAL)
}
