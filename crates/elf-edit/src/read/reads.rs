//! Hashes of the ranges that were read of a file, to detect changes.

use super::read_at::part;
use rustc_hash::FxHasher;
use std::hash::Hasher;
use std::io;

/// A range of a file, and a hash of the bytes that were read there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Read {
    offset: u64,
    len: usize,
    hash: u64,
}

impl Read {
    pub(super) fn of(offset: u64, bytes: &[u8]) -> Read {
        let mut hasher = FxHasher::default();
        hasher.write(bytes);
        Read {
            offset,
            len: bytes.len(),
            hash: hasher.finish(),
        }
    }
}

/// Ranges with at most this many bytes between them are read again by one system call.
const GAP: u64 = 1 << 16;
/// The longest such call, in bytes, unless a single range is longer.
const LONGEST_AGAIN: u64 = 1 << 20;

/// Whether the ranges of a file are unchanged. `read` returns the bytes of a range, or fewer at the
/// end of the file.
pub(super) fn still_hold(
    mut reads: Vec<Read>,
    read: impl Fn(u64, usize) -> io::Result<Vec<u8>>,
) -> io::Result<bool> {
    reads.sort_unstable();
    reads.dedup();
    let mut rest = &reads[..];
    while let Some(first) = rest.first() {
        let start = first.offset;
        let mut end = start + first.len as u64;
        let together = rest.iter().skip(1).take_while(|read| {
            let joined = end.max(read.offset + read.len as u64);
            let joins = read.offset <= end + GAP && joined - start <= LONGEST_AGAIN;
            if joins {
                end = joined;
            }
            joins
        });
        let (group, later) = rest.split_at(1 + together.count());
        let bytes = read(start, (end - start) as usize)?;
        let same = |read: &Read| {
            let found = part(&bytes, start, read.offset, read.len);
            found.is_some_and(|bytes| Read::of(read.offset, bytes) == *read)
        };
        if !group.iter().all(same) {
            return Ok(false);
        }
        rest = later;
    }
    Ok(true)
}
