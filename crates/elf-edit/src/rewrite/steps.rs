//! Runs the steps of a patch, and undoes them if one fails.

use crate::read::error::reason;
use crate::read::read_at::ReadAt;
use crate::rewrite::error::RewriteError;
use crate::rewrite::patch::{Patched, Step};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// The file operations of a write. A trait so that tests can stop or fail at any write.
pub trait Disk {
    /// Writes all of `bytes` at `offset`.
    fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Reads exactly `bytes.len()` bytes at `offset`.
    fn read_exact_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;
    /// Makes the file that long, as ftruncate(2) does.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// The length of the file in bytes, as it is now.
    fn size(&self) -> io::Result<u64>;
}

impl Disk for File {
    fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn read_exact_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        FileExt::read_exact_at(self, bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

/// Buffer for `Step::Copy`, in bytes.
const COPY: usize = 256 * 1024;

/// Runs the steps on the file that `before` was read from. If one fails, the old bytes are put
/// back, last write first: each state on the way back is one of those on the way there.
pub fn run_steps(
    disk: &dyn Disk,
    before: &dyn ReadAt,
    steps: &[Step],
) -> Result<Undo, RewriteError> {
    let mut undo = Undo {
        old_len: before.len(),
        overwritten: Vec::new(),
        bytes: Vec::new(),
    };
    for (done, step) in steps.iter().enumerate() {
        if let Err(error) = run_step(disk, before, &steps[..done], step, &mut undo) {
            let what = match step {
                Step::Truncate { .. } => "cut off the journal",
                _ => "write",
            };
            let written = Written {
                before,
                steps: &steps[..=done],
                last_failed: true,
            };
            return Err(match undo.take_back(disk, &written) {
                Ok(Outcome::TakenBack) => RewriteError::Write {
                    what: what.to_owned(),
                    error,
                },
                Ok(Outcome::Foreign) => RewriteError::Interfered(reason(&error)),
                Err(undo) => RewriteError::Stuck { error, undo },
            });
        }
    }
    Ok(undo)
}

fn run_step(
    disk: &dyn Disk,
    before: &dyn ReadAt,
    done: &[Step],
    step: &Step,
    undo: &mut Undo,
) -> io::Result<()> {
    match step {
        Step::Write { offset, bytes } => {
            let end = (offset + bytes.len() as u64).min(undo.old_len);
            if *offset < end {
                undo.keep(disk, before, done, *offset..end)?;
            }
            disk.write_all_at(*offset, bytes)
        }
        Step::Copy { from, to, len } => {
            let mut buffer = vec![0; COPY.min(*len as usize)];
            let mut done = 0;
            while done < *len {
                let n = (*len - done).min(buffer.len() as u64) as usize;
                disk.read_exact_at(from + done, &mut buffer[..n])?;
                disk.write_all_at(to + done, &buffer[..n])?;
                done += n as u64;
            }
            Ok(())
        }
        Step::Truncate { len } => disk.set_len(*len),
    }
}

/// The steps that were run on a file.
pub(super) struct Written<'a> {
    pub(super) before: &'a dyn ReadAt,
    pub(super) steps: &'a [Step],
    /// The last step failed: any part of it may have been written.
    pub(super) last_failed: bool,
}

/// Result of restoring the old bytes.
pub(super) enum Outcome {
    TakenBack,
    /// Another program has written to the file: nothing is put back.
    Foreign,
}

/// The bytes of the file that were overwritten.
#[derive(Debug)]
pub struct Undo {
    old_len: u64,
    /// Offset of each stretch in the file, and where it begins in `bytes`.
    overwritten: Vec<(u64, usize)>,
    /// One stretch behind the other, up to the end.
    bytes: Vec<u8>,
}

impl Undo {
    /// Keeps the bytes of a range that is about to be overwritten, `done` being the steps so far.
    fn keep(
        &mut self,
        disk: &dyn Disk,
        before: &dyn ReadAt,
        done: &[Step],
        range: Range<u64>,
    ) -> io::Result<()> {
        let (kept, len) = (self.bytes.len(), (range.end - range.start) as usize);
        let touches = |step: &&Step| {
            let (start, len) = step.range();
            start < range.end && range.start < start + len
        };
        match done.iter().rev().find(touches) {
            // The ELF header, the second time.
            Some(Step::Write { offset, bytes }) if *offset == range.start && bytes.len() >= len => {
                self.bytes.extend_from_slice(&bytes[..len]);
            }
            last => {
                self.bytes.resize(kept + len, 0);
                let old = &mut self.bytes[kept..];
                let read = match last {
                    Some(_) => disk.read_exact_at(range.start, old),
                    None => before.read_exact_at(range.start, old),
                };
                if let Err(error) = read {
                    self.bytes.truncate(kept);
                    return Err(error);
                }
            }
        }
        self.overwritten.push((range.start, kept));
        Ok(())
    }

    /// The overwritten ranges, the last first: offset in the file, and bytes.
    fn stretches(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut end = self.bytes.len();
        self.overwritten.iter().rev().map(move |&(offset, start)| {
            let bytes = &self.bytes[start..end];
            end = start;
            (offset, bytes)
        })
    }

    /// Writes the old bytes and restores the old length, if no other program has written to the
    /// file meanwhile: its bytes are not overwritten.
    pub(super) fn take_back(&self, disk: &dyn Disk, written: &Written<'_>) -> io::Result<Outcome> {
        if !self.is_ours(disk, written)? {
            return Ok(Outcome::Foreign);
        }
        for (offset, bytes) in self.stretches() {
            disk.write_all_at(offset, bytes)?;
        }
        disk.set_len(self.old_len)?;
        Ok(Outcome::TakenBack)
    }

    /// Whether the file has the length, and in each overwritten range the bytes, that `written`
    /// leaves.
    fn is_ours(&self, disk: &dyn Disk, written: &Written<'_>) -> io::Result<bool> {
        let Written { steps, .. } = *written;
        let certain = &steps[..steps.len() - usize::from(written.last_failed)];
        let (all, some) = (
            Patched::new(written.before, steps),
            Patched::new(written.before, certain),
        );
        let size = disk.size()?;
        if size < all.len().min(some.len()) || size > all.len().max(some.len()) {
            return Ok(false);
        }
        for (index, (offset, old)) in self.stretches().enumerate() {
            let mut found = vec![0; old.len()];
            disk.read_exact_at(offset, &mut found)?;
            let done = all.read_vec(offset, old.len())?;
            let undone = match index {
                // Not read again: where the step failed, the file may have either.
                0 if written.last_failed => old.to_vec(),
                _ => some.read_vec(offset, old.len())?,
            };
            if !is_mixture(&found, &done, &undone) {
                return Ok(false);
            }
        }
        // The appended bytes, too: another program may have cut them off.
        for step in certain {
            let (start, len) = step.range();
            let end = (start + len).min(size);
            for offset in (start..end).step_by(COPY) {
                let mut found = vec![0; COPY.min((end - offset) as usize)];
                disk.read_exact_at(offset, &mut found)?;
                // Only bytes that a truncation has cut off can't be read.
                let done = all.read_vec(offset, found.len());
                let undone = some.read_vec(offset, found.len());
                let (done, undone) = match (done, undone) {
                    (Ok(done), Ok(undone)) => (done, undone),
                    (Ok(one), Err(_)) | (Err(_), Ok(one)) => (one.clone(), one),
                    (Err(error), Err(_)) => return Err(error),
                };
                if !is_mixture(&found, &done, &undone) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// Whether each byte is that of one of two states.
fn is_mixture(found: &[u8], one: &[u8], other: &[u8]) -> bool {
    let mut bytes = found.iter().zip(one.iter().zip(other));
    bytes.all(|(byte, (one, other))| byte == one || byte == other)
}
