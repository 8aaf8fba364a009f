//! A file behind one window that slides forward: a header's worth where header follows header,
//! more and more the longer nothing is found.

use super::CONTAINER_MAGIC;
use elf_edit::ReadAt;
use memchr::memmem;
use std::cell::Cell;
use std::io;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

static MAGIC: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new(&CONTAINER_MAGIC));

/// Whether a container may begin in these bytes.
pub(crate) fn may_begin_in(bytes: &[u8]) -> bool {
    MAGIC.find(bytes).is_some()
}

/// Nearly every header is smaller.
const SMALL: usize = 512;
/// Bytes read at a time once a search has found nothing for long: as many as fit a processor's
/// cache.
const LARGE: usize = 256 << 10;
/// Growth of the next read of a search.
const GROWTH: usize = 8;
/// If this many bytes are left, several threads search them: copying them out of the system's cache
/// takes longer than starting a thread.
const MANY: u64 = 16 << 20;
/// More threads than this wait for memory.
const THREADS: usize = 4;

/// A magic may begin in that many bytes before a read's end.
const OVERLAP: usize = CONTAINER_MAGIC.len() - 1;

thread_local! {
    /// The buffer of the last window, so that no region pays for clearing one.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Bytes of a file, each read once if requested in order.
pub(super) struct Window<'a, R: ?Sized> {
    file: &'a R,
    /// Only the first `filled` count: a smaller read keeps the larger buffer.
    buffer: Vec<u8>,
    filled: usize,
    start: u64,
}

impl<'a, R: ReadAt + ?Sized> Window<'a, R> {
    pub(super) fn new(file: &'a R) -> Window<'a, R> {
        Window {
            file,
            buffer: BUFFER.take(),
            filled: 0,
            start: 0,
        }
    }

    /// `len` bytes at `offset`, or fewer at the file's end.
    pub(super) fn get(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let left = self.file.len().saturating_sub(offset);
        let there = left.min(len as u64) as usize;
        let at = match self.held(offset, there) {
            Some(at) => at,
            None => {
                self.fill(offset, left.min(there.max(SMALL) as u64) as usize)?;
                0
            }
        };
        Ok(&self.buffer[at..at + there])
    }

    /// The first magic at or behind `from` that ends at or before `end`, which is in the file.
    pub(super) fn next_magic(&mut self, from: u64, end: u64) -> io::Result<Option<u64>> {
        let mut from = from;
        let mut step = SMALL;
        while end.saturating_sub(from) >= CONTAINER_MAGIC.len() as u64 {
            let at = match self.held(from, CONTAINER_MAGIC.len()) {
                Some(at) => at,
                None => {
                    self.fill(from, (end - from).min(step as u64) as usize)?;
                    step = (step * GROWTH).min(LARGE);
                    0
                }
            };
            let stop = (end - self.start).min(self.filled as u64) as usize;
            if let Some(hit) = MAGIC.find(&self.buffer[at..stop]) {
                return Ok(Some(self.start + (at + hit) as u64));
            }
            // A magic may begin in the last seven bytes.
            from = self.start + (stop - OVERLAP) as u64;
            if step == LARGE && end - from >= MANY {
                return first_magic(self.file, from, end);
            }
        }
        Ok(None)
    }

    /// Whether all bytes between two containers are padding.
    pub(super) fn all_zero(&mut self, from: u64, to: u64) -> io::Result<bool> {
        let mut at = from;
        while at < to {
            let size = (to - at).min(LARGE as u64) as usize;
            let held = match self.held(at, size) {
                Some(held) => held,
                None => {
                    self.fill(at, size)?;
                    0
                }
            };
            if self.buffer[held..held + size].iter().any(|&b| b != 0) {
                return Ok(false);
            }
            at += size as u64;
        }
        Ok(true)
    }

    /// Range in the buffer of the `len` bytes at `offset`, if it has all of them.
    fn held(&self, offset: u64, len: usize) -> Option<usize> {
        let at = offset.checked_sub(self.start)?;
        (at + len as u64 <= self.filled as u64).then_some(at as usize)
    }

    fn fill(&mut self, offset: u64, size: usize) -> io::Result<()> {
        if self.buffer.len() < size {
            self.buffer.resize(size, 0);
        }
        self.filled = 0;
        self.start = offset;
        self.file.read_once_at(offset, &mut self.buffer[..size])?;
        self.filled = size;
        Ok(())
    }
}

impl<R: ?Sized> Drop for Window<'_, R> {
    fn drop(&mut self) {
        BUFFER.set(std::mem::take(&mut self.buffer));
    }
}

/// The first magic in a large range. The threads take block after block, and none behind a magic
/// that was found.
fn first_magic<R: ReadAt + ?Sized>(file: &R, from: u64, end: u64) -> io::Result<Option<u64>> {
    let block = (LARGE - OVERLAP) as u64;
    let next = AtomicU64::new(from);
    let found = AtomicU64::new(u64::MAX);
    let search = || -> io::Result<()> {
        let mut buffer = vec![0; LARGE];
        loop {
            let start = next.fetch_add(block, Ordering::Relaxed);
            if start >= end.min(found.load(Ordering::Relaxed)) {
                return Ok(());
            }
            let size = (end - start).min(LARGE as u64) as usize;
            file.read_once_at(start, &mut buffer[..size])?;
            if let Some(hit) = MAGIC.find(&buffer[..size]) {
                found.fetch_min(start + hit as u64, Ordering::Relaxed);
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, |n| n.get().min(THREADS));
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(search)).collect();
        let mine = search();
        // A thread that panicked has read nothing that counts.
        let lost = |_| Err(io::Error::other("a thread that searched the file is gone"));
        let theirs = others.into_iter().map(|t| t.join().unwrap_or_else(lost));
        theirs.fold(mine, Result::and)
    })?;
    let found = found.into_inner();
    Ok((found != u64::MAX).then_some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A search by several threads finds the same first magic, wherever it is.
    #[test]
    fn threads_find_the_first() {
        let size = MANY as usize + 5 * LARGE + 123;
        let mut bytes = vec![0; size];
        let places = [
            100,
            3 * LARGE - 5,
            3 * LARGE + 9,
            MANY as usize,
            size - CONTAINER_MAGIC.len(),
        ];
        for &at in &places {
            bytes[at..at + CONTAINER_MAGIC.len()].copy_from_slice(&CONTAINER_MAGIC);
        }
        let mut from = 0;
        for &at in &places {
            let found = first_magic(&bytes[..], from, size as u64).unwrap();
            assert_eq!(found, Some(at as u64));
            let mut window = Window::new(&bytes[..]);
            assert_eq!(window.next_magic(from, size as u64).unwrap(), found);
            from = at as u64 + 1;
        }
        assert_eq!(first_magic(&bytes[..], from, size as u64).unwrap(), None);
        // A file that is shorter than it was is an error, not the end.
        assert!(first_magic(&bytes[..], from, size as u64 + 1).is_err());
    }

    /// Magics wherever the window's edges can be, with bytes between that begin like one.
    #[test]
    fn every_magic_is_found_once() {
        let mut bytes = vec![0x50; 3 * LARGE];
        let places: Vec<usize> = [0, 9, SMALL - 3, SMALL + 17, 5000, LARGE - 1, 2 * LARGE + 11]
            .into_iter()
            .chain([bytes.len() - CONTAINER_MAGIC.len()])
            .collect();
        for &at in &places {
            bytes[at..at + CONTAINER_MAGIC.len()].copy_from_slice(&CONTAINER_MAGIC);
        }
        let mut window = Window::new(&bytes[..]);
        let (mut found, mut from) = (Vec::new(), 0);
        while let Some(at) = window.next_magic(from, bytes.len() as u64).unwrap() {
            found.push(at as usize);
            assert!(window.get(at, 64).unwrap().starts_with(&CONTAINER_MAGIC));
            from = at + 1;
        }
        assert_eq!(found, places);
        // One that goes past the end is none.
        let end = places[1] as u64 + 7;
        let mut window = Window::new(&bytes[..]);
        assert_eq!(window.next_magic(1, end).unwrap(), None);
        assert_eq!(window.next_magic(1, end + 1).unwrap(), Some(9));
    }
}
