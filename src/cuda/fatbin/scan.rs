//! Finds containers in a range of a file: by walking from one to the next, and by their magic
//! where something else lies between (libcublasLt's `.cask_resource`, libcupti's `.rodata`).

use super::CONTAINER_MAGIC;
use super::walk::{Container, Found, Headers, entries, look};
use crate::elf::ReadAt;
use memchr::memmem;
use std::io;
use std::sync::LazyLock;

static MAGIC: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new(&CONTAINER_MAGIC));

/// Bytes read at a time while looking for a magic.
const STEP: usize = 256 << 10;
/// Places that have the magic and are no container, before the rest of a region is left alone.
const MAX_FALSE: usize = 1 << 16;

/// Where to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// It should hold nothing but containers: what else is there is a problem. Elsewhere a
    /// magic without a sound container behind it is just eight bytes of something else.
    pub only_fatbins: bool,
}

/// Adds what is in `region` of `file` to `found`.
pub fn scan<R: ReadAt + ?Sized>(file: &R, region: Region, found: &mut Found) -> io::Result<()> {
    let end = region.end.min(file.len());
    let mut headers = Headers::new(file);
    let mut magics = Magics {
        file,
        end,
        buffer: Vec::new(),
        start: 0,
    };
    let mut at = region.start;
    let mut expected = region.only_fatbins;
    let mut wrong = 0;
    while at < end && !found.truncated {
        match look(&mut headers, at, end)? {
            Container::Sound(stop) => {
                entries(&mut headers, at, stop, found)?;
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
        let next = magics.next(at)?;
        if expected && !magics.all_zero(at, next.unwrap_or(end))? {
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

/// Places of the magic, found through one window.
struct Magics<'a, R: ?Sized> {
    file: &'a R,
    end: u64,
    buffer: Vec<u8>,
    start: u64,
}

impl<R: ReadAt + ?Sized> Magics<'_, R> {
    /// The first magic at `from` or behind.
    fn next(&mut self, from: u64) -> io::Result<Option<u64>> {
        let mut from = from;
        while self.end.saturating_sub(from) >= CONTAINER_MAGIC.len() as u64 {
            let held = from
                .checked_sub(self.start)
                .filter(|&at| at + CONTAINER_MAGIC.len() as u64 <= self.buffer.len() as u64);
            let at = match held {
                Some(at) => at as usize,
                None => {
                    let size = STEP.min((self.end - from) as usize);
                    self.buffer.resize(size, 0);
                    self.start = from;
                    self.file.read_exact_at(from, &mut self.buffer)?;
                    0
                }
            };
            if let Some(hit) = MAGIC.find(&self.buffer[at..]) {
                return Ok(Some(self.start + (at + hit) as u64));
            }
            // A magic may begin in the last seven bytes.
            from = self.start + (self.buffer.len() - (CONTAINER_MAGIC.len() - 1)) as u64;
        }
        Ok(None)
    }

    /// Whether all bytes between two containers are padding.
    fn all_zero(&self, from: u64, to: u64) -> io::Result<bool> {
        let mut buffer = vec![0; STEP.min((to - from) as usize)];
        let mut at = from;
        while at < to {
            let size = buffer.len().min((to - at) as usize);
            self.file.read_exact_at(at, &mut buffer[..size])?;
            if buffer[..size].iter().any(|&b| b != 0) {
                return Ok(false);
            }
            at += size as u64;
        }
        Ok(true)
    }
}
