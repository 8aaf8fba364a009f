//! What no state of the journal uses gets its final contents: strings, what stays or moves about,
//! the dynamic section, the program header table. Nothing that was taken out or moved away
//! leaves a string behind.

use super::Job;
use super::in_place::free_contents;
use super::journal::fresh;
use super::segment::Plan;
use super::state::State;
use crate::read::codec::Segment;
use crate::read::dynamic::Dynamic;
use crate::read::read_at::ReadAt;
use crate::read::strings::Strings;
use crate::rewrite::error::RewriteError;
use crate::rewrite::patch::Patch;
use crate::rewrite::target::names_string;
use object::elf;
use std::ops::Range;

/// A stretch of the file that is put together before it is written.
pub struct Image {
    /// Where it begins in the file.
    pub start: u64,
    /// What shall stand there.
    pub bytes: Vec<u8>,
}

impl Image {
    /// Sets bytes at an offset of the file.
    pub fn put(&mut self, offset: u64, bytes: &[u8]) {
        let at = (offset - self.start) as usize;
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn slice(&self, from: u64, to: u64) -> Vec<u8> {
        self.bytes[(from - self.start) as usize..(to - self.start) as usize].to_vec()
    }
}

/// Everything that the journal's state doesn't use gets its final contents.
pub fn write<R: ReadAt + ?Sized>(
    job: &Job<'_, R>,
    plan: Option<&Plan>,
    fin: &State,
    patch: &mut Patch,
) -> Result<(), RewriteError> {
    let facts = job.facts();
    let is_fresh = |offset: u64| fresh(plan).is_some_and(|p| offset >= p.offset);
    if let Some(dynamic) = &facts.dynamic {
        if is_fresh(fin.strtab.map_or(0, |s| s.offset)) {
            clear(job, dynamic, left_behind(job, dynamic)?, patch)?;
        } else {
            for (at, bytes) in free_contents(job) {
                patch.write(dynamic.strtab + at, bytes);
            }
        }
    }
    // An interpreter that changes or moves leaves nothing of its old path.
    let moves = |s: &Segment| {
        let mut moves = fin.moves.iter();
        moves.any(|m| m.extent.offset != m.to.offset && m.extent.holds_vaddr(s.vaddr, s.filesz))
    };
    if let Some(old) = facts.segments.iter().find(|s| s.p_type == elf::PT_INTERP)
        && (job.target.interpreter.is_some() || moves(old))
    {
        patch.write(old.offset, vec![0; old.filesz as usize]);
    }
    match plan.filter(|p| p.extends) {
        Some(plan) => write_own(job, plan, fin, patch)?,
        None => {
            for m in fin.moves.iter().filter(|m| !is_fresh(m.to.offset)) {
                patch.write(m.to.offset, fin.extent_bytes(job, &m.extent)?);
            }
        }
    }
    if let Some(spot) = fin.dynamic.filter(|s| !is_fresh(s.offset)) {
        patch.write(spot.offset, fin.dynamic_bytes(job));
    }
    if !is_fresh(fin.phdrs.offset) {
        patch.write(fin.phdrs.offset, fin.phdr_bytes(job));
    }
    Ok(())
}

/// What is cleared in a string table that has moved away: each string that an edit can take out
/// of the new one. It would stay here otherwise, where no later edit finds it.
fn left_behind<R: ReadAt + ?Sized>(
    job: &Job<'_, R>,
    dynamic: &Dynamic,
) -> Result<Vec<Range<u64>>, RewriteError> {
    let named = dynamic.entries.iter().filter(|d| names_string(d.tag));
    let mut starts: Vec<u64> = named.map(|d| d.value).collect();
    if let Some(names) = job.tables.version_names(elf::DT_VERNEED)? {
        starts.extend(names.files.iter().map(|f| f.1));
    }
    starts.sort_unstable();
    starts.dedup();
    let mut texts = job.free.clone();
    let mut strings = Strings::new(job.tables.file, dynamic.strtab, dynamic.strsz);
    let mut done = 0;
    for at in starts.into_iter().filter(|&at| at < dynamic.strsz) {
        // One that is the tail of another has gone with it.
        if at < done {
            continue;
        }
        if let Some(text) = strings.get(at)? {
            done = at + text.len() as u64;
            texts.push(at..done);
        }
    }
    Ok(texts)
}

/// Parts that are at most so many bytes apart are cleared by one write.
const NEAR: u64 = 256;

/// Clears parts of a string table that nothing uses.
fn clear<R: ReadAt + ?Sized>(
    job: &Job<'_, R>,
    dynamic: &Dynamic,
    mut parts: Vec<Range<u64>>,
    patch: &mut Patch,
) -> Result<(), RewriteError> {
    parts.sort_unstable_by_key(|part| part.start);
    for near in parts.chunk_by(|a, b| b.start <= a.end + NEAR) {
        let start = near.iter().map(|part| part.start).min().unwrap_or(0);
        let end = near.iter().map(|part| part.end).max().unwrap_or(0);
        let offset = dynamic.strtab + start;
        let mut bytes = job.tables.file.read_vec(offset, (end - start) as usize)?;
        for part in near {
            bytes[(part.start - start) as usize..(part.end - start) as usize].fill(0);
        }
        patch.write(offset, bytes);
    }
    Ok(())
}

/// What stands behind the string table in a segment that grows where it is.
fn write_own<R: ReadAt + ?Sized>(
    job: &Job<'_, R>,
    plan: &Plan,
    fin: &State,
    patch: &mut Patch,
) -> Result<(), RewriteError> {
    let old_end = job.facts().dynamic.as_ref().map_or(0, |d| d.strsz);
    let start = plan.offset + old_end;
    let mut image = Image {
        start,
        bytes: vec![0; (plan.end - start) as usize],
    };
    for string in &job.strings {
        // A string may begin in a free part at the old end and reach past it.
        let skip = old_end.saturating_sub(string.at) as usize;
        if let Some(rest) = string.text.get(skip..)
            && string.at + string.text.len() as u64 > old_end
        {
            image.put(plan.offset + string.at + skip as u64, rest);
        }
    }
    let within = |offset: u64| offset >= start;
    for m in &fin.moves {
        let bytes = fin.extent_bytes(job, &m.extent)?;
        if within(m.to.offset) {
            image.put(m.to.offset, &bytes);
        } else {
            patch.write(m.to.offset, bytes);
        }
    }
    // Between what stays, nothing of what stood there before.
    let mut from = start;
    for stays in plan.stays.iter().filter(|e| e.offset >= start) {
        patch.write(from, image.slice(from, stays.offset));
        from = stays.end();
    }
    patch.write(from, image.slice(from, plan.end));
    Ok(())
}
