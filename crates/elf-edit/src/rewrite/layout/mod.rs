//! From a target to a list of writes: see `docs/rewriting.md` for the layout, and for why each
//! prefix of the list leaves a valid file.
//!
//! ```text
//! edits -> LayoutContext -> in_place::plan or segment::plan -> journal::plan -> encode -> Patch
//! ```
//!
//! A `Layout` is plain data: where each extent of the file is. Each planner makes one from the
//! layout that the file has (`current`), and none calls another. `encode` compares layouts and
//! gives the writes that lead from one to the next:
//!
//! - One write inside one page is made directly (`encode::single`).
//! - All other changes go through a journal behind the end of the file: the new contents are
//!   written there, activated by one write of the ELF header, copied to their final places
//!   (`encode::finalize`, `encode::sections`), and the journal is cut off.
//! - A file with data behind the ELF file is replaced by a copy, with no journal: a reader that
//!   looks for that data from the end of the file would not find it while there is one.

mod address;
mod cache;
mod context;
mod current;
mod encode;
mod fit;
mod hashes;
mod in_place;
mod journal;
mod misplaced;
mod model;
mod obstacles;
mod outside;
mod remains;
mod segment;
mod strings;
mod symbols;
mod tail;

use crate::read::error::ReadError;
use crate::read::headers::{ElfInfo, read_sections};
use crate::read::read_at::ReadAt;
use crate::read::tables::Tables;
use crate::rewrite::error::RewriteError;
use crate::rewrite::patch::Patch;
use crate::rewrite::target::Target;
use context::LayoutContext;

/// The writes that change a file to `target`. `None` where nothing changes.
pub(crate) fn patch<R: ReadAt + ?Sized>(
    file: &R,
    info: &ElfInfo,
    target: &Target,
    page_size: Option<u64>,
) -> Result<Option<Patch>, RewriteError> {
    if target.is_reached(info) {
        return Ok(None);
    }
    // A table of section headers that can't be read can't be kept up to date: as if stripped.
    let sections = match read_sections(file, &info.header) {
        Err(ReadError::Io(e)) => return Err(ReadError::Io(e).into()),
        other => other.unwrap_or_default(),
    };
    let covered = outside::cover(info, &sections);
    let info = covered.as_ref().unwrap_or(info);
    let tables = Tables {
        file,
        info,
        sections: &sections,
    };
    let target = fit::fit(info, target);
    let mut context = LayoutContext::new(tables, &target, page_size);
    strings::allocate(&mut context)?;
    context.tail = tail::find(&context)?;
    cache::plan(&mut context)?;

    let old = current::current(&context);
    let new = if context.needs_segment() {
        segment::plan(&context)?
    } else {
        let new = in_place::plan(&context);
        if let Some(patch) = encode::single::write(&context, &new)? {
            return Ok((!patch.steps.is_empty()).then_some(patch));
        }
        new
    };
    if context.tail.is_some() {
        return encode::replace(&context, &old, &new).map(Some);
    }
    let journal = journal::plan(&context, &new)?;
    encode::encode(&context, &old, &new, &journal).map(Some)
}
