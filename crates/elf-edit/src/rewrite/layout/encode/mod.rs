//! From layouts to writes.

mod append;
mod bytes;
mod finalize;
mod image;
mod sections;
pub(super) mod single;

use super::context::LayoutContext;
use super::model::{Layout, TailCopy};
use crate::read::read_at::ReadAt;
use crate::rewrite::error::RewriteError;
use crate::rewrite::patch::{Patch, Step};

/// The writes that lead from the layout `old` through `journal` to `new`. A kill after any of them
/// leaves a file that loads.
pub(super) fn encode<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    old: &Layout,
    new: &Layout,
    journal: &Layout,
) -> Result<Patch, RewriteError> {
    let mut patch = Patch {
        steps: sections::area(context, new)?,
        strip_safe: new.strip_safe,
        ..Patch::default()
    };
    patch
        .steps
        .extend(append::steps(context, old, new, journal)?);
    patch.write(0, bytes::elf_header(context, journal)?);
    patch.merge_writes(final_contents(context, old, new)?);
    patch.write(0, bytes::elf_header(context, new)?);
    patch.steps.push(Step::Truncate { len: new.end });
    Ok(patch)
}

/// The writes that lead from the layout `old` to `new` in a copy of the file, which then replaces it.
pub(super) fn replace<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    old: &Layout,
    new: &Layout,
) -> Result<Patch, RewriteError> {
    let mut patch = Patch {
        steps: append::segment(context, old, new)?,
        strip_safe: new.strip_safe,
        replaces: true,
        tail_copied: new.tail.map_or(0, |tail| tail.len),
    };
    patch.merge_writes(final_contents(context, old, new)?);
    patch.write(0, bytes::elf_header(context, new)?);
    if let Some(TailCopy { from, to, len }) = new.tail {
        patch.steps.push(Step::Copy { from, to, len });
    }
    patch.steps.push(Step::Truncate { len: new.end });
    Ok(patch)
}

/// Everything but the ELF header, in ranges that no reader uses at that time.
fn final_contents<R: ReadAt + ?Sized>(
    context: &LayoutContext<'_, R>,
    old: &Layout,
    new: &Layout,
) -> Result<Vec<Step>, RewriteError> {
    let mut steps = finalize::steps(context, old, new)?;
    steps.extend(sections::steps(context, old, new)?);
    Ok(steps)
}
