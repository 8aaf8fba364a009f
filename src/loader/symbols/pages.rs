//! Small reads all over a file, each page of it read once.

use elf_edit::{FileReader, ReadAt};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

const PAGE: u64 = 4096;
/// Pages that all files of the process may keep: 32 MiB.
const MAX_PAGES: usize = 1 << 13;
/// Longest string that is compared.
const MAX_STRING: usize = 1 << 12;

static KEPT: AtomicUsize = AtomicUsize::new(0);

/// A file and the pages that were read of it.
#[derive(Debug)]
pub(super) struct Pages {
    file: FileReader,
    pages: Mutex<HashMap<u64, Box<[u8]>>>,
}

impl Pages {
    pub(super) fn new(file: FileReader) -> Pages {
        Pages {
            file,
            pages: Mutex::default(),
        }
    }

    pub(super) fn file(&self) -> &FileReader {
        &self.file
    }

    /// Fills `buffer` from `at` on. `None` where the file ends before.
    pub(super) fn read(&self, at: u64, buffer: &mut [u8]) -> Option<()> {
        let mut done = 0;
        while done < buffer.len() {
            let from = at.checked_add(done as u64)?;
            let rest = &mut buffer[done..];
            done += self.with_page(from, |bytes| {
                let len = bytes.len().min(rest.len());
                rest[..len].copy_from_slice(&bytes[..len]);
                len
            })?;
        }
        Some(())
    }

    /// Whether `text` and a NUL byte are at `at`.
    pub(super) fn is_string(&self, at: u64, text: &[u8]) -> Option<bool> {
        let mut done = 0;
        while done <= text.len() {
            let rest = &text[done..];
            let step = self.with_page(at.checked_add(done as u64)?, |bytes| {
                let len = bytes.len().min(rest.len());
                let same = bytes[..len] == rest[..len];
                match (same, bytes.get(len)) {
                    (false, _) => Err(false),
                    (true, Some(&end)) => Err(end == 0),
                    (true, None) => Ok(len),
                }
            })?;
            match step {
                Ok(len) => done += len,
                Err(answer) => return Some(answer),
            }
        }
        Some(false)
    }

    /// The string at `at`, without its NUL byte.
    pub(super) fn string(&self, at: u64) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        while text.len() < MAX_STRING {
            let from = at.checked_add(text.len() as u64)?;
            let ended = self.with_page(from, |bytes| {
                let end = memchr::memchr(0, bytes);
                text.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
                end.is_some()
            })?;
            if ended {
                return Some(text);
            }
        }
        None
    }

    /// Shows the bytes from `at` to the end of their page, at least one.
    fn with_page<T>(&self, at: u64, see: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let (number, offset) = (at / PAGE, (at % PAGE) as usize);
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(page) = pages.get(&number) {
            return Some(see(page.get(offset..).filter(|rest| !rest.is_empty())?));
        }
        let start = number * PAGE;
        let len = PAGE.min(self.file.len().checked_sub(start)?) as usize;
        let mut page = vec![0; len].into_boxed_slice();
        self.file.read_once_at(start, &mut page).ok()?;
        if KEPT.fetch_add(1, Ordering::Relaxed) >= MAX_PAGES {
            KEPT.fetch_sub(pages.len(), Ordering::Relaxed);
            pages.clear();
        }
        let page = pages.entry(number).or_insert(page);
        Some(see(page.get(offset..).filter(|rest| !rest.is_empty())?))
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let pages = self.pages.get_mut().unwrap_or_else(PoisonError::into_inner);
        KEPT.fetch_sub(pages.len(), Ordering::Relaxed);
    }
}
