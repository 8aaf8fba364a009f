//! Streams that end where a hostile archive would go on.

use super::ArchiveError;
use flate2::read::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;
use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

/// Bytes that come out for each byte of the archive, at most.
pub(super) const MAX_RATIO: u64 = 300;
/// What a small archive may expand to all the same.
const MIN_OUTPUT: u64 = 64 << 20;
/// Memory of an xz stream in KiB: more than `xz -9` needs.
const XZ_MEMORY: u32 = 256 << 10;
/// The largest window of a zstd frame: that of `zstd --long=27`.
const ZSTD_WINDOW: u64 = 128 << 20;

/// Marks an error as the end of an allowance.
const SPENT: &str = "the allowance is spent";

/// The number of bytes that may still be read, shared by a stream and its reader.
#[derive(Clone, Debug)]
pub(super) struct Allowance(Rc<Cell<u64>>);

impl Allowance {
    /// For an archive of that many bytes.
    pub(super) fn of(archive: u64) -> Allowance {
        let bytes = archive.saturating_mul(MAX_RATIO).max(MIN_OUTPUT);
        Allowance(Rc::new(Cell::new(bytes)))
    }

    pub(super) fn limit<R: Read>(&self, inner: R) -> Limited<R> {
        Limited {
            inner,
            left: self.clone(),
        }
    }

    /// Runs `read` with no more than that many bytes.
    pub(super) fn within<T>(&self, bytes: u64, read: impl FnOnce() -> T) -> T {
        let all = self.0.get();
        let now = all.min(bytes);
        self.0.set(now);
        let done = read();
        let used = now.saturating_sub(self.0.get());
        self.0.set(all.saturating_sub(used));
        done
    }
}

/// A stream that fails when its allowance is spent.
#[derive(Debug)]
pub(super) struct Limited<R> {
    inner: R,
    left: Allowance,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.0.get();
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, SPENT));
        }
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = self.inner.read(&mut buffer[..most])?;
        self.left.0.set(left - read as u64);
        Ok(read)
    }
}

/// Whether an error is the end of an allowance.
pub(super) fn is_spent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::FileTooLarge || error.to_string().contains(SPENT)
}

/// The error of a stream, where the end of its allowance has a message of its own.
pub(super) fn error(error: io::Error) -> ArchiveError {
    match is_spent(&error) {
        true => ArchiveError::Bomb,
        false => ArchiveError::Io(error),
    }
}

/// A compression, by the first bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Lz4,
    Xz,
    Zstd,
}

impl Packing {
    pub(crate) fn of(head: &[u8]) -> Packing {
        match head {
            [0x1f, 0x8b, ..] => Packing::Gzip,
            [0x04, 0x22, 0x4d, 0x18, ..] => Packing::Lz4,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Packing::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
            _ => Packing::Plain,
        }
    }

    /// The decompressed stream.
    pub(crate) fn unpacked<'a, R: Read + 'a>(self, from: R) -> Box<dyn Read + 'a> {
        match self {
            Packing::Plain => Box::new(from),
            Packing::Gzip => Box::new(MultiGzDecoder::new(from)),
            Packing::Lz4 => Box::new(FrameDecoder::new(from)),
            Packing::Xz => Box::new(XzReader::new_mem_limit(from, true, XZ_MEMORY)),
            Packing::Zstd => Box::new(Frames {
                from: Some(BufReader::new(from)),
                frame: None,
            }),
        }
    }
}

type Frame<R> = StreamingDecoder<BufReader<R>, ruzstd::decoding::FrameDecoder>;

/// The frames of a zstd file, one behind the other.
struct Frames<R: Read> {
    from: Option<BufReader<R>>,
    frame: Option<Box<Frame<R>>>,
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let read = frame.read(buffer)?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
                self.from = self.frame.take().map(|frame| frame.into_inner());
            }
            let Some(mut from) = self.from.take() else {
                return Ok(0);
            };
            if from.fill_buf()?.is_empty() {
                return Ok(0);
            }
            let frame = StreamingDecoder::new_with_max_window_size(from, ZSTD_WINDOW);
            self.frame = Some(Box::new(frame.map_err(io::Error::other)?));
        }
    }
}
