//! Streams a region of a file through one window of fixed size.

use super::read_at::ReadAt;
use std::cell::Cell;
use std::io;

thread_local! {
    /// The buffer of the last region, so that no region pays for clearing one.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A range of file offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Region {
    /// The first byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

/// Bytes that are new in each window: they fit into a core's own cache.
const STEP: usize = 256 << 10;
/// Bytes of the last window that the next one repeats. Search patterns are shorter than half of
/// that, so each match lies whole, with its surroundings, in some window.
pub const OVERLAP: usize = 1024;

/// The visible part of a region.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// The bytes, of which at most [`OVERLAP`] are repeated from the window before.
    pub bytes: &'a [u8],
    /// Their offset in the file.
    pub offset: u64,
    /// Whether the region begins here.
    pub first: bool,
}

/// Calls `look` for all of `region`, in order. Stops where the file ends early.
pub fn windows<R: ReadAt + ?Sized>(
    file: &R,
    region: Region,
    mut look: impl FnMut(Window<'_>),
) -> io::Result<()> {
    let end = region.end.min(file.len());
    let mut start = region.start;
    if start >= end {
        return Ok(());
    }
    let mut buffer = BUFFER.take();
    let needed = OVERLAP + STEP.min((end - start) as usize);
    if buffer.len() < needed {
        buffer.resize(needed, 0);
    }
    let mut kept = 0;
    while start < end {
        let new = STEP.min((end - start) as usize);
        file.read_exact_at(start, &mut buffer[kept..kept + new])?;
        let filled = kept + new;
        look(Window {
            bytes: &buffer[..filled],
            offset: start - kept as u64,
            first: start == region.start,
        });
        start += new as u64;
        kept = filled.min(OVERLAP);
        buffer.copy_within(filled - kept..filled, 0);
    }
    BUFFER.set(buffer);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_seen_and_none_outside() {
        let bytes: Vec<u8> = (0..3 * STEP + 77).map(|i| (i % 251) as u8).collect();
        for (start, end) in [
            (0, bytes.len()),
            (5, 6),
            (9, 9),
            (100, STEP + 100),
            (7, 3 * STEP),
        ] {
            let mut seen = start;
            let region = Region {
                start: start as u64,
                end: end as u64,
            };
            windows(&bytes[..], region, |w| {
                let at = w.offset as usize;
                assert_eq!(w.bytes, &bytes[at..at + w.bytes.len()]);
                assert_eq!(w.first, at == start && seen == start);
                assert!(w.first || seen - at == OVERLAP.min(seen - start));
                seen = at + w.bytes.len();
            })
            .unwrap();
            assert_eq!(seen, end);
        }
    }

    #[test]
    fn a_region_past_the_end_costs_nothing() {
        let region = Region {
            start: 3,
            end: u64::MAX,
        };
        let mut seen = Vec::new();
        windows(&b"abcdef"[..], region, |w| seen.extend_from_slice(w.bytes)).unwrap();
        assert_eq!(seen, b"def");
    }
}
