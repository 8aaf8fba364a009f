//! Finds containers in a range of a file: by walking from one to the next, and by their magic
//! where something else lies between (libcublasLt's `.cask_resource`, libcupti's `.rodata`).

use super::walk::{Container, FoundFatbins, entries, look};
use super::window::Window;
use elf_edit::ReadAt;
use std::io;

/// False matches of the magic after which the rest of a region is not searched.
const MAX_FALSE: usize = 1 << 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FatbinRegion {
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// The region should contain only containers, so anything else is a problem. Elsewhere, a magic
    /// without a sound container behind it is a coincidence.
    pub only_fatbins: bool,
}

/// Adds the containers in `region` of `file` to `found`.
pub(crate) fn scan<R: ReadAt + ?Sized>(
    file: &R,
    region: FatbinRegion,
    found: &mut FoundFatbins,
) -> io::Result<()> {
    let end = region.end.min(file.len());
    let mut window = Window::new(file);
    let mut at = region.start;
    let mut expected = region.only_fatbins;
    let mut wrong = 0;
    while at < end && !found.truncated {
        match look(&mut window, at, end)? {
            Container::Sound(stop) => {
                entries(&mut window, at, stop, found)?;
                at = stop;
                expected = region.only_fatbins;
                continue;
            }
            Container::Bad(what) => {
                wrong += 1;
                if region.only_fatbins {
                    found.problem(at, what);
                }
                if wrong > MAX_FALSE {
                    found.truncated = true;
                    return Ok(());
                }
                at += 1;
                expected = false;
            }
            Container::None => {}
        }
        let next = window.next_magic(at, end)?;
        if expected && !window.all_zero(at, next.unwrap_or(end))? {
            let len = next.unwrap_or(end) - at;
            found.problem(at, format!("{len} bytes that are no fatbin container"));
            expected = false;
        }
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    Ok(())
}
