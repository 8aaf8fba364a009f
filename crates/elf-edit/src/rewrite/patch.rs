//! A list of small positioned writes, and the contents of a file after any prefix of them.

use crate::read::read_at::ReadAt;
use std::collections::BTreeMap;
use std::io;

/// One write. A kill between two steps leaves a file that loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Puts bytes at an offset, at or before the end of the file.
    Write {
        /// Offset in the file.
        offset: u64,
        /// The bytes to write there.
        bytes: Vec<u8>,
    },
    /// Copies bytes of the file to another place in it; the two don't overlap.
    Copy {
        /// Offset of the first byte to read.
        from: u64,
        /// Offset of the first byte to write.
        to: u64,
        /// The number of bytes.
        len: u64,
    },
    /// Cuts off the data that was appended for the time of the rewrite.
    Truncate {
        /// New length of the file in bytes.
        len: u64,
    },
}

impl Step {
    /// The range that the step writes: offset and length.
    pub fn range(&self) -> (u64, u64) {
        match self {
            Step::Write { offset, bytes } => (*offset, bytes.len() as u64),
            Step::Copy { to, len, .. } => (*to, *len),
            Step::Truncate { len } => (*len, 0),
        }
    }
}

/// All steps for a set of edits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// In the safe order.
    pub steps: Vec<Step>,
    /// Whether GNU strip and its like still work on the result.
    pub strip_safe: bool,
    /// Whether the steps are for a copy that replaces the file: a kill between two of them would
    /// hide what follows the ELF file from its reader.
    pub replaces: bool,
    /// Bytes behind the ELF file that are copied to its new end.
    pub tail_copied: u64,
}

impl Patch {
    /// Appends a write, unless it is empty.
    pub fn write(&mut self, offset: u64, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.steps.push(Step::Write { offset, bytes });
        }
    }

    /// Appends writes whose order does not matter to anything that reads the file between them:
    /// those that overlap or touch become one.
    pub(super) fn merge_writes(&mut self, steps: Vec<Step>) {
        let mut merged: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Write { offset, bytes } => merge_write(&mut merged, offset, bytes),
                other => {
                    self.steps.extend(into_writes(&mut merged));
                    self.steps.push(other);
                }
            }
        }
        self.steps.extend(into_writes(&mut merged));
    }

    /// Bytes that all steps write together.
    pub fn bytes_written(&self) -> u64 {
        self.steps.iter().map(|step| step.range().1).sum()
    }
}

/// Adds a write that comes after those in `merged`.
fn merge_write(merged: &mut BTreeMap<u64, Vec<u8>>, offset: u64, bytes: Vec<u8>) {
    let end = offset + bytes.len() as u64;
    let (mut start, mut joined) = (offset, bytes);
    while let Some((&from, earlier)) = merged.range(..=end).next_back() {
        let stop = from + earlier.len() as u64;
        if stop < start {
            break;
        }
        let Some(mut earlier) = merged.remove(&from) else {
            break;
        };
        // The later bytes win; the earlier ones stay before and behind them.
        let joined_end = start + joined.len() as u64;
        if stop > joined_end {
            joined.extend_from_slice(&earlier[(joined_end - from) as usize..]);
        }
        if from < start {
            earlier.truncate((start - from) as usize);
            earlier.append(&mut joined);
            (start, joined) = (from, earlier);
        }
    }
    merged.insert(start, joined);
}

fn into_writes(merged: &mut BTreeMap<u64, Vec<u8>>) -> impl Iterator<Item = Step> {
    let writes = std::mem::take(merged).into_iter();
    writes.map(|(offset, bytes)| Step::Write { offset, bytes })
}

/// A file as it is after the first steps of a patch, without writing any.
#[derive(Debug)]
pub struct Patched<'a, R: ?Sized> {
    base: &'a R,
    steps: &'a [Step],
    len: u64,
}

impl<'a, R: ReadAt + ?Sized> Patched<'a, R> {
    /// `base` after `steps`.
    pub fn new(base: &'a R, steps: &'a [Step]) -> Patched<'a, R> {
        let len = steps.iter().fold(base.len(), |len, step| match step {
            Step::Truncate { len: cut } => *cut,
            other => {
                let (offset, size) = other.range();
                len.max(offset + size)
            }
        });
        Patched { base, steps, len }
    }

    /// Fills `buf` with the bytes at `offset` as they are after the first `count` steps.
    fn read_after(&self, count: usize, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset + buf.len() as u64;
        let backed = end.min(self.base.len()).saturating_sub(offset) as usize;
        if backed > 0 {
            self.base.read_exact_at(offset, &mut buf[..backed])?;
        }
        buf[backed..].fill(0);
        for (index, step) in self.steps[..count].iter().enumerate() {
            let (start, len) = step.range();
            let from = start.max(offset);
            let to = (start + len).min(end);
            if from >= to {
                continue;
            }
            let part = &mut buf[(from - offset) as usize..(to - offset) as usize];
            match step {
                Step::Write { bytes, .. } => {
                    part.copy_from_slice(&bytes[(from - start) as usize..(to - start) as usize]);
                }
                Step::Copy { from: source, .. } => {
                    self.read_after(index, source + (from - start), part)?;
                }
                Step::Truncate { .. } => {}
            }
        }
        Ok(())
    }
}

impl<R: ReadAt + ?Sized> ReadAt for Patched<'_, R> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if offset
            .checked_add(buf.len() as u64)
            .is_none_or(|end| end > self.len())
        {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_after(self.steps.len(), offset, buf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_reads_the_bytes_from_before_its_step() {
        let base = &b"abcdef"[..];
        let steps = [
            Step::Copy {
                from: 0,
                to: 6,
                len: 3,
            },
            Step::Write {
                offset: 0,
                bytes: b"XY".to_vec(),
            },
            Step::Write {
                offset: 8,
                bytes: b"Z".to_vec(),
            },
        ];
        let all = Patched::new(base, &steps);
        assert_eq!(all.read_vec(0, 9).unwrap(), b"XYcdefabZ");
        assert_eq!(
            Patched::new(base, &steps[..1]).read_vec(0, 9).unwrap(),
            b"abcdefabc"
        );
    }

    #[test]
    fn merged_writes_leave_what_the_single_ones_leave() {
        let base = [b'.'; 40];
        let write = |&(offset, len, fill): &(u64, usize, u8)| Step::Write {
            offset,
            bytes: vec![fill; len],
        };
        for writes in [
            &[(3, 4, b'a'), (7, 2, b'b'), (20, 5, b'c')][..],
            &[(3, 10, b'a'), (5, 2, b'b'), (0, 3, b'c')],
            &[(5, 2, b'a'), (9, 2, b'b'), (3, 10, b'c'), (12, 4, b'd')],
            &[(0, 40, b'a'), (39, 1, b'b'), (0, 1, b'c')],
            &[(8, 4, b'a'), (4, 4, b'b'), (0, 4, b'c'), (13, 1, b'd')],
        ] {
            let single: Vec<Step> = writes.iter().map(write).collect();
            let mut patch = Patch::default();
            patch.merge_writes(single.clone());
            let read = |steps: &[Step]| Patched::new(&base[..], steps).read_vec(0, 40).unwrap();
            assert_eq!(read(&single), read(&patch.steps), "{writes:?}");
            let ranges = patch.steps.iter().map(Step::range).collect::<Vec<_>>();
            let apart = |pair: &[(u64, u64)]| pair[0].0 + pair[0].1 < pair[1].0;
            assert!(ranges.windows(2).all(apart), "{ranges:?}");
        }
    }

    #[test]
    fn a_truncated_tail_is_gone() {
        let steps = [
            Step::Write {
                offset: 6,
                bytes: b"tail".to_vec(),
            },
            Step::Truncate { len: 6 },
        ];
        let all = Patched::new(&b"abcdef"[..], &steps);
        assert_eq!(all.len(), 6);
        assert!(all.read_vec(5, 2).is_err());
    }
}
