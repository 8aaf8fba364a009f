//! The cheap way: all that changes is one stretch inside one page, written at once.

use super::Job;
use super::state::{Load, Spot, State};
use crate::read::read_at::ReadAt;
use crate::rewrite::error::RewriteError;
use crate::rewrite::patch::Patch;
use object::elf;

/// A write inside one page of this size is all or nothing, whatever kills us.
const ATOMIC: u64 = 4096;

/// The state in which all strings stand at home and nothing has moved.
pub fn home_state<R: ReadAt + ?Sized>(job: &Job<'_, R>) -> State {
    let facts = job.facts();
    let dynamic_segment = facts.segments.iter().find(|s| s.p_type == elf::PT_DYNAMIC);
    State {
        strtab: facts.dynamic.as_ref().and_then(|d| {
            Some(Spot {
                offset: d.strtab,
                vaddr: d.value(elf::DT_STRTAB)?,
                len: d.strsz,
            })
        }),
        string_values: job.strings.iter().map(|s| s.at).collect(),
        moves: Vec::new(),
        dynamic: facts
            .dynamic
            .as_ref()
            .zip(dynamic_segment)
            .map(|(d, s)| Spot {
                offset: d.offset,
                vaddr: s.vaddr,
                len: d.size,
            }),
        phdrs: Spot {
            offset: facts.header.phoff,
            vaddr: super::segment::vaddr_of_table(job),
            len: 0,
        },
        section_table: facts.header.shoff,
        load: Load::Unchanged,
    }
}

/// The part of `new` that differs from what stands at `offset`.
fn difference<R: ReadAt + ?Sized>(
    job: &Job<'_, R>,
    offset: u64,
    new: &[u8],
) -> Result<Option<(u64, Vec<u8>)>, RewriteError> {
    let old = job.tables.file.read_vec(offset, new.len())?;
    let Some(first) = old.iter().zip(new).position(|(a, b)| a != b) else {
        return Ok(None);
    };
    let last = old
        .iter()
        .zip(new)
        .rposition(|(a, b)| a != b)
        .unwrap_or(first);
    Ok(Some((offset + first as u64, new[first..=last].to_vec())))
}

/// One write for the whole change, `None` where there is no such write.
pub fn place<R: ReadAt + ?Sized>(job: &Job<'_, R>) -> Result<Option<Patch>, RewriteError> {
    if job.target.interpreter.is_some() {
        return Ok(None);
    }
    let state = home_state(job);
    // What the loader reads: each of these changes the file's meaning.
    let mut meaning = Vec::new();
    meaning.extend(difference(job, 0, &state.header_bytes(job)?)?);
    meaning.extend(difference(job, state.phdrs.offset, &state.phdr_bytes(job))?);
    for table in &job.changed_tables {
        let bytes = state.extent_bytes(job, &table.extent)?;
        meaning.extend(difference(job, table.extent.offset, &bytes)?);
    }
    let mut strings = Vec::new();
    if let Some(dynamic) = &job.facts().dynamic {
        meaning.extend(difference(job, dynamic.offset, &state.dynamic_bytes(job))?);
        for (at, bytes) in &free_contents(job) {
            strings.extend(difference(job, dynamic.strtab + at, bytes)?);
        }
    }
    let mut patch = Patch {
        steps: Vec::new(),
        strip_safe: true,
    };
    match (meaning.as_slice(), strings.as_slice()) {
        ([], []) => {}
        // One entry names the new string at the old place: only the string is written.
        ([], [(offset, bytes)]) if in_one_page(*offset, bytes) => {
            patch.write(*offset, bytes.clone());
        }
        // What was named is cleared when nothing names it any more.
        ([(offset, bytes)], _) if job.strings.is_empty() && in_one_page(*offset, bytes) => {
            patch.write(*offset, bytes.clone());
            for (offset, bytes) in strings {
                patch.write(offset, bytes);
            }
        }
        _ => return Ok(None),
    }
    Ok(Some(patch))
}

/// Contents of the free parts of the string table afterwards: new strings, and zeros.
pub fn free_contents<R: ReadAt + ?Sized>(job: &Job<'_, R>) -> Vec<(u64, Vec<u8>)> {
    let mut parts = job.cleared();
    for string in &job.strings {
        for (start, bytes) in &mut parts {
            let end = *start + bytes.len() as u64;
            if (*start..end).contains(&string.at) {
                let at = (string.at - *start) as usize;
                // A string that grows past the table's old end takes the NUL there, and leaves
                // the rest to the caller.
                if string.text.len() > bytes.len() - at {
                    bytes.push(0);
                }
                let len = string.text.len().min(bytes.len() - at);
                bytes[at..at + len].copy_from_slice(&string.text[..len]);
            }
        }
    }
    parts
}

fn in_one_page(offset: u64, bytes: &[u8]) -> bool {
    offset / ATOMIC == (offset + bytes.len() as u64 - 1) / ATOMIC
}
